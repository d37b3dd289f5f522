/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key and value begin with a version; later versions only append fields, so what follows ours
 * is not looked at.
 */
#include "record/control_batch.h"

#include "base/cursor.h"
#include "base/endian.h"
#include "base/error.h"
#include "record/batch_builder.h"
#include "record/records.h"

#include <assert.h>

#define KEY_BYTES 4   /* version, type */
#define VALUE_BYTES 6 /* version, coordinator epoch */

/* More than any version of a marker needs. */
#define MARKER_BYTES_MAX 4096u

static bool
read_marker(const struct ks_record *record, struct ks_control_marker *marker)
{
    struct ks_cursor key = ks_cursor(record->key);
    struct ks_cursor value = ks_cursor(record->value);
    int16_t key_version = (int16_t) ks_cursor_u16(&key);
    int16_t value_version;

    marker->type = (int16_t) ks_cursor_u16(&key);
    value_version = (int16_t) ks_cursor_u16(&value);
    marker->coordinator_epoch = (int32_t) ks_cursor_u32(&value);
    return !ks_cursor_failed(&key) && !ks_cursor_failed(&value) && key_version >= 0 &&
           value_version >= 0;
}

enum kafscale_status
ks_control_batch_parse(const struct ks_batch *batch, struct ks_control_marker *marker_out,
                       struct kafscale_error *error)
{
    struct ks_control_marker marker;
    struct ks_records records;
    struct ks_record record;
    enum kafscale_status status;

    assert(ks_batch_is_control(batch));

    status = ks_records_init(&records, batch, MARKER_BYTES_MAX, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_records_next(&records, &record, error);
    if (status == KAFSCALE_NOT_FOUND ||
        (status == KAFSCALE_OK && (batch->record_count > 1 || !read_marker(&record, &marker)))) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "control batch at offset %lld has no marker",
                              (long long) batch->base_offset);
    }
    if (status == KAFSCALE_OK) {
        *marker_out = marker;
    }
    ks_records_deinit(&records);
    return status;
}

enum kafscale_status
ks_control_batch_build(const struct ks_control_batch_options *options,
                       const struct ks_control_marker *marker, struct ks_buffer *out,
                       struct kafscale_error *error)
{
    uint8_t key[KEY_BYTES] = { 0 };
    uint8_t value[VALUE_BYTES] = { 0 };
    struct ks_record record = {
        .timestamp = options->wall_ms,
        .key = ks_slice(key, sizeof key),
        .value = ks_slice(value, sizeof value),
    };
    struct ks_batch_options batch_options = {
        .attributes = KS_BATCH_CONTROL | KS_BATCH_TRANSACTIONAL,
        .base_offset = options->base_offset,
        .leader_epoch = options->leader_epoch,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = -1,
    };
    struct ks_batch_builder builder;
    enum kafscale_status status;

    assert(options->producer_id >= 0);

    ks_put_u16(key + 2, (uint16_t) marker->type);
    ks_put_u32(value + 2, (uint32_t) marker->coordinator_epoch);
    ks_batch_builder_init(&builder, &batch_options);
    ks_batch_builder_append(&builder, &record);
    status = ks_batch_builder_finish(&builder, out, error);
    ks_batch_builder_deinit(&builder);
    return status;
}
