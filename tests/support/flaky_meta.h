/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A metadata store around another that loses answers: a transaction happens, or doesn't, and its
 * caller is told KAFSCALE_UNKNOWN; or it happens after that. Reads may find it away.
 */
#ifndef KS_TESTS_SUPPORT_FLAKY_META_H
#define KS_TESTS_SUPPORT_FLAKY_META_H

#include "meta/meta.h"

/* Steers a flaky store, which borrows it. */
struct flaky_meta_control {
    uint32_t next;   /* so many transactions that come next happen and are answered UNKNOWN */
    uint32_t late;   /* so many that come next are answered UNKNOWN; each happens before the next */
    uint32_t rate;   /* of the others, in millionths; half of them happen */
    uint64_t lost;   /* how many happened and were answered UNKNOWN */
    uint64_t undone; /* how many did not happen */
    uint32_t away;   /* so many reads that come next are answered UNAVAILABLE */
    uint64_t reads;  /* how many have come */
};

/* Takes `inner`. */
struct kafscale_meta flaky_meta_new(struct ks_env *env, struct kafscale_meta inner,
                                    struct flaky_meta_control *control);

#endif
