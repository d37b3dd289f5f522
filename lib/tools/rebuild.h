/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata made anew from objects. A scan (rebuild_scan.c) collects what the objects say of each
 * topic; rebuild.c makes registers of that and writes them.
 */
#ifndef KS_TOOLS_REBUILD_H
#define KS_TOOLS_REBUILD_H

#include "kafscale/tools.h"
#include "tools/survey.h"

/* As kafscale_tools_rebuild. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_tools_rebuild(struct ks_session *session,
                                                          bool is_dry_run,
                                                          kafscale_tools_rebuilt *rebuilt,
                                                          void *arg, struct kafscale_error *error);

/* --- For rebuild.c and rebuild_scan.c --- */

/* What one owner wrote of a partition. */
struct ks_found_part {
    int32_t epoch;
    struct ks_id incarnation;
    int64_t base_offset;
    int64_t end_offset;
};

struct ks_found_partition {
    struct ks_list link;
    struct ks_table_node node; /* by name */
    struct ks_partition_name name;
    struct ks_found_part *parts; /* in the order in which they were found */
    size_t part_count;
    size_t part_capacity;
    int32_t epoch_max; /* that a batch carries */
    bool has_segments;
    int64_t log_start;    /* base of the first segment */
    int64_t segment_base; /* of the newest that joins the others, -1: none */
    int64_t segments_end; /* after the last record in a segment that joins the others */
    uint64_t segment_count;
};

struct ks_found_topic {
    struct ks_list link;
    struct ks_id id;
    char *name;   /* NULL: it stood nowhere */
    char *prefix; /* NULL: it has no segments */
    int32_t partition_count;
    int64_t newest_ms; /* of the objects that name it */
    uint64_t segment_count;
};

struct ks_found {
    struct ks_survey survey;
    struct ks_table partitions_by_name;
    struct ks_list partitions;
    struct ks_list topics;
    int64_t producer_id_max;
    bool is_short; /* memory ran out */
};

/* Zeroes and fills; to be deinit'ed also after a failure. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_found_scan(struct ks_found *found,
                                                       struct ks_session *session,
                                                       struct kafscale_error *error);
void ks_found_deinit(struct ks_found *found);

#endif
