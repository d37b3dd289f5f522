/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DeleteRecords: the start of partitions moves forward. What is below is gone for clients when the
 * answer leaves; its bytes go later.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

#define HIGH_WATERMARK (-1)

/* A partition on its way may outlive the request that asked for it. */
struct deletion {
    struct delete_entry *entry; /* NULL: answered already */
};

struct delete_entry {
    struct delete_records *all;
    const struct kafka_delete_records_request_topic_partition *asked;
    struct kafka_delete_records_response_topic_partition *out;
    struct ks_topic *topic; /* a reference, or NULL */
    struct ks_topic_partition *partition;
    struct deletion *deletion; /* under way, or NULL */
};

struct delete_records {
    struct ks_request *request;
    struct kafka_delete_records_response response;
    struct delete_entry *entries;
    size_t entry_count;
    size_t due;
    struct ks_timer timer;
    bool is_begun; /* the look before it is over */
};

static void
answer(struct delete_records *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    for (size_t i = 0; i < all->entry_count; i++) {
        ks_topic_unref(all->entries[i].topic);
        all->entries[i].topic = NULL;
    }
    ks_request_answer(all->request, &all->response);
}

/* The entry has its answer and doesn't wait for the log any more. */
static void
settle(struct delete_entry *entry, enum ks_broker_error error)
{
    const struct ks_topic_partition *partition = entry->partition;

    assert(entry->all->due > 0);
    if (error == KS_BROKER_ERROR_NONE && partition->log == NULL) {
        error = partition->error;
    }
    entry->out->error_code = ks_kafka_error(error);
    if (error == KS_BROKER_ERROR_NONE) {
        entry->out->low_watermark = ks_partition_log_start(partition->log);
    }
    entry->deletion->entry = NULL;
    entry->deletion = NULL;
    entry->all->due--;
}

static void
on_raised(void *arg, enum kafscale_status status)
{
    struct deletion *deletion = arg;
    struct delete_entry *entry = deletion->entry;

    if (entry != NULL) {
        settle(entry, ks_broker_error_of_status(status));
        if (entry->all->due == 0) {
            answer(entry->all);
        }
    }
    ks_free(deletion);
}

/* What is wrong with the request for this partition; the offset meant. */
static int16_t
check(struct delete_entry *entry, int64_t *offset_out)
{
    struct ks_request *request = entry->all->request;
    const struct ks_broker_options *options = ks_broker_options(request->broker);
    struct ks_topic *topic = entry->topic;
    enum ks_broker_error error =
        ks_find_partition(request, topic, entry->asked->partition_index, &entry->partition);
    enum ks_broker_error doubt = ks_request_doubt(request);
    int64_t high_watermark;

    if (error == KS_BROKER_ERROR_NONE || error == KS_BROKER_ERROR_UNKNOWN_TOPIC) {
        error = doubt != KS_BROKER_ERROR_NONE ? doubt : error;
    }
    if (error != KS_BROKER_ERROR_NONE) {
        return ks_kafka_error(error);
    }
    if (topic->is_internal) {
        return KAFKA_ERROR_INVALID_TOPIC;
    }
    if (!options->is_admin_allowed ||
        !ks_topic_config_deletes(&topic->record.config, &options->topic_defaults)) {
        return KAFKA_ERROR_POLICY_VIOLATION;
    }
    high_watermark = ks_partition_high_watermark(entry->partition->log);
    *offset_out = entry->asked->offset == HIGH_WATERMARK ? high_watermark : entry->asked->offset;
    return *offset_out < 0 || *offset_out > high_watermark ? KAFKA_ERROR_OFFSET_OUT_OF_RANGE
                                                           : KAFKA_ERROR_NONE;
}

