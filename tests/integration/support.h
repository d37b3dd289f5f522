/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brokers in this process and librdkafka clients of them. Everything asserts: a test that goes on
 * has what it asked for.
 */
#ifndef KS_TESTS_INTEGRATION_SUPPORT_H
#define KS_TESTS_INTEGRATION_SUPPORT_H

#include <kafscale/kafscale.h>
#include <librdkafka/rdkafka.h>

#include <stddef.h>

/* A ready broker on a free port of 127.0.0.1. `settings`: key, value, ..., NULL. */
struct kafscale_broker *broker_start(const char *const *settings);

/* One that was made but not started. */
struct kafscale_broker *broker_new(const char *const *settings);

/* A directory of its own, removed with everything in it by directory_remove. */
void directory_make(char path_out[64]);
void directory_remove(const char *path);

/* A client with librdkafka's defaults, and `settings` beside them (NULL: none). */
rd_kafka_t *client_new(rd_kafka_type_t type, const struct kafscale_broker *broker,
                       const char *const *settings);

/*
 * Produces records "0" to "count-1" from `first` on to one partition; all are acknowledged when
 * it returns.
 */
void produce_numbers(rd_kafka_t *producer, const char *topic, int32_t partition, int first,
                     int count);

/*
 * Reads from the beginning and expects exactly the numbers 0 to count-1 in order, at offsets 0 to
 * count-1.
 */
void expect_numbers(const struct kafscale_broker *broker, const char *topic, int32_t partition,
                    int count);

#endif
