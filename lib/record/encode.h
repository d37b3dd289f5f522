/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and headers of batches as bytes, into memory of the caller's. Whoever only wants a batch
 * takes a builder (record/batch_builder.h); this is for who builds one where it will be sent from.
 *
 * Pure functions, any thread.
 */
#ifndef KS_RECORD_ENCODE_H
#define KS_RECORD_ENCODE_H

#include "record/batch.h"
#include "record/records.h"

/* How a record is said in its batch, against the first timestamp and the first offset. */
struct ks_record_place {
    int64_t timestamp_delta;
    int64_t offset_delta;
    size_t body_bytes; /* of the record after its own length; ks_record_measure fills it in */
};

/* How many bytes the record takes with its length; keys, values and headers below 2 GiB. */
size_t ks_record_measure(const struct ks_record *record, struct ks_record_place *place);

/* Writes what was measured; returns the end. */
uint8_t *ks_record_put(uint8_t *out, const struct ks_record *record,
                       const struct ks_record_place *place);

/*
 * Writes the header before the records of a batch of `size` bytes, header included, from the
 * fields of `batch` but for `bytes` and `crc`: these follow.
 */
void ks_batch_put_header(uint8_t *bytes, size_t size, const struct ks_batch *batch);

#endif
