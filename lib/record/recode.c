/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header is copied and three of its fields patched; no record is looked at. What the records
 * become is known only afterwards: they are compressed beside, and the cap is asked then.
 */
#include "record/recode.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/error.h"
#include "record/compression.h"
#include "record/layout.h"

#include <assert.h>

/* No codec makes more of what may be opened. */
#define PACKED_BYTES_MAX (2 * (size_t) KS_PLAIN_BYTES_MAX)

static void
patch(uint8_t *bytes, size_t size, int codec)
{
    uint16_t attributes = ks_get_u16(bytes + KS_BATCH_ATTRIBUTES_AT);

    attributes = (uint16_t) ((attributes & ~KS_BATCH_CODEC_MASK) | codec);
    ks_put_u16(bytes + KS_BATCH_ATTRIBUTES_AT, attributes);
    ks_put_u32(bytes + KS_BATCH_LENGTH_AT, (uint32_t) (size - KS_BATCH_PREFIX_BYTES));
    ks_put_u32(bytes + KS_BATCH_CRC_AT,
               ks_crc32c(0, bytes + KS_BATCH_CHECKED_AT, size - KS_BATCH_CHECKED_AT));
}

/* Appends what becomes of the records. */
static enum kafscale_status
pack(int codec, int level, struct kafscale_slice plain, struct ks_buffer *out,
     struct kafscale_error *error)
{
    struct ks_buffer packed;
    enum kafscale_status status;

    ks_buffer_init(&packed, PACKED_BYTES_MAX);
    status = ks_compress_at(codec, level, plain, &packed, error);
    if (status == KAFSCALE_OK &&
        plain.size > ks_plain_bytes_limit(packed.size, KS_PLAIN_BYTES_MAX)) {
        status = ks_error_set(error, KAFSCALE_UNSUPPORTED, "%zu bytes of records in only %zu",
                              plain.size, packed.size);
    } else if (status == KAFSCALE_OK && packed.size > out->size_max - out->size) {
        status = ks_error_set(error, KAFSCALE_TOO_LARGE, "%zu bytes of records", packed.size);
    } else if (status == KAFSCALE_OK) {
        ks_buffer_append(out, packed.data, packed.size);
    }
    ks_buffer_deinit(&packed);
    return status;
}

enum kafscale_status
ks_batch_recode(const struct ks_records *records, int codec, int level, struct ks_buffer *out,
                struct kafscale_error *error)
{
    struct kafscale_slice plain = ks_records_plain(records);
    size_t first = out->size;
    size_t room = out->size_max - first;
    enum kafscale_status status = KAFSCALE_OK;

    assert(!ks_buffer_failed(out));
    assert(codec >= 0 && codec < KS_CODEC_COUNT);

    if (room < KS_BATCH_HEADER_BYTES ||
        (codec == KS_CODEC_NONE && plain.size > room - KS_BATCH_HEADER_BYTES)) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "%zu bytes of records", plain.size);
    }
    ks_buffer_append(out, records->batch->bytes.data, KS_BATCH_HEADER_BYTES);
    if (codec == KS_CODEC_NONE) {
        ks_buffer_append(out, plain.data, plain.size);
    } else if (!ks_buffer_failed(out)) {
        status = pack(codec, level, plain, out, error);
    }
    if (ks_buffer_failed(out)) {
        ks_buffer_clear(out);
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for a batch");
    }
    if (status != KAFSCALE_OK) {
        out->size = first;
        return status;
    }
    patch(out->data + first, out->size - first, codec);
    return KAFSCALE_OK;
}
