/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written in the order of the state, so that every broker writes the same bytes for the same
 * chunk.
 */
#include "meta/snapshot.h"

#include <assert.h>

#define VERSION 1u
#define HEADER_BYTES 60u
#define OBJECT_BYTES_POSITION 8u
#define TRAILER_BYTES 4u
#define WRITER_BYTES 44u
#define ITEM_BYTES 15u

static size_t
outcome_bytes(uint32_t txn_count)
{
    return (txn_count + 7u) / 8u;
}

static void
append_writer(struct ks_buffer *buffer, const struct ks_meta_writer *writer)
{
    size_t size = outcome_bytes(writer->txn_count);

    ks_buffer_append_u16(buffer, (uint16_t) (WRITER_BYTES + size));
    ks_buffer_append(buffer, writer->id.bytes, sizeof writer->id.bytes);
    ks_buffer_append_u64(buffer, writer->number);
    ks_buffer_append_u64(buffer, writer->seq);
    ks_buffer_append_u64(buffer, writer->revision_before);
    ks_buffer_append_u32(buffer, writer->txn_count);
    ks_buffer_append(buffer, writer->outcome, size);
}

static void
append_item(struct ks_buffer *buffer, const struct ks_meta_item *item)
{
    size_t key_size = strlen(item->key);

    ks_buffer_append_u32(buffer, (uint32_t) (ITEM_BYTES + key_size + item->value_size));
    ks_buffer_append_u64(buffer, item->version);
    ks_buffer_append_u16(buffer, (uint16_t) key_size);
    ks_buffer_append(buffer, item->key, key_size + 1);
    ks_buffer_append_u32(buffer, (uint32_t) item->value_size);
    if (item->value_size > 0) {
        ks_buffer_append(buffer, item->value, item->value_size);
    }
}

void
ks_meta_snapshot_encode(struct ks_buffer *buffer, const struct ks_meta_state *state, uint64_t chunk)
{
    assert(buffer->size == 0);

    ks_buffer_append_u32(buffer, KS_META_SNAPSHOT_MAGIC);
    ks_buffer_append_u16(buffer, VERSION);
    ks_buffer_append_u16(buffer, HEADER_BYTES);
    ks_buffer_append_u64(buffer, 0);
    ks_buffer_append_u64(buffer, chunk);
    ks_buffer_append_u64(buffer, state->seq);
    ks_buffer_append_u64(buffer, state->revision);
    ks_buffer_append_u32(buffer, (uint32_t) state->writer_count);
    ks_buffer_append_u64(buffer, state->item_count);
    ks_buffer_append_u64(buffer, state->forgotten);
    for (size_t i = 0; i < state->writer_count; i++) {
        append_writer(buffer, &state->writers[i]);
    }
    for (size_t i = 0; i < state->item_count; i++) {
        append_item(buffer, state->items[i]);
    }
    if (ks_buffer_failed(buffer)) {
        return;
    }
    ks_put_u64(buffer->data + OBJECT_BYTES_POSITION, buffer->size + TRAILER_BYTES);
    ks_buffer_append_u32(buffer, ks_crc32c(0, buffer->data, buffer->size));
}

static enum kafscale_status
decode_writer(struct ks_cursor *cursor, struct ks_meta_state *state)
{
    size_t size = ks_cursor_u16(cursor);
    struct ks_cursor inside = ks_cursor(ks_cursor_take(cursor, size));
    struct ks_meta_writer writer = { 0 };

    ks_cursor_copy(&inside, writer.id.bytes, sizeof writer.id.bytes);
    writer.number = ks_cursor_u64(&inside);
    writer.seq = ks_cursor_u64(&inside);
    writer.revision_before = ks_cursor_u64(&inside);
    writer.txn_count = ks_cursor_u32(&inside);
    if (writer.txn_count > KS_META_TXNS_MAX) {
        return KAFSCALE_CORRUPT;
    }
    ks_cursor_copy(&inside, writer.outcome, outcome_bytes(writer.txn_count));
    if (ks_cursor_failed(&inside) || ks_cursor_failed(cursor)) {
        return KAFSCALE_CORRUPT;
    }
    return ks_meta_state_append_writer(state, &writer);
}

