/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreatePartitions. What was begun goes on when the client's time is over, so the request is held
 * until the last topic has been settled.
 */
#include "handlers/api.h"
#include "handlers/internal.h"
#include "handlers/named_once.h"

#include <assert.h>
#include <stdio.h>

/* One topic of the request. */
struct grow_entry {
    struct create_partitions *all;
    const struct kafka_create_partitions_request_topic *asked;
    struct kafka_create_partitions_response_result *out;
    struct ks_topic_grow grow;
    struct ks_named_once once;
    bool is_due;
};

struct create_partitions {
    struct ks_request *request;
    const struct kafka_create_partitions_request *asked;
    struct kafka_create_partitions_response response;
    struct grow_entry *entries;
    size_t due;
    struct ks_timer timer;
    int64_t due_ms;
    bool is_begun; /* the look before it is over */
};

static void
refuse(struct grow_entry *entry, int16_t code, const char *text)
{
    entry->out->error_code = code;
    entry->out->error_message = ks_request_text(entry->all->request, text);
}

static void
refuse_error(struct grow_entry *entry, enum ks_broker_error error)
{
    refuse(entry, ks_kafka_admin_error(error), ks_broker_error_text(error));
}

static void
answer(struct create_partitions *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    ks_request_answer(all->request, &all->response);
}

static void
on_grown(struct ks_topic_grow *grow, enum ks_broker_error error)
{
    struct grow_entry *entry = grow->arg;
    struct create_partitions *all = entry->all;
    struct ks_request *request = all->request;

    assert(all->due > 0);
    all->due--;
    entry->is_due = false;
    if (!ks_request_is_answered(request)) {
        if (error != KS_BROKER_ERROR_NONE) {
            refuse(entry, ks_kafka_admin_error(error), grow->alter.change.error.text);
        }
        if (all->due == 0) {
            answer(all);
        }
    }
    ks_request_release(request);
}

/* What is there is counted by ks_topic_grow; a list for each partition to come, with a replica. */
static bool
are_assignments_valid(struct grow_entry *entry, const struct ks_topic *topic)
{
    const struct kafka_create_partitions_request_topic *asked = entry->asked;
    int32_t more = asked->count - topic->record.partition_count;
    char text[100];

    if (asked->assignments_count < 0 || more <= 0) {
        return true;
    }
    if (asked->assignments_count != more) {
        snprintf(text, sizeof text,
                 "Increasing the number of partitions by %d but %d assignments provided.",
                 (int) more, (int) asked->assignments_count);
        refuse(entry, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT, text);
        return false;
    }
    for (int32_t i = 0; i < more; i++) {
        if (asked->assignments[i].broker_ids_count < 1) {
            refuse(entry, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                   "An assignment names a replica for each new partition");
            return false;
        }
    }
    return true;
}

static bool
is_allowed(struct grow_entry *entry)
{
    struct ks_request *request = entry->all->request;
    enum ks_broker_error doubt = ks_request_doubt(request);

    if (doubt != KS_BROKER_ERROR_NONE) {
        refuse_error(entry, doubt);
        return false;
    }
    if (!ks_broker_options(request->broker)->is_admin_allowed) {
        refuse(entry, KAFKA_ERROR_POLICY_VIOLATION, "Creating partitions is switched off");
        return false;
    }
    if (entry->once.is_repeated) {
        refuse(entry, KAFKA_ERROR_INVALID_REQUEST, "Duplicate topic name.");
        return false;
    }
    if (ks_topic_name_is_internal(entry->asked->name)) {
        refuse(entry, KAFKA_ERROR_INVALID_TOPIC, "The number of partitions of this topic is fixed");
        return false;
    }
    return true;
}

static void
begin(struct grow_entry *entry)
{
    struct create_partitions *all = entry->all;
    struct ks_request *request = all->request;
    struct ks_topic *topic = ks_find_topic(request, entry->asked->name, NULL, false);

    if (!is_allowed(entry)) {
        return;
    }
    if (topic == NULL) {
        refuse_error(entry, KS_BROKER_ERROR_UNKNOWN_TOPIC);
        return;
    }
    if (!are_assignments_valid(entry, topic)) {
        return;
    }
    entry->grow.id = topic->record.id;
    entry->grow.partition_count = entry->asked->count;
    entry->grow.is_dry_run = all->asked->validate_only;
    entry->grow.deadline_ms = all->due_ms;
    entry->grow.done = on_grown;
    entry->grow.arg = entry;
    entry->is_due = true;
    all->due++;
    ks_request_hold(request);
    ks_topic_grow(ks_broker_topics(request->broker), &entry->grow);
}

static void
run(struct ks_request *request)
{
    struct create_partitions *all = request->state;

    if (!ks_request_is_fresh(request, run)) {
        return;
    }
    all->is_begun = true;
    for (int32_t i = 0; i < all->asked->topics_count; i++) {
        begin(&all->entries[i]);
    }
    if (all->due == 0) {
        answer(all);
    }
}

/* Partitions that are written exist, open or not. */
static void
on_timeout(void *arg)
{
    struct create_partitions *all = arg;
    struct ks_request *request = all->request;

    if (!all->is_begun) {
        ks_request_give_up_look(request);
        run(request);
        return;
    }
    for (int32_t i = 0; i < all->asked->topics_count; i++) {
        struct grow_entry *entry = &all->entries[i];

        if (entry->is_due && !entry->grow.is_written) {
            refuse(entry, ks_kafka_admin_error(KS_BROKER_ERROR_TIMED_OUT),
                   "Not done in the time given; it may still come");
        }
    }
    answer(all);
}

/* False: no memory. */
static bool
mark_repeated(struct create_partitions *all)
{
    struct ks_table names;
    bool has_memory = true;

    ks_table_init(&names, ks_env_random_u64(all->request->env));
    for (int32_t i = 0; has_memory && i < all->asked->topics_count; i++) {
        has_memory = ks_named_once_note(&names, &all->entries[i].once, all->asked->topics[i].name);
    }
    ks_table_deinit(&names);
    return has_memory;
}

/* False: no memory. */
static bool
make_entries(struct create_partitions *all)
{
    struct ks_request *request = all->request;
    size_t count = (size_t) all->asked->topics_count;

    kafka_message_init(&kafka_create_partitions_response_message, &all->response);
    all->response.results =
        kafka_array_new(&request->arena, &kafka_create_partitions_response_result_message, count);
    all->response.results_count = all->asked->topics_count;
    all->entries = ks_request_alloc(request, count, sizeof *all->entries);
    if (ks_arena_failed(&request->arena)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        all->entries[i].all = all;
        all->entries[i].asked = &all->asked->topics[i];
        all->entries[i].out = &all->response.results[i];
        all->entries[i].out->name = all->asked->topics[i].name;
    }
    return mark_repeated(all);
}

void
ks_handle_create_partitions(struct ks_request *request)
{
    struct create_partitions *all = ks_request_alloc(request, 1, sizeof *all);

    if (all == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = all;
    all->request = request;
    all->asked = request->body;
    if (!make_entries(all)) {
        ks_request_close(request);
        return;
    }
    all->due_ms =
        ks_request_set_timeout(request, &all->timer, all->asked->timeout_ms, on_timeout, all);
    run(request);
}
