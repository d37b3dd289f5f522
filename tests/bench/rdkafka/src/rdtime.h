/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of rdkafka_performance.c, in microseconds. */
#ifndef KS_TESTS_BENCH_RDTIME_H
#define KS_TESTS_BENCH_RDTIME_H

#include "rd.h"

#include <time.h>

static inline rd_ts_t
rd_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (rd_ts_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
