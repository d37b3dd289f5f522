/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the bytes of a bundle: takes batches slot by slot, sorts them by partition, and lays them
 * out. No I/O.
 */
#ifndef KS_LOG_BUNDLE_BUNDLE_BUILD_H
#define KS_LOG_BUNDLE_BUNDLE_BUILD_H

#include "log/trim/trail.h"

/* A batch on its way into a bundle. */
struct ks_bundle_item {
    struct ks_trail_run *run;
    struct ks_bundle_entry entry;
    struct kafscale_slice bytes;
    struct kafscale_blob *owner; /* a reference */
};

struct ks_bundle_build {
    struct ks_trail *trail;
    struct ks_bundle_item *items;
    size_t item_count;
    size_t item_capacity;

    /* Once it is finished. */
    struct ks_bundle_header header;
    struct ks_buffer head;
    struct ks_buffer middle; /* states and entries */
    uint8_t trailer[KS_BUNDLE_TRAILER_BYTES];
    struct kafscale_part *parts; /* head, middle, batches, trailer; borrowed from the above */
    size_t part_count;
};

void ks_bundle_build_init(struct ks_bundle_build *build, struct ks_trail *trail);
void ks_bundle_build_deinit(struct ks_bundle_build *build);

/* Adds a batch and takes a reference to its owner. NO_MEMORY changes nothing. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_build_add(struct ks_bundle_build *build,
                                                             const struct ks_bundle_item *item);

/*
 * Lays out the bundle of the slots from the trail's mark to `last`, whose states stand after it.
 * NO_MEMORY: try again later. CORRUPT: the batches don't end where the states stand.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_bundle_build_finish(struct ks_bundle_build *build,
                                                                uint64_t last);

#endif
