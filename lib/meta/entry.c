/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are stored with a final zero byte, so that decoded transactions can point into the object.
 */
#include "meta/entry.h"

#include <assert.h>

#define VERSION 1u
#define HEADER_BYTES 48u
#define OBJECT_BYTES_POSITION 8u
#define TXN_COUNT_POSITION 44u
#define TRAILER_BYTES 4u

/* Fixed parts, without key and value. */
#define TXN_BYTES 8u
#define COMPARE_BYTES 9u
#define OPERATION_BYTES 5u
#define KEY_BYTES 3u

/*
 * Decoded arrays are larger than the bytes they come from: a compare of 13 bytes becomes 24, an
 * operation of 13 becomes 32.
 */
#define ARENA_FACTOR 8u

_Static_assert(HEADER_BYTES + TRAILER_BYTES == KS_META_ENTRY_FRAME_BYTES,
               "the frame is header and trailer");

static size_t
compare_bytes(const struct kafscale_meta_compare *compare)
{
    return COMPARE_BYTES + KEY_BYTES + strlen(compare->key);
}

static size_t
operation_bytes(const struct kafscale_meta_operation *operation)
{
    return OPERATION_BYTES + KEY_BYTES + strlen(operation->key) +
           (operation->is_delete ? 0 : operation->value.size);
}

size_t
ks_meta_entry_txn_bytes(const struct kafscale_meta_txn *txn)
{
    size_t bytes = 4 + TXN_BYTES;

    for (size_t i = 0; i < txn->compare_count; i++) {
        bytes += 2 + compare_bytes(&txn->compares[i]);
    }
    for (size_t i = 0; i < txn->operation_count; i++) {
        bytes += 4 + operation_bytes(&txn->operations[i]);
    }
    return bytes;
}

void
ks_meta_entry_begin(struct ks_buffer *buffer, uint64_t seq, const struct ks_id *writer,
                    uint64_t number)
{
    assert(buffer->size == 0);

    ks_buffer_append_u32(buffer, KS_META_ENTRY_MAGIC);
    ks_buffer_append_u16(buffer, VERSION);
    ks_buffer_append_u16(buffer, HEADER_BYTES);
    ks_buffer_append_u32(buffer, 0);
    ks_buffer_append_u64(buffer, seq);
    ks_buffer_append(buffer, writer->bytes, sizeof writer->bytes);
    ks_buffer_append_u64(buffer, number);
    ks_buffer_append_u32(buffer, 0);
}

static void
append_key(struct ks_buffer *buffer, const char *key)
{
    size_t size = strlen(key);

    ks_buffer_append_u16(buffer, (uint16_t) size);
    ks_buffer_append(buffer, key, size + 1);
}

static void
append_operation(struct ks_buffer *buffer, const struct kafscale_meta_operation *operation)
{
    size_t value_size = operation->is_delete ? 0 : operation->value.size;

    ks_buffer_append_u32(buffer, (uint32_t) operation_bytes(operation));
    ks_buffer_append_u8(buffer, operation->is_delete);
    append_key(buffer, operation->key);
    ks_buffer_append_u32(buffer, (uint32_t) value_size);
    if (value_size > 0) {
        ks_buffer_append(buffer, operation->value.data, value_size);
    }
}

void
ks_meta_entry_add(struct ks_buffer *buffer, const struct kafscale_meta_txn *txn)
{
    ks_buffer_append_u32(buffer, (uint32_t) ks_meta_entry_txn_bytes(txn) - 4);
    ks_buffer_append_u32(buffer, (uint32_t) txn->compare_count);
    ks_buffer_append_u32(buffer, (uint32_t) txn->operation_count);
    for (size_t i = 0; i < txn->compare_count; i++) {
        const struct kafscale_meta_compare *compare = &txn->compares[i];

        ks_buffer_append_u16(buffer, (uint16_t) compare_bytes(compare));
        ks_buffer_append_u8(buffer, compare->any_version);
        ks_buffer_append_u64(buffer, compare->version);
        append_key(buffer, compare->key);
    }
    for (size_t i = 0; i < txn->operation_count; i++) {
        append_operation(buffer, &txn->operations[i]);
    }
}

void
ks_meta_entry_end(struct ks_buffer *buffer, uint32_t txn_count)
{
    if (ks_buffer_failed(buffer)) {
        return;
    }
    ks_put_u32(buffer->data + OBJECT_BYTES_POSITION, (uint32_t) (buffer->size + TRAILER_BYTES));
    ks_put_u32(buffer->data + TXN_COUNT_POSITION, txn_count);
    ks_buffer_append_u32(buffer, ks_crc32c(0, buffer->data, buffer->size));
}

/* A key inside `cursor`, which fails unless it has the form of a key. */
static const char *
take_key(struct ks_cursor *cursor)
{
    size_t size = ks_cursor_u16(cursor);
    struct kafscale_slice key = ks_cursor_take(cursor, size + 1);

    if (ks_cursor_failed(cursor) || size == 0 || size > KAFSCALE_META_KEY_BYTES_MAX) {
        cursor->failed = true;
        return NULL;
    }
    if (memchr(key.data, 0, key.size) != key.data + size) {
        cursor->failed = true;
        return NULL;
    }
    return (const char *) key.data;
}

/* Kinds beyond those known would change what the entry does, so they can't be skipped. */
static bool
take_kind(struct ks_cursor *cursor)
{
    uint8_t kind = ks_cursor_u8(cursor);

    if (kind > 1) {
        cursor->failed = true;
    }
    return kind == 1;
}

