/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records are encoded as they come, against the timestamp of the first one; the header is
 * written last, when the count and the greatest timestamp are known.
 */
#include "record/batch_builder.h"

#include "base/error.h"
#include "base/varint.h"
#include "record/compression.h"
#include "record/encode.h"

#include <assert.h>

void
ks_batch_builder_init(struct ks_batch_builder *builder, const struct ks_batch_options *options)
{
    assert(options->codec >= 0);
    assert(options->codec < KS_CODEC_COUNT);
    assert((options->attributes & KS_BATCH_CODEC_MASK) == 0);
    assert(options->base_offset >= 0);

    *builder = (struct ks_batch_builder){
        .options = *options,
        .base_timestamp = KS_NO_TIMESTAMP,
        .max_timestamp = KS_NO_TIMESTAMP,
    };
    ks_buffer_init(&builder->records, KS_PLAIN_BYTES_MAX);
}

void
ks_batch_builder_deinit(struct ks_batch_builder *builder)
{
    ks_buffer_deinit(&builder->records);
}

static void
append_number(struct ks_buffer *buffer, int64_t number)
{
    uint8_t bytes[KS_VARINT_BYTES_MAX];

    ks_buffer_append(buffer, bytes, ks_put_varlong(bytes, number));
}

static void
append_bytes(struct ks_buffer *buffer, struct kafscale_slice bytes)
{
    append_number(buffer, bytes.data == NULL ? -1 : (int64_t) bytes.size);
    ks_buffer_append(buffer, bytes.data, bytes.size);
}

void
ks_record_header_append(struct ks_buffer *headers, const struct ks_record_header *header)
{
    assert(header->key.data != NULL);

    append_bytes(headers, header->key);
    append_bytes(headers, header->value);
}

/*
 * Whether the record can be said in the numbers of the format; `delta` is its distance from the
 * first timestamp.
 */
static bool
record_fits(const struct ks_batch_builder *builder, const struct ks_record *record, int64_t *delta)
{
    size_t room = KS_PLAIN_BYTES_MAX;

    if (builder->offsets > INT32_MAX || record->key.size > room || record->value.size > room ||
        record->headers.size > room) {
        return false;
    }
    return !__builtin_sub_overflow(record->timestamp, builder->base_timestamp, delta);
}

static void
encode_record(struct ks_batch_builder *builder, const struct ks_record *record,
              int64_t timestamp_delta)
{
    struct ks_record_place place = { .timestamp_delta = timestamp_delta,
                                     .offset_delta = builder->offsets };
    struct ks_buffer *records = &builder->records;
    size_t size = ks_record_measure(record, &place);
    uint8_t *out;

    if (size > records->size_max - records->size) {
        builder->failed = true;
        return;
    }
    out = ks_buffer_extend(records, size);
    if (out != NULL) {
        ks_record_put(out, record, &place);
    }
}

void
ks_batch_builder_append(struct ks_batch_builder *builder, const struct ks_record *record)
{
    int64_t timestamp_delta = 0;

    assert(record->header_count >= 0);

    if (builder->record_count == 0) {
        builder->base_timestamp = record->timestamp;
        builder->max_timestamp = record->timestamp;
    }
    if (builder->failed || !record_fits(builder, record, &timestamp_delta)) {
        builder->failed = true;
        return;
    }
    encode_record(builder, record, timestamp_delta);
    if (record->timestamp > builder->max_timestamp) {
        builder->max_timestamp = record->timestamp;
    }
    builder->record_count++;
    builder->offsets++;
}

enum kafscale_status
ks_batch_builder_try(struct ks_batch_builder *builder, const struct ks_record *record,
                     struct kafscale_error *error)
{
    struct ks_batch_builder before = *builder;
    bool is_full;

    assert(!builder->failed);
    assert(!ks_buffer_failed(&builder->records));

    ks_batch_builder_append(builder, record);
    is_full = builder->failed;
    if (!is_full && !ks_buffer_failed(&builder->records)) {
        return KAFSCALE_OK;
    }
    before.records.data = builder->records.data;
    before.records.capacity = builder->records.capacity;
    *builder = before;
    return ks_error_set(error, is_full ? KAFSCALE_FULL : KAFSCALE_NO_MEMORY,
                        is_full ? "the record batch has no room for the record"
                                : "no memory for a record of a batch");
}

void
ks_batch_builder_skip(struct ks_batch_builder *builder, int32_t offsets)
{
    assert(offsets >= 0);

    if (builder->failed || builder->offsets + offsets > (int64_t) INT32_MAX + 1) {
        builder->failed = true;
        return;
    }
    builder->offsets += offsets;
}

static void
write_header(const struct ks_batch_builder *builder, uint8_t *bytes, size_t size)
{
    const struct ks_batch_options *options = &builder->options;
    int codec = builder->record_count == 0 ? KS_CODEC_NONE : options->codec;
    struct ks_batch batch = {
        .base_offset = options->base_offset,
        .leader_epoch = options->leader_epoch,
        .attributes = (int16_t) (options->attributes | codec),
        .last_offset_delta = (int32_t) (builder->offsets - 1),
        .base_timestamp = builder->base_timestamp,
        .max_timestamp = builder->max_timestamp,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
        .record_count = builder->record_count,
    };

    ks_batch_put_header(bytes, size, &batch);
}

static enum kafscale_status
check_appended(const struct ks_batch_builder *builder, struct kafscale_error *error)
{
    const struct ks_buffer *records = &builder->records;

    if (builder->failed) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE,
                            "records too large, or too far apart, for one batch");
    }
    if (!ks_buffer_failed(records)) {
        return KAFSCALE_OK;
    }
    return ks_error_set(error, KAFSCALE_NO_MEMORY, "records of a batch");
}

enum kafscale_status
ks_batch_builder_finish(struct ks_batch_builder *builder, struct ks_buffer *out,
                        struct kafscale_error *error)
{
    static const uint8_t header[KS_BATCH_HEADER_BYTES];
    size_t start = out->size;
    enum kafscale_status status = check_appended(builder, error);

    assert(builder->offsets > 0);
    assert(!ks_buffer_failed(out));

    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_compress(KS_CODEC_NONE, ks_slice(header, sizeof header), out, error);
    if (status == KAFSCALE_OK && builder->record_count > 0) {
        status =
            ks_compress(builder->options.codec, ks_buffer_slice(&builder->records), out, error);
    }
    if (status != KAFSCALE_OK) {
        out->size = start;
        return status;
    }
    write_header(builder, out->data + start, out->size - start);
    return KAFSCALE_OK;
}
