/* SPDX-License-Identifier: Apache-2.0 */
/* One request after the other: this is background work, and nobody waits for it but deletions. */
#include "log/compact/producer_put.h"

#include "log/read/stored_batch.h"
#include "log/trim/trim.h"

#include <assert.h>
#include <stdio.h>

#define HEAD_BYTES_GUESS (16u << 10)
#define READS_MAX 3

/* A write-ahead object, or a section of a bundle, with batches of the partition of one epoch. */
struct ks_producer_put_slot {
    struct ks_bundle *bundle; /* a reference, or NULL */
    const struct ks_bundle_section *section;
    uint32_t source;
    uint64_t sequence;
    int32_t leader_epoch;
};

static void move_on(void *arg);

static void
deinit(struct ks_producer_put *put)
{
    ks_env_cancel_timer(put->log->env, &put->retry);
    ks_producer_load_deinit(&put->load);
    ks_free(put->prefix);
    put->prefix = NULL;
    ks_producer_table_deinit(&put->table);
    ks_buffer_deinit(&put->bytes);
    for (size_t i = 0; i < put->slot_count; i++) {
        ks_bundle_unref(put->slots[i].bundle);
    }
    put->slot_count = 0;
    ks_bundle_unref(put->base_bundle);
    put->base_bundle = NULL;
    ks_free(put->slots);
    put->slots = NULL;
}

static void
finish(struct ks_producer_put *put, enum kafscale_status status)
{
    struct ks_log *log = put->log;

    deinit(put);
    put->done(put, status);
    ks_log_end(log);
}

static bool
is_over(const struct ks_producer_put *put)
{
    return put->log->is_freed || ks_log_status(put->log) != KAFSCALE_OK;
}

static void
try_again(struct ks_producer_put *put)
{
    struct ks_env *env = put->log->env;

    put->retry = (struct ks_timer){ .on_due = move_on, .arg = put };
    ks_env_set_timer(env, &put->retry,
                     ks_env_now_ms(env) + ks_log_backoff_ms(put->log, put->attempts++));
}

/* --- What is not where it was --- */

static void
lose(struct ks_producer_put *put, enum kafscale_status status)
{
    ks_log_some(put->log->env, &put->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                "producers of a partition can't be told from object key=%s error=%s", put->key,
                kafscale_status_text(status));
    finish(put, KAFSCALE_CORRUPT);
}

static void
on_reread(struct ks_reread_wait *wait, enum kafscale_status status)
{
    struct ks_producer_put *put = KS_CONTAINER(wait, struct ks_producer_put, reread);

    if (is_over(put)) {
        finish(put, KAFSCALE_STOPPED);
    } else if (status == KAFSCALE_OK) {
        put->is_stale = true;
        finish(put, KAFSCALE_CORRUPT);
    } else if (status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED) {
        lose(put, status);
    } else {
        try_again(put);
    }
}

/* The log that is read; false: a state that lies outside of logs is, or nothing any more. */
static bool
find_source(const struct ks_producer_put *put, uint32_t *source_out)
{
    const struct ks_producer_put_slot *slot;

    if (!put->has_base && put->base_bundle != NULL) {
        *source_out = put->base_bundle->source;
        return true;
    }
    if (!put->has_base || put->slot_next == put->slot_count) {
        return false;
    }
    slot = &put->slots[put->slot_next];
    *source_out = slot->bundle != NULL ? slot->bundle->source : slot->source;
    return true;
}

/*
 * Again and again it was not there, or not itself. Of an earlier log another broker may have made
 * bundles; of this one only who has taken the partition.
 */
static void
explain(struct ks_producer_put *put, enum kafscale_status status)
{
    uint32_t source;

    if (!find_source(put, &source)) {
        lose(put, status);
    } else if (source == 0) {
        put->is_stale = true;
        finish(put, KAFSCALE_CORRUPT);
    } else {
        put->reread.done = on_reread;
        if (ks_reread_start(put->log, source, &put->reread) != KAFSCALE_OK) {
            try_again(put);
        }
    }
}

