/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bundles of a log are merged, and what goes into each part of the merged one. Bundles are
 * sorted by partition, so the next part needs of each of them a few stretches. No I/O.
 */
#ifndef KS_LOG_BUNDLE_MERGE_PLAN_H
#define KS_LOG_BUNDLE_MERGE_PLAN_H

#include "log/trim/trail.h"

enum ks_merge_kind {
    KS_MERGE_STATES,
    KS_MERGE_ENTRIES,
    KS_MERGE_BODY,
};

#define KS_MERGE_NO_RANGE UINT32_MAX

/* A stretch of an object that is read with one GET. */
struct ks_merge_range {
    struct ks_bundle *bundle; /* the plan's */
    enum ks_merge_kind kind;
    uint64_t position;
    uint64_t end;
    struct kafscale_blob *bytes; /* once they were read */
};

/* A section of a bundle on its way into a merged one, and the ranges that hold what it needs. */
struct ks_merge_piece {
    struct ks_bundle *bundle; /* the plan's */
    const struct ks_bundle_section *section;
    uint32_t entries;
    uint32_t body;
    uint32_t state; /* of the last piece of a section only */
};

/* Pieces of the same partition and epoch stand side by side, in order, and become a section. */
struct ks_merge_part {
    struct ks_merge_piece *pieces;
    size_t piece_count;
    size_t piece_capacity;
    struct ks_merge_range *ranges;
    size_t range_count;
    size_t range_capacity;
    uint64_t bytes;
};

/* The bundles of one register, and where the next piece of theirs is. */
struct ks_merge_input {
    size_t first; /* in the plan's bundles */
    size_t end;
    size_t bundle;
    size_t section;
    const struct ks_bundle_section *at; /* NULL at the end */
};

struct ks_merge_plan {
    const struct ks_log *log;
    struct ks_bundle **bundles; /* references */
    size_t bundle_count;
    struct ks_merge_input *inputs; /* by slot */
    size_t input_count;
};

/*
 * Finds the oldest run of `count` bundles of a level whose sections are short enough. NOT_FOUND:
 * there is none. The plan is to be freed in any case.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_merge_plan_find(struct ks_merge_plan *plan,
                                                            const struct ks_trail *trail,
                                                            size_t count);
void ks_merge_plan_deinit(struct ks_merge_plan *plan);

/*
 * The next part, about as long as a bundle; none of its pieces was known to be covered. Without
 * pieces: that was all. NO_MEMORY: the plan is of no use any more.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_merge_plan_next(struct ks_merge_plan *plan,
                                                            struct ks_merge_part *part);
bool ks_merge_plan_is_at_end(const struct ks_merge_plan *plan);
void ks_merge_part_deinit(struct ks_merge_part *part);

bool ks_merge_is_same_section(const struct ks_merge_piece *a, const struct ks_merge_piece *b);

#endif
