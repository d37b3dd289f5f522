/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers and broker count of the requests that they serve, and of those that they don't. */
#include "support/group_client.h"
#include "support/main.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 51);
    broker = group_broker_start(&fixture);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static double
metric(const char *name, const char *labels)
{
    return client_metric(broker, name, labels);
}

START_TEST(answers_are_counted_by_api_with_their_time)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_double_eq(metric("kafscale_requests_total", "api=\"Produce\""), 2);
    ck_assert_double_eq(metric("kafscale_requests_total", "api=\"CreateTopics\""), 1);
    ck_assert_double_eq(metric("kafscale_request_duration_seconds_count", "api=\"Produce\""), 2);
    ck_assert_double_eq(metric("kafscale_produce_latency_ms_count", ""), 2);
    ck_assert_double_eq(metric("kafscale_request_errors_total", "api=\"Produce\",error=\"NONE\""),
                        -1);
    ck_assert_double_eq(metric("kafscale_requests_total", "api=\"OffsetForLeaderEpoch\""), -1);
}
END_TEST

START_TEST(records_are_counted_as_they_come_and_go)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;
    int64_t offset;

    batch.count = 30;
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    call = client_fetch_begin(broker, "a", 0, 0, 0);
    client_fetched(call);
    call_free(call);
    ck_assert_double_eq(metric("kafscale_produced_records_total", ""), 60);
    ck_assert_double_eq(metric("kafscale_fetched_records_total", ""), 60);
    ck_assert_double_gt(metric("kafscale_fetched_bytes_total", ""), 600);
    ck_assert_double_eq(metric("kafscale_produce_rps", ""), 1);
    ck_assert_double_eq(metric("kafscale_fetch_rps", ""), 1);
    virtual_env_run_for(&fixture.v, 70000);
    ck_assert_double_eq(metric("kafscale_produce_rps", ""), 0);
    ck_assert_double_eq(metric("kafscale_produced_records_total", ""), 60);
}
END_TEST

START_TEST(a_fetch_that_waits_is_as_long_as_it_waited)
{
    struct test_call *call;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    call = client_fetch_begin(broker, "a", 0, 0, 400);
    client_fetched(call);
    call_free(call);
    ck_assert_double_eq(
        metric("kafscale_request_duration_seconds_bucket", "api=\"Fetch\",le=\"0.25\""), 0);
    ck_assert_double_eq(
        metric("kafscale_request_duration_seconds_bucket", "api=\"Fetch\",le=\"0.5\""), 1);
}
END_TEST

START_TEST(errors_are_counted_by_their_names)
{
    struct client_batch batch = client_batch("nowhere", 0);
    int64_t offset;

    client_produce(broker, &batch, &offset);
    client_produce(broker, &batch, &offset);
    ck_assert_double_eq(metric("kafscale_request_errors_total",
                               "api=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\""),
                        2);
}
END_TEST

START_TEST(who_can_not_be_served_is_counted_and_who_goes_is_dropped)
{
    static const uint8_t strange[] = { 0x7f, 0xff, 0, 1, 0, 0, 0, 1, 0xff, 0xff };
    static const uint8_t broken[] = { 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f };
    struct test_call *call = call_begin_raw(broker, ks_slice(strange, sizeof strange));

    ck_assert_int_eq(call_wait(call), KS_ANSWER_CLOSE);
    call_free(call);
    call = call_begin_raw(broker, ks_slice(broken, sizeof broken));
    ck_assert_int_eq(call_wait(call), KS_ANSWER_CLOSE);
    call_free(call);
    ck_assert_double_eq(metric("kafscale_requests_unserved_total", ""), 1);
    ck_assert_double_eq(metric("kafscale_requests_dropped_total", "api=\"Metadata\""), 1);
    ck_assert_double_eq(metric("kafscale_requests_total", "api=\"Metadata\""), 0);
}
END_TEST

