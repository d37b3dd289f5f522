/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch is read in two steps, so that a producer can be told exactly what is wrong: its frame
 * (length and format), then its numbers. Clients and stores are trusted in neither.
 */
#include "record/batch.h"

#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/endian.h"
#include "base/error.h"
#include "record/layout.h"

#include <assert.h>

/* From here on joining checksums is quicker than reading the bytes once more. */
#define JOINED_BYTES_MIN ((size_t) 8 << 10)

int64_t
ks_batch_last_offset(const struct ks_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}

int32_t
ks_batch_last_sequence(const struct ks_batch *batch)
{
    uint32_t last = (uint32_t) batch->base_sequence + (uint32_t) batch->last_offset_delta;

    return (int32_t) (last & INT32_MAX);
}

bool
ks_batch_is_transactional(const struct ks_batch *batch)
{
    return (batch->attributes & KS_BATCH_TRANSACTIONAL) != 0;
}

bool
ks_batch_is_control(const struct ks_batch *batch)
{
    return (batch->attributes & KS_BATCH_CONTROL) != 0;
}

bool
ks_batch_has_append_time(const struct ks_batch *batch)
{
    return (batch->attributes & KS_BATCH_APPEND_TIME) != 0;
}

int
ks_batch_codec(const struct ks_batch *batch)
{
    return batch->attributes & KS_BATCH_CODEC_MASK;
}

struct kafscale_slice
ks_batch_payload(const struct ks_batch *batch)
{
    assert(batch->bytes.size >= KS_BATCH_HEADER_BYTES);

    return ks_slice(batch->bytes.data + KS_BATCH_HEADER_BYTES,
                    batch->bytes.size - KS_BATCH_HEADER_BYTES);
}

enum frame_fault {
    FRAME_RIGHT,
    FRAME_SHORT,
    FRAME_LENGTH,
    FRAME_MAGIC,
};

/*
 * Cuts the first batch out of `bytes`. The format comes first: old ones have it in the same
 * place.
 */
static enum frame_fault
cut_frame(struct kafscale_slice bytes, struct kafscale_slice *frame_out)
{
    uint32_t length;

    if (bytes.size <= KS_BATCH_MAGIC_AT) {
        return FRAME_SHORT;
    }
    if (bytes.data[KS_BATCH_MAGIC_AT] != KS_BATCH_MAGIC) {
        return FRAME_MAGIC;
    }
    length = ks_get_u32(bytes.data + KS_BATCH_LENGTH_AT);
    if (length < KS_BATCH_HEADER_BYTES - KS_BATCH_PREFIX_BYTES || length > INT32_MAX) {
        return FRAME_LENGTH;
    }
    if (length > bytes.size - KS_BATCH_PREFIX_BYTES) {
        return FRAME_SHORT;
    }
    *frame_out = ks_slice(bytes.data, KS_BATCH_PREFIX_BYTES + (size_t) length);
    return FRAME_RIGHT;
}

static void
read_header(struct kafscale_slice frame, struct ks_batch *batch)
{
    struct ks_cursor cursor = ks_cursor(frame);

    batch->bytes = frame;
    batch->base_offset = (int64_t) ks_cursor_u64(&cursor);
    (void) ks_cursor_u32(&cursor);
    batch->leader_epoch = (int32_t) ks_cursor_u32(&cursor);
    (void) ks_cursor_u8(&cursor);
    batch->crc = ks_cursor_u32(&cursor);
    batch->attributes = (int16_t) ks_cursor_u16(&cursor);
    batch->last_offset_delta = (int32_t) ks_cursor_u32(&cursor);
    batch->base_timestamp = (int64_t) ks_cursor_u64(&cursor);
    batch->max_timestamp = (int64_t) ks_cursor_u64(&cursor);
    batch->producer_id = (int64_t) ks_cursor_u64(&cursor);
    batch->producer_epoch = (int16_t) ks_cursor_u16(&cursor);
    batch->base_sequence = (int32_t) ks_cursor_u32(&cursor);
    batch->record_count = (int32_t) ks_cursor_u32(&cursor);
    assert(!ks_cursor_failed(&cursor));
}

/* What holds for every batch, produced, stored or compacted. */
static bool
attributes_are_known(const struct ks_batch *batch)
{
    return (batch->attributes & ~KS_BATCH_KNOWN_ATTRIBUTES) == 0 &&
           ks_batch_codec(batch) < KS_CODEC_COUNT;
}

static bool
count_fits(const struct ks_batch *batch)
{
    size_t payload_bytes = batch->bytes.size - KS_BATCH_HEADER_BYTES;

    if (batch->record_count < 0 || batch->last_offset_delta < 0 ||
        batch->record_count - 1 > batch->last_offset_delta) {
        return false;
    }
    return ks_batch_codec(batch) != KS_CODEC_NONE ||
           (size_t) batch->record_count <= payload_bytes / KS_RECORD_BYTES_MIN;
}

