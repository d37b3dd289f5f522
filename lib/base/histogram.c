/* SPDX-License-Identifier: Apache-2.0 */
/* Few buckets: a walk from the shortest, which is where most end. */
#include "base/histogram.h"

#include <stddef.h>

const int64_t ks_histogram_limits_ms[KS_HISTOGRAM_BUCKETS] = { 1,   2,   5,   10,   25,   50,
                                                               100, 250, 500, 1000, 2000, 5000 };

void
ks_histogram_add(struct ks_histogram *histogram, int64_t time_ms)
{
    size_t i = 0;

    time_ms = time_ms < 0 ? 0 : time_ms;
    while (i < KS_HISTOGRAM_BUCKETS && time_ms > ks_histogram_limits_ms[i]) {
        i++;
    }
    histogram->counts[i]++;
    histogram->count++;
    histogram->sum_ms += time_ms;
}
