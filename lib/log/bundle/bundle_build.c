/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Positions count from the object's first byte, so the sizes of directory, states and entries are
 * known before the first of them is written.
 */
#include "log/bundle/bundle_build.h"

#include "log/format/producer_snapshot.h"

#include <assert.h>
#include <stdlib.h>

void
ks_bundle_build_init(struct ks_bundle_build *build, struct ks_trail *trail)
{
    *build = (struct ks_bundle_build){ .trail = trail };
    ks_buffer_init(&build->head, KS_BUNDLE_HEADER_BYTES + KS_BUNDLE_DIRECTORY_BYTES_MAX);
    /* However large the states are, the slots with their partitions can't be left as they are. */
    ks_buffer_init(&build->middle, SIZE_MAX);
}

void
ks_bundle_build_deinit(struct ks_bundle_build *build)
{
    for (size_t i = 0; i < build->item_count; i++) {
        kafscale_blob_unref(build->items[i].owner);
    }
    ks_free(build->items);
    ks_free(build->parts);
    ks_buffer_deinit(&build->head);
    ks_buffer_deinit(&build->middle);
    *build = (struct ks_bundle_build){ 0 };
}

enum kafscale_status
ks_bundle_build_add(struct ks_bundle_build *build, const struct ks_bundle_item *item)
{
    if (!KS_RESERVE(build->items, build->item_capacity, build->item_count + 1)) {
        return KAFSCALE_NO_MEMORY;
    }
    build->items[build->item_count] = *item;
    (void) kafscale_blob_ref(item->owner);
    build->item_count++;
    return KAFSCALE_OK;
}

static int
compare_items(const void *a, const void *b)
{
    const struct ks_bundle_item *left = a;
    const struct ks_bundle_item *right = b;
    int order = ks_section_key_compare(&left->run->key, &right->run->key);

    if (order != 0) {
        return order;
    }
    if (left->entry.batch.base_offset != right->entry.batch.base_offset) {
        return left->entry.batch.base_offset < right->entry.batch.base_offset ? -1 : 1;
    }
    return 0;
}

/* How many items from `first` on are of the same section. */
static size_t
count_section(const struct ks_bundle_build *build, size_t first)
{
    size_t count = 1;

    while (first + count < build->item_count &&
           build->items[first + count].run == build->items[first].run) {
        count++;
    }
    return count;
}

/* Sizes of the parts before the body; the positions of sections begin after them. */
static void
measure(struct ks_bundle_build *build, size_t *head_bytes_out)
{
    size_t head_bytes = KS_BUNDLE_HEADER_BYTES;

    build->header.section_count = 0;
    build->header.body_bytes = 0;
    for (size_t i = 0; i < build->item_count; i += count_section(build, i)) {
        head_bytes += KS_BUNDLE_SECTION_BYTES + strlen(build->items[i].run->topic_name);
        build->header.section_count++;
    }
    for (size_t i = 0; i < build->item_count; i++) {
        build->header.body_bytes += build->items[i].bytes.size;
    }
    build->header.entries_bytes = (uint64_t) build->item_count * KS_BUNDLE_ENTRY_BYTES;
    *head_bytes_out = head_bytes;
}

/* The planted fault: what the producers have done by now, committed or not. */
static struct ks_producer_table *
producers_of(struct ks_bundle_build *build, struct ks_trail_run *run)
{
    struct ks_partition *partition = ks_log_find(build->trail->log, &run->key.partition);

    return partition != NULL && ks_is_planted(KS_PLANTED_LIVE_STATE) ? &partition->producers
                                                                     : &run->producers;
}

static void
write_states(struct ks_bundle_build *build, struct ks_bundle_section *sections, size_t head_bytes)
{
    size_t next = 0;

    for (size_t i = 0; i < build->item_count; i += count_section(build, i)) {
        struct ks_trail_run *run = build->items[i].run;
        struct ks_producer_snapshot snapshot = { .name = run->key.partition,
                                                 .offset = run->next_offset };
        size_t before = build->middle.size;

        ks_producer_snapshot_encode(producers_of(build, run), &snapshot, &build->middle);
        sections[next].state_position = head_bytes + before;
        sections[next++].state_bytes = (uint32_t) (build->middle.size - before);
    }
    build->header.states_bytes = build->middle.size;
}

static void
fill_section(struct ks_bundle_section *section, const struct ks_bundle_item *items, size_t count)
{
    const struct ks_trail_run *run = items[0].run;

    section->topic = run->key.partition.topic;
    section->partition = run->key.partition.index;
    section->leader_epoch = run->key.leader_epoch;
    section->base_offset = items[0].entry.batch.base_offset;
    section->end_offset = items[count - 1].entry.batch.last_offset + 1;
    section->max_timestamp_ms = INT64_MIN;
    section->entry_count = (uint32_t) count;
    section->topic_name = ks_slice_of_text(run->topic_name);
    for (size_t i = 0; i < count; i++) {
        const struct ks_wal_entry *batch = &items[i].entry.batch;

        section->body_bytes += batch->size_bytes;
        if (batch->size_bytes > section->batch_bytes_max) {
            section->batch_bytes_max = batch->size_bytes;
        }
        if (batch->max_timestamp_ms > section->max_timestamp_ms) {
            section->max_timestamp_ms = batch->max_timestamp_ms;
        }
    }
}

