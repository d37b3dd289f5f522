/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteRecords, and what every other API says of the start of a log afterwards. */
#include "support/client.h"
#include "support/main.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

/* Partition 0 of "a": batches of three records at offsets 0, 3 and 6; partition 1 is empty. */
static void
set_up(void)
{
    struct client_batch batch = client_batch("a", 0);

    broker_fixture_init(&fixture, 9);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    batch.count = 3;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
        batch.timestamp += 3;
    }
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

/* Of up to four partitions of one topic. */
static struct test_call *
begin(const char *name, const int32_t *indexes, const int64_t *offsets, int32_t count,
      int32_t timeout_ms)
{
    struct kafka_delete_records_request_topic_partition partitions[4];
    struct kafka_delete_records_request_topic topic;
    struct kafka_delete_records_request request;

    kafka_message_init(&kafka_delete_records_request_message, &request);
    kafka_message_init(&kafka_delete_records_request_topic_message, &topic);
    for (int32_t i = 0; i < count; i++) {
        kafka_message_init(&kafka_delete_records_request_topic_partition_message, &partitions[i]);
        partitions[i].partition_index = indexes[i];
        partitions[i].offset = offsets[i];
    }
    topic.name = ks_slice_of_text(name);
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = timeout_ms;
    return call_begin(broker, KAFKA_API_DELETE_RECORDS, 2, &request);
}

static void
check(struct test_call *call, int32_t i, int16_t code, int64_t low_watermark)
{
    const struct kafka_delete_records_response *response = call_response(call);
    const struct kafka_delete_records_response_topic_partition *found =
        &response->topics[0].partitions[i];

    ck_assert_int_eq(found->error_code, code);
    ck_assert_int_eq(found->low_watermark, low_watermark);
}

static void
expect(const char *name, int32_t index, int64_t offset, int16_t code, int64_t low_watermark)
{
    struct test_call *call = begin(name, &index, &offset, 1, 1000);

    check(call, 0, code, low_watermark);
    call_free(call);
}

static struct kafka_list_offsets_response_topic_partition
list(int64_t timestamp)
{
    struct kafka_list_offsets_request_topic_partition partition;
    struct kafka_list_offsets_request_topic topic;
    struct kafka_list_offsets_request request;
    struct kafka_list_offsets_response_topic_partition found;
    struct test_call *call;

    kafka_message_init(&kafka_list_offsets_request_message, &request);
    kafka_message_init(&kafka_list_offsets_request_topic_message, &topic);
    kafka_message_init(&kafka_list_offsets_request_topic_partition_message, &partition);
    partition.timestamp = timestamp;
    topic.name = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    call = call_begin(broker, KAFKA_API_LIST_OFFSETS, 7, &request);
    found =
        ((const struct kafka_list_offsets_response *) call_response(call))->topics[0].partitions[0];
    call_free(call);
    ck_assert_int_eq(found.error_code, KAFKA_ERROR_NONE);
    return found;
}

static void
expect_fetch(int64_t offset, int16_t code, size_t records)
{
    struct test_call *call = client_fetch_begin(broker, "a", 0, offset, 10);
    const struct kafka_fetch_response_topic_partition *found = client_fetched(call);

    ck_assert_int_eq(found->error_code, code);
    ck_assert_uint_eq(client_count_records(&found->records), records);
    call_free(call);
}

START_TEST(what_is_below_is_gone_for_every_api)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;
    const struct kafka_produce_response *produced;
    const struct kafka_fetch_response_topic_partition *fetched;

    expect("a", 0, 3, KAFKA_ERROR_NONE, 3);
    expect_fetch(0, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, 0);
    expect_fetch(2, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, 0);
    expect_fetch(3, KAFKA_ERROR_NONE, 6);
    ck_assert_int_eq(list(-2).offset, 3);
    ck_assert_int_eq(list(-1).offset, 9);
    /* The first record not older than the first that ever was is now the first that is left. */
    ck_assert_int_eq(list(batch.timestamp).offset, 3);
    call = client_fetch_begin(broker, "a", 0, 3, 10);
    fetched = client_fetched(call);
    ck_assert_int_eq(fetched->log_start_offset, 3);
    call_free(call);
    call = client_produce_begin(broker, &batch, 1000);
    produced = call_response(call);
    ck_assert_int_eq(produced->topics[0].partitions[0].log_start_offset, 3);
    call_free(call);
}
END_TEST

/* Kafka counts from a log start inside a batch, but hands out whole batches. */
START_TEST(a_start_inside_a_batch_is_exact_though_the_batch_comes_whole)
{
    struct client_batch batch = client_batch("a", 0);

    expect("a", 0, 4, KAFKA_ERROR_NONE, 4);
    expect_fetch(3, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, 0);
    expect_fetch(4, KAFKA_ERROR_NONE, 6);
    ck_assert_int_eq(list(-2).offset, 4);
    ck_assert_int_eq(list(batch.timestamp).offset, 4);
    ck_assert_int_eq(list(batch.timestamp).timestamp, batch.timestamp + 4);
}
END_TEST

START_TEST(minus_one_is_the_end)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;

    expect("a", 0, -1, KAFKA_ERROR_NONE, 9);
    expect_fetch(9, KAFKA_ERROR_NONE, 0);
    ck_assert_int_eq(list(-2).offset, 9);
    ck_assert_int_eq(list(0).offset, -1);
    ck_assert_int_eq(list(-3).offset, -1);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 9);
    expect_fetch(9, KAFKA_ERROR_NONE, 1);
    expect("a", 1, -1, KAFKA_ERROR_NONE, 0);
}
END_TEST

