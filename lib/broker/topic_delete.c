/* SPDX-License-Identifier: Apache-2.0 */
/* Read the name's record, then remove and mark in one transaction. */
#include "broker/topic_delete.h"

#define TRIES_MAX 5

static void read_name(struct ks_topic_delete *delete, bool is_fresh);

/*
 * The watch will tell too; telling the registry now makes the answer mean that the topic is gone
 * here.
 */
static void
finish_deleted(struct ks_topic_delete *delete)
{
    struct kafscale_meta_entry entry = { .key = delete->topic_key };
    enum kafscale_status status = ks_topics_apply(delete->topics, &entry, true);

    delete->done(delete, ks_broker_error_of_status(status));
}

static void
on_written(void *arg, enum kafscale_status status, uint64_t revision,
           const struct kafscale_error *error)
{
    struct ks_topic_delete *delete = arg;

    (void) revision;
    (void) error;
    if (status == KAFSCALE_CONFLICT || status == KAFSCALE_UNKNOWN) {
        delete->tries++;
        if (delete->topics->is_ended) {
            delete->done(delete, KS_BROKER_ERROR_NOT_OWNER);
        } else if (delete->tries >= TRIES_MAX) {
            delete->done(delete, KS_BROKER_ERROR_UNAVAILABLE);
        } else {
            read_name(delete, true);
        }
        return;
    }
    if (status != KAFSCALE_OK) {
        delete->done(delete, ks_broker_error_of_status(status));
        return;
    }
    finish_deleted(delete);
}

static void
write_mark(struct ks_topic_delete *delete, uint64_t name_version)
{
    struct ks_name_record mark = { .is_alive = false, .id = delete->id };

    ks_name_record_encode(&mark, delete->name_record);
    delete->compares[0] =
        (struct kafscale_meta_compare){ .key = delete->name_key, .version = name_version };
    delete->compares[1] =
        (struct kafscale_meta_compare){ .key = delete->topic_key, .any_version = true };
    delete->operations[0] = (struct kafscale_meta_operation){
        .key = delete->name_key, .value = ks_slice(delete->name_record, KS_NAME_RECORD_BYTES)
    };
    delete->operations[1] =
        (struct kafscale_meta_operation){ .key = delete->topic_key, .is_delete = true };
    delete->operations[2] = (struct kafscale_meta_operation){
        .key = delete->gone_key, .value = ks_slice(delete->gone_record, delete->gone_bytes)
    };
    delete->txn = (struct kafscale_meta_txn){ .compares = delete->compares,
                                              .compare_count = 2,
                                              .operations = delete->operations,
                                              .operation_count = 3 };
    delete->is_sent = true;
    ks_meta_txn(delete->topics->meta, &delete->txn, on_written, delete);
}

static void
on_name_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_topic_delete *delete = arg;
    struct ks_name_record name = { 0 };
    struct kafscale_error decode_error = { 0 };

    (void) revision;
    (void) error;
    if (status == KAFSCALE_OK && entry_count > 0) {
        status = ks_name_record_decode(entries[0].value, &name, &decode_error);
    }
    if (status != KAFSCALE_OK) {
        delete->done(delete, ks_broker_error_of_status(status));
        return;
    }
    if (delete->topics->is_ended) {
        delete->done(delete, KS_BROKER_ERROR_NOT_OWNER);
        return;
    }
    if (entry_count > 0 && name.is_alive && ks_id_equals(&name.id, &delete->id)) {
        write_mark(delete, entries[0].version);
        return;
    }
    if (delete->is_sent) {
        finish_deleted(delete);
        return;
    }
    delete->done(delete, KS_BROKER_ERROR_UNKNOWN_TOPIC);
}

static void
read_name(struct ks_topic_delete *delete, bool is_fresh)
{
    delete->read = (struct kafscale_meta_read){ .key = delete->name_key, .is_fresh = is_fresh };
    ks_meta_read(delete->topics->meta, &delete->read, on_name_read, delete);
}

static void
on_task(void *arg)
{
    struct ks_topic_delete *delete = arg;

    delete->done(delete, KS_BROKER_ERROR_UNKNOWN_TOPIC);
}

static void
note_gone(struct ks_topic_delete *delete, const struct ks_topic *topic)
{
    struct ks_gone_record gone = { .is_later_life = topic->record.is_later_life };

    memcpy(gone.name, topic->record.name, sizeof gone.name);
    ks_gone_record_key(&delete->id, delete->gone_key);
    delete->gone_bytes = ks_gone_record_encode(&gone, delete->gone_record);
}

void
ks_topic_delete(struct ks_topics *topics, struct ks_topic_delete *delete)
{
    struct ks_topic *topic = ks_topics_find_id(topics, &delete->id);

    delete->topics = topics;
    if (topic == NULL) {
        delete->task.run = on_task;
        delete->task.arg = delete;
        ks_env_defer(topics->env, &delete->task);
        return;
    }
    ks_topic_record_key(&delete->id, delete->topic_key);
    ks_name_record_key(topic->record.name, delete->name_key);
    note_gone(delete, topic);
    read_name(delete, false);
}
