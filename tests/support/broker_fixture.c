/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker over a fault store over the shared bucket; the clock runs until what is waited for has
 * happened.
 */
#include "support/broker_fixture.h"

#include <check.h>

#define WAIT_MS 60000

void
broker_fixture_init(struct broker_fixture *fixture, uint64_t seed)
{
    virtual_env_init(&fixture->v, seed);
    fixture->bucket = ks_memory_bucket_new();
    ck_assert_ptr_nonnull(fixture->bucket);
}

void
broker_fixture_deinit(struct broker_fixture *fixture)
{
    ks_memory_bucket_unref(fixture->bucket);
}

void
test_broker_options(struct ks_broker_options *options)
{
    ks_broker_options_init(options);
    options->flush_interval_ms = 0;
    options->partitions_default = 4;
}

static void
on_started(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct test_broker *broker = arg;

    broker->is_started = true;
    broker->start_status = status;
    if (error != NULL) {
        broker->start_error = *error;
    }
}

struct test_broker *
test_broker_begin(struct broker_fixture *fixture, const struct ks_broker_options *options)
{
    return test_broker_begin_on(fixture, options,
                                ks_memory_store_new(&fixture->v.env, fixture->bucket));
}

struct test_broker *
test_broker_begin_on(struct broker_fixture *fixture, const struct ks_broker_options *options,
                     struct kafscale_store store)
{
    struct test_broker *broker = ks_alloc_zero(1, sizeof *broker);
    struct ks_endpoint endpoint = { .host = "127.0.0.1", .port = 9092 };
    struct ks_broker_options defaults;

    test_broker_options(&defaults);
    ck_assert_ptr_nonnull(broker);
    broker->fixture = fixture;
    store = ks_fault_store_new(&fixture->v.env, store, &broker->faults);
    ck_assert_ptr_nonnull(store.ops);
    broker->broker = ks_broker_new(&fixture->v.env, store, (struct kafscale_meta){ 0 },
                                   options == NULL ? &defaults : options);
    ck_assert_ptr_nonnull(broker->broker);
    ck_assert_int_eq(ks_broker_set_endpoints(broker->broker, &endpoint, 1), KAFSCALE_OK);
    broker->handlers = ks_handlers_new(broker->broker);
    ck_assert_ptr_nonnull(broker->handlers);
    ks_broker_start(broker->broker, on_started, broker);
    return broker;
}

struct test_broker *
test_broker_start(struct broker_fixture *fixture)
{
    struct test_broker *broker = test_broker_begin(fixture, NULL);

    ck_assert(virtual_env_run_until(&fixture->v, &broker->is_started, WAIT_MS));
    ck_assert_msg(broker->start_status == KAFSCALE_OK, "start: %s", broker->start_error.text);
    ck_assert_int_eq(ks_broker_state(broker->broker), KS_BROKER_READY);
    return broker;
}

static void
on_stopped(void *arg)
{
    struct test_broker *broker = arg;

    broker->is_stopped = true;
}

void
test_broker_begin_stop(struct test_broker *broker)
{
    ks_broker_stop(broker->broker, 1000, on_stopped, broker);
}

void
test_broker_end_stop(struct test_broker *broker)
{
    ck_assert(virtual_env_run_until(&broker->fixture->v, &broker->is_stopped, WAIT_MS));
    ks_handlers_free(broker->handlers);
    ks_broker_free(broker->broker);
    ks_free(broker);
}

void
test_broker_stop(struct test_broker *broker)
{
    test_broker_begin_stop(broker);
    test_broker_end_stop(broker);
}

uint64_t
test_broker_store_requests(const struct test_broker *broker)
{
    uint64_t count = 0;

    for (int i = 0; i < KS_FAULT_COUNT; i++) {
        count += ks_fault_store_count(broker->faults, (enum ks_fault) i);
    }
    return count;
}
