/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a batch: its records one after the other, with the offsets and timestamps a consumer
 * sees. The broker does this for lookups by time, for compaction and for its own topics, and on
 * the way of produced data only where a topic has a rule about its records.
 *
 * A reader belongs to one thread. Its records borrow from it, or from the batch when that is
 * not compressed.
 */
#ifndef KS_RECORD_RECORDS_H
#define KS_RECORD_RECORDS_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "record/batch.h"

/*
 * One record. A null key or value has data == NULL; an empty one has not. `headers` are the
 * encoded headers, header_count of them, to be read with ks_record_header_next.
 */
struct ks_record {
    int64_t offset;
    int64_t timestamp;
    struct kafscale_slice key;
    struct kafscale_slice value;
    int32_t header_count;
    struct kafscale_slice headers;
};

/* A key is never null, a value may be. */
struct ks_record_header {
    struct kafscale_slice key;
    struct kafscale_slice value;
};

/* A reader over one batch. Its fields are private. */
struct ks_records {
    const struct ks_batch *batch;
    struct ks_buffer plain;
    struct ks_cursor cursor;
    int32_t records_left;
    int64_t delta_min;
};

/*
 * Opens `batch`, borrowed until deinit. Records that would take more than plain_bytes_max when
 * opened give KAFSCALE_TOO_LARGE, bytes that are not what the codec writes KAFSCALE_CORRUPT. On
 * failure nothing is to be freed.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_records_init(struct ks_records *records,
                                                         const struct ks_batch *batch,
                                                         size_t plain_bytes_max,
                                                         struct kafscale_error *error);

void ks_records_deinit(struct ks_records *records);

/* All its records as they are without a codec; borrowed as they are. */
struct kafscale_slice ks_records_plain(const struct ks_records *records);

/*
 * The next record: KAFSCALE_NOT_FOUND, with `error` untouched, after the last one.
 * KAFSCALE_CORRUPT ends the reading too; so do bytes after the last record.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_records_next(struct ks_records *records,
                                                         struct ks_record *record_out,
                                                         struct kafscale_error *error);

/* Walks a cursor over a record's `headers`; false at the end. */
bool ks_record_header_next(struct ks_cursor *headers, struct ks_record_header *header_out);

/* Where a lookup by time ended: a record's offset and timestamp. */
struct ks_record_time {
    int64_t offset;
    int64_t timestamp;
};

/*
 * The first record at or after offset_min whose timestamp is `timestamp` or later;
 * KAFSCALE_NOT_FOUND, with `error` untouched, when the batch has none. Opens at most
 * KS_PLAIN_BYTES_MAX.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_records_find_time(const struct ks_batch *batch,
                                                              int64_t timestamp, int64_t offset_min,
                                                              struct ks_record_time *found_out,
                                                              struct kafscale_error *error);

/* The same for the first record with the greatest timestamp. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_records_find_latest_time(
    const struct ks_batch *batch, int64_t offset_min, struct ks_record_time *found_out,
    struct kafscale_error *error);

#endif
