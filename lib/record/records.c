/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are checked as they are read, since producing doesn't look at them: each must fill
 * its stated length, offsets must rise within the batch, and the last record must end where the
 * batch does.
 */
#include "record/records.h"

#include "base/error.h"
#include "record/compression.h"
#include "record/layout.h"

/* A header takes two lengths of a byte each. */
#define HEADER_BYTES_MIN 2u

static const uint8_t no_bytes[1];

enum kafscale_status
ks_records_init(struct ks_records *records, const struct ks_batch *batch, size_t plain_bytes_max,
                struct kafscale_error *error)
{
    struct kafscale_slice payload = ks_batch_payload(batch);
    struct ks_buffer plain = { 0 };
    int codec = ks_batch_codec(batch);

    if (codec != KS_CODEC_NONE && payload.size > 0) {
        enum kafscale_status status = ks_decompress(codec, payload, plain_bytes_max, &plain, error);

        if (status != KAFSCALE_OK) {
            ks_error_wrap(error, "record batch at offset %lld", (long long) batch->base_offset);
            return status;
        }
        payload = ks_buffer_slice(&plain);
    }
    *records = (struct ks_records){
        .batch = batch,
        .plain = plain,
        .cursor = ks_cursor(payload),
        .records_left = batch->record_count,
    };
    return KAFSCALE_OK;
}

void
ks_records_deinit(struct ks_records *records)
{
    ks_buffer_deinit(&records->plain);
    records->records_left = 0;
}

struct kafscale_slice
ks_records_plain(const struct ks_records *records)
{
    return records->plain.data != NULL ? ks_buffer_slice(&records->plain)
                                       : ks_batch_payload(records->batch);
}

/* Bytes behind their length, -1 for null. */
static struct kafscale_slice
take_bytes(struct ks_cursor *cursor)
{
    int32_t size = ks_cursor_varint(cursor);

    if (size < -1) {
        cursor->failed = true;
    }
    if (size <= -1 || ks_cursor_failed(cursor)) {
        return ks_slice(NULL, 0);
    }
    return size == 0 ? ks_slice(no_bytes, 0) : ks_cursor_take(cursor, (size_t) size);
}

static void
take_header(struct ks_cursor *cursor, struct ks_record_header *header)
{
    header->key = take_bytes(cursor);
    if (header->key.data == NULL) {
        cursor->failed = true;
    }
    header->value = take_bytes(cursor);
}

/* All headers are read once here, so that walking them later can't fail. */
static void
take_headers(struct ks_cursor *cursor, struct ks_record *record)
{
    int32_t count = ks_cursor_varint(cursor);
    struct ks_cursor start = *cursor;
    struct ks_record_header header;

    if (count < 0 || (size_t) count > ks_cursor_left(cursor) / HEADER_BYTES_MIN) {
        cursor->failed = true;
        return;
    }
    for (int32_t i = 0; i < count && !ks_cursor_failed(cursor); i++) {
        take_header(cursor, &header);
    }
    record->header_count = count;
    record->headers = ks_cursor_take(&start, ks_cursor_left(&start) - ks_cursor_left(cursor));
}

static enum kafscale_status
corrupt(const struct ks_records *records, const char *what, struct kafscale_error *error)
{
    return ks_error_set(error, KAFSCALE_CORRUPT, "record batch at offset %lld: %s",
                        (long long) records->batch->base_offset, what);
}

static bool
place_record(struct ks_records *records, int32_t offset_delta, int64_t timestamp_delta,
             struct ks_record *record)
{
    const struct ks_batch *batch = records->batch;

    if (offset_delta < records->delta_min || offset_delta > batch->last_offset_delta) {
        return false;
    }
    record->offset = batch->base_offset + offset_delta;
    if (ks_batch_has_append_time(batch)) {
        record->timestamp = batch->max_timestamp;
        return true;
    }
    return !__builtin_add_overflow(batch->base_timestamp, timestamp_delta, &record->timestamp);
}