/* After a step: the next one, the same one later, or the end. */
static void
take_step(struct ks_producer_put *put, enum kafscale_status status)
{
    bool is_damage = status == KAFSCALE_CORRUPT || status == KAFSCALE_NOT_FOUND;

    put->damaged_reads += is_damage;
    if (status == KAFSCALE_OK) {
        put->attempts = 0;
        put->damaged_reads = 0;
        move_on(put);
    } else if (is_over(put)) {
        finish(put, KAFSCALE_STOPPED);
    } else if (put->is_stale) {
        finish(put, KAFSCALE_CORRUPT);
    } else if (status == KAFSCALE_NO_MEMORY || status == KAFSCALE_FAILED) {
        /* A directory may have been noted in part; or no answer will ever be another. */
        finish(put, status);
    } else if (status == KAFSCALE_UNSUPPORTED) {
        lose(put, status);
    } else if (put->damaged_reads >= READS_MAX) {
        explain(put, status);
    } else {
        try_again(put);
    }
}

/* --- What it is computed from --- */

static enum kafscale_status
take_base(struct ks_producer_put *put, struct kafscale_slice bytes)
{
    struct ks_producer_snapshot found;
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_producer_snapshot_decode(bytes, &put->table, &found, &error);

    if (status == KAFSCALE_OK &&
        (found.offset != put->base_offset || found.name.index != put->snapshot.name.index ||
         !ks_id_equals(&found.name.topic, &put->snapshot.name.topic))) {
        status = KAFSCALE_CORRUPT;
    }
    if (status != KAFSCALE_OK) {
        ks_producer_table_deinit(&put->table);
        ks_producer_table_init(&put->table, ks_env_random_u64(put->log->env),
                               put->log->options.producers_max,
                               put->log->options.producer_expiration_ms);
        return status;
    }
    put->has_base = true;
    return KAFSCALE_OK;
}

static void
on_base(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct ks_producer_put *put = arg;

    (void) object_bytes;
    (void) error;
    if (status == KAFSCALE_OK && !is_over(put)) {
        status = take_base(put, kafscale_blob_slice(body));
    }
    if (ks_stored_batch_is_missed(status) && !is_over(put)) {
        put->is_stale = put->base_bundle->is_removed;
    }
    take_step(put, status);
}

/* The state that recovery would begin with. */
static void
on_loaded(struct ks_producer_load *load, enum kafscale_status status)
{
    struct ks_producer_put *put = KS_CONTAINER(load, struct ks_producer_put, load);

    put->is_lost = status == KAFSCALE_OK && load->is_lost && !put->accepts_loss;
    if (put->is_lost) {
        put->is_stale = true;
        status = KAFSCALE_NOT_FOUND;
    } else if (status == KAFSCALE_OK) {
        ks_producer_table_deinit(&put->table);
        ks_producer_table_move(&put->table, &load->producers);
        put->has_base = true;
    }
    /* The register, which the search for an older state has read, names another owner. */
    put->is_stale |= status == KAFSCALE_FENCED;
    (void) snprintf(put->key, sizeof put->key, "%s", load->key);
    ks_producer_load_deinit(load);
    if (status == KAFSCALE_STOPPED) {
        finish(put, status);
    } else {
        take_step(put, status);
    }
}

static void
get_base(struct ks_producer_put *put)
{
    if (put->base_bundle == NULL) {
        put->load.done = on_loaded;
        if (ks_producer_load_start(&put->load, put->log, &put->snapshot.name, put->prefix,
                                   &put->reg) != KAFSCALE_OK) {
            finish(put, KAFSCALE_NO_MEMORY);
        }
        return;
    }
    ks_bundle_key_of(put->log, put->base_bundle, put->key);
    put->get = (struct kafscale_get){ .key = put->key,
                                      .position = put->base_section->state_position,
                                      .size_max = put->base_section->state_bytes };
    ks_store_get(put->log->store, &put->get, on_base, put);
}

