/* SPDX-License-Identifier: Apache-2.0 */
/* Batches become the segments of a partition of a new topic. */
#ifndef KS_TOOLS_RESTORE_WRITE_H
#define KS_TOOLS_RESTORE_WRITE_H

#include "log/formats.h"
#include "record/record.h"
#include "tools/session.h"

/* One partition that is written. */
struct ks_segment_writer {
    struct ks_session *session;
    struct ks_segment_home home;
    struct ks_partition_name name;
    struct ks_id cluster;
    int64_t log_start;
    int64_t end_offset;
    int64_t last_base; /* of the newest segment, -1: none */
    uint64_t segments;
    uint64_t records;
    bool is_building;
    struct ks_segment_build build;
    struct ks_index previous; /* of the segment before it */
    struct ks_buffer object;
    struct ks_producer_table producers;
};

/* Borrows session and prefix. The first segment will begin at `log_start`. */
void ks_segment_writer_init(struct ks_segment_writer *writer, struct ks_session *session,
                            const char *prefix, const struct ks_partition_name *name,
                            const struct ks_id *cluster, int64_t log_start);
void ks_segment_writer_deinit(struct ks_segment_writer *writer);

/* Adds a batch, and writes a segment when there is enough for one. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_writer_add(struct ks_segment_writer *writer,
                                                               const struct ks_batch *batch,
                                                               struct kafscale_error *error);

/* Writes what is left. EXISTS: somebody else writes under this prefix. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_writer_finish(struct ks_segment_writer *writer,
                                                                  struct kafscale_error *error);

#endif
