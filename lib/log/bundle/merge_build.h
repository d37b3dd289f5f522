/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the bytes of a part of a merged bundle, once the ranges were read: entries get their new
 * places, states and batches stay what they are, and all is checked. No I/O.
 */
#ifndef KS_LOG_BUNDLE_MERGE_BUILD_H
#define KS_LOG_BUNDLE_MERGE_BUILD_H

#include "log/bundle/merge_plan.h"

struct ks_merge_build {
    const struct ks_merge_part *part;
    size_t next; /* piece */
    struct ks_bundle_section *sections;
    size_t section_count;
    struct ks_bundle_header header;
    struct ks_buffer head;
    struct ks_buffer middle; /* states, then entries */
    size_t head_bytes;
    uint64_t body_position; /* of the next piece */
    uint32_t body_crc;
    uint8_t trailer[KS_BUNDLE_TRAILER_BYTES];
    struct kafscale_part *parts; /* head, middle, pieces, trailer; borrowed from the above */
    size_t part_count;
};

/*
 * `first` and `last` are the bundles that the merged one begins and ends with. NO_MEMORY: it is to
 * be freed, as ever.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_merge_build_begin(struct ks_merge_build *build,
                                                              const struct ks_merge_part *part,
                                                              const struct ks_bundle *first,
                                                              const struct ks_bundle *last);

/*
 * Some more of it: FULL while there is more to be done, OK at the end. CORRUPT: what was read isn't
 * what the bundles' directories say; `damaged_out` is the range.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_merge_build_step(struct ks_merge_build *build,
                                                             uint32_t *damaged_out);

void ks_merge_build_deinit(struct ks_merge_build *build);

#endif