static enum kafscale_status
read_record(struct ks_records *records, struct ks_record *record_out, struct kafscale_error *error)
{
    int32_t size = ks_cursor_varint(&records->cursor);
    struct ks_cursor cursor;
    struct ks_record record = { 0 };
    int64_t timestamp_delta;
    int32_t offset_delta;

    if (size < KS_RECORD_BYTES_MIN - 1 || (size_t) size > ks_cursor_left(&records->cursor)) {
        return corrupt(records, "a record with a length that can't be", error);
    }
    cursor = ks_cursor(ks_cursor_take(&records->cursor, (size_t) size));
    (void) ks_cursor_u8(&cursor);
    timestamp_delta = ks_cursor_varlong(&cursor);
    offset_delta = ks_cursor_varint(&cursor);
    record.key = take_bytes(&cursor);
    record.value = take_bytes(&cursor);
    take_headers(&cursor, &record);
    if (ks_cursor_failed(&cursor) || ks_cursor_left(&cursor) > 0) {
        return corrupt(records, "a record that doesn't fill its length", error);
    }
    if (!place_record(records, offset_delta, timestamp_delta, &record)) {
        return corrupt(records, "a record with an offset or timestamp that can't be", error);
    }
    records->delta_min = (int64_t) offset_delta + 1;
    *record_out = record;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_records_next(struct ks_records *records, struct ks_record *record_out,
                struct kafscale_error *error)
{
    enum kafscale_status status;

    if (records->records_left == 0) {
        if (ks_cursor_left(&records->cursor) == 0) {
            return KAFSCALE_NOT_FOUND;
        }
        return corrupt(records, "bytes after the last record", error);
    }
    status = read_record(records, record_out, error);
    records->records_left = status == KAFSCALE_OK ? records->records_left - 1 : 0;
    return status;
}

bool
ks_record_header_next(struct ks_cursor *headers, struct ks_record_header *header_out)
{
    struct ks_record_header header;

    if (ks_cursor_left(headers) == 0) {
        return false;
    }
    take_header(headers, &header);
    if (ks_cursor_failed(headers)) {
        return false;
    }
    *header_out = header;
    return true;
}

/* Says of a record whether it is one the search wants; the search goes on until `best_possible`. */
struct search {
    int64_t offset_min;
    int64_t timestamp_min;
    int64_t best_possible;
    bool found;
    struct ks_record_time best;
};

static void
consider(struct search *search, const struct ks_record *record)
{
    if (record->offset < search->offset_min || record->timestamp < search->timestamp_min) {
        return;
    }
    if (!search->found || record->timestamp > search->best.timestamp) {
        search->found = true;
        search->best = (struct ks_record_time){ record->offset, record->timestamp };
    }
}

static enum kafscale_status
search_batch(const struct ks_batch *batch, struct search *search, struct kafscale_error *error)
{
    struct ks_records records;
    struct ks_record record = { 0 };
    enum kafscale_status status = ks_records_init(&records, batch, KS_PLAIN_BYTES_MAX, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    while (!search->found || search->best.timestamp < search->best_possible) {
        status = ks_records_next(&records, &record, error);
        if (status != KAFSCALE_OK) {
            break;
        }
        consider(search, &record);
    }
    ks_records_deinit(&records);
    return status == KAFSCALE_NOT_FOUND && search->found ? KAFSCALE_OK : status;
}

enum kafscale_status
ks_records_find_time(const struct ks_batch *batch, int64_t timestamp, int64_t offset_min,
                     struct ks_record_time *found_out, struct kafscale_error *error)
{
    struct search search = {
        .offset_min = offset_min,
        .timestamp_min = timestamp,
        .best_possible = timestamp,
    };
    enum kafscale_status status = search_batch(batch, &search, error);

    if (status == KAFSCALE_OK) {
        *found_out = search.best;
    }
    return status;
}

enum kafscale_status
ks_records_find_latest_time(const struct ks_batch *batch, int64_t offset_min,
                            struct ks_record_time *found_out, struct kafscale_error *error)
{
    struct search search = {
        .offset_min = offset_min,
        .timestamp_min = INT64_MIN,
        .best_possible = batch->max_timestamp,
    };
    enum kafscale_status status = search_batch(batch, &search, error);

    if (status == KAFSCALE_OK) {
        *found_out = search.best;
    }
    return status;
}