START_TEST(the_broker_tells_of_log_store_topics_and_groups)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    group_make_stable(broker);
    ck_assert_double_eq(metric("kafscale_broker_state", "state=\"ready\""), 1);
    ck_assert_double_eq(metric("kafscale_broker_state", "state=\"fenced\""), 0);
    ck_assert_double_eq(metric("kafscale_topics", ""), 2);
    ck_assert_double_eq(metric("kafscale_partitions_unserved", ""), 0);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"opening\""), 0);
    ck_assert_double_gt(metric("kafscale_appended_batches_total", ""), 0);
    ck_assert_double_gt(metric("kafscale_store_requests_total", "operation=\"PUT\""), 0);
    ck_assert_double_eq(
        metric("kafscale_store_request_duration_seconds_count", "operation=\"PUT\""),
        metric("kafscale_store_requests_total", "operation=\"PUT\""));
    ck_assert_double_eq(metric("kafscale_s3_health_state", "state=\"healthy\""), 1);
    ck_assert_double_eq(metric("kafscale_s3_health_state", "state=\"unavailable\""), 0);
    ck_assert_double_eq(metric("kafscale_groups", "state=\"Stable\""), 1);
    ck_assert_double_eq(metric("kafscale_groups", "state=\"Empty\""), 0);
    ck_assert_double_eq(metric("kafscale_group_members", ""), 1);
    ck_assert_double_gt(metric("kafscale_group_state_bytes", ""), 0);
}
END_TEST

START_TEST(a_store_that_fails_is_seen_and_seen_to_come_back)
{
    static const struct ks_fate outage = { .fault = KS_FAULT_UNAVAILABLE };
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, outage, UINT32_MAX);
    call = client_produce_begin(broker, &batch, 300000);
    virtual_env_run_for(&fixture.v, 100000);
    ck_assert_double_eq(metric("kafscale_s3_health_state", "state=\"unavailable\""), 1);
    ks_fault_store_clear(broker->faults);
    ck_assert_int_eq(client_produced(call, &offset), KAFKA_ERROR_NONE);
    call_free(call);
    ck_assert_double_eq(metric("kafscale_s3_health_state", "state=\"unavailable\""), 0);
}
END_TEST

START_TEST(a_job_that_fails_says_since_when_and_why)
{
    static const struct ks_fate outage = { .fault = KS_FAULT_UNAVAILABLE };
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 3000);
    ck_assert_double_ge(metric("kafscale_job_last_success_age_seconds", "name=\"flush\""), 3);
    ck_assert_double_eq(metric("kafscale_job_failing_seconds", "name=\"flush\""), 0);
    ck_assert_double_eq(metric("kafscale_job_last_success_age_seconds", "name=\"merge\""), -1);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, NULL, outage, UINT32_MAX);
    call = client_produce_begin(broker, &batch, 300000);
    virtual_env_run_for(&fixture.v, 60000);
    ck_assert_double_ge(metric("kafscale_job_failing_seconds", "name=\"flush\""), 59);
    ck_assert_double_ge(metric("kafscale_job_last_success_age_seconds", "name=\"flush\""), 63);
    ck_assert_double_gt(metric("kafscale_job_failures_total", "name=\"flush\""), 10);
    ck_assert_ptr_nonnull(
        strstr(ks_broker_chore(broker->broker, KS_LOG_CHORE_FLUSH)->why, "store away"));
    ks_fault_store_clear(broker->faults);
    ck_assert_int_eq(client_produced(call, &offset), KAFKA_ERROR_NONE);
    call_free(call);
    ck_assert_double_eq(metric("kafscale_job_failing_seconds", "name=\"flush\""), 0);
}
END_TEST

START_TEST(jobs_have_names_of_their_own)
{
    const struct ks_chore *one;
    size_t count = 0;

    while ((one = ks_broker_chore(broker->broker, count)) != NULL) {
        ck_assert_uint_gt(strlen(one->name), 0);
        for (size_t i = 0; i < count; i++) {
            ck_assert_str_ne(ks_broker_chore(broker->broker, i)->name, one->name);
        }
        count++;
    }
    ck_assert_uint_eq(count, KS_LOG_CHORE_COUNT + KS_META_LOG_CHORE_COUNT + 5);
}
END_TEST

