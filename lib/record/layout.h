/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the fields of a record batch lie. Private to record: other modules read struct ks_batch.
 */
#ifndef KS_RECORD_LAYOUT_H
#define KS_RECORD_LAYOUT_H

#define KS_BATCH_BASE_OFFSET_AT 0
#define KS_BATCH_LENGTH_AT 8
#define KS_BATCH_LEADER_EPOCH_AT 12
#define KS_BATCH_MAGIC_AT 16
#define KS_BATCH_CRC_AT 17
#define KS_BATCH_ATTRIBUTES_AT 21
#define KS_BATCH_LAST_OFFSET_DELTA_AT 23
#define KS_BATCH_BASE_TIMESTAMP_AT 27
#define KS_BATCH_MAX_TIMESTAMP_AT 35
#define KS_BATCH_PRODUCER_ID_AT 43
#define KS_BATCH_PRODUCER_EPOCH_AT 51
#define KS_BATCH_BASE_SEQUENCE_AT 53
#define KS_BATCH_RECORD_COUNT_AT 57

/* The checksum covers a batch from here to its end. */
#define KS_BATCH_CHECKED_AT KS_BATCH_ATTRIBUTES_AT

/* Length, attributes, two deltas, key and value length, header count: one byte each. */
#define KS_RECORD_BYTES_MIN 7

#endif
