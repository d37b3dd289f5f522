/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored producer states as a witness sees them: a state says what the batches below its offset
 * leave behind, and knows nothing of any batch above. Whoever begins with one that does would take
 * a batch for stored that never was.
 */
#include "log/producer_snapshot.h"
#include "sim/witness_internal.h"

static bool
is_of_offset(const struct ks_producer_table *producers, int64_t offset)
{
    for (struct ks_table_node *node = ks_table_next(&producers->table, NULL); node != NULL;
         node = ks_table_next(&producers->table, node)) {
        const struct ks_producer *producer = KS_CONTAINER(node, struct ks_producer, node);

        for (uint8_t i = 0; i < producer->batch_count; i++) {
            if (producer->batches[i].base_offset >= offset ||
                (i > 0 && producer->batches[i].first_sequence !=
                              producer->batches[i - 1].last_sequence + 1)) {
                return false;
            }
        }
    }
    return true;
}

static void
check_state(struct witness *witness, const char *key, struct kafscale_slice bytes, int64_t offset)
{
    struct kafscale_error error = { 0 };
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;

    ks_producer_table_init(&producers, 1, UINT32_MAX, INT64_MAX);
    if (ks_producer_snapshot_decode(bytes, &producers, &snapshot, &error) != KAFSCALE_OK ||
        snapshot.offset != offset) {
        witness_broken(witness, "a producer state can't be read, or is of another offset", key);
    } else if (!is_of_offset(&producers, offset)) {
        witness_broken(witness, "a producer state that its batches didn't leave", key);
    }
    ks_producer_table_deinit(&producers);
}

static void
check_index(struct witness *witness, const struct witness_object *object)
{
    struct kafscale_error error = { 0 };
    struct ks_index index;

    if (ks_index_decode(kafscale_blob_slice(object->bytes), &index, &error) != KAFSCALE_OK) {
        return;
    }
    if (index.producers.size > 0) {
        check_state(witness, object->key, ks_buffer_slice(&index.producers), index.last_offset + 1);
    }
    ks_index_deinit(&index);
}

static void
check_bundle(struct witness *witness, const struct witness_object *object)
{
    struct kafscale_slice all = kafscale_blob_slice(object->bytes);
    struct kafscale_error error = { 0 };
    struct ks_bundle_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_bundle_section section;

    if (ks_bundle_read_head(all, &header, &bytes, &error) != KAFSCALE_OK) {
        return;
    }
    directory = ks_cursor(bytes);
    while (ks_bundle_next_section(&directory, &header, &section)) {
        check_state(witness, object->key,
                    ks_slice(all.data + section.state_position, section.state_bytes),
                    section.end_offset);
    }
}

void
witness_check_producers(struct witness *witness, const struct witness_object *object)
{
    if (object->kind == WITNESS_INDEX) {
        check_index(witness, object);
    } else if (object->kind == WITNESS_BUNDLE) {
        check_bundle(witness, object);
    }
}