/* Retention is looked at when there is something to let go, and a second start finds leftovers. */
START_TEST(work_that_was_done_is_told_of)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    }
    virtual_env_run_for(&fixture.v, 1000);
    ck_assert_double_gt(metric("kafscale_log_objects_pending", ""), 0);
    ck_assert_double_gt(metric("kafscale_uncompacted_age_seconds", ""), 0);
    virtual_env_run_for(&fixture.v, INT64_C(10) * 24 * 3600 * 1000);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"bundle\""), 0);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"compaction\""), 0);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"retention\""), 0);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"deletion\""), 0);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"metadata\""), 0);
    ck_assert_double_eq(metric("kafscale_compactions_due", ""), 0);
    ck_assert_double_eq(metric("kafscale_uncompacted_age_seconds", ""), 0);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, INT64_C(24) * 3600 * 1000);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"burial\""), 0);
    ck_assert_double_gt(metric("kafscale_job_runs_total", "name=\"sweep\""), 0);
}
END_TEST

/* An object that can't be deleted is left to the next start: nothing fails then any more. */
START_TEST(a_job_that_has_given_up_does_not_fail_any_more)
{
    static const struct ks_fate refused = { .fault = KS_FAULT_UNAVAILABLE };
    struct client_batch batch = client_batch("a", 0);
    double failing = 0;
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ks_fault_store_next(broker->faults, KS_STORE_REMOVE, NULL, refused, UINT32_MAX);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    }
    for (int i = 0; i < 600; i++) {
        double now = metric("kafscale_job_failing_seconds", "name=\"deletion\"");

        failing = now > failing ? now : failing;
        virtual_env_run_for(&fixture.v, 1000);
    }
    ck_assert_double_gt(failing, 0);
    ck_assert_double_gt(metric("kafscale_job_failures_total", "name=\"deletion\""), 0);
    ck_assert_double_eq(metric("kafscale_job_failing_seconds", "name=\"deletion\""), 0);
    ck_assert_double_eq(metric("kafscale_job_runs_total", "name=\"deletion\""), 0);
}
END_TEST

/* A lower price does not take back what was spent: the counter never falls. */
START_TEST(what_the_store_costs_follows_from_its_requests)
{
    struct ks_broker_options options;
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;
    double before;

    test_broker_stop(broker);
    group_broker_options(&options);
    options.prices[KS_STORE_PUT] = 0.5;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_double_eq(metric("kafscale_store_cost_total", "operation=\"PUT\""),
                        metric("kafscale_store_requests_total", "operation=\"PUT\"") / 2);
    ck_assert_double_eq(metric("kafscale_store_cost_total", "operation=\"GET\""), 0);
    before = metric("kafscale_store_cost_total", "operation=\"PUT\"");
    options.prices[KS_STORE_PUT] = 0.25;
    ck_assert_int_eq(ks_broker_reload(broker->broker, &options), KAFSCALE_OK);
    ck_assert_double_eq(metric("kafscale_store_cost_total", "operation=\"PUT\""), before);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_double_eq(metric("kafscale_store_cost_total", "operation=\"PUT\""), before + 0.25);
}
END_TEST

START_TEST(what_is_read_from_memory_is_a_hit)
{
    struct client_batch batch = client_batch("a", 0);
    struct ks_broker_options options;
    struct test_call *call;
    int64_t offset;

    ck_assert_double_eq(metric("kafscale_cache_hit_ratio", ""), 1);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    call = client_fetch_begin(broker, "a", 0, 0, 0);
    client_fetched(call);
    call_free(call);
    ck_assert_double_eq(metric("kafscale_cache_hits_total", ""), 1);
    ck_assert_double_eq(metric("kafscale_cache_misses_total", ""), 0);
    test_broker_stop(broker);
    test_broker_options(&options);
    options.cache_bytes_max = 0;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    call = client_fetch_begin(broker, "a", 0, 0, 500);
    client_fetched(call);
    call_free(call);
    ck_assert_double_ge(metric("kafscale_cache_misses_total", ""), 1);
    ck_assert_double_lt(metric("kafscale_cache_hit_ratio", ""), 1);
}
END_TEST

