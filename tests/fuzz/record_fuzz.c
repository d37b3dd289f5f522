/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record batches from anywhere. The first byte of an input says what the rest is: a batch, or the
 * compressed bytes of one codec. A batch that can be read must be the same again when it is built
 * from what was read.
 */
#include "fuzz/fuzz.h"
#include "record/record.h"

#define PLAIN_BYTES_MAX (4u << 20)

static enum kafscale_status
rebuild(const struct ks_batch *batch, struct ks_buffer *out)
{
    struct ks_batch_options options = {
        .attributes = (int16_t) (batch->attributes & ~KS_BATCH_CODEC_MASK & ~KS_BATCH_APPEND_TIME),
        .base_offset = batch->base_offset,
        .leader_epoch = batch->leader_epoch,
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_epoch,
        .base_sequence = batch->base_sequence,
    };
    struct kafscale_error error = { 0 };
    int64_t offset_next = batch->base_offset;
    struct ks_batch_builder builder;
    struct ks_records records;
    struct ks_record record;
    enum kafscale_status status = ks_records_init(&records, batch, PLAIN_BYTES_MAX, &error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_batch_builder_init(&builder, &options);
    while ((status = ks_records_next(&records, &record, &error)) == KAFSCALE_OK) {
        demand(record.offset >= offset_next);
        demand(record.offset <= ks_batch_last_offset(batch));
        ks_batch_builder_skip(&builder, (int32_t) (record.offset - offset_next));
        ks_batch_builder_append(&builder, &record);
        offset_next = record.offset + 1;
    }
    if (status == KAFSCALE_NOT_FOUND) {
        if (offset_next <= ks_batch_last_offset(batch)) {
            int64_t rest = ks_batch_last_offset(batch) - offset_next;

            ks_batch_builder_skip(&builder, (int32_t) rest);
            ks_batch_builder_skip(&builder, 1);
        }
        status = ks_batch_builder_finish(&builder, out, &error);
    }
    ks_batch_builder_deinit(&builder);
    ks_records_deinit(&records);
    return status;
}

static bool
is_same_record(const struct ks_record *a, const struct ks_record *b)
{
    return a->offset == b->offset && a->timestamp == b->timestamp &&
           (a->key.data == NULL) == (b->key.data == NULL) && ks_slice_equals(a->key, b->key) &&
           (a->value.data == NULL) == (b->value.data == NULL) &&
           ks_slice_equals(a->value, b->value) && a->header_count == b->header_count &&
           ks_slice_equals(a->headers, b->headers);
}

static void
demand_same_records(const struct ks_batch *a, const struct ks_batch *b)
{
    struct kafscale_error error = { 0 };
    struct ks_records records_a;
    struct ks_records records_b;
    struct ks_record record_a;
    struct ks_record record_b;
    enum kafscale_status status;

    demand(ks_records_init(&records_a, a, PLAIN_BYTES_MAX, &error) == KAFSCALE_OK);
    demand(ks_records_init(&records_b, b, PLAIN_BYTES_MAX, &error) == KAFSCALE_OK);
    do {
        status = ks_records_next(&records_a, &record_a, &error);
        demand(ks_records_next(&records_b, &record_b, &error) == status);
        demand(status != KAFSCALE_OK || is_same_record(&record_a, &record_b));
    } while (status == KAFSCALE_OK);
    demand(status == KAFSCALE_NOT_FOUND);
    ks_records_deinit(&records_a);
    ks_records_deinit(&records_b);
}

/* Times far apart can't be built again: there the builder says TOO_LARGE. */
static void
try_records(const struct ks_batch *batch)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 2 * PLAIN_BYTES_MAX);
    if (rebuild(batch, &bytes) == KAFSCALE_OK) {
        struct ks_batch rebuilt;

        demand(ks_batch_parse(ks_buffer_slice(&bytes), &rebuilt, &error) == KAFSCALE_OK);
        demand(ks_batch_crc_is_right(&rebuilt));
        demand(ks_batch_last_offset(&rebuilt) == ks_batch_last_offset(batch));
        demand(rebuilt.record_count == batch->record_count);
        demand_same_records(batch, &rebuilt);
    }
    ks_buffer_deinit(&bytes);
}

