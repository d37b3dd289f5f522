/* SPDX-License-Identifier: Apache-2.0 */
/* Record batches as programs see them, on top of record. */
#include "kafscale_records.h"

#include "base/base.h"

#include <stddef.h>

/* Where every format has the length of what follows it. */
#define LENGTH_AT 8

/* Of a batch, so that all its records have offsets. */
#define OFFSET_MAX (INT64_MAX - INT32_MAX - 1)

/* So much may be compressed to: no codec makes bytes longer than that. */
#define BATCH_BYTES_MAX ((size_t) 2 * KS_PLAIN_BYTES_MAX)

struct kafscale_records {
    struct kafscale_slice left;
    size_t memory_bytes_max;
    struct kafscale_error broken; /* where reading can't go on behind the batch */
    struct ks_batch raw;
    struct kafscale_batch batch;
    bool has_batch;
    bool is_unread;           /* none of its records was asked for */
    struct ks_records opened; /* over `raw` */
    bool is_open;
    struct ks_shown_headers shown;
};

/* --- Reading --- */

struct kafscale_records *
kafscale_records_new(struct kafscale_slice bytes, size_t memory_bytes_max,
                     struct kafscale_error *error)
{
    struct kafscale_records *records = ks_alloc_zero(1, sizeof *records);

    if (records == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to read records");
        return NULL;
    }
    records->left = bytes;
    records->memory_bytes_max =
        memory_bytes_max < KS_PLAIN_BYTES_MAX ? memory_bytes_max : KS_PLAIN_BYTES_MAX;
    return records;
}

static void
close_batch(struct kafscale_records *records)
{
    if (records->is_open) {
        ks_records_deinit(&records->opened);
        records->is_open = false;
    }
}

void
kafscale_records_free(struct kafscale_records *records)
{
    if (records != NULL) {
        close_batch(records);
        ks_shown_headers_deinit(&records->shown);
        ks_free(records);
    }
}

static void
tell_batch(const struct ks_batch *raw, struct kafscale_batch *batch_out)
{
    *batch_out = (struct kafscale_batch){
        .bytes = raw->bytes,
        .base_offset = raw->base_offset,
        .last_offset = ks_batch_last_offset(raw),
        .leader_epoch = raw->leader_epoch,
        .record_count = raw->record_count,
        .compression = (enum kafscale_compression) ks_batch_codec(raw),
        .first_timestamp_ms = raw->base_timestamp,
        .max_timestamp_ms = raw->max_timestamp,
        .producer_id = raw->producer_id < 0 ? KS_NO_PRODUCER_ID : raw->producer_id,
        .base_sequence = raw->base_sequence,
        .producer_epoch = raw->producer_epoch,
        .is_transactional = ks_batch_is_transactional(raw),
        .is_control = ks_batch_is_control(raw),
        .has_append_time = ks_batch_has_append_time(raw),
    };
}

/* Whether the bytes are no more than the beginning of a batch, as far as they go. */
static bool
is_cut_off(struct kafscale_slice bytes)
{
    int64_t size;

    if (bytes.size < KS_BATCH_PREFIX_BYTES) {
        return true;
    }
    size = (int32_t) ks_get_u32(bytes.data + LENGTH_AT);
    return size >= KS_BATCH_HEADER_BYTES - KS_BATCH_PREFIX_BYTES &&
           (uint64_t) size > bytes.size - KS_BATCH_PREFIX_BYTES;
}

static enum kafscale_status
next_batch(struct kafscale_records *records, struct kafscale_error *error)
{
    enum kafscale_status status;

    close_batch(records);
    records->is_unread = false;
    if (records->broken.status != KAFSCALE_OK) {
        return ks_error_set(error, records->broken.status, "%s", records->broken.text);
    }
    if (is_cut_off(records->left)) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "no more record batches");
    }
    status = ks_batch_parse(records->left, &records->raw, &records->broken);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "%s", records->broken.text);
    }
    records->left = ks_slice(records->left.data + records->raw.bytes.size,
                             records->left.size - records->raw.bytes.size);
    tell_batch(&records->raw, &records->batch);
    records->has_batch = true;
    records->is_unread = true;
    return KAFSCALE_OK;
}

static enum kafscale_status
open_batch(struct kafscale_records *records, struct kafscale_error *error)
{
    enum kafscale_status status;

    if (!ks_batch_crc_is_right(&records->raw)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "record batch at offset %lld: the checksum is wrong",
                            (long long) records->raw.base_offset);
    }
    status = ks_records_init(&records->opened, &records->raw, records->memory_bytes_max, error);
    records->is_open = status == KAFSCALE_OK;
    return status;
}

