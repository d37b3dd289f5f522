/* SPDX-License-Identifier: Apache-2.0 */
/* Position, length, offset and both checksums, whatever read the bytes. */
#include "log/read/stored_batch.h"

#include "log/core.h"

#include <inttypes.h>

struct ks_stored_batch
ks_stored_batch_of(const struct ks_wal_entry *entry)
{
    return (struct ks_stored_batch){ .base_offset = entry->base_offset,
                                     .position = entry->position,
                                     .size_bytes = entry->size_bytes,
                                     .crc = entry->crc };
}

static enum kafscale_status
parse(const struct ks_stored_batch *stored, struct kafscale_slice bytes, struct ks_batch *batch,
      struct kafscale_error *error)
{
    enum kafscale_status status = ks_batch_parse(bytes, batch, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (batch->bytes.size != stored->size_bytes || batch->base_offset != stored->base_offset ||
        batch->crc != stored->crc) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "it is not what the directory says");
    }
    if (!ks_batch_crc_is_right(batch)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "its checksum is wrong");
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_stored_batch_find(const struct ks_stored_batch *stored, struct kafscale_slice bytes,
                     uint64_t begin, struct ks_batch *batch_out, struct kafscale_error *error)
{
    uint64_t place = stored->position - begin;

    if (stored->position < begin || place > bytes.size || stored->size_bytes > bytes.size - place) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "the batch at offset %" PRId64 " lies outside the object",
                            stored->base_offset);
    }
    if (parse(stored, ks_slice(bytes.data + place, stored->size_bytes), batch_out, error) !=
        KAFSCALE_OK) {
        ks_error_wrap(error, "the batch at offset %" PRId64, stored->base_offset);
        return KAFSCALE_CORRUPT;
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_stored_batches_take(const struct ks_stored_batch *stored, size_t count,
                       struct kafscale_blob *body, uint64_t begin, struct ks_log_read *read)
{
    struct kafscale_slice bytes = kafscale_blob_slice(body);

    if (!ks_log_read_reserve(read, count)) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;

        if (ks_stored_batch_find(&stored[i], bytes, begin, &batch, &error) != KAFSCALE_OK) {
            ks_log_read_release(read);
            return KAFSCALE_CORRUPT;
        }
        ks_log_read_add(read, batch.bytes, body, stored[i].created_ms);
    }
    return KAFSCALE_OK;
}

bool
ks_stored_batch_is_missed(enum kafscale_status status)
{
    return status == KAFSCALE_NOT_FOUND || status == KAFSCALE_CORRUPT;
}

enum kafscale_status
ks_stored_batch_verdict(enum kafscale_status status, uint32_t attempts, uint32_t damaged)
{
    if (!ks_stored_batch_is_missed(status)) {
        return status;
    }
    return damaged == attempts ? KAFSCALE_CORRUPT : KAFSCALE_UNAVAILABLE;
}