static void
try_lookups(const struct ks_batch *batch)
{
    struct kafscale_error error = { 0 };
    struct ks_record_time latest;
    struct ks_record_time found;

    if (ks_records_find_latest_time(batch, batch->base_offset, &latest, &error) != KAFSCALE_OK) {
        return;
    }
    if (latest.timestamp <= batch->max_timestamp) {
        demand(ks_records_find_time(batch, latest.timestamp, 0, &found, &error) == KAFSCALE_OK);
        demand(found.offset == latest.offset);
    }
}

static void
try_producing(struct kafscale_slice bytes)
{
    struct ks_batch_rules rules = { .bytes_max = 1u << 20, .zstd_allowed = true };
    struct kafscale_error error = { 0 };
    struct ks_buffer copy;
    struct ks_batch produced;
    struct ks_batch stored;

    if (ks_batch_check_produced(bytes, &rules, &produced) != KS_BATCH_FAULT_NONE) {
        return;
    }
    ks_buffer_init(&copy, bytes.size);
    ks_buffer_append(&copy, bytes.data, bytes.size);
    demand(!ks_buffer_failed(&copy));
    ks_batch_patch(copy.data, 1000, 3);
    ks_batch_set_append_time(copy.data, copy.size, 77);
    demand(ks_batch_parse(ks_buffer_slice(&copy), &stored, &error) == KAFSCALE_OK);
    demand(ks_batch_crc_is_right(&stored));
    demand(ks_batch_last_offset(&stored) == 1000 + produced.record_count - 1);
    ks_buffer_deinit(&copy);
}

static void
try_batch(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_control_marker marker;
    struct ks_batch batch;

    try_producing(bytes);
    if (ks_batch_parse(bytes, &batch, &error) != KAFSCALE_OK) {
        demand(error.text[0] != 0);
        return;
    }
    demand(batch.bytes.size <= bytes.size);
    demand(ks_batch_last_offset(&batch) >= batch.base_offset);
    demand(ks_batch_last_sequence(&batch) >= 0 || batch.base_sequence < 0);
    (void) ks_batch_crc_is_right(&batch);
    if (ks_batch_is_control(&batch)) {
        demand(ks_control_batch_parse(&batch, &marker, &error) == error.status);
    }
    /* Records with append time lose their own times, so they are not what a builder would write. */
    if (!ks_batch_has_append_time(&batch)) {
        try_records(&batch);
    }
    try_lookups(&batch);
}

static void
try_codec(int codec, struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer plain = { 0 };
    struct ks_buffer packed;
    struct ks_buffer again = { 0 };

    if (ks_decompress(codec, bytes, PLAIN_BYTES_MAX, &plain, &error) != KAFSCALE_OK) {
        demand(error.text[0] != 0);
        return;
    }
    demand(plain.size <= ks_plain_bytes_limit(bytes.size, PLAIN_BYTES_MAX));
    ks_buffer_init(&packed, 2 * PLAIN_BYTES_MAX);
    demand(ks_compress(codec, ks_buffer_slice(&plain), &packed, &error) == KAFSCALE_OK);
    if (plain.size <= ks_plain_bytes_limit(packed.size, PLAIN_BYTES_MAX)) {
        demand(ks_decompress(codec, ks_buffer_slice(&packed), PLAIN_BYTES_MAX, &again, &error) ==
               KAFSCALE_OK);
        demand(ks_slice_equals(ks_buffer_slice(&again), ks_buffer_slice(&plain)));
    }
    ks_buffer_deinit(&again);
    ks_buffer_deinit(&packed);
    ks_buffer_deinit(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] == 0) {
        try_batch(ks_slice(data + 1, size - 1));
    } else {
        try_codec(data[0] % KS_CODEC_COUNT, ks_slice(data + 1, size - 1));
    }
    return 0;
}
