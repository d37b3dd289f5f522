/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending. Batches gather in the open object; when the flush rule fires its bytes are frozen,
 * and sent (sender.c).
 */
#include "log/core.h"

#include <assert.h>

/*
 * An object is full at so many bytes of directory too: many small batches need more of it than
 * of body.
 */
#define DIRECTORY_BYTES_FULL (4u << 20)

/* --- Answers --- */

static void
answer_from_loop(void *arg)
{
    struct ks_append *append = arg;

    ks_list_remove(&append->link);
    append->done(append, append->result);
}

void
ks_append_answer(struct ks_log *log, struct ks_append *append, enum ks_append_result result)
{
    append->result = result;
    append->task = (struct ks_task){ .run = answer_from_loop, .arg = append };
    ks_list_append(&log->answers, &append->link);
    ks_env_defer(log->env, &append->task);
}

void
ks_slot_answer(struct ks_slot *slot, enum ks_append_result result)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&slot->appends)) != NULL) {
        ks_append_answer(slot->log, KS_CONTAINER(node, struct ks_append, link), result);
    }
}

/* --- Slots --- */

static struct ks_slot *
slot_new(struct ks_log *log)
{
    struct ks_slot *slot = ks_alloc_zero(1, sizeof *slot);

    if (slot == NULL) {
        return NULL;
    }
    slot->log = log;
    slot->sequence = log->sequence_next;
    slot->first_append_ms = ks_env_now_ms(log->env);
    slot->part_count = 1;
    ks_list_init(&slot->sections);
    ks_list_init(&slot->appends);
    ks_buffer_init(&slot->head, KS_WAL_DIRECTORY_BYTES_MAX + KS_WAL_HEADER_BYTES);
    return slot;
}

static void
section_free(struct ks_open_section *section)
{
    struct ks_partition *partition = section->partition;

    ks_list_remove(&section->link);
    ks_buffer_deinit(&section->entries);
    if (partition->section == section) {
        partition->section = NULL;
    }
    partition->section_count--;
    if (partition->is_gone && partition->section_count == 0) {
        ks_partition_free(partition);
    }
    ks_free(section);
}

void
ks_slot_free(struct ks_slot *slot)
{
    if (slot == NULL) {
        return;
    }
    assert(ks_list_is_empty(&slot->appends));

    while (!ks_list_is_empty(&slot->sections)) {
        section_free(KS_CONTAINER(slot->sections.next, struct ks_open_section, link));
    }
    for (size_t i = 1; i < slot->part_count; i++) {
        kafscale_blob_unref(slot->parts[i].owner);
    }
    ks_env_cancel_timer(slot->log->env, &slot->retry);
    ks_list_remove(&slot->link);
    ks_buffer_deinit(&slot->head);
    ks_free(slot->parts);
    ks_free(slot);
}

static struct ks_open_section *
section_new(struct ks_slot *slot, struct ks_partition *partition)
{
    struct ks_open_section *section = ks_alloc_zero(1, sizeof *section);

    if (section == NULL) {
        return NULL;
    }
    section->partition = partition;
    section->first_place = partition->place_end;
    section->has_name = !partition->is_named;
    ks_buffer_init(&section->entries, KS_WAL_DIRECTORY_BYTES_MAX);
    ks_list_append(&slot->sections, &section->link);
    slot->section_count++;
    partition->section = section;
    partition->section_count++;
    partition->is_named = true;
    return section;
}

/* Room for one more part and the trailer. */
static bool
reserve_part(struct ks_slot *slot)
{
    return KS_RESERVE(slot->parts, slot->part_capacity, slot->part_count + 2);
}

/* --- Appending --- */

static struct ks_wal_entry
entry_of(const struct ks_batch *batch, int64_t base_offset, uint64_t position)
{
    bool has_producer = batch->producer_id >= 0;

    return (struct ks_wal_entry){
        .attributes = (uint16_t) batch->attributes,
        .record_count = batch->record_count,
        .base_offset = base_offset,
        .last_offset = base_offset + batch->last_offset_delta,
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_epoch,
        .first_sequence = batch->base_sequence,
        .last_sequence = has_producer ? ks_batch_last_sequence(batch) : -1,
        .max_timestamp_ms = batch->max_timestamp,
        .position = position,
        .size_bytes = (uint32_t) batch->bytes.size,
        .crc = batch->crc,
        .control_type = -1,
        .coordinator_epoch = -1,
    };
}