static void
decode_compare(struct ks_cursor *cursor, struct kafscale_meta_compare *compare)
{
    size_t size = ks_cursor_u16(cursor);
    struct ks_cursor inside = ks_cursor(ks_cursor_take(cursor, size));

    compare->any_version = take_kind(&inside);
    compare->version = ks_cursor_u64(&inside);
    compare->key = take_key(&inside);
    if (ks_cursor_failed(&inside)) {
        cursor->failed = true;
    }
}

static void
decode_operation(struct ks_cursor *cursor, struct kafscale_meta_operation *operation)
{
    size_t size = ks_cursor_u32(cursor);
    struct ks_cursor inside = ks_cursor(ks_cursor_take(cursor, size));

    operation->is_delete = take_kind(&inside);
    operation->key = take_key(&inside);
    operation->value = ks_cursor_take(&inside, ks_cursor_u32(&inside));
    if (ks_cursor_failed(&inside) || operation->value.size > KAFSCALE_META_VALUE_BYTES_MAX) {
        cursor->failed = true;
    }
}

static enum kafscale_status
decode_txn(struct ks_cursor *cursor, struct ks_arena *arena, struct kafscale_meta_txn *txn)
{
    size_t size = ks_cursor_u32(cursor);
    struct ks_cursor inside = ks_cursor(ks_cursor_take(cursor, size));
    size_t compare_count = ks_cursor_u32(&inside);
    size_t operation_count = ks_cursor_u32(&inside);
    struct kafscale_meta_compare *compares;
    struct kafscale_meta_operation *operations;

    if (compare_count > size / COMPARE_BYTES || operation_count > size / OPERATION_BYTES) {
        return KAFSCALE_CORRUPT;
    }
    compares = ks_arena_alloc_array(arena, compare_count, sizeof *compares);
    operations = ks_arena_alloc_array(arena, operation_count, sizeof *operations);
    if (ks_arena_failed(arena)) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < compare_count; i++) {
        decode_compare(&inside, &compares[i]);
    }
    for (size_t i = 0; i < operation_count; i++) {
        decode_operation(&inside, &operations[i]);
    }
    *txn = (struct kafscale_meta_txn){
        .compares = compares,
        .compare_count = compare_count,
        .operations = operations,
        .operation_count = operation_count,
    };
    return ks_cursor_failed(&inside) || ks_cursor_failed(cursor) ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

/* The version comes last: only bytes that are whole can tell that they are of a newer one. */
static enum kafscale_status
check_frame(struct kafscale_slice bytes, struct kafscale_error *error)
{
    if (bytes.size < KS_META_ENTRY_FRAME_BYTES || ks_get_u32(bytes.data) != KS_META_ENTRY_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "not an entry of the metadata log");
    }
    if (ks_get_u32(bytes.data + OBJECT_BYTES_POSITION) != bytes.size) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "%zu bytes where its header says %u",
                            bytes.size, ks_get_u32(bytes.data + OBJECT_BYTES_POSITION));
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
decode_header(struct ks_cursor *cursor, struct ks_meta_batch *batch)
{
    size_t header_bytes;

    ks_cursor_take(cursor, 6);
    header_bytes = ks_cursor_u16(cursor);
    ks_cursor_take(cursor, 4);
    batch->seq = ks_cursor_u64(cursor);
    ks_cursor_copy(cursor, batch->writer.bytes, sizeof batch->writer.bytes);
    batch->number = ks_cursor_u64(cursor);
    batch->txn_count = ks_cursor_u32(cursor);
    if (header_bytes < HEADER_BYTES) {
        return KAFSCALE_CORRUPT;
    }
    ks_cursor_take(cursor, header_bytes - HEADER_BYTES);
    return ks_cursor_failed(cursor) || batch->txn_count > KS_META_TXNS_MAX ? KAFSCALE_CORRUPT
                                                                           : KAFSCALE_OK;
}

static enum kafscale_status
decode_txns(struct ks_cursor *cursor, struct ks_meta_decoded *decoded)
{
    struct ks_meta_batch *batch = &decoded->batch;
    enum kafscale_status status = KAFSCALE_OK;

    batch->txns = ks_arena_alloc_array(&decoded->arena, batch->txn_count, sizeof *batch->txns);
    if (ks_arena_failed(&decoded->arena)) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < batch->txn_count && status == KAFSCALE_OK; i++) {
        status = decode_txn(cursor, &decoded->arena, &batch->txns[i]);
    }
    return status;
}

enum kafscale_status
ks_meta_entry_decode(struct kafscale_slice bytes, uint64_t seq, struct ks_meta_decoded *decoded,
                     struct kafscale_error *error)
{
    enum kafscale_status status = check_frame(bytes, error);
    struct ks_cursor cursor;

    *decoded = (struct ks_meta_decoded){ 0 };
    ks_arena_init(&decoded->arena, 65536 + ARENA_FACTOR * bytes.size);
    if (status != KAFSCALE_OK) {
        return status;
    }
    cursor = ks_cursor(ks_slice(bytes.data, bytes.size - TRAILER_BYTES));
    status = decode_header(&cursor, &decoded->batch);
    if (status == KAFSCALE_OK) {
        status = decode_txns(&cursor, decoded);
    }
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "transactions %s",
                            status == KAFSCALE_NO_MEMORY ? "have no room in memory"
                                                         : "don't have their form");
    }
    if (decoded->batch.seq != seq) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "entry of slot %llu",
                            (unsigned long long) decoded->batch.seq);
    }
    return KAFSCALE_OK;
}

void
ks_meta_decoded_deinit(struct ks_meta_decoded *decoded)
{
    ks_arena_deinit(&decoded->arena);
}
