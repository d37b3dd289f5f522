/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers are written in the order of their last use, so that a table read back drops the idle
 * ones in the same order.
 */
#include "log/format/producer_snapshot.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define HEADER_BYTES 44
#define PRODUCER_BYTES 21 /* without its batches */
#define BATCH_BYTES 24
#define CRC_BYTES 4

static_assert(HEADER_BYTES == 4 + 2 + 2 + 4 + KS_ID_BYTES + 4 + 8 + 4, "the header's fields");
static_assert(HEADER_BYTES + CRC_BYTES +
                      KS_PRODUCERS_MAX * (PRODUCER_BYTES + KS_PRODUCER_BATCHES * BATCH_BYTES) <=
                  KS_PRODUCER_SNAPSHOT_BYTES_MAX,
              "as many producers as producer.ids.max may be");

enum kafscale_status
ks_producer_note_entry(struct ks_producer_table *producers, const struct ks_wal_entry *entry,
                       int64_t now_ms)
{
    struct ks_producer_batch batch = { .first_sequence = entry->first_sequence,
                                       .last_sequence = entry->last_sequence,
                                       .base_offset = entry->base_offset,
                                       .last_offset = entry->last_offset };

    if (entry->producer_id < 0 || (entry->attributes & KS_BATCH_CONTROL) != 0) {
        return KAFSCALE_OK;
    }
    return ks_producer_note(producers, entry->producer_id, entry->producer_epoch, &batch, now_ms);
}

struct ks_wal_entry
ks_entry_of_batch(const struct ks_batch *batch)
{
    bool has_producer = batch->producer_id >= 0;

    return (struct ks_wal_entry){
        .attributes = (uint16_t) batch->attributes,
        .record_count = batch->record_count,
        .base_offset = batch->base_offset,
        .last_offset = ks_batch_last_offset(batch),
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_epoch,
        .first_sequence = batch->base_sequence,
        .last_sequence = has_producer ? ks_batch_last_sequence(batch) : -1,
        .max_timestamp_ms = batch->max_timestamp,
        .size_bytes = (uint32_t) batch->bytes.size,
        .crc = batch->crc,
        .control_type = -1,
        .coordinator_epoch = -1,
    };
}

/* --- Encoding -------------------------------------------------------------------------------- */

static void
encode_producer(const struct ks_producer *producer, struct ks_buffer *out)
{
    ks_buffer_append_u16(
        out, (uint16_t) (PRODUCER_BYTES + producer->batch_count * (size_t) BATCH_BYTES));
    ks_buffer_append_u64(out, (uint64_t) producer->id);
    ks_buffer_append_u16(out, (uint16_t) producer->epoch);
    ks_buffer_append_u64(out, (uint64_t) producer->used_ms);
    ks_buffer_append_u8(out, producer->batch_count);
    for (uint8_t i = 0; i < producer->batch_count; i++) {
        const struct ks_producer_batch *batch = &producer->batches[i];

        ks_buffer_append_u32(out, (uint32_t) batch->first_sequence);
        ks_buffer_append_u32(out, (uint32_t) batch->last_sequence);
        ks_buffer_append_u64(out, (uint64_t) batch->base_offset);
        ks_buffer_append_u64(out, (uint64_t) batch->last_offset);
    }
}

static size_t
snapshot_bytes(const struct ks_producer_table *producers, uint32_t *count_out)
{
    size_t bytes = HEADER_BYTES + CRC_BYTES;

    *count_out = 0;
    for (const struct ks_list *node = producers->by_use.next; node != &producers->by_use;
         node = node->next) {
        bytes += PRODUCER_BYTES +
                 BATCH_BYTES *
                     (size_t) KS_CONTAINER(node, const struct ks_producer, by_use)->batch_count;
        (*count_out)++;
    }
    return bytes;
}