/* Adds the batch to the partition and its section, or changes nothing. */
static bool
add_to_partition(struct ks_log *log, struct ks_slot *slot, struct ks_append *append)
{
    struct ks_partition *partition = append->partition;
    struct ks_open_section *section = partition->section;
    struct ks_wal_entry entry = entry_of(&append->batch, partition->end_offset, slot->body_bytes);
    struct ks_place where = { .leader_epoch = partition->reg.epoch,
                              .sequence = slot->sequence,
                              .position = entry.position };
    struct ks_cached_batch *cached = ks_alloc(sizeof *cached);
    size_t entries_bytes = section->entries.size;

    if (cached == NULL) {
        return false;
    }
    ks_wal_append_entry(&section->entries, &entry);
    if (ks_buffer_failed(&section->entries) ||
        ks_partition_add_place(partition, &entry, &where) != KAFSCALE_OK) {
        goto undo_entry;
    }
    if (ks_partition_note_producer(partition, &entry, ks_env_wall_ms(log->env)) != KAFSCALE_OK) {
        ks_partition_undo_place(partition);
        goto undo_entry;
    }
    *cached = (struct ks_cached_batch){ .partition = partition,
                                        .owner = kafscale_blob_ref(append->owner),
                                        .bytes = append->batch.bytes,
                                        .index = partition->place_end - 1 };
    ks_partition_place(partition, cached->index)->cached = cached;
    section->entry_count++;
    append->base_offset = entry.base_offset;
    return true;

undo_entry:
    section->entries.size = entries_bytes;
    section->entries.failed = false;
    ks_free(cached);
    return false;
}

/* The open object with a section for the partition and room for a batch; NULL without memory. */
static struct ks_slot *
prepare_slot(struct ks_log *log, struct ks_partition *partition)
{
    if (log->open == NULL) {
        log->open = slot_new(log);
    }
    if (log->open == NULL || !reserve_part(log->open)) {
        return NULL;
    }
    if (partition->section == NULL && section_new(log->open, partition) == NULL) {
        return NULL;
    }
    return log->open;
}

/* Nothing was appended. */
static void
refuse(struct ks_log *log, struct ks_append *append, enum ks_append_result result)
{
    const struct ks_batch *batch = &append->batch;

    if (batch->producer_id >= 0) {
        ks_producer_note_refused(&append->partition->producers, batch->producer_id,
                                 batch->producer_epoch, batch->base_sequence,
                                 ks_env_wall_ms(log->env));
    }
    ks_append_answer(log, append, result);
}

static void
append_next(struct ks_log *log, struct ks_append *append)
{
    struct ks_batch *batch = &append->batch;
    struct ks_slot *slot = prepare_slot(log, append->partition);
    size_t place;

    if (slot == NULL || !add_to_partition(log, slot, append)) {
        refuse(log, append, KS_APPEND_FULL);
        return;
    }
    place = (size_t) (batch->bytes.data - kafscale_blob_data(append->owner));
    ks_batch_patch(kafscale_blob_data(append->owner) + place, append->base_offset,
                   append->partition->reg.epoch);
    slot->parts[slot->part_count++] = (struct kafscale_part){
        .bytes = batch->bytes,
        .owner = kafscale_blob_ref(append->owner),
    };
    slot->body_bytes += batch->bytes.size;
    slot->entries_bytes += KS_WAL_ENTRY_BYTES;
    log->unflushed_bytes += batch->bytes.size;
    log->counters.batches_appended++;
    log->counters.bytes_appended += batch->bytes.size;
    ks_list_append(&slot->appends, &append->link);
    ks_writer_schedule(log);
}

/* The object that holds a batch that isn't committed yet. */
static struct ks_slot *
slot_of(struct ks_log *log, const struct ks_partition *partition, int64_t offset)
{
    uint64_t sequence =
        ks_partition_place(partition, ks_partition_find_place(partition, offset))->sequence;

    for (struct ks_list *node = log->slots.next; node != &log->slots; node = node->next) {
        struct ks_slot *slot = KS_CONTAINER(node, struct ks_slot, link);

        if (slot->sequence == sequence) {
            return slot;
        }
    }
    assert(log->open != NULL);
    assert(log->open->sequence == sequence);
    return log->open;
}

/* A duplicate gets the answer of its original, when that has one. */
static void
join_original(struct ks_log *log, struct ks_append *append,
              const struct ks_producer_batch *original)
{
    append->base_offset = original->base_offset;
    log->counters.duplicates++;
    if (original->last_offset < append->partition->high_watermark ||
        ks_is_planted(KS_PLANTED_EARLY_DUPLICATE)) {
        ks_append_answer(log, append, KS_APPEND_OK);
        return;
    }
    ks_list_append(&slot_of(log, append->partition, original->base_offset)->appends, &append->link);
}