static enum kafscale_status
decode_item(struct ks_cursor *cursor, struct ks_meta_state *state)
{
    size_t size = ks_cursor_u32(cursor);
    struct ks_cursor inside = ks_cursor(ks_cursor_take(cursor, size));
    uint64_t version = ks_cursor_u64(&inside);
    size_t key_size = ks_cursor_u16(&inside);
    struct kafscale_slice key = ks_cursor_take(&inside, key_size + 1);
    struct kafscale_slice value = ks_cursor_take(&inside, ks_cursor_u32(&inside));

    if (ks_cursor_failed(&inside) || ks_cursor_failed(cursor)) {
        return KAFSCALE_CORRUPT;
    }
    if (key_size == 0 || key_size > KAFSCALE_META_KEY_BYTES_MAX ||
        value.size > KAFSCALE_META_VALUE_BYTES_MAX) {
        return KAFSCALE_CORRUPT;
    }
    if (memchr(key.data, 0, key.size) != key.data + key_size || version > state->revision) {
        return KAFSCALE_CORRUPT;
    }
    return ks_meta_state_append_item(state, (const char *) key.data, value, version);
}

/* The version comes last: only bytes that are whole can tell that they are of a newer one. */
static enum kafscale_status
check_frame(struct kafscale_slice bytes, struct kafscale_error *error)
{
    if (bytes.size < HEADER_BYTES + TRAILER_BYTES ||
        ks_get_u32(bytes.data) != KS_META_SNAPSHOT_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "not a snapshot of the metadata");
    }
    if (ks_get_u64(bytes.data + OBJECT_BYTES_POSITION) != bytes.size) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "%zu bytes where its header says %llu",
                            bytes.size,
                            (unsigned long long) ks_get_u64(bytes.data + OBJECT_BYTES_POSITION));
    }
    if (ks_crc32c(0, bytes.data, bytes.size - TRAILER_BYTES) !=
        ks_get_u32(bytes.data + bytes.size - TRAILER_BYTES)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "checksum does not match");
    }
    if (ks_get_u16(bytes.data + 4) != VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "format version %u",
                            ks_get_u16(bytes.data + 4));
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
decode_body(struct ks_cursor *cursor, uint64_t chunk, struct ks_meta_state *state)
{
    enum kafscale_status status = KAFSCALE_OK;
    size_t header_bytes;
    uint64_t writer_count;
    uint64_t item_count;
    bool is_other;

    ks_cursor_take(cursor, 6);
    header_bytes = ks_cursor_u16(cursor);
    ks_cursor_take(cursor, 8);
    is_other = ks_cursor_u64(cursor) != chunk;
    state->seq = ks_cursor_u64(cursor);
    state->revision = ks_cursor_u64(cursor);
    writer_count = ks_cursor_u32(cursor);
    item_count = ks_cursor_u64(cursor);
    state->forgotten = ks_cursor_u64(cursor);
    if (is_other || header_bytes < HEADER_BYTES) {
        return KAFSCALE_CORRUPT;
    }
    ks_cursor_take(cursor, header_bytes - HEADER_BYTES);
    for (uint64_t i = 0; i < writer_count && status == KAFSCALE_OK; i++) {
        status = decode_writer(cursor, state);
    }
    for (uint64_t i = 0; i < item_count && status == KAFSCALE_OK; i++) {
        status = decode_item(cursor, state);
    }
    return status;
}

enum kafscale_status
ks_meta_snapshot_decode(struct kafscale_slice bytes, uint64_t chunk, struct ks_meta_state *state,
                        struct kafscale_error *error)
{
    enum kafscale_status status = check_frame(bytes, error);
    struct ks_cursor cursor;

    assert(state->item_count == 0);
    assert(state->writer_count == 0);

    if (status != KAFSCALE_OK) {
        return status;
    }
    cursor = ks_cursor(ks_slice(bytes.data, bytes.size - TRAILER_BYTES));
    status = decode_body(&cursor, chunk, state);
    if (status != KAFSCALE_OK) {
        ks_meta_state_deinit(state);
        return ks_error_set(error, status, "writers or items %s",
                            status == KAFSCALE_NO_MEMORY ? "have no room in memory"
                                                         : "don't have their form");
    }
    return KAFSCALE_OK;
}

void
ks_meta_mark_encode(uint8_t mark_out[KS_META_MARK_BYTES], uint64_t chunk)
{
    ks_put_u32(mark_out, KS_META_MARK_MAGIC);
    ks_put_u16(mark_out + 4, VERSION);
    ks_put_u16(mark_out + 6, KS_META_MARK_BYTES);
    ks_put_u64(mark_out + 8, chunk);
    ks_put_u32(mark_out + 16, ks_crc32c(0, mark_out, 16));
}
