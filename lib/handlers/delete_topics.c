/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteTopics, by name or by id. The name is free again when the answer leaves. */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

#define TOPIC_IDS_VERSION 6

/* A deletion may outlive the request that asked for it. */
struct deletion {
    struct ks_topic_delete delete;
    struct delete_entry *entry; /* NULL: answered already */
};

struct delete_entry {
    struct deletion *deletion; /* under way, or NULL */
    struct delete_topics *all;
    struct kafka_delete_topics_response_topic *out;
    bool is_by_id;
};

struct delete_topics {
    struct ks_request *request;
    struct kafka_delete_topics_response response;
    struct delete_entry *entries;
    size_t due;
    struct ks_timer timer;
    bool is_begun; /* the look before it is over */
};

static void
refuse(struct delete_entry *entry, enum ks_broker_error error)
{
    entry->out->error_code = ks_kafka_admin_error(error);
    if (error == KS_BROKER_ERROR_UNKNOWN_TOPIC && entry->is_by_id) {
        entry->out->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_ID;
    }
    entry->out->error_message = ks_slice_of_text(ks_broker_error_text(error));
}

static void
answer(struct delete_topics *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    ks_request_answer(all->request, &all->response);
}

/* The entry has its answer and doesn't wait for the deletion any more. */
static void
settle(struct delete_entry *entry, enum ks_broker_error error)
{
    assert(entry->all->due > 0);
    if (error != KS_BROKER_ERROR_NONE) {
        refuse(entry, error);
    }
    entry->deletion->entry = NULL;
    entry->deletion = NULL;
    entry->all->due--;
}

static void
on_deleted(struct ks_topic_delete *delete, enum ks_broker_error error)
{
    struct deletion *deletion = delete->arg;
    struct delete_entry *entry = deletion->entry;

    if (entry != NULL) {
        settle(entry, error);
        if (entry->all->due == 0) {
            answer(entry->all);
        }
    }
    ks_free(deletion);
}

static void
begin(struct delete_entry *entry, struct kafscale_slice name, const uint8_t id[KS_ID_BYTES])
{
    struct ks_request *request = entry->all->request;
    enum ks_broker_error error = ks_request_doubt(request);
    struct ks_topic *topic;

    entry->is_by_id = name.data == NULL;
    topic = ks_find_topic(request, name, id, entry->is_by_id);
    entry->out->name = name;
    if (topic != NULL) {
        entry->out->name = ks_request_text(request, topic->record.name);
        memcpy(entry->out->topic_id, topic->record.id.bytes, KS_ID_BYTES);
    } else if (entry->is_by_id) {
        memcpy(entry->out->topic_id, id, KS_ID_BYTES);
    }
    if (error != KS_BROKER_ERROR_NONE) {
        refuse(entry, error);
        return;
    }
    if (!ks_broker_options(request->broker)->is_delete_allowed ||
        !ks_broker_options(request->broker)->is_admin_allowed) {
        entry->out->error_code = KAFKA_ERROR_TOPIC_DELETION_DISABLED;
        return;
    }
    if (topic == NULL) {
        refuse(entry, KS_BROKER_ERROR_UNKNOWN_TOPIC);
        return;
    }
    if (topic->is_internal) {
        entry->out->error_code = KAFKA_ERROR_INVALID_TOPIC;
        entry->out->error_message =
            ks_slice_of_text("the broker keeps its consumer groups in this topic");
        return;
    }
    entry->deletion = ks_alloc_zero(1, sizeof *entry->deletion);
    if (entry->deletion == NULL) {
        refuse(entry, KS_BROKER_ERROR_NO_MEMORY);
        return;
    }
    entry->deletion->entry = entry;
    entry->deletion->delete.id = topic->record.id;
    entry->deletion->delete.done = on_deleted;
    entry->deletion->delete.arg = entry->deletion;
    entry->all->due++;
    ks_topic_delete(ks_broker_topics(request->broker), &entry->deletion->delete);
}

static bool
names_both(const struct kafka_delete_topics_request_topic *asked)
{
    struct ks_id id;

    memcpy(id.bytes, asked->topic_id, KS_ID_BYTES);
    return asked->name.data != NULL && !ks_id_is_zero(&id);
}

/* Versions below 6 have a list of names in the place of the list of names and ids. */
static void
begin_all(struct delete_topics *all)
{
    const struct kafka_delete_topics_request *asked = all->request->body;
    bool has_ids = all->request->header.api_version >= TOPIC_IDS_VERSION;

    for (int32_t i = 0; i < all->response.topics_count; i++) {
        all->entries[i].all = all;
        all->entries[i].out = &all->response.topics[i];
        if (has_ids && names_both(&asked->topics[i])) {
            all->response.topics[i].name = asked->topics[i].name;
            all->response.topics[i].error_code = KAFKA_ERROR_INVALID_REQUEST;
            all->response.topics[i].error_message =
                ks_slice_of_text("A topic is named by name or by id, not by both");
        } else if (has_ids) {
            begin(&all->entries[i], asked->topics[i].name, asked->topics[i].topic_id);
        } else {
            begin(&all->entries[i], asked->topic_names[i], NULL);
        }
    }
}

static void
run(struct ks_request *request)
{
    struct delete_topics *all = request->state;

    if (!ks_request_is_fresh(request, run)) {
        return;
    }
    all->is_begun = true;
    begin_all(all);
    if (all->due == 0) {
        answer(all);
    }
}

/* What is under way goes on. */
static void
on_timeout(void *arg)
{
    struct delete_topics *all = arg;
    struct ks_request *request = all->request;

    if (!all->is_begun) {
        ks_request_give_up_look(request);
        run(request);
        return;
    }
    for (int32_t i = 0; i < all->response.topics_count; i++) {
        if (all->entries[i].deletion != NULL) {
            settle(&all->entries[i], KS_BROKER_ERROR_TIMED_OUT);
        }
    }
    answer(all);
}

void
ks_handle_delete_topics(struct ks_request *request)
{
    const struct kafka_delete_topics_request *asked = request->body;
    struct delete_topics *all = ks_request_alloc(request, 1, sizeof *all);
    int32_t count = request->header.api_version >= TOPIC_IDS_VERSION ? asked->topics_count
                                                                     : asked->topic_names_count;

    if (all == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = all;
    all->request = request;
    kafka_message_init(&kafka_delete_topics_response_message, &all->response);
    all->response.topics = kafka_array_new(
        &request->arena, &kafka_delete_topics_response_topic_message, (size_t) count);
    all->response.topics_count = count;
    all->entries = ks_request_alloc(request, (size_t) count, sizeof *all->entries);
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    (void) ks_request_set_timeout(request, &all->timer, asked->timeout_ms, on_timeout, all);
    run(request);
}
