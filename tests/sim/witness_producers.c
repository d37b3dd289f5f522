/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored producer states as a witness sees them: a state says what the batches below its offset
 * leave behind, and knows nothing of any batch above. Whoever begins with one that does would take
 * a batch for stored that never was. And it says when they did so, whoever computed it of whatever
 * is left: its bytes follow from the slots alone.
 */
#include "log/format/producer_snapshot.h"
#include "sim/witness_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Of a batch in a slot that was put. No padding. */
struct append_key {
    struct ks_partition_name name;
    int32_t first_sequence;
    int64_t base_offset;
    int64_t producer_id;
    int64_t created_ms;
};

struct append {
    struct ks_table_node node;
    struct append_key key;
};

static_assert(sizeof(struct append_key) == KS_ID_BYTES + 2 * sizeof(int32_t) + 3 * sizeof(int64_t),
              "a key has no padding");

static void
note_append(struct witness *witness, const struct append_key *key)
{
    struct append *append;
    enum kafscale_status status;

    if (key->producer_id < 0 ||
        ks_table_find(&witness->appends, ks_slice(key, sizeof *key)) != NULL) {
        return;
    }
    append = calloc(1, sizeof *append);
    assert(append != NULL);
    append->key = *key;
    status = ks_table_insert(&witness->appends, &append->node, ks_slice(&append->key, sizeof *key));
    assert(status == KAFSCALE_OK);
}

void
witness_note_appends(struct witness *witness, const struct witness_object *slot)
{
    struct kafscale_error error = { 0 };
    struct ks_wal_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_wal_section section;

    if (ks_wal_read_head(kafscale_blob_slice(slot->bytes), &header, &bytes, &error) !=
        KAFSCALE_OK) {
        return;
    }
    directory = ks_cursor(bytes);
    while (ks_wal_next_section(&directory, &section)) {
        struct ks_cursor entries = ks_cursor(section.entries);
        struct ks_wal_entry entry;

        while (ks_wal_next_entry(&entries, &entry)) {
            struct append_key key = { .name = { .topic = section.topic,
                                                .index = section.partition },
                                      .first_sequence = entry.first_sequence,
                                      .base_offset = entry.base_offset,
                                      .producer_id = entry.producer_id,
                                      .created_ms = header.created_ms };

            note_append(witness, &key);
        }
    }
}

void
witness_forget_appends(struct witness *witness)
{
    struct ks_table_node *node;

    while ((node = ks_table_next(&witness->appends, NULL)) != NULL) {
        ks_table_remove(&witness->appends, node);
        free(KS_CONTAINER(node, struct append, node));
    }
    ks_table_deinit(&witness->appends);
}

/* Whether the last batch of each was in a slot that was made when the state says. */
static bool
has_right_times(const struct witness *witness, const struct ks_producer_table *producers,
                const struct ks_partition_name *name)
{
    for (struct ks_table_node *node = ks_table_next(&producers->table, NULL); node != NULL;
         node = ks_table_next(&producers->table, node)) {
        const struct ks_producer *producer = KS_CONTAINER(node, struct ks_producer, node);
        const struct ks_producer_batch *last = &producer->batches[producer->batch_count - 1];
        struct append_key key = { .name = *name,
                                  .first_sequence = last->first_sequence,
                                  .base_offset = last->base_offset,
                                  .producer_id = producer->id,
                                  .created_ms = producer->used_ms };

        if (ks_table_find(&witness->appends, ks_slice(&key, sizeof key)) == NULL) {
            return false;
        }
    }
    return true;
}

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
    } else if (!has_right_times(witness, &producers, &snapshot.name)) {
        witness_broken(witness, "a producer state with a time that no slot has", key);
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
    } else if (object->kind == WITNESS_STATE) {
        check_state(witness, object->key, kafscale_blob_slice(object->bytes), object->base_offset);
    }
}
