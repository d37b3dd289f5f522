/* SPDX-License-Identifier: Apache-2.0 */
/* Requests wait in one list; whenever ids are there, the list is served in order. */
#include "broker/producer_ids.h"

#include <assert.h>

#define META_KEY "producer_ids"
#define BLOCK_IDS 1000
#define RECORD_VERSION 1
#define TRIES_MAX 10

void
ks_producer_ids_encode(int64_t next_id, uint8_t out[KS_PRODUCER_ID_BYTES])
{
    out[0] = RECORD_VERSION;
    ks_put_u64(out + 1, (uint64_t) next_id);
}

static void ask(struct ks_producer_ids *ids);

static void
serve(void *arg)
{
    struct ks_producer_ids *ids = arg;

    while (ids->next < ids->end) {
        struct ks_list *node = ks_list_take_first(&ids->waiting);
        struct ks_producer_id_request *request;

        if (node == NULL) {
            return;
        }
        request = KS_CONTAINER(node, struct ks_producer_id_request, link);
        request->id = ids->next;
        ids->next++;
        request->done(request, KS_BROKER_ERROR_NONE);
    }
    if (!ks_list_is_empty(&ids->waiting) && !ids->is_asking) {
        ids->tries = 0;
        ask(ids);
    }
}

static void
refuse_all(struct ks_producer_ids *ids, enum kafscale_status status)
{
    struct ks_list *node;

    ids->is_asking = false;
    while ((node = ks_list_take_first(&ids->waiting)) != NULL) {
        struct ks_producer_id_request *request =
            KS_CONTAINER(node, struct ks_producer_id_request, link);

        request->done(request, ks_broker_error_of_status(status));
    }
}

/*
 * After an unknown outcome the block may be taken or not: another one is read and taken, a hole
 * harms nobody.
 */
static void
on_written(void *arg, enum kafscale_status status, uint64_t revision,
           const struct kafscale_error *error)
{
    struct ks_producer_ids *ids = arg;

    (void) revision;
    (void) error;
    if ((status == KAFSCALE_CONFLICT || status == KAFSCALE_UNKNOWN) && ids->tries < TRIES_MAX) {
        ask(ids);
        return;
    }
    if (status != KAFSCALE_OK) {
        refuse_all(ids, status);
        return;
    }
    ids->is_asking = false;
    ids->next = ids->block;
    ids->end = ids->block + BLOCK_IDS;
    serve(ids);
}

static enum kafscale_status
read_next(const struct kafscale_meta_entry *entry, int64_t *next_out)
{
    struct ks_cursor cursor = ks_cursor(entry->value);
    uint8_t version = ks_cursor_u8(&cursor);
    uint64_t next = ks_cursor_u64(&cursor);

    if (ks_cursor_failed(&cursor) || version != RECORD_VERSION || next > INT64_MAX - BLOCK_IDS) {
        return KAFSCALE_CORRUPT;
    }
    *next_out = (int64_t) next;
    return KAFSCALE_OK;
}

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_producer_ids *ids = arg;

    (void) revision;
    (void) error;
    ids->block = 0;
    if (status == KAFSCALE_OK && entry_count > 0) {
        status = read_next(&entries[0], &ids->block);
    }
    if (status == KAFSCALE_OK && ids->is_ended) {
        status = KAFSCALE_STOPPED;
    }
    if (status != KAFSCALE_OK) {
        refuse_all(ids, status);
        return;
    }
    ks_producer_ids_encode(ids->block + BLOCK_IDS, ids->bytes);
    ids->compare =
        (struct kafscale_meta_compare){ .key = META_KEY,
                                        .version = entry_count > 0 ? entries[0].version : 0 };
    ids->operation =
        (struct kafscale_meta_operation){ .key = META_KEY,
                                          .value = ks_slice(ids->bytes, KS_PRODUCER_ID_BYTES) };
    ids->txn = (struct kafscale_meta_txn){ .compares = &ids->compare,
                                           .compare_count = 1,
                                           .operations = &ids->operation,
                                           .operation_count = 1 };
    ks_meta_txn(ids->meta, &ids->txn, on_written, ids);
}

static void
ask(struct ks_producer_ids *ids)
{
    if (ids->is_ended) {
        refuse_all(ids, KAFSCALE_STOPPED);
        return;
    }
    ids->is_asking = true;
    ids->tries++;
    ids->read = (struct kafscale_meta_read){ .key = META_KEY, .is_fresh = ids->tries > 1 };
    ks_meta_read(ids->meta, &ids->read, on_read, ids);
}

void
ks_producer_ids_init(struct ks_producer_ids *ids, struct ks_env *env, struct ks_meta *meta)
{
    *ids = (struct ks_producer_ids){ .env = env, .meta = meta };
    ks_list_init(&ids->waiting);
    ids->task.run = serve;
    ids->task.arg = ids;
}

void
ks_producer_ids_end(struct ks_producer_ids *ids)
{
    ids->is_ended = true;
}

void
ks_producer_ids_deinit(struct ks_producer_ids *ids)
{
    if (ids->env == NULL) {
        return;
    }
    assert(ks_list_is_empty(&ids->waiting));

    ks_env_cancel_task(&ids->task);
}

void
ks_producer_ids_get(struct ks_producer_ids *ids, struct ks_producer_id_request *request)
{
    ks_list_append(&ids->waiting, &request->link);
    if (!ids->is_asking) {
        ks_env_defer(ids->env, &ids->task);
    }
}
