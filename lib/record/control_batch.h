/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control batches: the markers that end a transaction in a partition. Brokers write them,
 * consumers skip them; each holds one record and takes one offset.
 */
#ifndef KS_RECORD_CONTROL_BATCH_H
#define KS_RECORD_CONTROL_BATCH_H

#include "base/buffer.h"
#include "record/batch.h"

enum ks_marker_type {
    KS_MARKER_ABORT = 0,
    KS_MARKER_COMMIT = 1,
};

struct ks_control_marker {
    int16_t type; /* an enum ks_marker_type; others belong to Kafka's own metadata log */
    int32_t coordinator_epoch;
};

/* Reads the marker of a batch that says it is a control batch. KAFSCALE_CORRUPT: it has none. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_control_batch_parse(
    const struct ks_batch *batch, struct ks_control_marker *marker_out,
    struct kafscale_error *error);

/* Whose transaction a marker ends, and when. */
struct ks_control_batch_options {
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t producer_id;
    int16_t producer_epoch;
    int64_t wall_ms;
};

/* Appends a control batch to `out`; on failure `out` is as it was. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_control_batch_build(
    const struct ks_control_batch_options *options, const struct ks_control_marker *marker,
    struct ks_buffer *out, struct kafscale_error *error);

#endif
