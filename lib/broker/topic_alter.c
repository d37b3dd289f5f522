/* SPDX-License-Identifier: Apache-2.0 */
/* A record of a topic is read, edited and written as a whole, by way of ks_record_change. */
#include "broker/topic_alter.h"

#include <assert.h>

static enum ks_broker_error
make_record(struct ks_record_change *change, struct kafscale_slice value, struct ks_buffer *out)
{
    struct ks_topic_alter *alter = change->arg;
    struct ks_topic_record record = { .id = alter->id };
    enum ks_broker_error result = KS_BROKER_ERROR_UNKNOWN_TOPIC;
    enum kafscale_status status;

    if (value.data == NULL) {
        return result;
    }
    status = ks_topic_record_decode(value, &record, &change->error);
    result =
        status == KAFSCALE_OK ? alter->edit(alter, &record) : ks_broker_error_of_status(status);
    if (result == KS_BROKER_ERROR_NONE) {
        ks_topic_record_encode(&record, out);
    }
    ks_topic_record_deinit(&record);
    return result;
}

/*
 * The watch will tell too; telling the registry now makes the answer mean that the change is in
 * force here. A topic that was deleted meanwhile doesn't come back by that.
 */
static enum ks_broker_error
take_over(struct ks_topics *topics, const struct ks_topic_alter *alter,
          const struct kafscale_meta_entry *entry)
{
    if (ks_topics_find_id(topics, &alter->id) == NULL) {
        return KS_BROKER_ERROR_UNKNOWN_TOPIC;
    }
    if (ks_topics_apply(topics, entry, false) != KAFSCALE_OK) {
        ks_topics_reload_later(topics);
    }
    return KS_BROKER_ERROR_NONE;
}

static void
on_changed(struct ks_record_change *change, enum ks_broker_error error,
           const struct kafscale_meta_entry *entry)
{
    struct ks_topic_alter *alter = change->arg;

    if (error == KS_BROKER_ERROR_NONE && entry != NULL) {
        error = take_over(change->topics, alter, entry);
    }
    alter->done(alter, error);
}

void
ks_topic_alter(struct ks_topics *topics, struct ks_topic_alter *alter)
{
    struct ks_record_change *change = &alter->change;

    ks_topic_record_key(&alter->id, change->key);
    change->make = make_record;
    change->is_dry_run = alter->is_dry_run;
    change->deadline_ms = alter->deadline_ms;
    change->done = on_changed;
    change->arg = alter;
    ks_record_change(topics, change);
}

/* --- More partitions -------------------------------------------------------------------------- */

static void
finish(struct ks_topic_grow *grow, enum ks_broker_error result)
{
    ks_waiter_end(&grow->waiter);
    grow->done(grow, result);
}

static void
on_opened(struct ks_waiter *waiter, bool is_due)
{
    struct ks_topic_grow *grow = KS_CONTAINER(waiter, struct ks_topic_grow, waiter);
    struct ks_topics *topics = grow->alter.change.topics;
    struct ks_topic *topic = ks_topics_find_id(topics, &grow->id);

    if (is_due || topic == NULL || !topic->is_opening || topics->is_ended) {
        finish(grow, KS_BROKER_ERROR_NONE);
    }
}

/* Partitions exist once they are written; that they open late only makes clients try again. */
static void
on_altered(struct ks_topic_alter *alter, enum ks_broker_error error)
{
    struct ks_topic_grow *grow = alter->arg;
    struct ks_topics *topics = alter->change.topics;
    struct ks_topic *topic = ks_topics_find_id(topics, &grow->id);

    topics->partitions_reserved -= grow->reserved;
    grow->reserved = 0;
    if (error != KS_BROKER_ERROR_NONE || grow->is_dry_run) {
        finish(grow, error);
        return;
    }
    grow->is_written = true;
    if (topic == NULL || !topic->is_opening || topics->is_ended) {
        finish(grow, error);
        return;
    }
    ks_waiter_stand(&grow->waiter, &topic->opened);
    ks_waiter_set_deadline(&grow->waiter, grow->deadline_ms);
}

/* Room for the new partitions is reserved with the first look at the record. */
static enum ks_broker_error
check_limits(struct ks_topic_grow *grow, int32_t earlier_count)
{
    struct ks_topics *topics = grow->alter.change.topics;
    int32_t more = grow->partition_count - earlier_count;

    if (grow->partition_count > topics->topic_partitions_max) {
        ks_error_set(&grow->alter.change.error, KAFSCALE_INVALID,
                     "A topic has at most %d partitions", (int) topics->topic_partitions_max);
        return KS_BROKER_ERROR_INVALID_PARTITIONS;
    }
    if (topics->partition_count + topics->partitions_reserved - grow->reserved + more >
        topics->partitions_max) {
        return KS_BROKER_ERROR_OVER_LIMIT;
    }
    topics->partitions_reserved += more - grow->reserved;
    grow->reserved = more;
    return KS_BROKER_ERROR_NONE;
}

static enum ks_broker_error
check_count(struct ks_topic_grow *grow, int32_t earlier_count)
{
    struct kafscale_error *error = &grow->alter.change.error;

    if (grow->partition_count < earlier_count) {
        ks_error_set(error, KAFSCALE_INVALID,
                     "Topic currently has %d partitions, which is higher than the requested %d.",
                     (int) earlier_count, (int) grow->partition_count);
        return KS_BROKER_ERROR_INVALID_PARTITIONS;
    }
    if (grow->partition_count == earlier_count) {
        ks_error_set(error, KAFSCALE_INVALID, "Topic already has %d partition(s).",
                     (int) earlier_count);
        return KS_BROKER_ERROR_INVALID_PARTITIONS;
    }
    return KS_BROKER_ERROR_NONE;
}

static enum ks_broker_error
add_partitions(struct ks_topic_alter *alter, struct ks_topic_record *record)
{
    struct ks_topic_grow *grow = alter->arg;
    int32_t earlier_count = record->partition_count;
    enum ks_broker_error result = check_count(grow, earlier_count);

    if (result != KS_BROKER_ERROR_NONE) {
        return result;
    }
    result = check_limits(grow, earlier_count);
    if (result == KS_BROKER_ERROR_NONE) {
        record->partition_count = grow->partition_count;
    }
    return result;
}

void
ks_topic_grow(struct ks_topics *topics, struct ks_topic_grow *grow)
{
    assert(grow->reserved == 0);

    ks_waiter_init(&grow->waiter, topics->env, grow->places, 1, on_opened);
    grow->alter = (struct ks_topic_alter){ .id = grow->id,
                                           .edit = add_partitions,
                                           .is_dry_run = grow->is_dry_run,
                                           .deadline_ms = grow->deadline_ms,
                                           .done = on_altered,
                                           .arg = grow };
    ks_topic_alter(topics, &grow->alter);
}
