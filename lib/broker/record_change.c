/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read, make, compare and write. After an unknown outcome the record itself tells whether the
 * write happened: then it holds the very bytes that were sent.
 */
#include "broker/record_change.h"

#define TRIES_MAX 8
#define RECORD_BYTES_MAX (512 * 1024)

static void read_record(struct ks_record_change *change, bool is_fresh);

static void
finish(struct ks_record_change *change, enum ks_broker_error result,
       const struct kafscale_meta_entry *entry)
{
    struct ks_buffer bytes = change->bytes;

    if (result != KS_BROKER_ERROR_NONE && change->error.status == KAFSCALE_OK) {
        ks_error_set(&change->error, KAFSCALE_INVALID, "%s", ks_broker_error_text(result));
    }
    change->done(change, result, entry);
    ks_buffer_deinit(&bytes);
}

static void
fail(struct ks_record_change *change, enum kafscale_status status,
     const struct kafscale_error *error)
{
    if (error != NULL && error->status != KAFSCALE_OK) {
        change->error = *error;
    }
    finish(change, ks_broker_error_of_status(status), NULL);
}

static void
try_again(struct ks_record_change *change)
{
    change->tries++;
    if (change->topics->is_ended) {
        finish(change, KS_BROKER_ERROR_NOT_OWNER, NULL);
    } else if (change->tries >= TRIES_MAX) {
        finish(change, KS_BROKER_ERROR_UNAVAILABLE, NULL);
    } else if (ks_env_now_ms(change->topics->env) > change->deadline_ms) {
        finish(change, KS_BROKER_ERROR_TIMED_OUT, NULL);
    } else {
        read_record(change, true);
    }
}

static void
on_written(void *arg, enum kafscale_status status, uint64_t revision,
           const struct kafscale_error *error)
{
    struct ks_record_change *change = arg;
    struct kafscale_meta_entry entry = { .key = change->key,
                                         .value = ks_buffer_slice(&change->bytes),
                                         .version = revision };

    if (ks_is_planted(KS_PLANTED_RECORD_OUTCOME)) {
        status = KAFSCALE_OK;
    }
    if (status == KAFSCALE_CONFLICT || status == KAFSCALE_UNKNOWN) {
        try_again(change);
    } else if (status != KAFSCALE_OK) {
        fail(change, status, error);
    } else {
        finish(change, KS_BROKER_ERROR_NONE, &entry);
    }
}

static void
write_record(struct ks_record_change *change, uint64_t version)
{
    change->compare = (struct kafscale_meta_compare){ .key = change->key, .version = version };
    change->operation =
        (struct kafscale_meta_operation){ .key = change->key,
                                          .value = ks_buffer_slice(&change->bytes) };
    change->txn = (struct kafscale_meta_txn){ .compares = &change->compare,
                                              .compare_count =
                                                  ks_is_planted(KS_PLANTED_RECORD_COMPARE) ? 0 : 1,
                                              .operations = &change->operation,
                                              .operation_count = 1 };
    change->is_sent = true;
    ks_meta_txn(change->topics->meta, &change->txn, on_written, change);
}

static bool
is_what_was_sent(const struct ks_record_change *change, const struct kafscale_meta_entry *entry)
{
    return change->is_sent && ks_slice_equals(entry->value, ks_buffer_slice(&change->bytes));
}

/* `entry` is NULL when there is no such record. */
static void
decide(struct ks_record_change *change, const struct kafscale_meta_entry *entry)
{
    struct kafscale_slice value = entry == NULL ? ks_slice(NULL, 0) : entry->value;
    enum ks_broker_error result;

    if (entry != NULL && is_what_was_sent(change, entry)) {
        finish(change, KS_BROKER_ERROR_NONE, entry);
        return;
    }
    ks_buffer_clear(&change->bytes);
    result = change->make(change, value, &change->bytes);
    if (result == KS_BROKER_ERROR_NONE && ks_buffer_failed(&change->bytes)) {
        result = KS_BROKER_ERROR_NO_MEMORY;
    }
    if (result != KS_BROKER_ERROR_NONE || change->is_dry_run) {
        finish(change, result, NULL);
    } else if (entry != NULL && ks_slice_equals(value, ks_buffer_slice(&change->bytes))) {
        finish(change, KS_BROKER_ERROR_NONE, entry);
    } else {
        write_record(change, entry == NULL ? 0 : entry->version);
    }
}

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_record_change *change = arg;

    (void) revision;
    if (status != KAFSCALE_OK) {
        fail(change, status, error);
    } else if (change->topics->is_ended) {
        finish(change, KS_BROKER_ERROR_NOT_OWNER, NULL);
    } else {
        decide(change, entry_count > 0 ? &entries[0] : NULL);
    }
}

static void
read_record(struct ks_record_change *change, bool is_fresh)
{
    change->read = (struct kafscale_meta_read){ .key = change->key, .is_fresh = is_fresh };
    ks_meta_read(change->topics->meta, &change->read, on_read, change);
}

void
ks_record_change(struct ks_topics *topics, struct ks_record_change *change)
{
    change->topics = topics;
    ks_buffer_init(&change->bytes, RECORD_BYTES_MAX);
    read_record(change, false);
}