static void
begin(struct delete_entry *entry)
{
    struct ks_log *log = ks_broker_log(entry->all->request->broker);
    int64_t offset = 0;

    entry->out->low_watermark = -1;
    entry->out->error_code = check(entry, &offset);
    if (entry->out->error_code != KAFKA_ERROR_NONE) {
        return;
    }
    entry->deletion = ks_alloc_zero(1, sizeof *entry->deletion);
    if (entry->deletion == NULL || ks_log_raise_start(log, entry->partition->log, offset, on_raised,
                                                      entry->deletion) != KAFSCALE_OK) {
        ks_free(entry->deletion);
        entry->deletion = NULL;
        entry->out->error_code = ks_kafka_error(KS_BROKER_ERROR_NO_MEMORY);
        return;
    }
    entry->deletion->entry = entry;
    entry->all->due++;
}

static void
run(struct ks_request *request)
{
    struct delete_records *all = request->state;

    /* Beyond the end, or unknown: a client takes that for the truth. */
    if (!ks_request_is_fresh(request, run)) {
        return;
    }
    all->is_begun = true;
    for (size_t i = 0; i < all->entry_count; i++) {
        struct delete_entry *entry = &all->entries[i];

        if (entry->topic != NULL && entry->topic->is_gone) {
            ks_topic_unref(entry->topic);
            entry->topic = NULL;
        }
        begin(entry);
    }
    if (all->due == 0) {
        answer(all);
    }
}

/* What is under way goes on. */
static void
on_timeout(void *arg)
{
    struct delete_records *all = arg;
    struct ks_request *request = all->request;

    if (!all->is_begun) {
        ks_request_give_up_look(request);
        run(request);
        return;
    }
    for (size_t i = 0; i < all->entry_count; i++) {
        if (all->entries[i].deletion != NULL) {
            settle(&all->entries[i], KS_BROKER_ERROR_TIMED_OUT);
        }
    }
    answer(all);
}

static void
make_topic(struct delete_records *all, const struct kafka_delete_records_request_topic *asked,
           struct kafka_delete_records_response_topic *out)
{
    struct ks_topic *topic = ks_find_topic(all->request, asked->name, NULL, false);

    out->name = asked->name;
    out->partitions_count = asked->partitions_count;
    out->partitions = kafka_array_new(&all->request->arena,
                                      &kafka_delete_records_response_topic_partition_message,
                                      (size_t) asked->partitions_count);
    for (int32_t i = 0; out->partitions != NULL && i < asked->partitions_count; i++) {
        struct delete_entry *entry = &all->entries[all->entry_count++];

        out->partitions[i].partition_index = asked->partitions[i].partition_index;
        entry->all = all;
        entry->asked = &asked->partitions[i];
        entry->out = &out->partitions[i];
        entry->topic = topic == NULL ? NULL : ks_topic_ref(topic);
    }
}

static bool
make_response(struct delete_records *all)
{
    const struct kafka_delete_records_request *asked = all->request->body;
    struct ks_arena *arena = &all->request->arena;
    size_t count = 0;

    for (int32_t i = 0; i < asked->topics_count; i++) {
        count += (size_t) asked->topics[i].partitions_count;
    }
    kafka_message_init(&kafka_delete_records_response_message, &all->response);
    all->response.topics = kafka_array_new(arena, &kafka_delete_records_response_topic_message,
                                           (size_t) asked->topics_count);
    all->response.topics_count = asked->topics_count;
    all->entries = ks_request_alloc(all->request, count, sizeof *all->entries);
    for (int32_t i = 0; !ks_arena_failed(arena) && i < asked->topics_count; i++) {
        make_topic(all, &asked->topics[i], &all->response.topics[i]);
    }
    return !ks_arena_failed(arena);
}

void
ks_handle_delete_records(struct ks_request *request)
{
    const struct kafka_delete_records_request *asked = request->body;
    struct delete_records *all = ks_request_alloc(request, 1, sizeof *all);

    if (all == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = all;
    all->request = request;
    if (!make_response(all)) {
        for (size_t i = 0; i < all->entry_count; i++) {
            ks_topic_unref(all->entries[i].topic);
        }
        ks_request_close(request);
        return;
    }
    (void) ks_request_set_timeout(request, &all->timer, asked->timeout_ms, on_timeout, all);
    run(request);
}
