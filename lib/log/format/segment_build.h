/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is made for a segment beside its batches: header, footer and index, with the producers
 * as the batches leave them. Whoever writes segments, a broker or a tool, adds the batches here
 * and puts the bytes. No I/O.
 */
#ifndef KS_LOG_FORMAT_SEGMENT_BUILD_H
#define KS_LOG_FORMAT_SEGMENT_BUILD_H

#include "log/format/index_format.h"
#include "log/format/producer_snapshot.h"

struct ks_segment_build {
    struct ks_index index;
    /* Once it is finished. */
    uint8_t header[KS_SEGMENT_HEADER_BYTES];
    uint8_t footer[KS_SEGMENT_FOOTER_BYTES];
    struct ks_buffer encoded; /* the index's object */
};

struct ks_segment_place {
    struct ks_partition_name name;
    struct ks_id cluster;
    int64_t base_offset;
    int64_t log_start;
    const struct ks_index *before; /* of the segment before it, or NULL */
};

/* An empty segment there. NO_MEMORY leaves it in need of deinit, too. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_build_init(struct ks_segment_build *build,
                                                               const struct ks_segment_place *place,
                                                               int64_t created_ms);
/* Accepts the zeroed one. */
void ks_segment_build_deinit(struct ks_segment_build *build);

/*
 * Adds the batch that follows, also to `producers`, which were those at the base; `now_ms` is what
 * they note as its time. As ks_index_add_batch, and NO_MEMORY, after which it is of no use.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_build_add(struct ks_segment_build *build,
                                                              struct ks_producer_table *producers,
                                                              const struct ks_batch *batch,
                                                              int64_t now_ms,
                                                              struct kafscale_error *error);

/* Makes header, footer and the index's object. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_build_finish(
    struct ks_segment_build *build, struct ks_producer_table *producers,
    struct kafscale_error *error);

#endif
