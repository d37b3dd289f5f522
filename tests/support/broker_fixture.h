/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole brokers in one thread: virtual time, a bucket in memory, the metadata in an object log in
 * it. Several brokers may share one bucket, at once or one after the other. Everything here fails
 * the running test when it can't do its work.
 */
#ifndef KS_TESTS_SUPPORT_BROKER_FIXTURE_H
#define KS_TESTS_SUPPORT_BROKER_FIXTURE_H

#include "handlers/handlers.h"
#include "store/fault_store.h"
#include "store/store.h"
#include "support/virtual_env.h"

struct broker_fixture {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
};

/* One run of a broker. */
struct test_broker {
    struct broker_fixture *fixture;
    struct ks_fault_store *faults;
    struct ks_broker *broker;
    struct ks_handlers *handlers;
    bool is_started; /* start has been answered, with `start_status` */
    enum kafscale_status start_status;
    struct kafscale_error start_error;
    bool is_stopped;
    /* Given to the exchanges of calls; NULL: any amount. */
    size_t (*claim)(struct ks_exchange *exchange, size_t least_bytes, size_t wanted_bytes);
    unsigned (*memory_percent)(const struct ks_exchange *exchange); /* the same; NULL: 0 */
    uint64_t failing_allocation; /* counted from 1, from when a call comes; 0: none */
};

void broker_fixture_init(struct broker_fixture *fixture, uint64_t seed);
void broker_fixture_deinit(struct broker_fixture *fixture);

/* Options for tests: no flush interval, 4 partitions by default. */
void test_broker_options(struct ks_broker_options *options);

/* Starts a broker with test_broker_options() if `options` is NULL, without waiting for it. */
struct test_broker *test_broker_begin(struct broker_fixture *fixture,
                                      const struct ks_broker_options *options);

/* The same on a store of the caller's choice, which it takes. */
struct test_broker *test_broker_begin_on(struct broker_fixture *fixture,
                                         const struct ks_broker_options *options,
                                         struct kafscale_store store);

/* As test_broker_begin, and it must become READY. */
struct test_broker *test_broker_start(struct broker_fixture *fixture);

/* Stops it in order and frees it. Requests must have been ended by their tests. */
void test_broker_stop(struct test_broker *broker);

/* The two halves of it, for tests that look at requests in between. */
void test_broker_begin_stop(struct test_broker *broker);
void test_broker_end_stop(struct test_broker *broker);

/* Requests that its store has answered so far. */
uint64_t test_broker_store_requests(const struct test_broker *broker);

#endif
