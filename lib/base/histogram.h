/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took: counted in buckets whose limits are those of KafScale's histograms. */
#ifndef KS_BASE_HISTOGRAM_H
#define KS_BASE_HISTOGRAM_H

#include <stdint.h>

#define KS_HISTOGRAM_BUCKETS 12

/* Upper limits, inclusive, rising. */
extern const int64_t ks_histogram_limits_ms[KS_HISTOGRAM_BUCKETS];

/* Zeroed: nothing yet. */
struct ks_histogram {
    uint64_t counts[KS_HISTOGRAM_BUCKETS + 1]; /* the last: above all limits */
    uint64_t count;
    int64_t sum_ms;
};

/* A negative time counts as none. */
void ks_histogram_add(struct ks_histogram *histogram, int64_t time_ms);

#endif
