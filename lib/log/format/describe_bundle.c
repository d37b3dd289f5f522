/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles and the producer states in them. */
#include "log/format/describe_formats.h"

#include "log/format/check.h"
#include "record/record.h"

static void
describe_producer(const struct ks_producer *producer, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_number(describe, "producer id", producer->id);
    ks_describe_number(describe, "producer epoch", producer->epoch);
    ks_describe_time(describe, "used", producer->used_ms);
    ks_describe_begin_list(describe, "batches");
    for (uint8_t i = 0; i < producer->batch_count; i++) {
        const struct ks_producer_batch *batch = &producer->batches[i];

        ks_describe_begin(describe, NULL);
        ks_describe_number(describe, "first sequence", batch->first_sequence);
        ks_describe_number(describe, "last sequence", batch->last_sequence);
        ks_describe_number(describe, "base offset", batch->base_offset);
        ks_describe_number(describe, "last offset", batch->last_offset);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
    ks_describe_end(describe);
}

void
ks_describe_producers(struct kafscale_slice state, const struct kafscale_describe *describe)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct kafscale_error error = { 0 };
    struct ks_table_node *node;

    ks_producer_table_init(&producers, 0, UINT32_MAX, INT64_MAX);
    if (ks_producer_snapshot_decode(state, &producers, &snapshot, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        ks_producer_table_deinit(&producers);
        return;
    }
    ks_describe_id(describe, "topic id", &snapshot.name.topic);
    ks_describe_number(describe, "partition", snapshot.name.index);
    ks_describe_number(describe, "offset", snapshot.offset);
    ks_describe_begin_list(describe, "producers");
    for (node = ks_table_next(&producers.table, NULL); node != NULL;
         node = ks_table_next(&producers.table, node)) {
        describe_producer(KS_CONTAINER(node, struct ks_producer, node), describe);
    }
    ks_describe_end(describe);
    ks_producer_table_deinit(&producers);
}

static void
describe_batches(const struct ks_bundle_section *section, struct kafscale_slice object,
                 enum ks_describe_depth depth, const struct kafscale_describe *describe)
{
    struct ks_cursor entries =
        ks_cursor(ks_slice(object.data + section->entries_position, section->entries_bytes));
    struct ks_bundle_entry entry;

    ks_describe_begin_list(describe, "batches");
    while (ks_bundle_next_entry(&entries, &entry)) {
        const struct ks_wal_entry *batch = &entry.batch;

        if (depth == KS_DESCRIBE_HEAD || batch->position > object.size ||
            batch->size_bytes > object.size - batch->position) {
            ks_describe_entry(batch, describe);
            continue;
        }
        (void) ks_batch_describe(ks_slice(object.data + batch->position, batch->size_bytes),
                                 depth == KS_DESCRIBE_RECORDS, describe);
    }
    ks_describe_end(describe);
}

static void
describe_section(const struct ks_bundle_section *section, struct kafscale_slice object,
                 enum ks_describe_depth depth, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_id(describe, "topic id", &section->topic);
    if (section->topic_name.size > 0) {
        ks_describe_bytes_as_text(describe, "topic", section->topic_name);
    }
    ks_describe_number(describe, "partition", section->partition);
    ks_describe_number(describe, "leader epoch", section->leader_epoch);
    ks_describe_number(describe, "base offset", section->base_offset);
    ks_describe_number(describe, "end offset", section->end_offset);
    ks_describe_number(describe, "entries", section->entry_count);
    ks_describe_number(describe, "body bytes", (int64_t) section->body_bytes);
    ks_describe_time(describe, "greatest timestamp", section->max_timestamp_ms);
    if (section->state_bytes > 0) {
        ks_describe_begin(describe, "producer state");
        ks_describe_producers(ks_slice(object.data + section->state_position, section->state_bytes),
                              describe);
        ks_describe_end(describe);
    }
    describe_batches(section, object, depth, describe);
    ks_describe_end(describe);
}

static void
describe_header(const struct ks_bundle_header *header, const struct kafscale_describe *describe)
{
    ks_describe_id(describe, "cluster", &header->cluster);
    ks_describe_id(describe, "incarnation", &header->incarnation);
    ks_describe_number(describe, "first slot", (int64_t) header->first);
    ks_describe_number(describe, "last slot", (int64_t) header->last);
    ks_describe_crc(describe, "chain before", header->chain_before);
    ks_describe_crc(describe, "chain after", header->chain_after);
    ks_describe_time(describe, "created", header->created_ms);
    ks_describe_number(describe, "directory bytes", header->directory_bytes);
    ks_describe_number(describe, "states bytes", (int64_t) header->states_bytes);
    ks_describe_number(describe, "entries bytes", (int64_t) header->entries_bytes);
    ks_describe_number(describe, "body bytes", (int64_t) header->body_bytes);
}

void
ks_describe_bundle(struct kafscale_slice object, enum ks_describe_depth depth,
                   const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_section section;
    struct ks_bundle_header header;
    struct kafscale_slice directory;
    struct ks_cursor cursor;
    bool is_whole;

    ks_describe_text(describe, "kind", "bundle");
    if (ks_bundle_read_head(object, &header, &directory, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    describe_header(&header, describe);
    is_whole = object.size == ks_bundle_total_bytes(&header);
    if (ks_bundle_check(object, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
    }
    if (!is_whole) {
        return;
    }
    cursor = ks_cursor(directory);
    ks_describe_begin_list(describe, "sections");
    while (ks_bundle_next_section(&cursor, &header, &section)) {
        describe_section(&section, object, depth, describe);
    }
    ks_describe_end(describe);
}
