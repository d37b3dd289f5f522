/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All lengths are known before the first byte is written, since nothing changes its length on the
 * way; so positions are right at once.
 */
#include "log/bundle/merge_build.h"

#include "log/format/producer_snapshot.h"
#include "log/read/stored_batch.h"

#include <assert.h>

/* Batches that are checked in one turn of the loop. */
#define STEP_BYTES (1u << 20)

/* --- Lengths --------------------------------------------------------------------------------- */

static bool
begins_section(const struct ks_merge_part *part, size_t index)
{
    return index == 0 || !ks_merge_is_same_section(&part->pieces[index - 1], &part->pieces[index]);
}

static void
measure(struct ks_merge_build *build)
{
    const struct ks_merge_part *part = build->part;

    build->head_bytes = KS_BUNDLE_HEADER_BYTES;
    for (size_t i = 0; i < part->piece_count; i++) {
        const struct ks_bundle_section *section = part->pieces[i].section;

        if (begins_section(part, i)) {
            build->head_bytes += KS_BUNDLE_SECTION_BYTES + section->topic_name.size;
            build->header.section_count++;
        }
        if (part->pieces[i].state != KS_MERGE_NO_RANGE) {
            build->header.states_bytes += section->state_bytes;
        }
        build->header.entries_bytes += (uint64_t) section->entry_count * KS_BUNDLE_ENTRY_BYTES;
        build->header.body_bytes += section->body_bytes;
    }
    build->body_position =
        build->head_bytes + build->header.states_bytes + build->header.entries_bytes;
}

/* What a piece refers to in a range that was read; empty when it is not there. */
static struct kafscale_slice
bytes_in(const struct ks_merge_build *build, uint32_t range_index, uint64_t position,
         uint64_t bytes)
{
    const struct ks_merge_range *range = &build->part->ranges[range_index];
    struct kafscale_slice slice = kafscale_blob_slice(range->bytes);

    if (slice.size != range->end - range->position) {
        return ks_slice(NULL, 0);
    }
    return ks_slice(slice.data + (position - range->position), (size_t) bytes);
}

/* --- States ---------------------------------------------------------------------------------- */

static bool
is_state_of(const struct ks_bundle_section *section, struct kafscale_slice state)
{
    struct ks_producer_snapshot found;
    struct kafscale_error error = { 0 };

    return state.size == section->state_bytes &&
           ks_producer_snapshot_check(state, &found, &error) == KAFSCALE_OK &&
           found.offset == section->end_offset && found.name.index == section->partition &&
           ks_id_equals(&found.name.topic, &section->topic);
}