enum kafscale_status
kafscale_records_next_batch(struct kafscale_records *records,
                            const struct kafscale_batch **batch_out, struct kafscale_error *error)
{
    enum kafscale_status status = next_batch(records, error);

    if (status == KAFSCALE_OK) {
        *batch_out = &records->batch;
    }
    return status;
}

void
ks_shown_headers_deinit(struct ks_shown_headers *shown)
{
    ks_free(shown->headers);
}

enum kafscale_status
ks_show_record(struct ks_shown_headers *shown, const struct ks_record *raw, size_t memory_bytes_max,
               struct kafscale_record *record_out, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(raw->headers);
    size_t count = (size_t) raw->header_count;
    struct ks_record_header header;

    if (count > memory_bytes_max / sizeof *shown->headers) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "record at offset %lld: %zu headers",
                            (long long) raw->offset, count);
    }
    if (!KS_RESERVE(shown->headers, shown->capacity, count)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for the headers of a record");
    }
    for (size_t i = 0; i < count && ks_record_header_next(&cursor, &header); i++) {
        shown->headers[i] = (struct kafscale_header){ .key = header.key, .value = header.value };
    }
    *record_out = (struct kafscale_record){
        .offset = raw->offset,
        .timestamp_ms = raw->timestamp,
        .key = raw->key,
        .value = raw->value,
        .headers = count == 0 ? NULL : shown->headers,
        .header_count = count,
    };
    return KAFSCALE_OK;
}

/* Opens the batch that the caller went on to, if he has read nothing of it, or one after it. */
static enum kafscale_status
enter_batch(struct kafscale_records *records, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    while (status == KAFSCALE_OK && !records->is_open) {
        if (!records->is_unread) {
            status = next_batch(records, error);
        }
        if (status == KAFSCALE_OK) {
            records->is_unread = false;
            status = records->batch.is_control ? KAFSCALE_OK : open_batch(records, error);
        }
    }
    return status;
}

enum kafscale_status
kafscale_records_next(struct kafscale_records *records, struct kafscale_record *record_out,
                      struct kafscale_error *error)
{
    struct kafscale_error failure = { 0 };
    struct ks_record raw;
    enum kafscale_status status;

    do {
        status = enter_batch(records, error);
        if (status != KAFSCALE_OK) {
            return status;
        }
        status = ks_records_next(&records->opened, &raw, &failure);
        if (status == KAFSCALE_OK) {
            return ks_show_record(&records->shown, &raw, records->memory_bytes_max, record_out,
                                  error);
        }
        close_batch(records);
    } while (status == KAFSCALE_NOT_FOUND);
    return ks_error_set(error, status, "%s", failure.text);
}

const struct kafscale_batch *
kafscale_records_batch(const struct kafscale_records *records)
{
    return records->has_batch ? &records->batch : NULL;
}

size_t
kafscale_records_left(const struct kafscale_records *records)
{
    return records->left.size;
}

bool
kafscale_batch_is_whole(const struct kafscale_batch *batch)
{
    struct ks_batch raw;

    return ks_batch_parse(batch->bytes, &raw, NULL) == KAFSCALE_OK &&
           raw.bytes.size == batch->bytes.size && ks_batch_crc_is_right(&raw);
}

/* --- Building --- */

struct kafscale_batch_builder {
    struct ks_batch_options options;
    struct ks_batch_builder batch;
    struct ks_buffer headers; /* of one record, encoded */
};

static const char *
find_nonsense(const struct kafscale_batch_options *options)
{
    if (options->size != sizeof *options) {
        return "the size of the options is not that of any version";
    }
    if ((unsigned) options->compression >= KS_CODEC_COUNT) {
        return "no such compression";
    }
    if (options->base_offset < 0 || options->base_offset > OFFSET_MAX) {
        return "an offset that can't be";
    }
    if (options->producer_id < -1 || (options->producer_id >= 0 && (options->producer_epoch < 0 ||
                                                                    options->base_sequence < 0))) {
        return "producer fields that can't be";
    }
    return options->is_transactional && options->producer_id < 0
               ? "a transaction without a producer id"
               : NULL;
}

static struct ks_batch_options
batch_options(const struct kafscale_batch_options *options)
{
    return (struct ks_batch_options){
        .codec = (int) options->compression,
        .attributes = options->is_transactional ? KS_BATCH_TRANSACTIONAL : 0,
        .base_offset = options->base_offset,
        .leader_epoch = options->leader_epoch,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
    };
}

struct kafscale_batch_builder *
kafscale_batch_builder_new(const struct kafscale_batch_options *options,
                           struct kafscale_error *error)
{
    static const struct kafscale_batch_options defaults = KAFSCALE_BATCH_OPTIONS;
    struct kafscale_batch_builder *builder;
    const char *nonsense;

