/* SPDX-License-Identifier: Apache-2.0 */
/* Clients are told to hold back while the broker is pressed, and only then. */
#include "support/group_client.h"
#include "support/main.h"

static struct broker_fixture fixture;
static struct test_broker *broker;
static unsigned memory_percent;

static unsigned
tell_memory(const struct ks_exchange *exchange)
{
    (void) exchange;
    return memory_percent;
}

static size_t
claim_nothing(struct ks_exchange *exchange, size_t least_bytes, size_t wanted_bytes)
{
    (void) exchange;
    (void) least_bytes;
    (void) wanted_bytes;
    return 0;
}

static void
set_up(void)
{
    broker_fixture_init(&fixture, 1);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

/* What an answer to Produce says, and what its carrier is told, which must be the same. */
static int32_t
produced_throttle(struct test_call *call, int16_t code)
{
    const struct kafka_produce_response *response = call_response(call);
    int32_t throttle_ms = response->throttle_time_ms;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, code);
    ck_assert_int_eq(call->throttle_ms, throttle_ms);
    call_free(call);
    return throttle_ms;
}

static int32_t
produce(void)
{
    struct client_batch batch = client_batch("a", 0);

    return produced_throttle(client_produce_begin(broker, &batch, 30000), KAFKA_ERROR_NONE);
}

static int32_t
fetch(size_t count)
{
    struct test_call *call = client_fetch_begin(broker, "a", 0, 0, 0);
    const struct kafka_fetch_response *response = call_response(call);
    int32_t throttle_ms = response->throttle_time_ms;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(client_count_records(&response->topics[0].partitions[0].records), count);
    ck_assert_int_eq(call->throttle_ms, throttle_ms);
    call_free(call);
    return throttle_ms;
}

START_TEST(a_broker_that_is_well_throttles_nobody)
{
    ck_assert_int_eq(produce(), 0);
    ck_assert_int_eq(fetch(1), 0);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(fetch(1), 0);
}
END_TEST

START_TEST(producers_hold_back_while_the_store_does_not_answer)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 60000 };
    struct client_batch batch = client_batch("a", 0);
    struct test_call *first;
    struct test_call *second;

    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/", slow, 1);
    first = client_produce_begin(broker, &batch, 1300);
    ck_assert_int_eq(produced_throttle(first, KAFKA_ERROR_REQUEST_TIMED_OUT), 300);
    second = client_produce_begin(broker, &batch, 30000);
    ck_assert_int_eq(produced_throttle(second, KAFKA_ERROR_REQUEST_TIMED_OUT), 1000);
    virtual_env_run_for(&fixture.v, 60000);
    ck_assert_int_eq(produce(), 0);
}
END_TEST

START_TEST(clients_hold_back_when_the_store_asks_for_less)
{
    ks_fault_store_slow_down(broker->faults, true);
    ck_assert_int_eq(produce(), 100);
    ck_assert_int_eq(fetch(1), 0); /* from memory */
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ks_fault_store_slow_down(broker->faults, true);
    ck_assert_int_eq(fetch(1), 100); /* from the store */
    ks_fault_store_slow_down(broker->faults, false);
    ck_assert_int_eq(produce(), 0);
}
END_TEST

START_TEST(producers_hold_back_when_memory_is_nearly_full)
{
    broker->memory_percent = tell_memory;
    memory_percent = 70;
    ck_assert_int_eq(produce(), 0);
    memory_percent = 90;
    ck_assert_int_eq(produce(), 600);
    ck_assert_int_eq(fetch(2), 0); /* what is read leaves memory again */
    broker->claim = claim_nothing;
    ck_assert_int_eq(fetch(0), 600);
}
END_TEST

/* It gets no answer, but is not heard for as long. */
START_TEST(a_producer_without_acknowledgements_is_held_back_too)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;

    batch.acks = 0;
    ks_fault_store_slow_down(broker->faults, true);
    call = client_produce_begin(broker, &batch, 30000);
    ck_assert_int_eq(call_wait(call), KS_ANSWER_NONE);
    ck_assert_int_eq(call->throttle_ms, 100);
    call_free(call);
}
END_TEST

/* What an answer to OffsetCommit says, if its version can say it, and what its carrier is told. */
static int32_t
committed_throttle(struct test_call *call, int16_t version, int16_t code)
{
    const struct kafka_offset_commit_response *response = call_response(call);
    int32_t throttle_ms = call->throttle_ms;

    ck_assert_int_eq(response->topics[0].partitions[0].error_code, code);
    ck_assert_int_eq(response->throttle_time_ms, version < 3 ? 0 : throttle_ms);
    call_free(call);
    return throttle_ms;
}

static int32_t
commit(int16_t version, int16_t code)
{
    struct group_commit commit = group_commit(5);

    commit.version = version;
    return committed_throttle(group_commit_begin(broker, &commit), version, code);
}

START_TEST(who_commits_offsets_holds_back_as_producers_do)
{
    group_find_coordinator(broker);
    virtual_env_run_for(&fixture.v, 5000);
    ck_assert_int_eq(commit(7, KAFKA_ERROR_NONE), 0);
    ks_fault_store_slow_down(broker->faults, true);
    for (int16_t version = 2; version <= 9; version++) {
        ck_assert_int_eq(commit(version, KAFKA_ERROR_NONE), 100);
    }
    ks_fault_store_slow_down(broker->faults, false);
    ck_assert_int_eq(commit(7, KAFKA_ERROR_NONE), 0);
    broker->memory_percent = tell_memory;
    memory_percent = 90;
    ck_assert_int_eq(commit(7, KAFKA_ERROR_NONE), 600);
    memory_percent = 0;
}
END_TEST

/* The commit is answered after offsets.commit.timeout.ms, five seconds. */
START_TEST(who_commits_offsets_holds_back_while_the_store_does_not_answer)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 60000 };

    group_find_coordinator(broker);
    virtual_env_run_for(&fixture.v, 5000);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/", slow, 1);
    ck_assert_int_eq(commit(7, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE), 1000);
    virtual_env_run_for(&fixture.v, 60000);
    ck_assert_int_eq(commit(7, KAFKA_ERROR_NONE), 0);
}
END_TEST

START_TEST(the_option_switches_it_off)
{
    struct ks_broker_options options;

    test_broker_stop(broker);
    test_broker_options(&options);
    options.throttle_ms_max = 0;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ks_fault_store_slow_down(broker->faults, true);
    ck_assert_int_eq(produce(), 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers throttle");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_broker_that_is_well_throttles_nobody);
    tcase_add_test(tests, producers_hold_back_while_the_store_does_not_answer);
    tcase_add_test(tests, clients_hold_back_when_the_store_asks_for_less);
    tcase_add_test(tests, producers_hold_back_when_memory_is_nearly_full);
    tcase_add_test(tests, a_producer_without_acknowledgements_is_held_back_too);
    tcase_add_test(tests, who_commits_offsets_holds_back_as_producers_do);
    tcase_add_test(tests, who_commits_offsets_holds_back_while_the_store_does_not_answer);
    tcase_add_test(tests, the_option_switches_it_off);
    suite_add_tcase(suite, tests);
    return suite;
}
