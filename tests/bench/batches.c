/* SPDX-License-Identifier: Apache-2.0 */
/* A new timestamp touches the header alone; the checksum of the records is joined to the rest. */
#include "batches.h"

#include "wire.h"

#include "base/base.h"

#include <stdlib.h>
#include <time.h>

/* Places in the header of a batch of format 2. */
enum { CRC_AT = 17, CHECKED_AT = 21, BASE_TIMESTAMP_AT = 27, MAX_TIMESTAMP_AT = 35 };

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What doesn't compress shows no luck of a codec or a file system. */
static void
fill(uint8_t *out, size_t size, uint64_t *seed)
{
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t) next_random(seed);
    }
}

static int64_t
wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
load_batch_init(struct load_batch *batch, size_t batch_bytes, size_t record_bytes, uint64_t *seed)
{
    const struct ks_batch_options options = { .producer_id = KS_NO_PRODUCER_ID };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    uint8_t *value = malloc(record_bytes);

    if (value == NULL) {
        die("no memory");
    }
    batch->timestamp_ms = wall_ms();
    ks_batch_builder_init(&builder, &options);
    for (size_t size = 0; size == 0 || size + record_bytes <= batch_bytes; size += record_bytes) {
        fill(value, record_bytes, seed);
        ks_batch_builder_append(&builder, &(struct ks_record){
                                              .timestamp = batch->timestamp_ms,
                                              .value = ks_slice(value, record_bytes),
                                          });
    }
    ks_buffer_init(&batch->bytes, 2 * (batch_bytes + record_bytes) + 1024);
    if (ks_batch_builder_finish(&builder, &batch->bytes, &error) != KAFSCALE_OK) {
        die("batch: %s", error.text);
    }
    batch->records_crc = ks_crc32c(0, batch->bytes.data + KS_BATCH_HEADER_BYTES,
                                   batch->bytes.size - KS_BATCH_HEADER_BYTES);
    ks_batch_builder_deinit(&builder);
    free(value);
}

void
load_batch_deinit(struct load_batch *batch)
{
    ks_buffer_deinit(&batch->bytes);
}

struct kafscale_slice
load_batch_next(struct load_batch *batch)
{
    uint8_t *bytes = batch->bytes.data;
    uint32_t crc;

    batch->timestamp_ms--;
    ks_put_u64(bytes + BASE_TIMESTAMP_AT, (uint64_t) batch->timestamp_ms);
    ks_put_u64(bytes + MAX_TIMESTAMP_AT, (uint64_t) batch->timestamp_ms);
    crc = ks_crc32c(0, bytes + CHECKED_AT, KS_BATCH_HEADER_BYTES - CHECKED_AT);
    ks_put_u32(bytes + CRC_AT,
               ks_crc32c_join(crc, batch->records_crc, batch->bytes.size - KS_BATCH_HEADER_BYTES));
    return ks_buffer_slice(&batch->bytes);
}
