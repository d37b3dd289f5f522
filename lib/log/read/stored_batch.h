/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a batch lies in a write-ahead object or a bundle, and whether what was read there is it.
 * Whoever reads batches back asks here.
 */
#ifndef KS_LOG_READ_STORED_BATCH_H
#define KS_LOG_READ_STORED_BATCH_H

#include "log/format/wal_format.h"
#include "record/record.h"

struct ks_log_read;

/* What a directory, or a place, says of a batch. */
struct ks_stored_batch {
    int64_t base_offset;
    uint64_t position;  /* in the object, or in its body, as the entry counts */
    int64_t created_ms; /* of the object, or of the slot that it was bundled from; 0: not told */
    uint32_t size_bytes;
    uint32_t crc;
};

struct ks_stored_batch ks_stored_batch_of(const struct ks_wal_entry *entry);

/*
 * Finds the batch in `bytes`, which were read from the position `begin` on. CORRUPT when it isn't
 * there whole, or not as it was stored.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_stored_batch_find(const struct ks_stored_batch *stored,
                                                              struct kafscale_slice bytes,
                                                              uint64_t begin,
                                                              struct ks_batch *batch_out,
                                                              struct kafscale_error *error);

/* Gives a reader all these batches of `body`. CORRUPT or NO_MEMORY: it has none. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_stored_batches_take(
    const struct ks_stored_batch *stored, size_t count, struct kafscale_blob *body, uint64_t begin,
    struct ks_log_read *read);

/*
 * What was asked for isn't there, or something else is: below a trim mark a void seal may stand
 * where the slot was, and under the key of a bundle that has gone another that was put too late.
 */
bool ks_stored_batch_is_missed(enum kafscale_status status);

/* What was stored is called damaged, or gone, only if it was found so at every attempt. */
enum kafscale_status ks_stored_batch_verdict(enum kafscale_status status, uint32_t attempts,
                                             uint32_t damaged);

#endif
