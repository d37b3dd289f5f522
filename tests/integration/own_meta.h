/* SPDX-License-Identifier: Apache-2.0 */
/* A metadata store that a program brings: a sorted list of keys, which outlives its users. */
#ifndef KS_TESTS_INTEGRATION_OWN_META_H
#define KS_TESTS_INTEGRATION_OWN_META_H

#include <kafscale/kafscale.h>

struct own_meta_key;

/* Zeroed at first. With `lies` reads tell of versions that can't be. */
struct own_meta {
    struct own_meta_key *first;
    uint64_t revision;
    bool lies;
    size_t transactions;
};

void own_meta_deinit(struct own_meta *meta);

/* An open function whose `arg` is a struct own_meta; one user at a time. */
enum kafscale_status own_meta_open(void *arg, struct kafscale_loop loop,
                                   struct kafscale_meta *meta_out, struct kafscale_error *error);

#endif
