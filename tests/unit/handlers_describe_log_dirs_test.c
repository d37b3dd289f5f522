/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that administrators are told, and what they cost: no request to the store. */
#include "support/admin_client.h"
#include "support/main.h"

#define RECORDS 40

static struct broker_fixture fixture;
static struct test_broker *broker;

/* Every few batches become a segment. */
static void
start(void)
{
    struct ks_broker_options options;

    test_broker_options(&options);
    options.segment_bytes = 300;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
}

static void
set_up(void)
{
    broker_fixture_init(&fixture, 33);
    start();
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static const struct kafka_describe_log_dirs_response_result *
describe(const char *topic, int32_t partition, struct test_call **call_out)
{
    struct kafka_describe_log_dirs_request_topic asked = { .topic = ks_slice_of_text(topic),
                                                           .partitions = &partition,
                                                           .partitions_count = 1 };
    struct kafka_describe_log_dirs_request request = { .topics = &asked, .topics_count = 1 };
    const struct kafka_describe_log_dirs_response *response =
        call(broker, KAFKA_API_DESCRIBE_LOG_DIRS, 4, &request, call_out);

    ck_assert_int_eq(response->results_count, 1);
    ck_assert_int_eq(response->results[0].error_code, KAFKA_ERROR_NONE);
    return &response->results[0];
}

static int64_t
size_of(const char *topic, int32_t partition)
{
    struct test_call *call;
    const struct kafka_describe_log_dirs_response_result *result =
        describe(topic, partition, &call);
    int64_t size;

    ck_assert_int_eq(result->topics_count, 1);
    ck_assert_int_eq(result->topics[0].partitions_count, 1);
    ck_assert_int_eq(result->topics[0].partitions[0].partition_index, partition);
    size = result->topics[0].partitions[0].partition_size;
    call_free(call);
    return size;
}

static int64_t
produce_many(void)
{
    struct client_batch batch = client_batch("a", 1);
    int64_t first;

    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    first = size_of("a", 1);
    ck_assert_int_gt(first, 61);
    for (int i = 1; i < RECORDS; i++) {
        ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    }
    return first * RECORDS;
}

static uint64_t
segments_written(void)
{
    struct ks_log_counters counters;

    ks_log_get_counters(ks_broker_log(broker->broker), &counters);
    return counters.segments_written;
}

START_TEST(all_bytes_count_wherever_they_lie)
{
    int64_t bytes = produce_many();

    ck_assert_int_eq(size_of("a", 1), bytes);
    virtual_env_run_for(&fixture.v, 100000);
    ck_assert_uint_gt(segments_written(), 2);
    ck_assert_int_eq(size_of("a", 1), bytes);
    ck_assert_int_eq(size_of("a", 0), 0);
    ck_assert_int_eq(size_of("b", 0), 0);
    test_broker_stop(broker);
    start();
    ck_assert_int_eq(size_of("a", 1), bytes);
}
END_TEST

static void
delete_records(int64_t offset)
{
    struct kafka_delete_records_request_topic_partition partition = { .partition_index = 1,
                                                                      .offset = offset };
    struct kafka_delete_records_request_topic topic = { .name = ks_slice_of_text("a"),
                                                        .partitions = &partition,
                                                        .partitions_count = 1 };
    struct kafka_delete_records_request request = { .topics = &topic,
                                                    .topics_count = 1,
                                                    .timeout_ms = 1000 };
    const struct kafka_delete_records_response *response;
    struct test_call *call_out;

    response = call(broker, KAFKA_API_DELETE_RECORDS, 2, &request, &call_out);
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    call_free(call_out);
}

START_TEST(deleted_records_do_not_count)
{
    int64_t bytes = produce_many();

    virtual_env_run_for(&fixture.v, 100000);
    delete_records(RECORDS / 2);
    ck_assert_int_eq(size_of("a", 1), bytes / 2);
    test_broker_stop(broker);
    start();
    ck_assert_int_eq(size_of("a", 1), bytes / 2);
    delete_records(RECORDS);
    ck_assert_int_eq(size_of("a", 1), 0);
}
END_TEST

START_TEST(what_is_not_there_is_left_out)
{
    struct test_call *call;
    const struct kafka_describe_log_dirs_response_result *result = describe("a", 2, &call);

    ck_assert_int_eq(result->topics_count, 1);
    ck_assert_int_eq(result->topics[0].partitions_count, 0);
    call_free(call);
    result = describe("c", 0, &call);
    ck_assert_int_eq(result->topics_count, 0);
    call_free(call);
}
END_TEST

START_TEST(sizes_cost_no_request)
{
    uint64_t requests;

    (void) produce_many();
    virtual_env_run_for(&fixture.v, 100000);
    /* The look that this request makes is not made for its sake. */
    (void) size_of("a", 1);
    virtual_env_run_for(&fixture.v, 100);
    requests = test_broker_store_requests(broker);
    (void) size_of("a", 1);
    ck_assert_uint_eq(test_broker_store_requests(broker), requests);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers describe log dirs");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, all_bytes_count_wherever_they_lie);
    tcase_add_test(tests, deleted_records_do_not_count);
    tcase_add_test(tests, what_is_not_there_is_left_out);
    tcase_add_test(tests, sizes_cost_no_request);
    suite_add_tcase(suite, tests);
    return suite;
}
