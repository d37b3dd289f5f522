/* SPDX-License-Identifier: Apache-2.0 */
/* The public header, where rdkafka_performance.c looks for it in its own tree. */
#ifndef KS_TESTS_BENCH_RDKAFKA_H
#define KS_TESTS_BENCH_RDKAFKA_H

#include <librdkafka/rdkafka.h>

#endif