static bool
producer_is_sane(const struct ks_batch *batch)
{
    if (batch->producer_id < 0) {
        return !ks_batch_is_transactional(batch) || ks_batch_is_control(batch);
    }
    return batch->producer_epoch >= 0 && (batch->base_sequence >= 0 || ks_batch_is_control(batch));
}

static const char *
find_nonsense(const struct ks_batch *batch)
{
    if (!attributes_are_known(batch)) {
        return "unknown attributes";
    }
    if (!count_fits(batch)) {
        return "a record count that can't be";
    }
    if (!producer_is_sane(batch)) {
        return "producer fields that can't be";
    }
    /* The offset after the batch must be a number too: it is where a log goes on. */
    if (batch->base_offset < 0 || batch->base_offset >= INT64_MAX - batch->last_offset_delta) {
        return "an offset that can't be";
    }
    return NULL;
}

enum kafscale_status
ks_batch_parse(struct kafscale_slice bytes, struct ks_batch *batch_out,
               struct kafscale_error *error)
{
    struct kafscale_slice frame = { 0 };
    struct ks_batch batch = { 0 };
    const char *nonsense;

    switch (cut_frame(bytes, &frame)) {
    case FRAME_RIGHT:
        break;
    case FRAME_MAGIC:
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "record batch of format %d",
                            (int8_t) bytes.data[KS_BATCH_MAGIC_AT]);
    case FRAME_SHORT:
        return ks_error_set(error, KAFSCALE_CORRUPT, "record batch cut off after %zu bytes",
                            bytes.size);
    case FRAME_LENGTH:
        return ks_error_set(error, KAFSCALE_CORRUPT, "record batch with a length that can't be");
    }
    read_header(frame, &batch);
    nonsense = find_nonsense(&batch);
    if (nonsense != NULL) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "record batch at offset %lld with %s",
                            (long long) batch.base_offset, nonsense);
    }
    *batch_out = batch;
    return KAFSCALE_OK;
}

static uint32_t
checksum(const uint8_t *bytes, size_t size)
{
    return ks_crc32c(0, bytes + KS_BATCH_CHECKED_AT, size - KS_BATCH_CHECKED_AT);
}

bool
ks_batch_crc_is_right(const struct ks_batch *batch)
{
    assert(batch->bytes.size >= KS_BATCH_HEADER_BYTES);

    return checksum(batch->bytes.data, batch->bytes.size) == batch->crc;
}

uint32_t
ks_batch_crc_after(uint32_t crc, struct kafscale_slice batch_bytes)
{
    const uint8_t *bytes = batch_bytes.data;
    size_t checked_bytes = batch_bytes.size - KS_BATCH_CHECKED_AT;

    assert(batch_bytes.size >= KS_BATCH_HEADER_BYTES);

    if (checked_bytes < JOINED_BYTES_MIN) {
        return ks_crc32c(crc, bytes, batch_bytes.size);
    }
    crc = ks_crc32c(crc, bytes, KS_BATCH_CHECKED_AT);
    return ks_crc32c_join(crc, ks_get_u32(bytes + KS_BATCH_CRC_AT), checked_bytes);
}

static const char *const fault_texts[] = {
    [KS_BATCH_FAULT_NONE] = "right",
    [KS_BATCH_FAULT_MISSING] = "no record batch for the partition",
    [KS_BATCH_FAULT_MULTIPLE] = "more than one record batch for the partition",
    [KS_BATCH_FAULT_CORRUPT] = "record batch is damaged",
    [KS_BATCH_FAULT_OLD_MAGIC] = "record batch is not of format 2",
    [KS_BATCH_FAULT_INVALID] = "record batch has a header that producers may not send",
    [KS_BATCH_FAULT_TOO_LARGE] = "record batch is larger than max.message.bytes",
    [KS_BATCH_FAULT_TIMESTAMP] = "record batch has a timestamp outside the topic's limits",
    [KS_BATCH_FAULT_KEY] = "record without a key in a compacted topic",
    [KS_BATCH_FAULT_CODEC] = "zstd needs a later version of the request",
};

int32_t
ks_batch_count_records(struct kafscale_slice batch_bytes)
{
    assert(batch_bytes.size >= KS_BATCH_HEADER_BYTES);

    return (int32_t) ks_get_u32(batch_bytes.data + KS_BATCH_RECORD_COUNT_AT);
}

const char *
ks_batch_fault_text(enum ks_batch_fault fault)
{
    assert((size_t) fault < sizeof fault_texts / sizeof fault_texts[0]);

    return fault_texts[fault];
}

/* Only what a producer may say: the known bits less those that brokers set. */
static bool
producer_may_send(const struct ks_batch *batch)
{
    return attributes_are_known(batch) && count_fits(batch) && producer_is_sane(batch) &&
           (batch->attributes & (KS_BATCH_CONTROL | KS_BATCH_DELETE_HORIZON)) == 0 &&
           batch->base_offset == 0 && batch->record_count > 0 &&
           batch->record_count - 1 == batch->last_offset_delta;
}

