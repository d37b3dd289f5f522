/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers and consumers inside the broker's process. Everything asserts: a test that goes on has
 * what it asked for.
 */
#ifndef KS_TESTS_INTEGRATION_LOCAL_H
#define KS_TESTS_INTEGRATION_LOCAL_H

#include <kafscale/consumer.h>
#include <kafscale/producer.h>
#include <kafscale/protocol.h>
#include <kafscale/testing.h>

#include <stdatomic.h>

#define WAIT_MS 30000

struct kafscale_slice local_text(const char *bytes);

/* With this value, at the time of the broker. */
struct kafscale_record local_record(const char *value);

/* What was delivered: of each record, which its opaque counts. */
struct local_seen {
    atomic_int count;
    atomic_int failed;
    enum kafscale_status last;
    int64_t offset;
};

/* A producer that tells `seen`, which is its argument. */
void local_delivered(void *arg, const struct kafscale_delivery *delivery);
struct kafscale_producer *local_producer(struct kafscale_broker *broker, struct local_seen *seen);
void local_send(struct kafscale_producer *producer, const char *topic, int32_t partition,
                const char *value);
void local_flush(struct kafscale_producer *producer);

/* What is polled next. */
struct kafscale_fetched *local_next(struct kafscale_consumer *consumer);

/* So many requests of an API fail in this way. */
void local_fail(struct kafscale_testing *testing, const char *api, uint32_t count,
                enum kafscale_testing_fate fate, int16_t code);

#endif