static enum kafscale_status
note_entries(struct ks_producer_put *put, const struct ks_wal_section *section, int64_t created_ms)
{
    struct ks_cursor entries = ks_cursor(section->entries);
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_wal_entry entry;

    while (status == KAFSCALE_OK && ks_wal_next_entry(&entries, &entry)) {
        if (entry.last_offset >= put->base_offset && entry.last_offset < put->snapshot.offset) {
            status = ks_producer_note_entry(&put->table, &entry, created_ms);
        }
    }
    return status == KAFSCALE_OK && entries.failed ? KAFSCALE_CORRUPT : status;
}

/* The same for the entries of a bundle. */
static enum kafscale_status
note_bundled(struct ks_producer_put *put, struct kafscale_slice bytes)
{
    const struct ks_bundle_section *section = put->slots[put->slot_next].section;
    struct ks_cursor entries = ks_cursor(bytes);
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_bundle_entry entry;

    if (bytes.size != section->entries_bytes ||
        ks_crc32c(0, bytes.data, bytes.size) != section->entries_crc) {
        return KAFSCALE_CORRUPT;
    }
    while (status == KAFSCALE_OK && ks_bundle_next_entry(&entries, &entry)) {
        if (entry.batch.last_offset >= put->base_offset &&
            entry.batch.last_offset < put->snapshot.offset) {
            status = ks_producer_note_entry(&put->table, &entry.batch, entry.created_ms);
        }
    }
    return status == KAFSCALE_OK && entries.failed ? KAFSCALE_CORRUPT : status;
}

static enum kafscale_status
note_sections(struct ks_producer_put *put, struct kafscale_slice directory, int64_t created_ms)
{
    const struct ks_producer_put_slot *slot = &put->slots[put->slot_next];
    const struct ks_partition_name *name = &put->snapshot.name;
    struct ks_cursor cursor = ks_cursor(directory);
    enum kafscale_status status = KAFSCALE_OK;
    struct ks_wal_section section;

    while (status == KAFSCALE_OK && ks_wal_next_section(&cursor, &section)) {
        if (section.partition == name->index && section.leader_epoch == slot->leader_epoch &&
            ks_id_equals(&section.topic, &name->topic)) {
            status = note_entries(put, &section, created_ms);
        }
    }
    return status == KAFSCALE_OK && cursor.failed ? KAFSCALE_CORRUPT : status;
}