void
ks_writer_append(struct ks_log *log, struct ks_append *append)
{
    const struct ks_batch *batch = &append->batch;
    struct ks_producer_batch original;
    enum ks_sequence_check check = KS_SEQUENCE_NEXT;

    if (batch->producer_id >= 0) {
        check =
            ks_producer_check(&append->partition->producers, batch->producer_id,
                              batch->producer_epoch, batch->base_sequence,
                              ks_batch_last_sequence(batch), ks_env_wall_ms(log->env), &original);
    }
    switch (check) {
    case KS_SEQUENCE_DUPLICATE:
        join_original(log, append, &original);
        return;
    case KS_SEQUENCE_OUT_OF_ORDER:
        ks_append_answer(log, append, KS_APPEND_OUT_OF_ORDER);
        return;
    case KS_SEQUENCE_OLD_EPOCH:
        ks_append_answer(log, append, KS_APPEND_OLD_EPOCH);
        return;
    case KS_SEQUENCE_TOO_MANY:
        refuse(log, append, KS_APPEND_TOO_MANY_PRODUCERS);
        return;
    case KS_SEQUENCE_NEXT:
        break;
    }
    if (log->unflushed_bytes + batch->bytes.size > log->options.unflushed_bytes_max &&
        log->unflushed_bytes > 0) {
        refuse(log, append, KS_APPEND_FULL);
        return;
    }
    append_next(log, append);
}

/* --- Cutting --- */

/*
 * Concatenates the sections. The places, which counted from the body's first byte so far, are fixed
 * afterwards.
 */
static bool
write_head(struct ks_slot *slot, int64_t created_ms)
{
    struct ks_log *log = slot->log;
    struct ks_buffer directory;
    struct ks_wal_header header = { .flags = KS_WAL_DATA,
                                    .cluster = log->options.cluster,
                                    .incarnation = log->options.incarnation,
                                    .sequence = slot->sequence,
                                    .chain = log->chain,
                                    .created_ms = created_ms,
                                    .section_count = slot->section_count,
                                    .body_bytes = slot->body_bytes };

    ks_buffer_init(&directory, KS_WAL_DIRECTORY_BYTES_MAX);
    for (struct ks_list *node = slot->sections.next; node != &slot->sections; node = node->next) {
        struct ks_open_section *open = KS_CONTAINER(node, struct ks_open_section, link);
        struct ks_wal_section section = { .topic = open->partition->name.topic,
                                          .partition = open->partition->name.index,
                                          .leader_epoch = open->partition->reg.epoch,
                                          .entry_count = open->entry_count };

        if (open->has_name) {
            section.topic_name = ks_slice_of_text(open->partition->topic_name);
        }
        ks_wal_append_section(&directory, &section);
        ks_buffer_append(&directory, open->entries.data, open->entries.size);
    }
    ks_env_random(log->env, header.nonce.bytes, KS_ID_BYTES);
    if (!ks_buffer_failed(&directory)) {
        ks_wal_write_head(&slot->head, &header, ks_buffer_slice(&directory));
        slot->head.failed |= directory.failed;
    } else {
        slot->head.failed = true;
    }
    ks_buffer_deinit(&directory);
    if (ks_buffer_failed(&slot->head)) {
        ks_buffer_clear(&slot->head);
        return false;
    }
    log->chain = header.crc;
    return true;
}

static void
fix_places(struct ks_slot *slot, int64_t created_ms)
{
    for (struct ks_list *node = slot->sections.next; node != &slot->sections; node = node->next) {
        struct ks_open_section *section = KS_CONTAINER(node, struct ks_open_section, link);
        struct ks_partition *partition = section->partition;

        /* A section may be empty, of a partition without any place. */
        for (uint32_t i = 0; i < section->entry_count; i++) {
            struct ks_place *place = ks_partition_place(partition, section->first_place + i);

            place->position += slot->head.size;
            place->created_ms = created_ms;
        }
        partition->section = NULL;
    }
}

/* Freezes the open object and sends it; false (and later again) when memory is short. */
static bool
cut(struct ks_log *log)
{
    struct ks_slot *slot = log->open;
    int64_t created_ms = ks_env_wall_ms(log->env);
    uint64_t total_bytes;
    uint32_t crc;

    if (!write_head(slot, created_ms)) {
        ks_env_set_timer(log->env, &log->cut_timer, ks_env_now_ms(log->env) + 10);
        return false;
    }
    fix_places(slot, created_ms);
    slot->parts[0] = (struct kafscale_part){ .bytes = ks_buffer_slice(&slot->head) };
    crc = ks_crc32c(0, slot->head.data, slot->head.size);
    for (size_t i = 1; i < slot->part_count; i++) {
        crc = ks_batch_crc_after(crc, slot->parts[i].bytes);
    }
    total_bytes = slot->head.size + slot->body_bytes + KS_WAL_TRAILER_BYTES;
    ks_wal_write_trailer(slot->trailer, total_bytes, crc);
    slot->parts[slot->part_count++] = (struct kafscale_part){
        .bytes = ks_slice(slot->trailer, KS_WAL_TRAILER_BYTES),
    };
    ks_wal_key(log->ns, &log->options.incarnation, slot->sequence, slot->key);
    slot->state = KS_SLOT_SENT;
    log->open = NULL;
    log->sequence_next++;
    log->slot_count++;
    ks_list_append(&log->slots, &slot->link);
    ks_slot_send(slot);
    return true;
}

