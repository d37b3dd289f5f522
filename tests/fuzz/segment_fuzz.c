/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that hold the older part of partitions. The first byte of an input says what the rest is:
 * an index, a segment, a producer state or a key. Checksums are put right, since whoever writes to
 * a bucket can do that too.
 */
#include "fuzz/fuzz.h"
#include "log/format/index_format.h"
#include "log/format/producer_snapshot.h"

#define OBJECT_BYTES_MAX (64u << 20)

/* --- Indexes --------------------------------------------------------------------------------- */

static void
search(const struct ks_index *index)
{
    for (size_t i = 0; i < index->entry_count; i++) {
        demand(ks_index_find(index, index->entries[i].offset) == &index->entries[i]);
    }
    for (int64_t distance = index->base_offset; distance > 0; distance /= 3) {
        int64_t next = ks_index_ancestor(index, index->base_offset - distance);

        demand(next >= -1);
        demand(next < index->base_offset);
    }
}

/* What is written again stays as it is. */
static void
rewrite_index(const struct ks_index *index)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer written[2];
    struct ks_index again;

    ks_buffer_init(&written[0], OBJECT_BYTES_MAX);
    ks_buffer_init(&written[1], OBJECT_BYTES_MAX);
    ks_index_encode(index, &written[0]);
    demand(ks_index_decode(ks_buffer_slice(&written[0]), &again, &error) == KAFSCALE_OK);
    ks_index_encode(&again, &written[1]);
    demand(ks_slice_equals(ks_buffer_slice(&written[0]), ks_buffer_slice(&written[1])));
    ks_index_deinit(&again);
    ks_buffer_deinit(&written[0]);
    ks_buffer_deinit(&written[1]);
}

static void
try_index(uint8_t *data, size_t size)
{
    struct kafscale_error error = { 0 };
    struct ks_index index;

    if (size > 4) {
        ks_put_u32(data + size - 4, ks_crc32c(0, data, size - 4));
    }
    if (ks_index_decode(ks_slice(data, size), &index, &error) != KAFSCALE_OK) {
        demand(error.text[0] != '\0');
        return;
    }
    demand(index.entry_count > 0);
    demand(index.entry_count <= size);
    search(&index);
    rewrite_index(&index);
    ks_index_deinit(&index);
}

/* --- Segments -------------------------------------------------------------------------------- */

static void
correct_segment(uint8_t *data, size_t size)
{
    const size_t frame = KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES;
    size_t position = KS_SEGMENT_HEADER_BYTES;
    struct kafscale_error error = { 0 };
    struct ks_batch batch;

    if (size <= frame) {
        return;
    }
    while (position < size - KS_SEGMENT_FOOTER_BYTES &&
           ks_batch_parse(ks_slice(data + position, size - KS_SEGMENT_FOOTER_BYTES - position),
                          &batch, &error) == KAFSCALE_OK) {
        ks_put_u32(data + position + 17, ks_crc32c(0, data + position + 21, batch.bytes.size - 21));
        position += batch.bytes.size;
    }
    ks_put_u32(data + size - KS_SEGMENT_FOOTER_BYTES,
               ks_crc32c(0, data + KS_SEGMENT_HEADER_BYTES, size - frame));
}

static void
try_segment(uint8_t *data, size_t size)
{
    struct kafscale_error error = { 0 };
    struct ks_index index;
    int64_t base;

    if (size < 16) {
        return;
    }
    correct_segment(data, size);
    base = (int64_t) (ks_get_u64(data + 8) & INT64_MAX);
    if (ks_index_rebuild(ks_slice(data, size), base, &index, &error) != KAFSCALE_OK) {
        demand(error.text[0] != '\0');
        return;
    }
    demand(index.body_bytes == size - KS_SEGMENT_HEADER_BYTES - KS_SEGMENT_FOOTER_BYTES);
    demand(index.last_offset >= index.base_offset);
    search(&index);
    ks_index_deinit(&index);
}

/* --- Producer states ------------------------------------------------------------------------- */

static void
try_producers(uint8_t *data, size_t size)
{
    struct kafscale_error error = { 0 };
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;

    if (size > 4) {
        ks_put_u32(data + size - 4, ks_crc32c(0, data, size - 4));
    }
    ks_producer_table_init(&producers, 1, 100, INT64_MAX);
    if (ks_producer_snapshot_decode(ks_slice(data, size), &producers, &snapshot, &error) ==
        KAFSCALE_OK) {
        struct ks_buffer written;

        ks_buffer_init(&written, OBJECT_BYTES_MAX);
        ks_producer_snapshot_encode(&producers, &snapshot, &written);
        demand(!ks_buffer_failed(&written));
        ks_buffer_deinit(&written);
    } else {
        demand(error.text[0] != '\0');
    }
    ks_producer_table_deinit(&producers);
}

/* --- Keys ------------------------------------------------------------------------------------ */

static void
try_key(uint8_t *data, size_t size)
{
    int64_t base;

    if (size == 0) {
        return;
    }
    data[size - 1] = '\0';
    if (ks_segment_parse_key((const char *) data, KS_SEGMENT_BODY, &base)) {
        demand(base >= 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(uint8_t *, size_t) = { try_index, try_segment, try_producers,
                                                        try_key };
    uint8_t *copy;

    if (size == 0) {
        return 0;
    }
    copy = copy_bytes(ks_slice(data + 1, size - 1));
    tries[data[0] % 4](copy, size - 1);
    free(copy);
    return 0;
}
