/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that counts the requests to another one by what they are for, and has the window and
 * the flush interval of the store on S3. It doesn't keep what is in segments.
 */
#ifndef KS_TESTS_BENCH_COUNTING_STORE_H
#define KS_TESTS_BENCH_COUNTING_STORE_H

#include "store/store.h"

#define COUNTING_WINDOW_MS 250

enum counting_kind {
    KIND_WAL,
    KIND_BUNDLE,
    KIND_META,
    KIND_INDEX,
    KIND_SEGMENT,
    KIND_OTHER,
    KIND_COUNT
};

struct counting_store {
    struct kafscale_store inner;
    uint64_t puts[KIND_COUNT];
    uint64_t gets[KIND_COUNT];
    uint64_t lists;
    uint64_t removes;
    uint64_t put_bytes;
};

extern const char *const counting_kind_names[KIND_COUNT];

/* With a struct counting_store as its self, which the caller keeps. */
extern const struct kafscale_store_ops counting_ops;

uint64_t counting_sum(const uint64_t counts[KIND_COUNT]);

/* All counts are zero again. */
void counting_reset(struct counting_store *store);

#endif