static bool
is_full(const struct ks_log *log)
{
    return log->open != NULL && (log->open->body_bytes >= log->options.flush_bytes ||
                                 log->open->entries_bytes >= DIRECTORY_BYTES_FULL);
}

/* Whether the open object may be cut before it is full: below the window only. */
static bool
may_cut(const struct ks_log *log)
{
    return log->open != NULL && log->open->body_bytes > 0 && log->status == KAFSCALE_OK &&
           log->slot_count < ks_store_window(log->store);
}

static int64_t
cut_due_ms(const struct ks_log *log)
{
    return log->open->first_append_ms + (log->is_draining ? 0 : log->options.flush_interval_ms);
}

static void
cut_from_loop(void *arg)
{
    struct ks_log *log = arg;

    if (may_cut(log) && cut_due_ms(log) <= ks_env_now_ms(log->env) && !cut(log)) {
        return;
    }
    ks_writer_schedule(log);
}

void
ks_writer_init(struct ks_log *log)
{
    ks_list_init(&log->slots);
    ks_list_init(&log->answers);
    log->cut_task = (struct ks_task){ .run = cut_from_loop, .arg = log };
    log->cut_timer = (struct ks_timer){ .on_due = cut_from_loop, .arg = log };
}

void
ks_writer_schedule(struct ks_log *log)
{
    if (log->status == KAFSCALE_OK && is_full(log)) {
        if (log->slot_count >= (ks_store_window(log->store) + 1) / 2) {
            ks_pace_press(&log->pace, ks_env_now_ms(log->env));
        }
        (void) cut(log);
        return;
    }
    if (!may_cut(log)) {
        return;
    }
    /* Waiting for the loop's next turn lets all that arrived in this one share the object. */
    if (cut_due_ms(log) <= ks_env_now_ms(log->env)) {
        ks_env_defer(log->env, &log->cut_task);
    } else if (!ks_env_timer_is_set(&log->cut_timer)) {
        ks_env_set_timer(log->env, &log->cut_timer, cut_due_ms(log));
    }
}

/* --- The end --- */

void
ks_writer_abandon(struct ks_log *log, enum ks_append_result result)
{
    for (struct ks_list *node = log->slots.next; node != &log->slots; node = node->next) {
        ks_slot_answer(KS_CONTAINER(node, struct ks_slot, link), result);
    }
    if (log->open != NULL) {
        ks_slot_answer(log->open, result);
    }
}

void
ks_writer_forget(struct ks_log *log, struct ks_partition *partition)
{
    struct ks_list *slot_node = log->slots.next;

    partition->section = NULL;
    for (;;) {
        struct ks_slot *slot =
            slot_node == &log->slots ? log->open : KS_CONTAINER(slot_node, struct ks_slot, link);
        struct ks_list *node = slot == NULL ? NULL : slot->appends.next;

        while (slot != NULL && node != &slot->appends) {
            struct ks_append *append = KS_CONTAINER(node, struct ks_append, link);

            node = node->next;
            if (append->partition == partition) {
                ks_list_remove(&append->link);
                ks_append_answer(log, append, KS_APPEND_NOT_OWNER);
            }
        }
        if (slot_node == &log->slots) {
            return;
        }
        slot_node = slot_node->next;
    }
}

static void
silence(struct ks_slot *slot)
{
    while (ks_list_take_first(&slot->appends) != NULL) {
    }
    if (ks_env_timer_is_set(&slot->retry)) {
        ks_env_cancel_timer(slot->log->env, &slot->retry);
        slot->log->busy--;
    }
}

void
ks_writer_silence(struct ks_log *log)
{
    struct ks_list *answer;

    while ((answer = ks_list_take_first(&log->answers)) != NULL) {
        ks_env_cancel_task(&KS_CONTAINER(answer, struct ks_append, link)->task);
    }
    for (struct ks_list *node = log->slots.next; node != &log->slots; node = node->next) {
        silence(KS_CONTAINER(node, struct ks_slot, link));
    }
    if (log->open != NULL) {
        silence(log->open);
    }
}

void
ks_writer_deinit(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->slots)) {
        ks_slot_free(KS_CONTAINER(log->slots.next, struct ks_slot, link));
    }
    ks_slot_free(log->open);
    log->open = NULL;
}