static bool
has_limit(int64_t limit_ms)
{
    return limit_ms >= 0 && limit_ms != INT64_MAX;
}

/* The differences may pass 64 bits, as the timestamps are the client's to choose. */
static bool
is_later_by_more_than(int64_t later_ms, int64_t earlier_ms, int64_t limit_ms)
{
    int64_t difference_ms;

    if (__builtin_sub_overflow(later_ms, earlier_ms, &difference_ms)) {
        return later_ms > earlier_ms;
    }
    return difference_ms > limit_ms;
}

static bool
is_too_old(int64_t timestamp_ms, const struct ks_batch_rules *rules)
{
    return has_limit(rules->timestamp_before_max_ms) && timestamp_ms != KS_NO_TIMESTAMP &&
           is_later_by_more_than(rules->wall_ms, timestamp_ms, rules->timestamp_before_max_ms);
}

static bool
is_too_far(int64_t timestamp_ms, const struct ks_batch_rules *rules)
{
    return has_limit(rules->timestamp_after_max_ms) && timestamp_ms != KS_NO_TIMESTAMP &&
           is_later_by_more_than(timestamp_ms, rules->wall_ms, rules->timestamp_after_max_ms);
}

bool
ks_batch_time_is_allowed(int64_t timestamp_ms, const struct ks_batch_rules *rules)
{
    return !is_too_old(timestamp_ms, rules) && !is_too_far(timestamp_ms, rules);
}

static bool
timestamps_are_allowed(const struct ks_batch *batch, const struct ks_batch_rules *rules)
{
    if (ks_batch_has_append_time(batch)) {
        return false;
    }
    if (rules->append_time) {
        return true;
    }
    return !is_too_old(batch->base_timestamp, rules) && !is_too_far(batch->max_timestamp, rules);
}

static enum ks_batch_fault
check_frame(struct kafscale_slice records, const struct ks_batch_rules *rules,
            struct kafscale_slice *frame_out)
{
    if (records.size == 0) {
        return KS_BATCH_FAULT_MISSING;
    }
    switch (cut_frame(records, frame_out)) {
    case FRAME_RIGHT:
        break;
    case FRAME_MAGIC:
        return KS_BATCH_FAULT_OLD_MAGIC;
    case FRAME_SHORT:
    case FRAME_LENGTH:
        return KS_BATCH_FAULT_CORRUPT;
    }
    if (frame_out->size != records.size) {
        return KS_BATCH_FAULT_MULTIPLE;
    }
    return frame_out->size > rules->bytes_max ? KS_BATCH_FAULT_TOO_LARGE : KS_BATCH_FAULT_NONE;
}

enum ks_batch_fault
ks_batch_check_produced(struct kafscale_slice records, const struct ks_batch_rules *rules,
                        struct ks_batch *batch_out)
{
    struct kafscale_slice frame = { 0 };
    struct ks_batch batch = { 0 };
    enum ks_batch_fault fault = check_frame(records, rules, &frame);

    if (fault != KS_BATCH_FAULT_NONE) {
        return fault;
    }
    read_header(frame, &batch);
    if (!ks_batch_crc_is_right(&batch)) {
        return KS_BATCH_FAULT_CORRUPT;
    }
    if (!producer_may_send(&batch)) {
        return KS_BATCH_FAULT_INVALID;
    }
    if (ks_batch_codec(&batch) == KS_CODEC_ZSTD && !rules->zstd_allowed) {
        return KS_BATCH_FAULT_CODEC;
    }
    *batch_out = batch;
    return timestamps_are_allowed(&batch, rules) ? KS_BATCH_FAULT_NONE : KS_BATCH_FAULT_TIMESTAMP;
}

void
ks_batch_patch(uint8_t *bytes, int64_t base_offset, int32_t leader_epoch)
{
    assert(base_offset >= 0);

    ks_put_u64(bytes + KS_BATCH_BASE_OFFSET_AT, (uint64_t) base_offset);
    ks_put_u32(bytes + KS_BATCH_LEADER_EPOCH_AT, (uint32_t) leader_epoch);
}

void
ks_batch_set_append_time(uint8_t *bytes, size_t size, int64_t wall_ms)
{
    uint16_t attributes;

    assert(size >= KS_BATCH_HEADER_BYTES);
    assert(ks_get_u32(bytes + KS_BATCH_LENGTH_AT) == size - KS_BATCH_PREFIX_BYTES);

    attributes = ks_get_u16(bytes + KS_BATCH_ATTRIBUTES_AT);
    ks_put_u16(bytes + KS_BATCH_ATTRIBUTES_AT, (uint16_t) (attributes | KS_BATCH_APPEND_TIME));
    ks_put_u64(bytes + KS_BATCH_MAX_TIMESTAMP_AT, (uint64_t) wall_ms);
    ks_put_u32(bytes + KS_BATCH_CRC_AT, checksum(bytes, size));
}
