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

/* What is looked for, and its value; -1: it wasn't there. */
struct search {
    const char *name;
    const char *labels;
    double value;
};

static void
look(void *arg, const struct kafscale_metric_sample *sample)
{
    struct search *search = arg;

    if (strcmp(sample->name, search->name) == 0 && strcmp(sample->labels, search->labels) == 0) {
        ck_assert_msg(search->value < 0, "%s{%s} stands twice", search->name, search->labels);
        search->value = sample->value;
    }
}

static double
metric(const char *name, const char *labels)
{
    struct search search = { .name = name, .labels = labels, .value = -1 };
    struct ks_metrics metrics;

    ks_metrics_init(&metrics);
    ks_broker_read_metrics(broker->broker, &metrics);
    ks_handlers_read_metrics(broker->handlers, &metrics);
    ck_assert(!metrics.failed);
    ks_metrics_visit(&metrics, look, &search);
    ks_metrics_deinit(&metrics);
    return search.value;
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
    tcase_add_test(tests, a_broker_can_be_read_at_every_step_of_its_end);
    suite_add_tcase(suite, tests);
    return suite;
}