START_TEST(kafscales_names_count_by_outcome_and_for_administrators)
{
    struct client_batch batch = client_batch("a", 0);
    struct client_batch lost = client_batch("nowhere", 0);
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_ne(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    client_produce(broker, &lost, &offset);
    client_produce(broker, &lost, &offset);
    ck_assert_double_eq(metric("kafscale_produce_requests_total", "status=\"success\""), 1);
    ck_assert_double_eq(metric("kafscale_produce_requests_total", "status=\"error\""), 2);
    ck_assert_double_eq(metric("kafscale_fetch_requests_total", "status=\"success\""), 0);
    ck_assert_double_eq(metric("kafscale_admin_requests_total", "api=\"CreateTopics\""), 2);
    ck_assert_double_eq(metric("kafscale_admin_request_errors_total", "api=\"CreateTopics\""), 1);
    ck_assert_double_ge(metric("kafscale_admin_request_latency_ms_avg", "api=\"CreateTopics\""), 0);
    ck_assert_double_eq(metric("kafscale_admin_requests_total", "api=\"Produce\""), -1);
    ck_assert_double_eq(metric("kafscale_authz_denied_total", ""), 0);
}
END_TEST

/* Sums are kept as groups change, and are what a walk through them would give. */
static void
expect_sums_of_groups(size_t groups, size_t members)
{
    struct ks_coordinator *coordinator = ks_broker_coordinator(broker->broker);
    const struct ks_coordinated_group *group = NULL;
    size_t states[KS_GROUP_STATE_COUNT] = { 0 };
    size_t found = 0;

    while ((group = ks_coordinator_next(coordinator, group)) != NULL) {
        states[ks_group_state(group->group)]++;
        found += ks_group_member_count(group->group);
    }
    ck_assert_mem_eq(coordinator->states, states, sizeof states);
    ck_assert_uint_eq(coordinator->member_count, found);
    ck_assert_uint_eq(coordinator->group_count, groups);
    ck_assert_uint_eq(found, members);
}

START_TEST(sums_of_groups_follow_what_happens_to_them)
{
    struct group_commit other = group_commit(3);
    struct group_joined joined;
    struct test_call *second;
    struct group_join join = group_join();

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    expect_sums_of_groups(0, 0);
    joined = group_make_stable(broker);
    expect_sums_of_groups(1, 1);
    other.group = "other";
    ck_assert_int_eq(group_committed(group_commit_begin(broker, &other)), KAFKA_ERROR_NONE);
    expect_sums_of_groups(2, 1);
    join.version = 3;
    second = group_join_begin(broker, &join);
    virtual_env_run_for(&fixture.v, 100);
    expect_sums_of_groups(2, 2);
    ck_assert_double_eq(metric("kafscale_groups", "state=\"PreparingRebalance\""), 1);
    ck_assert_int_eq(group_leave(broker, 3, "g", joined.member_id, NULL), KAFKA_ERROR_NONE);
    joined = group_joined(second);
    expect_sums_of_groups(2, 1);
    test_broker_stop(broker);
    broker = group_broker_start(&fixture);
    ck_assert_double_eq(metric("kafscale_group_partitions_unserved", ""), 0);
    expect_sums_of_groups(2, 1);
    virtual_env_run_for(&fixture.v, 100000);
    expect_sums_of_groups(2, 0);
    virtual_env_run_for(&fixture.v, INT64_C(9) * 24 * 3600 * 1000);
    expect_sums_of_groups(0, 0);
}
END_TEST

struct telling {
    int depth;
    int values;
};

static void
tell_begin(void *arg, const char *name)
{
    (void) name;
    ((struct telling *) arg)->depth++;
}

static void
tell_end(void *arg)
{
    ((struct telling *) arg)->depth--;
}

static void
tell_text(void *arg, const char *name, const char *value)
{
    (void) name;
    ck_assert_ptr_nonnull(value);
    ((struct telling *) arg)->values++;
}

static void
tell_number(void *arg, const char *name, int64_t value)
{
    (void) name;
    ck_assert_int_ge(value, 0);
    ((struct telling *) arg)->values++;
}

static void
tell_boolean(void *arg, const char *name, bool value)
{
    (void) name;
    (void) value;
    ((struct telling *) arg)->values++;
}

/* How much there is to tell; what is begun is ended. */
static int
tell_status(void)
{
    struct telling telling = { 0 };
    struct kafscale_describe describe = { .arg = &telling,
                                          .begin = tell_begin,
                                          .begin_list = tell_begin,
                                          .end = tell_end,
                                          .text = tell_text,
                                          .number = tell_number,
                                          .boolean = tell_boolean };

    ks_broker_tell_status(broker->broker, &describe);
    ck_assert_int_eq(telling.depth, 0);
    return telling.values;
}

START_TEST(a_broker_can_be_read_at_every_step_of_its_start)
{
    struct ks_broker_options options;
    int first;

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    group_make_stable(broker);
    test_broker_stop(broker);
    group_broker_options(&options);
    broker = test_broker_begin(&fixture, &options);
    first = tell_status();
    while (!broker->is_started) {
        ck_assert_double_ge(metric("kafscale_partitions_unserved", ""), 0);
        ck_assert_int_gt(tell_status(), 0);
        ck_assert(virtual_env_step(&fixture.v));
    }
    ck_assert_int_gt(tell_status(), first);
    ck_assert_double_eq(metric("kafscale_partitions_unserved", ""), 0);
}
END_TEST

START_TEST(a_broker_can_be_read_at_every_step_of_its_end)
{
    struct client_batch batch = client_batch("a", 0);
    double steps[2] = { 0 }; /* with its topics still known, and without */
    int64_t offset;

    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    group_make_stable(broker);
    test_broker_begin_stop(broker);
    do {
        steps[metric("kafscale_topics", "") < 0]++;
        tell_status();
    } while (!broker->is_stopped && virtual_env_step(&fixture.v));
    ck_assert(broker->is_stopped);
    ck_assert_double_eq(metric("kafscale_broker_state", "state=\"stopped\""), 1);
    ck_assert_double_gt(steps[0], 1);
    ck_assert_double_gt(steps[1], 0);
    test_broker_end_stop(broker);
    broker = group_broker_start(&fixture);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers metrics");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, answers_are_counted_by_api_with_their_time);
    tcase_add_test(tests, records_are_counted_as_they_come_and_go);
    tcase_add_test(tests, a_fetch_that_waits_is_as_long_as_it_waited);
    tcase_add_test(tests, errors_are_counted_by_their_names);
    tcase_add_test(tests, who_can_not_be_served_is_counted_and_who_goes_is_dropped);
    tcase_add_test(tests, the_broker_tells_of_log_store_topics_and_groups);
    tcase_add_test(tests, a_store_that_fails_is_seen_and_seen_to_come_back);
    tcase_add_test(tests, a_job_that_fails_says_since_when_and_why);
    tcase_add_test(tests, jobs_have_names_of_their_own);
    tcase_add_test(tests, work_that_was_done_is_told_of);
    tcase_add_test(tests, a_job_that_has_given_up_does_not_fail_any_more);
    tcase_add_test(tests, what_the_store_costs_follows_from_its_requests);
    tcase_add_test(tests, what_is_read_from_memory_is_a_hit);
    tcase_add_test(tests, kafscales_names_count_by_outcome_and_for_administrators);
    tcase_add_test(tests, sums_of_groups_follow_what_happens_to_them);
    tcase_add_test(tests, a_broker_can_be_read_at_every_step_of_its_start);
    tcase_add_test(tests, a_broker_can_be_read_at_every_step_of_its_end);
    suite_add_tcase(suite, tests);
    return suite;
}