/* The entries of one section, and what the directory says of it; false: not what the state says. */
static bool
write_section(struct ks_bundle_build *build, struct ks_bundle_section *section, size_t first,
              size_t head_bytes, uint64_t *body_position)
{
    size_t count = count_section(build, first);
    struct ks_bundle_item *items = build->items + first;
    size_t before = build->middle.size;

    fill_section(section, items, count);
    section->body_position = *body_position;
    for (size_t i = 0; i < count; i++) {
        items[i].entry.batch.position = *body_position;
        *body_position += items[i].bytes.size;
        ks_bundle_append_entry(&build->middle, &items[i].entry);
    }
    section->entries_position = head_bytes + before;
    section->entries_bytes = (uint32_t) (build->middle.size - before);
    if (!ks_buffer_failed(&build->middle)) {
        section->entries_crc =
            ks_crc32c(0, build->middle.data + before, build->middle.size - before);
    }
    return section->end_offset == items[0].run->next_offset;
}

static enum kafscale_status
write_head(struct ks_bundle_build *build, const struct ks_bundle_section *sections)
{
    struct ks_buffer directory;
    bool has_failed;

    ks_buffer_init(&directory, KS_BUNDLE_DIRECTORY_BYTES_MAX);
    for (uint32_t i = 0; i < build->header.section_count; i++) {
        ks_bundle_append_section(&directory, &sections[i]);
    }
    has_failed = ks_buffer_failed(&directory) || ks_buffer_failed(&build->middle);
    if (!has_failed) {
        ks_bundle_write_head(&build->head, &build->header, ks_buffer_slice(&directory));
        has_failed = ks_buffer_failed(&build->head);
    }
    ks_buffer_deinit(&directory);
    return has_failed ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

static enum kafscale_status
write_sections(struct ks_bundle_build *build)
{
    struct ks_bundle_section *sections;
    enum kafscale_status status = KAFSCALE_OK;
    uint64_t body_position;
    size_t head_bytes;
    size_t next = 0;

    measure(build, &head_bytes);
    sections = ks_alloc_zero(build->header.section_count, sizeof *sections);
    if (sections == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    write_states(build, sections, head_bytes);
    body_position = head_bytes + build->header.states_bytes + build->header.entries_bytes;
    for (size_t i = 0; i < build->item_count; i += count_section(build, i)) {
        if (!write_section(build, &sections[next++], i, head_bytes, &body_position)) {
            status = KAFSCALE_CORRUPT;
        }
    }
    if (status == KAFSCALE_OK) {
        status = write_head(build, sections);
    }
    assert(status != KAFSCALE_OK || build->head.size == head_bytes);
    ks_free(sections);
    return status;
}

static enum kafscale_status
make_parts(struct ks_bundle_build *build)
{
    uint32_t crc;

    build->parts = ks_alloc_zero(build->item_count + 3, sizeof *build->parts);
    if (build->parts == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    crc = ks_crc32c(0, build->head.data, build->head.size);
    crc = ks_crc32c(crc, build->middle.data, build->middle.size);
    build->parts[build->part_count++].bytes = ks_buffer_slice(&build->head);
    build->parts[build->part_count++].bytes = ks_buffer_slice(&build->middle);
    for (size_t i = 0; i < build->item_count; i++) {
        const struct ks_bundle_item *item = &build->items[i];

        crc = ks_batch_crc_after(crc, item->bytes);
        build->parts[build->part_count++] =
            (struct kafscale_part){ .bytes = item->bytes, .owner = item->owner };
    }
    ks_bundle_write_trailer(build->trailer, ks_bundle_total_bytes(&build->header), crc);
    build->parts[build->part_count++].bytes = ks_slice(build->trailer, KS_BUNDLE_TRAILER_BYTES);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_bundle_build_finish(struct ks_bundle_build *build, uint64_t last)
{
    const struct ks_trail *trail = build->trail;
    const struct ks_trail_slot *first_slot = ks_trail_slot(trail, trail->mark);
    const struct ks_trail_slot *last_slot = ks_trail_slot(trail, last);
    enum kafscale_status status;

    assert(trail->state_upto == last + 1);
    assert(build->parts == NULL);

    if (build->item_count > 0) {
        qsort(build->items, build->item_count, sizeof *build->items, compare_items);
    }
    build->header = (struct ks_bundle_header){ .cluster = trail->log->options.cluster,
                                               .incarnation = trail->incarnation,
                                               .first = trail->mark,
                                               .last = last,
                                               .chain_before = first_slot->header.chain,
                                               .chain_after = last_slot->header.crc,
                                               .created_ms = last_slot->header.created_ms };
    ks_buffer_clear(&build->middle);
    status = write_sections(build);
    return status == KAFSCALE_OK ? make_parts(build) : status;
}
