/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored metadata from anywhere. The first byte of an input says what the rest is: an entry of the
 * log, or a snapshot. The checksum is put right, since whoever writes to a bucket can do that too.
 * What can be read must be the same again when it is read from what is written.
 */
#include "fuzz/fuzz.h"
#include "meta/entry.h"
#include "meta/snapshot.h"

static void
rebuild_entry(const struct ks_meta_batch *batch)
{
    struct ks_buffer buffer;
    struct ks_meta_decoded decoded;
    struct kafscale_error error = { 0 };

    ks_buffer_init(&buffer, SIZE_MAX);
    ks_meta_entry_begin(&buffer, batch->seq, &batch->writer, batch->number);
    for (size_t i = 0; i < batch->txn_count; i++) {
        ks_meta_entry_add(&buffer, &batch->txns[i]);
    }
    ks_meta_entry_end(&buffer, (uint32_t) batch->txn_count);
    demand(ks_meta_entry_decode(ks_buffer_slice(&buffer), batch->seq, &decoded, &error) ==
           KAFSCALE_OK);
    demand(decoded.batch.txn_count == batch->txn_count);
    ks_meta_decoded_deinit(&decoded);
    ks_buffer_deinit(&buffer);
}

static void
try_entry(struct kafscale_slice bytes)
{
    struct ks_meta_decoded decoded;
    struct kafscale_error error = { 0 };
    struct ks_meta_state state = { 0 };
    struct ks_meta_writer record;

    if (ks_meta_entry_decode(bytes, 9, &decoded, &error) == KAFSCALE_OK) {
        rebuild_entry(&decoded.batch);
        state.seq = 8;
        demand(ks_meta_state_apply(&state, &decoded.batch, NULL, NULL, &record) == KAFSCALE_OK);
    }
    ks_meta_state_deinit(&state);
    ks_meta_decoded_deinit(&decoded);
}

static void
try_snapshot(struct kafscale_slice bytes)
{
    struct ks_meta_state state = { 0 };
    struct ks_meta_state again = { 0 };
    struct kafscale_error error = { 0 };
    struct ks_buffer buffer;

    ks_buffer_init(&buffer, SIZE_MAX);
    if (ks_meta_snapshot_decode(bytes, 1, &state, &error) == KAFSCALE_OK) {
        ks_meta_snapshot_encode(&buffer, &state, 1);
        demand(ks_meta_snapshot_decode(ks_buffer_slice(&buffer), 1, &again, &error) == KAFSCALE_OK);
        demand(again.item_count == state.item_count);
        demand(again.writer_count == state.writer_count);
    }
    ks_buffer_deinit(&buffer);
    ks_meta_state_deinit(&state);
    ks_meta_state_deinit(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    if (size < 5) {
        return 0;
    }
    copy = copy_bytes(ks_slice(data + 1, size - 1));
    ks_put_u32(copy + size - 5, ks_crc32c(0, copy, size - 5));
    if (data[0] == 'e') {
        try_entry(ks_slice(copy, size - 1));
    } else {
        try_snapshot(ks_slice(copy, size - 1));
    }
    free(copy);
    return 0;
}
