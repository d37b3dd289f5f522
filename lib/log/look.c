/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at the own next slot. A seal lies in the first free one, which may be any of those
 * under way or the one after them.
 */
#include "log/core.h"

struct look {
    struct ks_list link;
    struct ks_log *log;
    void (*done)(void *arg, enum kafscale_status status);
    void *arg;
    uint64_t sequence;
    uint64_t sequence_end; /* what lies there or above was sent after the look began */
    char key[KS_WAL_KEY_BYTES];
    struct kafscale_get get;
};

static void
look_free(struct look *look)
{
    ks_list_remove(&look->link);
    ks_free(look);
}

enum sight { SIGHT_OURS, SIGHT_SEAL, SIGHT_UNCLEAR };

/* A seal has no directory; of an object of ours only the header was read. */
static enum sight
see(const struct look *look, struct kafscale_slice bytes)
{
    struct ks_wal_header header;
    struct kafscale_slice directory;
    struct kafscale_error error = { 0 };
    size_t head_bytes;

    if (ks_wal_head_bytes(bytes, &head_bytes, &error) != KAFSCALE_OK) {
        return SIGHT_UNCLEAR;
    }
    if (head_bytes > bytes.size) {
        return SIGHT_OURS;
    }
    if (ks_wal_read_head(bytes, &header, &directory, &error) != KAFSCALE_OK ||
        (header.flags & KS_WAL_SEAL) == 0 || header.sequence != look->sequence ||
        !ks_id_equals(&header.incarnation, &look->log->options.incarnation)) {
        return SIGHT_UNCLEAR;
    }
    return SIGHT_SEAL;
}

static void look_at_slot(struct look *look);

static void
on_looked(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
          const struct kafscale_error *error)
{
    struct look *look = arg;
    struct ks_log *log = look->log;
    enum sight sight = SIGHT_UNCLEAR;

    (void) object_bytes;
    (void) error;
    if (status == KAFSCALE_OK && !log->is_freed) {
        sight = see(look, kafscale_blob_slice(body));
    }
    if (sight == SIGHT_OURS && log->status == KAFSCALE_OK &&
        ++look->sequence < look->sequence_end) {
        look_at_slot(look);
        ks_log_end(log);
        return;
    }
    if (sight == SIGHT_SEAL) {
        ks_log_fence(log, "another broker was started on this store and sealed this log");
    }
    if (log->status != KAFSCALE_OK) {
        status = log->status;
    } else if (status != KAFSCALE_NOT_FOUND && sight != SIGHT_OURS) {
        status = KAFSCALE_UNAVAILABLE;
    } else {
        status = KAFSCALE_OK;
    }
    if (!log->is_freed) {
        look->done(look->arg, status);
    }
    look_free(look);
    ks_log_end(log);
}

static void
look_at_slot(struct look *look)
{
    struct ks_log *log = look->log;

    ks_wal_key(log->ns, &log->options.incarnation, look->sequence, look->key);
    look->get = (struct kafscale_get){ .key = look->key, .size_max = KS_WAL_HEADER_BYTES };
    ks_log_begin(log);
    ks_store_get(log->store, &look->get, on_looked, look);
}

/* It looks on until a slot is free, or what lies there was sent after the look began. */
enum kafscale_status
ks_log_look(struct ks_log *log, void (*done)(void *arg, enum kafscale_status status), void *arg)
{
    struct look *look = ks_alloc_zero(1, sizeof *look);

    if (look == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    look->log = log;
    look->done = done;
    look->arg = arg;
    look->sequence = log->sequence_next;
    look->sequence_end = log->sequence_next + 1;
    if (!ks_list_is_empty(&log->slots)) {
        look->sequence = KS_CONTAINER(log->slots.next, struct ks_slot, link)->sequence;
    }
    ks_list_append(&log->looks, &look->link);
    look_at_slot(look);
    return KAFSCALE_OK;
}

void
ks_looks_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->looks)) {
        look_free(KS_CONTAINER(log->looks.next, struct look, link));
    }
}