START_TEST(the_start_never_sinks)
{
    expect("a", 0, 6, KAFKA_ERROR_NONE, 6);
    expect("a", 0, 3, KAFKA_ERROR_NONE, 6);
    expect("a", 0, 0, KAFKA_ERROR_NONE, 6);
    ck_assert_int_eq(list(-2).offset, 6);
}
END_TEST

START_TEST(each_partition_has_an_answer_of_its_own)
{
    struct test_call *call =
        begin("a", (int32_t[]){ 0, 1, 2, 0 }, (int64_t[]){ 10, -1, 0, 6 }, 4, 1000);

    check(call, 0, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, -1);
    check(call, 1, KAFKA_ERROR_NONE, 0);
    check(call, 2, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1);
    check(call, 3, KAFKA_ERROR_NONE, 6);
    call_free(call);
    expect("a", 0, -2, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, -1);
    expect("absent", 0, -1, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1);
}
END_TEST

START_TEST(a_later_broker_knows_the_start)
{
    expect("a", 0, 4, KAFKA_ERROR_NONE, 4);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    expect_fetch(3, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, 0);
    expect_fetch(4, KAFKA_ERROR_NONE, 3);
    ck_assert_int_eq(list(-2).offset, 4);
    expect("a", 0, -1, KAFKA_ERROR_NONE, 9);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(list(-2).offset, 9);
    ck_assert_int_eq(list(-1).offset, 9);
}
END_TEST

/* Records of a topic that only compacts go by their keys, never by their age. */
START_TEST(a_topic_that_only_compacts_refuses)
{
    struct ks_topic *topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("a"));
    struct ks_topic_config *config = &topic->record.config;

    ck_assert_int_eq(
        ks_topic_config_set(config, KS_TOPIC_CONFIG_CLEANUP_POLICY, ks_slice_of_text("compact")),
        KAFSCALE_OK);
    expect("a", 0, 3, KAFKA_ERROR_POLICY_VIOLATION, -1);
    ck_assert_int_eq(ks_topic_config_set(config, KS_TOPIC_CONFIG_CLEANUP_POLICY,
                                         ks_slice_of_text("compact, delete")),
                     KAFSCALE_OK);
    expect("a", 0, 3, KAFKA_ERROR_NONE, 3);
}
END_TEST

START_TEST(who_waits_too_long_for_the_store_is_told)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct test_call *call;

    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    call = begin("a", (int32_t[]){ 0 }, (int64_t[]){ 3 }, 1, 500);
    check(call, 0, KAFKA_ERROR_REQUEST_TIMED_OUT, -1);
    call_free(call);
    ck_assert_int_eq(client_fetched(call = client_fetch_begin(broker, "a", 0, 0, 0))->error_code,
                     KAFKA_ERROR_NONE);
    call_free(call);
    /* It was begun, and is done when the store is back. */
    ks_fault_store_clear(broker->faults);
    virtual_env_run_for(&fixture.v, 10000);
    ck_assert_int_eq(list(-2).offset, 3);
}
END_TEST

/* What is there by then would be handed out for what was asked for. */
START_TEST(what_goes_while_a_fetch_reads_is_out_of_range)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch batch = client_batch("a", 1);
    struct ks_broker_options options;
    const struct kafka_fetch_response_topic_partition *fetched;
    struct test_call *call;

    batch.count = 3;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.timestamp += 3;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
    test_broker_options(&options);
    options.cache_bytes_max = 0;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ks_fault_store_next(broker->faults, KS_STORE_GET, "/wal/", slow, 2);
    call = client_fetch_two_begin(broker, "a", 0, 100);
    expect("a", 1, 3, KAFKA_ERROR_NONE, 3);
    fetched = client_fetched_two(call);
    ck_assert_int_eq(fetched[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(client_count_records(&fetched[0].records), 3);
    ck_assert_int_eq(fetched[1].error_code, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    call_free(call);
}
END_TEST

/* A broker that was replaced must not say that the end is where it was. */
START_TEST(a_deposed_broker_denies_nothing)
{
    struct test_broker *other = test_broker_start(&fixture);
    struct test_call *call;

    virtual_env_run_for(&fixture.v, 5000);
    call = begin("a", (int32_t[]){ 0, 0 }, (int64_t[]){ 100, 3 }, 2, 1000);
    check(call, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    check(call, 1, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    call_free(call);
    test_broker_stop(broker);
    broker = other;
    ck_assert_int_eq(list(-2).offset, 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers delete records");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_is_below_is_gone_for_every_api);
    tcase_add_test(tests, a_start_inside_a_batch_is_exact_though_the_batch_comes_whole);
    tcase_add_test(tests, minus_one_is_the_end);
    tcase_add_test(tests, the_start_never_sinks);
    tcase_add_test(tests, each_partition_has_an_answer_of_its_own);
    tcase_add_test(tests, a_later_broker_knows_the_start);
    tcase_add_test(tests, a_topic_that_only_compacts_refuses);
    tcase_add_test(tests, who_waits_too_long_for_the_store_is_told);
    tcase_add_test(tests, what_goes_while_a_fetch_reads_is_out_of_range);
    tcase_add_test(tests, a_deposed_broker_denies_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
