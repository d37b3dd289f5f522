/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rdkafka_performance.c, whose source comes with librdkafka-dev, takes from librdkafka's
 * private headers: enough of it to build against the packaged library.
 */
#ifndef KS_TESTS_BENCH_RD_H
#define KS_TESTS_BENCH_RD_H

#include <stdio.h>
#include <sys/types.h>

typedef long long rd_ts_t;

#define rd_snprintf snprintf
#define RD_MAX(a, b) ((a) > (b) ? (a) : (b))
#define RD_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RD_UNUSED __attribute__((unused))

#endif