static enum kafscale_status
write_states(struct ks_merge_build *build, uint32_t *damaged_out)
{
    const struct ks_merge_part *part = build->part;
    size_t next = 0;

    for (size_t i = 0; i < part->piece_count; i++) {
        const struct ks_merge_piece *piece = &part->pieces[i];
        struct kafscale_slice state;

        if (piece->state == KS_MERGE_NO_RANGE) {
            continue;
        }
        state = bytes_in(build, piece->state, piece->section->state_position,
                         piece->section->state_bytes);
        if (!is_state_of(piece->section, state)) {
            *damaged_out = piece->state;
            return KAFSCALE_CORRUPT;
        }
        build->sections[next].state_position = build->head_bytes + build->middle.size;
        build->sections[next++].state_bytes = piece->section->state_bytes;
        ks_buffer_append(&build->middle, state.data, state.size);
    }
    assert(next == build->header.section_count);
    return ks_buffer_failed(&build->middle) ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

enum kafscale_status
ks_merge_build_begin(struct ks_merge_build *build, const struct ks_merge_part *part,
                     const struct ks_bundle *first, const struct ks_bundle *last)
{
    assert(part->piece_count > 0);

    *build = (struct ks_merge_build){ .part = part };
    ks_buffer_init(&build->head, KS_BUNDLE_HEADER_BYTES + KS_BUNDLE_DIRECTORY_BYTES_MAX);
    ks_buffer_init(&build->middle, SIZE_MAX);
    build->header = (struct ks_bundle_header){ .cluster = first->header.cluster,
                                               .incarnation = first->header.incarnation,
                                               .first = first->name.first,
                                               .last = last->name.last,
                                               .chain_before = first->header.chain_before,
                                               .chain_after = last->header.chain_after,
                                               .created_ms = last->header.created_ms };
    measure(build);
    build->sections = ks_alloc_zero(build->header.section_count, sizeof *build->sections);
    build->parts = ks_alloc_zero(part->piece_count + 3, sizeof *build->parts);
    build->part_count = 2; /* head and middle come when they are whole */
    return build->sections == NULL || build->parts == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

void
ks_merge_build_deinit(struct ks_merge_build *build)
{
    ks_free(build->sections);
    ks_free(build->parts);
    ks_buffer_deinit(&build->head);
    ks_buffer_deinit(&build->middle);
    *build = (struct ks_merge_build){ 0 };
}

/* --- Pieces ---------------------------------------------------------------------------------- */

/* The section of the next piece, which may begin with it. */
static struct ks_bundle_section *
section_of(struct ks_merge_build *build)
{
    const struct ks_bundle_section *from = build->part->pieces[build->next].section;
    struct ks_bundle_section *section;

    if (!begins_section(build->part, build->next)) {
        return &build->sections[build->section_count - 1];
    }
    section = &build->sections[build->section_count++];
    section->topic = from->topic;
    section->partition = from->partition;
    section->leader_epoch = from->leader_epoch;
    section->base_offset = from->base_offset;
    section->end_offset = from->base_offset;
    section->max_timestamp_ms = INT64_MIN;
    section->entries_position = build->head_bytes + build->middle.size;
    section->body_position = build->body_position;
    section->topic_name = from->topic_name;
    return section;
}

/* Whether a batch is what its entry says, and lies in the body of its section. */
static bool
is_right(const struct ks_bundle_section *section, const struct ks_wal_entry *entry,
         struct kafscale_slice body)
{
    struct ks_stored_batch stored = ks_stored_batch_of(entry);
    struct kafscale_error error = { 0 };
    struct ks_batch batch;

    return ks_stored_batch_find(&stored, body, section->body_position, &batch, &error) ==
           KAFSCALE_OK;
}

/* Copies the entries, with their new positions. FULL: a batch isn't what its entry says. */
static enum kafscale_status
take_entries(struct ks_merge_build *build, const struct ks_bundle_section *from,
             struct kafscale_slice entries, struct kafscale_slice body)
{
    struct ks_cursor cursor = ks_cursor(entries);
    struct ks_bundle_entry entry;
    int64_t next_offset = from->base_offset;
    uint32_t count = 0;

    while (ks_bundle_next_entry(&cursor, &entry)) {
        if (!is_right(from, &entry.batch, body)) {
            return KAFSCALE_FULL;
        }
        if (entry.batch.base_offset != next_offset) {
            return KAFSCALE_CORRUPT;
        }
        next_offset = entry.batch.last_offset + 1;
        entry.batch.position = build->body_position + (entry.batch.position - from->body_position);
        ks_bundle_append_entry(&build->middle, &entry);
        count++;
    }
    return cursor.failed || count != from->entry_count || next_offset != from->end_offset
               ? KAFSCALE_CORRUPT
               : KAFSCALE_OK;
}

static void
join(struct ks_bundle_section *section, const struct ks_bundle_section *from)
{
    section->end_offset = from->end_offset;
    section->entry_count += from->entry_count;
    section->entries_bytes += from->entry_count * KS_BUNDLE_ENTRY_BYTES;
    section->body_bytes += from->body_bytes;
    if (from->max_timestamp_ms > section->max_timestamp_ms) {
        section->max_timestamp_ms = from->max_timestamp_ms;
    }
    if (from->batch_bytes_max > section->batch_bytes_max) {
        section->batch_bytes_max = from->batch_bytes_max;
    }
}

static enum kafscale_status
take_piece(struct ks_merge_build *build, uint32_t *damaged_out)
{
    const struct ks_merge_piece *piece = &build->part->pieces[build->next];
    const struct ks_bundle_section *from = piece->section;
    struct kafscale_slice entries =
        bytes_in(build, piece->entries, from->entries_position, from->entries_bytes);
    struct kafscale_slice body =
        bytes_in(build, piece->body, from->body_position, from->body_bytes);
    struct ks_bundle_section *section = section_of(build);
    size_t before = build->middle.size;
    enum kafscale_status status = KAFSCALE_CORRUPT;

    if (entries.data != NULL && ks_crc32c(0, entries.data, entries.size) == from->entries_crc &&
        (section->end_offset == from->base_offset || section->entry_count == 0)) {
        status = take_entries(build, from, entries, body);
    }
    *damaged_out = status == KAFSCALE_FULL ? piece->body : piece->entries;
    if (status != KAFSCALE_OK) {
        return KAFSCALE_CORRUPT;
    }
    if (ks_buffer_failed(&build->middle)) {
        return KAFSCALE_NO_MEMORY;
    }
    section->entries_crc =
        ks_crc32c(section->entries_crc, build->middle.data + before, build->middle.size - before);
    join(section, from);
    build->body_crc = ks_crc32c(build->body_crc, body.data, body.size);
    build->parts[build->part_count++] =
        (struct kafscale_part){ .bytes = body, .owner = build->part->ranges[piece->body].bytes };
    build->body_position += from->body_bytes;
    return KAFSCALE_OK;
}

/* --- The end --------------------------------------------------------------------------------- */

static enum kafscale_status
write_head(struct ks_merge_build *build)
{
    struct ks_buffer directory;

    ks_buffer_init(&directory, KS_BUNDLE_DIRECTORY_BYTES_MAX);
    for (size_t i = 0; i < build->section_count; i++) {
        ks_bundle_append_section(&directory, &build->sections[i]);
    }
    if (!ks_buffer_failed(&directory)) {
        ks_bundle_write_head(&build->head, &build->header, ks_buffer_slice(&directory));
    }
    if (ks_buffer_failed(&directory) || ks_buffer_failed(&build->head)) {
        ks_buffer_deinit(&directory);
        return KAFSCALE_NO_MEMORY;
    }
    ks_buffer_deinit(&directory);
    assert(build->head.size == build->head_bytes);
    assert(build->middle.size == build->header.states_bytes + build->header.entries_bytes);
    return KAFSCALE_OK;
}

static enum kafscale_status
complete(struct ks_merge_build *build)
{
    enum kafscale_status status = write_head(build);
    uint32_t crc;

    if (status != KAFSCALE_OK) {
        return status;
    }
    crc = ks_crc32c(0, build->head.data, build->head.size);
    crc = ks_crc32c(crc, build->middle.data, build->middle.size);
    crc = ks_crc32c_join(crc, build->body_crc, (size_t) build->header.body_bytes);
    ks_bundle_write_trailer(build->trailer, ks_bundle_total_bytes(&build->header), crc);
    build->parts[0].bytes = ks_buffer_slice(&build->head);
    build->parts[1].bytes = ks_buffer_slice(&build->middle);
    build->parts[build->part_count++].bytes = ks_slice(build->trailer, KS_BUNDLE_TRAILER_BYTES);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_merge_build_step(struct ks_merge_build *build, uint32_t *damaged_out)
{
    enum kafscale_status status = KAFSCALE_OK;
    uint64_t upto = build->body_position + STEP_BYTES;

    if (build->next == 0) {
        status = write_states(build, damaged_out);
    }
    while (status == KAFSCALE_OK && build->next < build->part->piece_count) {
        status = take_piece(build, damaged_out);
        build->next++;
        if (status == KAFSCALE_OK && build->body_position >= upto) {
            return KAFSCALE_FULL;
        }
    }
    return status == KAFSCALE_OK ? complete(build) : status;
}
