/* SPDX-License-Identifier: Apache-2.0 */
/* What is described may be damaged: each step says what it finds and stops where it can't go on. */
#include "record/describe.h"

#include "record/compression.h"
#include "record/records.h"

#define PLAIN_BYTES_MAX (256u << 20)

static const char *
codec_name(const struct ks_batch *batch)
{
    static const char *const names[KS_CODEC_COUNT] = { "none", "gzip", "snappy", "lz4", "zstd" };
    int codec = ks_batch_codec(batch);

    return codec < KS_CODEC_COUNT ? names[codec] : "unknown";
}

static void
describe_bytes(const struct kafscale_describe *describe, const char *name,
               struct kafscale_slice bytes)
{
    if (bytes.data != NULL) {
        ks_describe_bytes_as_text(describe, name, bytes);
    }
}

static void
describe_record(const struct ks_record *record, const struct kafscale_describe *describe)
{
    struct ks_cursor headers = ks_cursor(record->headers);
    struct ks_record_header header;

    ks_describe_begin(describe, NULL);
    ks_describe_number(describe, "offset", record->offset);
    ks_describe_time(describe, "timestamp", record->timestamp);
    describe_bytes(describe, "key", record->key);
    describe_bytes(describe, "value", record->value);
    if (record->header_count > 0) {
        ks_describe_begin_list(describe, "headers");
        while (ks_record_header_next(&headers, &header)) {
            ks_describe_begin(describe, NULL);
            ks_describe_bytes_as_text(describe, "key", header.key);
            describe_bytes(describe, "value", header.value);
            ks_describe_end(describe);
        }
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_records(const struct ks_batch *batch, const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct ks_record record;
    enum kafscale_status status = ks_records_init(&records, batch, PLAIN_BYTES_MAX, &error);

    if (status != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_begin_list(describe, "records");
    while ((status = ks_records_next(&records, &record, &error)) == KAFSCALE_OK) {
        describe_record(&record, describe);
    }
    ks_describe_end(describe);
    if (status != KAFSCALE_NOT_FOUND) {
        ks_describe_text(describe, "damage", error.text);
    }
    ks_records_deinit(&records);
}

static void
describe_header(const struct ks_batch *batch, const struct kafscale_describe *describe)
{
    ks_describe_number(describe, "base offset", batch->base_offset);
    ks_describe_number(describe, "last offset", ks_batch_last_offset(batch));
    ks_describe_number(describe, "records", batch->record_count);
    ks_describe_number(describe, "bytes", (int64_t) batch->bytes.size);
    ks_describe_number(describe, "leader epoch", batch->leader_epoch);
    ks_describe_text(describe, "codec", codec_name(batch));
    ks_describe_time(describe, "first timestamp", batch->base_timestamp);
    ks_describe_time(describe, "greatest timestamp", batch->max_timestamp);
    if (batch->producer_id >= 0) {
        ks_describe_number(describe, "producer id", batch->producer_id);
        ks_describe_number(describe, "producer epoch", batch->producer_epoch);
        ks_describe_number(describe, "first sequence", batch->base_sequence);
    }
    ks_describe_bool(describe, "transactional", ks_batch_is_transactional(batch));
    ks_describe_bool(describe, "control", ks_batch_is_control(batch));
    ks_describe_crc(describe, "crc", batch->crc);
}

size_t
ks_batch_describe(struct kafscale_slice bytes, bool is_with_records,
                  const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_batch batch;

    if (ks_batch_parse(bytes, &batch, &error) != KAFSCALE_OK) {
        ks_describe_begin(describe, NULL);
        ks_describe_text(describe, "damage", error.text);
        ks_describe_end(describe);
        return 0;
    }
    ks_describe_begin(describe, NULL);
    describe_header(&batch, describe);
    if (!ks_batch_crc_is_right(&batch)) {
        ks_describe_text(describe, "damage", "the checksum is wrong");
    } else if (is_with_records) {
        describe_records(&batch, describe);
    }
    ks_describe_end(describe);
    return batch.bytes.size;
}
