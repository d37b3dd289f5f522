/* SPDX-License-Identifier: Apache-2.0 */
/* The decoders are those of the log itself; which slot or chunk it is comes from the object. */
#include "meta/describe.h"

#include "meta/entry.h"
#include "meta/snapshot.h"

#define ENTRY_SEQUENCE_PLACE 12
#define SNAPSHOT_CHUNK_PLACE 16
#define MARK_CHUNK_PLACE 8

static uint64_t
number_at(struct kafscale_slice object, size_t place)
{
    return object.size >= place + 8 ? ks_get_u64(object.data + place) : 0;
}

static void
describe_compares(const struct kafscale_meta_txn *txn, const struct kafscale_describe *describe)
{
    ks_describe_begin_list(describe, "compares");
    for (size_t i = 0; i < txn->compare_count; i++) {
        ks_describe_begin(describe, NULL);
        ks_describe_text(describe, "key", txn->compares[i].key);
        if (txn->compares[i].any_version) {
            ks_describe_text(describe, "version", "any");
        } else {
            ks_describe_number(describe, "version", (int64_t) txn->compares[i].version);
        }
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_txn(const struct kafscale_meta_txn *txn, ks_meta_describe_value *describe_value,
             const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    describe_compares(txn, describe);
    ks_describe_begin_list(describe, "operations");
    for (size_t i = 0; i < txn->operation_count; i++) {
        const struct kafscale_meta_operation *operation = &txn->operations[i];

        ks_describe_begin(describe, NULL);
        ks_describe_text(describe, operation->is_delete ? "remove" : "write", operation->key);
        if (!operation->is_delete) {
            describe_value(operation->key, operation->value, describe);
        }
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
    ks_describe_end(describe);
}

static void
describe_entry(struct kafscale_slice object, ks_meta_describe_value *describe_value,
               const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_meta_decoded decoded;

    ks_describe_text(describe, "kind", "metadata entry");
    if (ks_meta_entry_decode(object, number_at(object, ENTRY_SEQUENCE_PLACE), &decoded, &error) !=
        KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        ks_meta_decoded_deinit(&decoded);
        return;
    }
    ks_describe_number(describe, "sequence", (int64_t) decoded.batch.seq);
    ks_describe_id(describe, "writer", &decoded.batch.writer);
    ks_describe_number(describe, "number", (int64_t) decoded.batch.number);
    ks_describe_begin_list(describe, "transactions");
    for (size_t i = 0; i < decoded.batch.txn_count; i++) {
        describe_txn(&decoded.batch.txns[i], describe_value, describe);
    }
    ks_describe_end(describe);
    ks_meta_decoded_deinit(&decoded);
}

static void
describe_state(const struct ks_meta_state *state, ks_meta_describe_value *describe_value,
               const struct kafscale_describe *describe)
{
    ks_describe_number(describe, "sequence", (int64_t) state->seq);
    ks_describe_number(describe, "revision", (int64_t) state->revision);
    ks_describe_begin_list(describe, "writers");
    for (size_t i = 0; i < state->writer_count; i++) {
        ks_describe_begin(describe, NULL);
        ks_describe_id(describe, "id", &state->writers[i].id);
        ks_describe_number(describe, "number", (int64_t) state->writers[i].number);
        ks_describe_number(describe, "sequence", (int64_t) state->writers[i].seq);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
    ks_describe_begin_list(describe, "items");
    for (size_t i = 0; i < state->item_count; i++) {
        const struct kafscale_meta_entry entry = ks_meta_item_entry(state->items[i]);

        ks_describe_begin(describe, NULL);
        ks_describe_text(describe, "key", entry.key);
        ks_describe_number(describe, "version", (int64_t) entry.version);
        describe_value(entry.key, entry.value, describe);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_snapshot(struct kafscale_slice object, ks_meta_describe_value *describe_value,
                  const struct kafscale_describe *describe)
{
    uint64_t chunk = number_at(object, SNAPSHOT_CHUNK_PLACE);
    struct kafscale_error error = { 0 };
    struct ks_meta_state state = { 0 };

    ks_describe_text(describe, "kind", "metadata snapshot");
    if (ks_meta_snapshot_decode(object, chunk, &state, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_number(describe, "chunk", (int64_t) chunk);
    describe_state(&state, describe_value, describe);
    ks_meta_state_deinit(&state);
}

static void
describe_mark(struct kafscale_slice object, const struct kafscale_describe *describe)
{
    ks_describe_text(describe, "kind", "metadata trim mark");
    ks_describe_number(describe, "chunk", (int64_t) number_at(object, MARK_CHUNK_PLACE));
}

bool
ks_meta_describe(struct kafscale_slice object, ks_meta_describe_value *describe_value,
                 const struct kafscale_describe *describe)
{
    uint32_t magic = object.size >= 4 ? ks_get_u32(object.data) : 0;

    switch (magic) {
    case KS_META_ENTRY_MAGIC:
        describe_entry(object, describe_value, describe);
        return true;
    case KS_META_SNAPSHOT_MAGIC:
        describe_snapshot(object, describe_value, describe);
        return true;
    case KS_META_MARK_MAGIC:
        describe_mark(object, describe);
        return true;
    default:
        return false;
    }
}
