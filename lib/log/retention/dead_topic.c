/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a deleted topic leaves behind goes: its segments, the stored states of its producers, and at
 * last its registers, which tell of imported segments until then. Nothing of it can be used again,
 * since ids never return.
 */
#include "log/retention/sweep.h"

#include <assert.h>
#include <stdio.h>

#define REMOVALS_MAX 500 /* in one transaction */
#define PREFIX_BYTES 300 /* of names and what follows them */

struct ks_dead_topic {
    struct ks_list link;
    struct ks_log *log;
    struct ks_id id;
    char prefix[PREFIX_BYTES];
    ks_log_bury_done *done;
    void *arg;
    int64_t imported_end;

    char range[KS_REGISTER_KEY_BYTES]; /* what the keys of its registers begin with */
    char topic_key[KS_REGISTER_KEY_BYTES];
    char (*keys)[KS_REGISTER_KEY_BYTES];
    size_t key_count;
    size_t key_next;
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation *operations;
    struct kafscale_meta_txn txn;
};

static void
dead_topic_free(struct ks_dead_topic *dead)
{
    ks_list_remove(&dead->link);
    ks_free(dead->keys);
    ks_free(dead->operations);
    ks_free(dead);
}

static void
finish(struct ks_dead_topic *dead, enum kafscale_status status)
{
    struct ks_log *log = dead->log;
    ks_log_bury_done *done = dead->done;
    void *arg = dead->arg;

    dead_topic_free(dead);
    if (!log->is_freed) {
        done(arg, status);
    }
    ks_log_end(log);
}

static bool
is_over(const struct ks_dead_topic *dead)
{
    return dead->log->is_freed || ks_log_status(dead->log) != KAFSCALE_OK;
}

/* --- Registers ------------------------------------------------------------------------------- */

static void remove_registers(struct ks_dead_topic *dead);

static void
on_removed(void *arg, enum kafscale_status status, uint64_t revision,
           const struct kafscale_error *error)
{
    struct ks_dead_topic *dead = arg;

    (void) revision;
    (void) error;
    if (status != KAFSCALE_OK) {
        finish(dead, status == KAFSCALE_CONFLICT ? KAFSCALE_EXISTS : status);
        return;
    }
    dead->key_next += dead->txn.operation_count;
    remove_registers(dead);
}

static size_t
removals_max(const struct ks_log *log)
{
    size_t operations_max = ks_meta_operations_max(log->meta);

    return operations_max == 0 || operations_max > REMOVALS_MAX ? REMOVALS_MAX : operations_max;
}

/* In pieces; that the topic does not exist is compared with each. */
static void
remove_registers(struct ks_dead_topic *dead)
{
    size_t count = dead->key_count - dead->key_next;
    size_t count_max;

    if (is_over(dead) || count == 0) {
        finish(dead, count == 0 ? KAFSCALE_OK : KAFSCALE_STOPPED);
        return;
    }
    count_max = removals_max(dead->log);
    count = count < count_max ? count : count_max;
    for (size_t i = 0; i < count; i++) {
        dead->operations[i] =
            (struct kafscale_meta_operation){ .key = dead->keys[dead->key_next + i],
                                              .is_delete = true };
    }
    dead->compare = (struct kafscale_meta_compare){ .key = dead->topic_key };
    dead->txn = (struct kafscale_meta_txn){ .compares = &dead->compare,
                                            .compare_count = 1,
                                            .operations = dead->operations,
                                            .operation_count = count };
    ks_meta_txn(dead->log->meta, &dead->txn, on_removed, dead);
}

/* --- Objects --------------------------------------------------------------------------------- */

static void
on_producers_swept(void *arg, enum kafscale_status status)
{
    struct ks_dead_topic *dead = arg;

    if (status != KAFSCALE_OK) {
        finish(dead, status);
        return;
    }
    remove_registers(dead);
}

static void
sweep(struct ks_dead_topic *dead, const struct ks_sweep_order *order, ks_sweep_done *done)
{
    if (is_over(dead)) {
        finish(dead, KAFSCALE_STOPPED);
    } else if (ks_sweep_start(dead->log, order, done, dead) != KAFSCALE_OK) {
        finish(dead, KAFSCALE_NO_MEMORY);
    }
}