void
ks_producer_snapshot_encode(struct ks_producer_table *producers,
                            const struct ks_producer_snapshot *snapshot, struct ks_buffer *out)
{
    size_t begin = out->size;
    uint32_t count;
    size_t bytes;

    ks_producer_table_prune(producers);
    bytes = snapshot_bytes(producers, &count);
    if (bytes > KS_PRODUCER_SNAPSHOT_BYTES_MAX) {
        out->failed = true;
        return;
    }
    ks_buffer_append_u32(out, KS_PRODUCER_SNAPSHOT_MAGIC);
    ks_buffer_append_u16(out, KS_PRODUCER_SNAPSHOT_VERSION);
    ks_buffer_append_u16(out, HEADER_BYTES);
    ks_buffer_append_u32(out, (uint32_t) bytes);
    ks_buffer_append(out, snapshot->name.topic.bytes, KS_ID_BYTES);
    ks_buffer_append_u32(out, (uint32_t) snapshot->name.index);
    ks_buffer_append_u64(out, (uint64_t) snapshot->offset);
    ks_buffer_append_u32(out, count);
    for (const struct ks_list *node = producers->by_use.next; node != &producers->by_use;
         node = node->next) {
        encode_producer(KS_CONTAINER(node, const struct ks_producer, by_use), out);
    }
    if (!ks_buffer_failed(out)) {
        ks_buffer_append_u32(out, ks_crc32c(0, out->data + begin, out->size - begin));
    }
}

/* --- Decoding -------------------------------------------------------------------------------- */

static bool
is_possible(const struct ks_producer *producer, int64_t offset)
{
    int64_t end = 0;

    if (producer->id < 0 || producer->epoch < 0 || producer->batch_count == 0) {
        return false;
    }
    for (uint8_t i = 0; i < producer->batch_count; i++) {
        const struct ks_producer_batch *batch = &producer->batches[i];

        if (batch->base_offset < end || batch->last_offset < batch->base_offset ||
            batch->last_offset >= offset || batch->first_sequence < 0 || batch->last_sequence < 0) {
            return false;
        }
        end = batch->last_offset + 1;
    }
    return true;
}

/* False when the bytes are damaged. */
static bool
decode_producer(struct ks_cursor *cursor, struct ks_producer *producer)
{
    uint16_t size = ks_cursor_u16(cursor);
    struct ks_cursor fields =
        ks_cursor(ks_cursor_take(cursor, size < sizeof size ? 0 : size - sizeof size));

    *producer = (struct ks_producer){ 0 };
    producer->id = (int64_t) ks_cursor_u64(&fields);
    producer->epoch = (int16_t) ks_cursor_u16(&fields);
    producer->used_ms = (int64_t) ks_cursor_u64(&fields);
    producer->batch_count = ks_cursor_u8(&fields);
    if (producer->batch_count > KS_PRODUCER_BATCHES) {
        return false;
    }
    for (uint8_t i = 0; i < producer->batch_count; i++) {
        struct ks_producer_batch *batch = &producer->batches[i];

        batch->first_sequence = (int32_t) ks_cursor_u32(&fields);
        batch->last_sequence = (int32_t) ks_cursor_u32(&fields);
        batch->base_offset = (int64_t) ks_cursor_u64(&fields);
        batch->last_offset = (int64_t) ks_cursor_u64(&fields);
    }
    return !ks_cursor_failed(&fields) && !ks_cursor_failed(cursor);
}

static enum kafscale_status
decode_producers(struct ks_cursor *cursor, uint32_t count, int64_t offset,
                 struct ks_producer_table *producers, struct kafscale_error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        struct ks_producer producer;
        enum kafscale_status status;

        if (!decode_producer(cursor, &producer) || !is_possible(&producer, offset)) {
            return ks_error_set(error, KAFSCALE_CORRUPT, "damaged producer in a producer state");
        }
        status = ks_producer_restore(producers, &producer);
        if (status != KAFSCALE_OK) {
            return ks_error_set(error, status, "producer %" PRId64 " in a producer state: %s",
                                producer.id, kafscale_status_text(status));
        }
    }
    return KAFSCALE_OK;
}

/*
 * Magic, version, length and the CRC at the end stay where they are in every version, so that
 * damage is never taken for a newer one.
 */
