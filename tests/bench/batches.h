/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record batches for load. Making one costs more than sending it, so they are made before the
 * clock starts and given a timestamp of their own each time they are sent: no two batches on the
 * wire have the same bytes or the same checksum.
 */
#ifndef KS_TESTS_BENCH_BATCHES_H
#define KS_TESTS_BENCH_BATCHES_H

#include "record/record.h"

struct load_batch {
    struct ks_buffer bytes;
    int64_t timestamp_ms;
    uint32_t records_crc; /* of what follows the header */
};

/* About `batch_bytes`, not compressed, of random records of `record_bytes`; at least one record. */
void load_batch_init(struct load_batch *batch, size_t batch_bytes, size_t record_bytes,
                     uint64_t *seed);
void load_batch_deinit(struct load_batch *batch);

/* The bytes, different each time; valid until the next call. */
struct kafscale_slice load_batch_next(struct load_batch *batch);

#endif