    options = options == NULL ? &defaults : options;
    nonsense = find_nonsense(options);
    if (nonsense != NULL) {
        ks_error_set(error, KAFSCALE_INVALID, "record batch: %s", nonsense);
        return NULL;
    }
    builder = ks_alloc_zero(1, sizeof *builder);
    if (builder == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a record batch");
        return NULL;
    }
    builder->options = batch_options(options);
    ks_batch_builder_init(&builder->batch, &builder->options);
    ks_buffer_init(&builder->headers, KS_PLAIN_BYTES_MAX);
    return builder;
}

void
kafscale_batch_builder_free(struct kafscale_batch_builder *builder)
{
    if (builder != NULL) {
        ks_batch_builder_deinit(&builder->batch);
        ks_buffer_deinit(&builder->headers);
        ks_free(builder);
    }
}

static bool
is_hollow(struct kafscale_slice bytes)
{
    return bytes.data == NULL && bytes.size > 0;
}

static const char *
find_nonsense_in_record(const struct kafscale_record *record)
{
    if (record->timestamp_ms < -1) {
        return "a negative timestamp";
    }
    if (is_hollow(record->key) || is_hollow(record->value) ||
        (record->headers == NULL && record->header_count > 0)) {
        return "a size without bytes";
    }
    for (size_t i = 0; i < record->header_count; i++) {
        if (record->headers[i].key.data == NULL || is_hollow(record->headers[i].value)) {
            return "a header without a key, or a size without bytes";
        }
    }
    return NULL;
}

static enum kafscale_status
encode_headers(struct kafscale_batch_builder *builder, const struct kafscale_record *record,
               struct kafscale_error *error)
{
    ks_buffer_clear(&builder->headers);
    for (size_t i = 0; i < record->header_count; i++) {
        struct ks_record_header header = { .key = record->headers[i].key,
                                           .value = record->headers[i].value };

        ks_record_header_append(&builder->headers, &header);
    }
    if (!ks_buffer_failed(&builder->headers) && record->header_count <= INT32_MAX) {
        return KAFSCALE_OK;
    }
    return ks_error_set(error, KAFSCALE_FULL,
                        "record batch: the headers of a record are too large");
}

enum kafscale_status
kafscale_batch_builder_append(struct kafscale_batch_builder *builder,
                              const struct kafscale_record *record, struct kafscale_error *error)
{
    const char *nonsense = find_nonsense_in_record(record);
    struct ks_record raw = { .timestamp = record->timestamp_ms,
                             .key = record->key,
                             .value = record->value,
                             .header_count = (int32_t) record->header_count };
    enum kafscale_status status;

    if (nonsense != NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "record batch: %s", nonsense);
    }
    status = encode_headers(builder, record, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (builder->options.base_offset > OFFSET_MAX) {
        return ks_error_set(error, KAFSCALE_FULL, "record batch: no offset is left");
    }
    raw.headers = ks_buffer_slice(&builder->headers);
    return ks_batch_builder_try(&builder->batch, &raw, error);
}

size_t
kafscale_batch_builder_bytes(const struct kafscale_batch_builder *builder)
{
    return builder->batch.records.size;
}

/* The next batch follows the one that was made. */
static void
start_again(struct kafscale_batch_builder *builder)
{
    struct ks_batch_options *options = &builder->options;
    int64_t count = builder->batch.record_count;

    options->base_offset += count;
    if (options->producer_id >= 0) {
        options->base_sequence =
            (int32_t) (((uint32_t) options->base_sequence + (uint32_t) count) & INT32_MAX);
    }
    ks_batch_builder_deinit(&builder->batch);
    ks_batch_builder_init(&builder->batch, options);
}

enum kafscale_status
kafscale_batch_builder_finish(struct kafscale_batch_builder *builder,
                              struct kafscale_blob **batch_out, struct kafscale_error *error)
{
    struct ks_buffer out;
    struct kafscale_blob *blob = NULL;
    enum kafscale_status status;

    if (builder->batch.record_count == 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "record batch: no records");
    }
    ks_buffer_init(&out, BATCH_BYTES_MAX);
    status = ks_batch_builder_finish(&builder->batch, &out, error);
    if (status == KAFSCALE_OK) {
        blob = kafscale_blob_new(out.size);
        status = blob == NULL ? ks_error_set(error, KAFSCALE_NO_MEMORY,
                                             "no memory for a record batch of %zu bytes", out.size)
                              : KAFSCALE_OK;
    }
    if (status == KAFSCALE_OK) {
        memcpy(kafscale_blob_data(blob), out.data, out.size);
        start_again(builder);
        *batch_out = blob;
    }
    ks_buffer_deinit(&out);
    return status;
}