static enum kafscale_status
check_frame(struct kafscale_slice bytes, struct kafscale_error *error)
{
    if (bytes.size < HEADER_BYTES + CRC_BYTES ||
        ks_get_u32(bytes.data) != KS_PRODUCER_SNAPSHOT_MAGIC ||
        ks_get_u32(bytes.data + 8) != bytes.size) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "not a producer state");
    }
    if (ks_get_u32(bytes.data + bytes.size - CRC_BYTES) !=
        ks_crc32c(0, bytes.data, bytes.size - CRC_BYTES)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged producer state");
    }
    if (ks_get_u16(bytes.data + 4) != KS_PRODUCER_SNAPSHOT_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "producer state of version %u",
                            ks_get_u16(bytes.data + 4));
    }
    if (ks_get_u16(bytes.data + 6) < HEADER_BYTES ||
        ks_get_u16(bytes.data + 6) > bytes.size - CRC_BYTES) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged header of a producer state");
    }
    return KAFSCALE_OK;
}

static struct ks_producer_snapshot
take_snapshot(struct ks_cursor *cursor)
{
    struct ks_producer_snapshot snapshot;

    ks_cursor_copy(cursor, snapshot.name.topic.bytes, KS_ID_BYTES);
    snapshot.name.index = (int32_t) ks_cursor_u32(cursor);
    snapshot.offset = (int64_t) ks_cursor_u64(cursor);
    return snapshot;
}

enum kafscale_status
ks_producer_snapshot_check(struct kafscale_slice bytes, struct ks_producer_snapshot *snapshot_out,
                           struct kafscale_error *error)
{
    enum kafscale_status status = check_frame(bytes, error);
    struct ks_cursor cursor;

    if (status == KAFSCALE_OK) {
        cursor = ks_cursor(ks_slice(bytes.data + 12, bytes.size - CRC_BYTES - 12));
        *snapshot_out = take_snapshot(&cursor);
    }
    return status;
}

enum kafscale_status
ks_producer_snapshot_decode(struct kafscale_slice bytes, struct ks_producer_table *producers,
                            struct ks_producer_snapshot *snapshot_out, struct kafscale_error *error)
{
    enum kafscale_status status = check_frame(bytes, error);
    struct ks_producer_snapshot snapshot;
    struct ks_cursor cursor;
    uint32_t count;

    assert(producers->table.count == 0);

    if (status != KAFSCALE_OK) {
        return status;
    }
    cursor = ks_cursor(ks_slice(bytes.data + 12, bytes.size - CRC_BYTES - 12));
    snapshot = take_snapshot(&cursor);
    count = ks_cursor_u32(&cursor);
    (void) ks_cursor_take(&cursor, ks_get_u16(bytes.data + 6) - (size_t) HEADER_BYTES);
    status = decode_producers(&cursor, count, snapshot.offset, producers, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (ks_cursor_left(&cursor) != 0 || snapshot.name.index < 0 || snapshot.offset < 0) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged producer state");
    }
    *snapshot_out = snapshot;
    return KAFSCALE_OK;
}

void
ks_producer_snapshot_list_prefix(const char *ns, const struct ks_partition_name *name,
                                 char prefix_out[KS_PRODUCER_SNAPSHOT_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];
    int size;

    ks_id_to_hex(&name->topic, hex);
    size = snprintf(prefix_out, KS_PRODUCER_SNAPSHOT_KEY_BYTES,
                    "%s/__kafscale/producers/%s/%" PRId32 "/", ns, hex, name->index);
    assert(size > 0);
    assert(size < KS_PRODUCER_SNAPSHOT_KEY_BYTES);
}

void
ks_producer_snapshot_key(const char *ns, const struct ks_producer_snapshot *snapshot,
                         char key_out[KS_PRODUCER_SNAPSHOT_KEY_BYTES])
{
    char hex[KS_ID_HEX_BYTES];
    int size;

    ks_id_to_hex(&snapshot->name.topic, hex);
    size = snprintf(key_out, KS_PRODUCER_SNAPSHOT_KEY_BYTES,
                    "%s/__kafscale/producers/%s/%" PRId32 "/%020" PRId64, ns, hex,
                    snapshot->name.index, snapshot->offset);
    assert(size > 0);
    assert(size < KS_PRODUCER_SNAPSHOT_KEY_BYTES);
}