/* FULL: more bytes are needed, which `get` asks for. */
static enum kafscale_status
take_head(struct ks_producer_put *put, struct kafscale_slice bytes, uint64_t object_bytes)
{
    const struct ks_producer_put_slot *slot = &put->slots[put->slot_next];
    struct kafscale_error error = { 0 };
    struct kafscale_slice directory;
    struct ks_wal_header header;
    enum kafscale_status status;
    size_t head_bytes;

    status = ks_wal_head_bytes(bytes, &head_bytes, &error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (head_bytes > bytes.size && head_bytes <= object_bytes && head_bytes > put->get.size_max) {
        put->get.size_max = head_bytes;
        return KAFSCALE_FULL;
    }
    status = ks_wal_read_head(bytes, &header, &directory, &error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (header.sequence != slot->sequence ||
        !ks_id_equals(&header.incarnation, &put->log->sources[slot->source])) {
        return KAFSCALE_CORRUPT;
    }
    if ((header.flags & KS_WAL_SEAL) != 0) {
        return KAFSCALE_NOT_FOUND; /* the slot was trimmed, and a void seal came there since */
    }
    return note_sections(put, directory, header.created_ms);
}

/* Whether what was to be read next is elsewhere by now. */
static bool
is_moved(const struct ks_producer_put *put)
{
    const struct ks_producer_put_slot *slot = &put->slots[put->slot_next];
    const struct ks_trail *trail;

    if (slot->bundle != NULL) {
        return slot->bundle->is_removed;
    }
    trail = ks_trail_find(put->log, slot->source);
    return trail == NULL || slot->sequence < trail->mark;
}

static void
on_slot(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct ks_producer_put *put = arg;
    bool is_bundled = put->slots[put->slot_next].bundle != NULL;

    (void) error;
    if (status == KAFSCALE_OK && !is_over(put)) {
        status = is_bundled ? note_bundled(put, kafscale_blob_slice(body))
                            : take_head(put, kafscale_blob_slice(body), object_bytes);
    }
    if (ks_stored_batch_is_missed(status) && !is_over(put)) {
        put->is_stale = is_moved(put);
    }
    if (status == KAFSCALE_FULL) {
        ks_store_get(put->log->store, &put->get, on_slot, put);
        return;
    }
    put->slot_next += status == KAFSCALE_OK;
    take_step(put, status);
}

static void
get_slot(struct ks_producer_put *put)
{
    const struct ks_producer_put_slot *slot = &put->slots[put->slot_next];

    if (slot->bundle != NULL) {
        ks_bundle_key_of(put->log, slot->bundle, put->key);
        put->get = (struct kafscale_get){ .key = put->key,
                                          .position = slot->section->entries_position,
                                          .size_max = slot->section->entries_bytes };
    } else {
        ks_wal_key(put->log->ns, &put->log->sources[slot->source], slot->sequence, put->key);
        put->get = (struct kafscale_get){ .key = put->key, .size_max = HEAD_BYTES_GUESS };
    }
    ks_store_get(put->log->store, &put->get, on_slot, put);
}

/* --- Storing it --- */

/* What is there already was computed from the same batches. */
static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_producer_put *put = arg;

    (void) error;
    if (status == KAFSCALE_OK || status == KAFSCALE_EXISTS) {
        finish(put, KAFSCALE_OK);
    } else if (status == KAFSCALE_FAILED) {
        ks_log_fail(put->log, error);
        finish(put, KAFSCALE_FAILED);
    } else {
        take_step(put, status);
    }
}

static void
put_state(struct ks_producer_put *put)
{
    if (put->bytes.size == 0) {
        ks_producer_snapshot_encode(&put->table, &put->snapshot, &put->bytes);
    }
    if (ks_buffer_failed(&put->bytes)) {
        finish(put, KAFSCALE_NO_MEMORY);
        return;
    }
    ks_producer_snapshot_key(put->log->ns, &put->snapshot, put->key);
    put->part = (struct kafscale_part){ .bytes = ks_buffer_slice(&put->bytes) };
    put->object = (struct kafscale_put){
        .key = put->key, .parts = &put->part, .part_count = 1, .if_absent = true
    };
    ks_store_put(put->log->store, &put->object, on_put, put);
}

/* --- Step by step --- */

static void
move_on(void *arg)
{
    struct ks_producer_put *put = arg;

    if (is_over(put)) {
        finish(put, KAFSCALE_STOPPED);
    } else if (put->status != KAFSCALE_OK) {
        finish(put, put->status);
    } else if (!put->has_base) {
        get_base(put);
    } else if (put->slot_next < put->slot_count) {
        get_slot(put);
    } else {
        put_state(put);
    }
}

/* The newest section that ends at or below the offset has the state to begin with. */
static void
choose_base(struct ks_producer_put *put, const struct ks_partition *partition)
{
    for (size_t i = 0; i < partition->bundled_count; i++) {
        const struct ks_bundled *bundled = &partition->bundled[i];

        if (bundled->section->end_offset > put->base_offset &&
            bundled->section->end_offset <= put->snapshot.offset) {
            ks_bundle_unref(put->base_bundle);
            put->base_bundle = ks_bundle_ref(bundled->bundle);
            put->base_section = bundled->section;
            put->base_offset = bundled->section->end_offset;
            put->has_base = false;
        }
    }
}

static bool
is_same(const struct ks_producer_put_slot *a, const struct ks_producer_put_slot *b)
{
    return a->bundle == b->bundle && a->section == b->section && a->source == b->source &&
           a->sequence == b->sequence && a->leader_epoch == b->leader_epoch;
}

static bool
add_slot(struct ks_producer_put *put, size_t *capacity, const struct ks_producer_put_slot *slot)
{
    if (put->slot_count > 0 && is_same(&put->slots[put->slot_count - 1], slot)) {
        return true;
    }
    if (!KS_RESERVE(put->slots, *capacity, put->slot_count + 1)) {
        return false;
    }
    put->slots[put->slot_count++] = *slot;
    if (slot->bundle != NULL) {
        (void) ks_bundle_ref(slot->bundle);
    }
    return true;
}

/* Where the batch with this offset, or the next one, is described; and the offset after it. */
static struct ks_producer_put_slot
slot_at(const struct ks_producer_put *put, const struct ks_partition *partition, int64_t offset,
        int64_t *next_out)
{
    size_t index = ks_partition_find_place(partition, offset);
    struct ks_producer_put_slot slot = { 0 };
    const struct ks_place *place =
        index == partition->place_end ? NULL : ks_partition_place(partition, index);

    slot.section = ks_log_section_at(put->log, partition, offset, &slot.bundle);
    if (slot.section != NULL) {
        *next_out = slot.section->end_offset;
    } else if (place != NULL) {
        slot.source = place->source;
        slot.sequence = place->sequence;
        slot.leader_epoch = place->leader_epoch;
        *next_out = place->last_offset + 1;
    } else {
        /* Nothing is known of it: a change has passed over it. */
        *next_out = INT64_MAX;
    }
    return slot;
}

/* Notes what holds batches between the two offsets; false without memory. */
static bool
note_slots(struct ks_producer_put *put, const struct ks_partition *partition)
{
    size_t capacity = 0;
    int64_t offset;

    choose_base(put, partition);
    offset = put->base_offset;
    while (offset < put->snapshot.offset) {
        struct ks_producer_put_slot slot = slot_at(put, partition, offset, &offset);

        if (offset < INT64_MAX && !add_slot(put, &capacity, &slot)) {
            return false;
        }
    }
    return true;
}

void
ks_producer_put_start(struct ks_producer_put *put, struct ks_log *log,
                      const struct ks_partition *partition, int64_t offset)
{
    assert(offset >= partition->reg.compacted_upto);
    assert(offset <= partition->high_watermark);

    put->log = log;
    put->snapshot = (struct ks_producer_snapshot){ .name = partition->name, .offset = offset };
    put->base_offset = partition->reg.compacted_upto;
    put->has_base = put->base_offset == 0;
    put->reg = (struct ks_register){ .log_start = partition->reg.log_start,
                                     .compacted_upto = partition->reg.compacted_upto,
                                     .imported_end = partition->reg.imported_end,
                                     .segment_base = partition->reg.segment_base };
    put->prefix = ks_copy_text(partition->prefix);
    ks_producer_table_init(&put->table, ks_env_random_u64(log->env), log->options.producers_max,
                           log->options.producer_expiration_ms);
    ks_buffer_init(&put->bytes, KS_PRODUCER_SNAPSHOT_BYTES_MAX);
    ks_log_begin(log);
    if (put->prefix == NULL || !note_slots(put, partition)) {
        put->status = KAFSCALE_NO_MEMORY;
    }
    put->retry = (struct ks_timer){ .on_due = move_on, .arg = put };
    ks_env_set_timer(log->env, &put->retry, ks_env_now_ms(log->env));
}

void
ks_producer_put_hurry(struct ks_producer_put *put)
{
    if (ks_env_timer_is_set(&put->retry)) {
        ks_env_set_timer(put->log->env, &put->retry, ks_env_now_ms(put->log->env));
    }
}

void
ks_producer_put_silence(struct ks_producer_put *put)
{
    if (ks_env_timer_is_set(&put->retry)) {
        ks_env_cancel_timer(put->log->env, &put->retry);
        finish(put, KAFSCALE_STOPPED);
    }
}

void
ks_producer_put_drop(struct ks_producer_put *put)
{
    deinit(put);
}