static void
on_segments_swept(void *arg, enum kafscale_status status)
{
    struct ks_dead_topic *dead = arg;
    struct ks_sweep_order order = { .topic = dead->id, .is_by_key = true };
    char hex[KS_ID_HEX_BYTES];

    if (status != KAFSCALE_OK) {
        finish(dead, status);
        return;
    }
    ks_id_to_hex(&dead->id, hex);
    snprintf(order.prefix, sizeof order.prefix, "%.300s/__kafscale/producers/%s/", dead->log->ns,
             hex);
    sweep(dead, &order, on_producers_swept);
}

static void
sweep_segments(struct ks_dead_topic *dead)
{
    struct ks_sweep_order order = { .topic = dead->id,
                                    .log_start = INT64_MAX,
                                    .compacted_upto = INT64_MAX,
                                    .imported_end = dead->imported_end };

    snprintf(order.prefix, sizeof order.prefix, "%.300s/%.299s/", dead->log->ns, dead->prefix);
    sweep(dead, &order, on_segments_swept);
}

/* --- What there is --------------------------------------------------------------------------- */

static bool
take_registers(struct ks_dead_topic *dead, const struct kafscale_meta_entry *entries, size_t count)
{
    dead->keys = ks_alloc_zero(count, sizeof *dead->keys);
    dead->operations = ks_alloc_zero(removals_max(dead->log), sizeof *dead->operations);
    if (dead->keys == NULL || dead->operations == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct ks_register reg = { 0 };
        struct kafscale_error error = { 0 };

        if (strlen(entries[i].key) >= KS_REGISTER_KEY_BYTES) {
            continue;
        }
        snprintf(dead->keys[dead->key_count++], KS_REGISTER_KEY_BYTES, "%s", entries[i].key);
        if (ks_register_decode(entries[i].value, &reg, &error) == KAFSCALE_OK &&
            reg.imported_end > dead->imported_end) {
            dead->imported_end = reg.imported_end;
        }
        ks_register_deinit(&reg);
    }
    return true;
}

static void
on_registers(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_dead_topic *dead = arg;

    (void) revision;
    (void) error;
    if (status != KAFSCALE_OK || is_over(dead)) {
        finish(dead, status != KAFSCALE_OK ? status : KAFSCALE_STOPPED);
    } else if (!take_registers(dead, entries, entry_count)) {
        finish(dead, KAFSCALE_NO_MEMORY);
    } else {
        sweep_segments(dead);
    }
}

static void
on_topic(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
         size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_dead_topic *dead = arg;

    (void) entries;
    (void) revision;
    (void) error;
    if (status == KAFSCALE_OK && entry_count > 0) {
        status = KAFSCALE_EXISTS;
    }
    if (status != KAFSCALE_OK || is_over(dead)) {
        finish(dead, status != KAFSCALE_OK ? status : KAFSCALE_STOPPED);
        return;
    }
    dead->read =
        (struct kafscale_meta_read){ .key = dead->range, .is_prefix = true, .is_fresh = true };
    ks_meta_read(dead->log->meta, &dead->read, on_registers, dead);
}

enum kafscale_status
ks_log_bury_topic(struct ks_log *log, const struct ks_id *id, const char *prefix,
                  ks_log_bury_done *done, void *arg)
{
    struct ks_dead_topic *dead = ks_alloc_zero(1, sizeof *dead);
    char hex[KS_ID_HEX_BYTES];

    assert(strlen(prefix) < sizeof dead->prefix);
    if (dead == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    dead->log = log;
    dead->id = *id;
    dead->done = done;
    dead->arg = arg;
    snprintf(dead->prefix, sizeof dead->prefix, "%s", prefix);
    ks_id_to_hex(id, hex);
    snprintf(dead->range, sizeof dead->range, "part/%s/", hex);
    ks_topic_key(id, dead->topic_key);
    ks_list_append(&log->dead_topics, &dead->link);
    ks_log_begin(log);
    dead->read = (struct kafscale_meta_read){ .key = dead->topic_key, .is_fresh = true };
    ks_meta_read(log->meta, &dead->read, on_topic, dead);
    return KAFSCALE_OK;
}

void
ks_dead_topics_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->dead_topics)) {
        dead_topic_free(KS_CONTAINER(log->dead_topics.next, struct ks_dead_topic, link));
    }
}
