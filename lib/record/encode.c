/* SPDX-License-Identifier: Apache-2.0 */
#include "record/encode.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/varint.h"
#include "record/layout.h"

static size_t
bytes_size(struct kafscale_slice bytes)
{
    return ks_varlong_bytes(bytes.data == NULL ? -1 : (int64_t) bytes.size) + bytes.size;
}

static uint8_t *
put_raw(uint8_t *out, struct kafscale_slice bytes)
{
    if (bytes.size > 0) {
        memcpy(out, bytes.data, bytes.size);
    }
    return out + bytes.size;
}

static uint8_t *
put_bytes(uint8_t *out, struct kafscale_slice bytes)
{
    out += ks_put_varlong(out, bytes.data == NULL ? -1 : (int64_t) bytes.size);
    return put_raw(out, bytes);
}

size_t
ks_record_measure(const struct ks_record *record, struct ks_record_place *place)
{
    place->body_bytes = 1 + ks_varlong_bytes(place->timestamp_delta) +
                        ks_varlong_bytes(place->offset_delta) + bytes_size(record->key) +
                        bytes_size(record->value) + ks_varlong_bytes(record->header_count) +
                        record->headers.size;
    return ks_varlong_bytes((int64_t) place->body_bytes) + place->body_bytes;
}

uint8_t *
ks_record_put(uint8_t *out, const struct ks_record *record, const struct ks_record_place *place)
{
    out += ks_put_varlong(out, (int64_t) place->body_bytes);
    *out++ = 0; /* attributes: none are defined */
    out += ks_put_varlong(out, place->timestamp_delta);
    out += ks_put_varlong(out, place->offset_delta);
    out = put_bytes(out, record->key);
    out = put_bytes(out, record->value);
    out += ks_put_varlong(out, record->header_count);
    return put_raw(out, record->headers);
}

void
ks_batch_put_header(uint8_t *bytes, size_t size, const struct ks_batch *batch)
{
    bool has_producer = batch->producer_id >= 0;

    ks_batch_patch(bytes, batch->base_offset, batch->leader_epoch);
    ks_put_u32(bytes + KS_BATCH_LENGTH_AT, (uint32_t) (size - KS_BATCH_PREFIX_BYTES));
    bytes[KS_BATCH_MAGIC_AT] = KS_BATCH_MAGIC;
    ks_put_u16(bytes + KS_BATCH_ATTRIBUTES_AT, (uint16_t) batch->attributes);
    ks_put_u32(bytes + KS_BATCH_LAST_OFFSET_DELTA_AT, (uint32_t) batch->last_offset_delta);
    ks_put_u64(bytes + KS_BATCH_BASE_TIMESTAMP_AT, (uint64_t) batch->base_timestamp);
    ks_put_u64(bytes + KS_BATCH_MAX_TIMESTAMP_AT, (uint64_t) batch->max_timestamp);
    ks_put_u64(bytes + KS_BATCH_PRODUCER_ID_AT, (uint64_t) batch->producer_id);
    ks_put_u16(bytes + KS_BATCH_PRODUCER_EPOCH_AT,
               (uint16_t) (has_producer ? batch->producer_epoch : -1));
    ks_put_u32(bytes + KS_BATCH_BASE_SEQUENCE_AT,
               (uint32_t) (has_producer ? batch->base_sequence : -1));
    ks_put_u32(bytes + KS_BATCH_RECORD_COUNT_AT, (uint32_t) batch->record_count);
    ks_put_u32(bytes + KS_BATCH_CRC_AT,
               ks_crc32c(0, bytes + KS_BATCH_CHECKED_AT, size - KS_BATCH_CHECKED_AT));
}
