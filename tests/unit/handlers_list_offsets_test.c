/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets by time, exact to the record, and the ends of a log and its epochs. */
#include "support/client.h"
#include "support/main.h"

#define TIME_MS 1700000000000

static struct broker_fixture fixture;
static struct test_broker *broker;

/* Three batches: times 0 1 2, then 10, then 3 4 5, all after TIME_MS; offsets 0 to 6. */
static void
set_up(void)
{
    struct client_batch batch = client_batch("a", 0);

    broker_fixture_init(&fixture, 6);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    batch.timestamp = TIME_MS;
    batch.count = 3;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.timestamp = TIME_MS + 10;
    batch.count = 1;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.timestamp = TIME_MS + 3;
    batch.count = 3;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static struct test_call *
list(int16_t version, const int32_t *indexes, int32_t count, int64_t timestamp)
{
    struct kafka_list_offsets_request_topic_partition partitions[3];
    struct kafka_list_offsets_request_topic topic;
    struct kafka_list_offsets_request request;

    kafka_message_init(&kafka_list_offsets_request_message, &request);
    kafka_message_init(&kafka_list_offsets_request_topic_message, &topic);
    for (int32_t i = 0; i < count; i++) {
        kafka_message_init(&kafka_list_offsets_request_topic_partition_message, &partitions[i]);
        partitions[i].partition_index = indexes[i];
        partitions[i].timestamp = timestamp;
    }
    topic.name = ks_slice_of_text("a");
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_LIST_OFFSETS, version, &request);
}

static void
expect(int16_t version, int64_t timestamp, int16_t code, int64_t offset, int64_t found_timestamp)
{
    struct test_call *call = list(version, &(int32_t){ 0 }, 1, timestamp);
    const struct kafka_list_offsets_response *response = call_response(call);
    const struct kafka_list_offsets_response_topic_partition *found =
        &response->topics[0].partitions[0];

    ck_assert_int_eq(found->error_code, code);
    ck_assert_int_eq(found->offset, offset);
    ck_assert_int_eq(found->timestamp, found_timestamp);
    call_free(call);
}

START_TEST(a_time_brings_the_first_record_that_is_not_older)
{
    expect(1, 0, KAFKA_ERROR_NONE, 0, TIME_MS);
    expect(1, TIME_MS, KAFKA_ERROR_NONE, 0, TIME_MS);
    expect(7, TIME_MS + 1, KAFKA_ERROR_NONE, 1, TIME_MS + 1);
    expect(7, TIME_MS + 2, KAFKA_ERROR_NONE, 2, TIME_MS + 2);
    expect(7, TIME_MS + 3, KAFKA_ERROR_NONE, 3, TIME_MS + 10);
    expect(7, TIME_MS + 10, KAFKA_ERROR_NONE, 3, TIME_MS + 10);
    expect(7, TIME_MS + 11, KAFKA_ERROR_NONE, -1, -1);
    expect(7, INT64_MAX, KAFKA_ERROR_NONE, -1, -1);
}
END_TEST

START_TEST(words_stand_for_the_ends)
{
    expect(1, -1, KAFKA_ERROR_NONE, 7, -1);
    expect(1, -2, KAFKA_ERROR_NONE, 0, -1);
    expect(7, -3, KAFKA_ERROR_NONE, 3, TIME_MS + 10);
    expect(8, -4, KAFKA_ERROR_NONE, 0, -1);
    expect(9, -5, KAFKA_ERROR_NONE, -1, -1);
}
END_TEST

/* A bundle says when the youngest record of a section was; which it is its batches say. */
START_TEST(times_are_found_in_bundles)
{
    struct ks_broker_options options;
    struct ks_log_counters counters;

    test_broker_stop(broker);
    test_broker_options(&options);
    options.cache_bytes_max = 0;
    options.bundle_slots = 3;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    virtual_env_run_for(&fixture.v, 60000);
    ks_log_get_counters(ks_broker_log(broker->broker), &counters);
    ck_assert_uint_eq(counters.bundles_made, 1);
    expect(7, 0, KAFKA_ERROR_NONE, 0, TIME_MS);
    expect(7, TIME_MS + 3, KAFKA_ERROR_NONE, 3, TIME_MS + 10);
    expect(7, TIME_MS + 11, KAFKA_ERROR_NONE, -1, -1);
    expect(7, -3, KAFKA_ERROR_NONE, 3, TIME_MS + 10);
}
END_TEST

START_TEST(words_of_later_versions_are_refused)
{
    expect(6, -3, KAFKA_ERROR_UNSUPPORTED_VERSION, -1, -1);
    expect(7, -4, KAFKA_ERROR_UNSUPPORTED_VERSION, -1, -1);
    expect(8, -5, KAFKA_ERROR_UNSUPPORTED_VERSION, -1, -1);
    expect(9, -6, KAFKA_ERROR_UNSUPPORTED_VERSION, -1, -1);
}
END_TEST

START_TEST(a_partition_asked_for_twice_is_refused_in_both_places)
{
    struct test_call *call = list(7, (int32_t[]){ 0, 1, 0 }, 3, -1);
    const struct kafka_list_offsets_response *response = call_response(call);
    const struct kafka_list_offsets_response_topic_partition *found =
        response->topics[0].partitions;

    ck_assert_int_eq(found[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    ck_assert_int_eq(found[1].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(found[2].error_code, KAFKA_ERROR_INVALID_REQUEST);
    call_free(call);
}
END_TEST

START_TEST(a_topic_that_goes_while_its_batch_is_read_is_unknown)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct ks_broker_options options;
    const struct kafka_list_offsets_response *response;
    struct test_call *call;

    test_broker_stop(broker);
    test_broker_options(&options);
    options.cache_bytes_max = 0;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ks_fault_store_next(broker->faults, KS_STORE_GET, "/wal/", slow, 1);
    call = list(7, &(int32_t){ 0 }, 1, TIME_MS);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    response = call_response(call);
    ck_assert_int_eq(response->topics[0].partitions[0].error_code,
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    call_free(call);
}
END_TEST

/* --- Where an epoch ended --------------------------------------------------------------------- */

static void
expect_epoch_end(int32_t epoch, int32_t found_epoch, int64_t end_offset)
{
    struct kafka_offset_for_leader_epoch_request_topic_partition partition;
    struct kafka_offset_for_leader_epoch_request_topic topic;
    struct kafka_offset_for_leader_epoch_request request;
    const struct kafka_offset_for_leader_epoch_response *response;
    const struct kafka_offset_for_leader_epoch_response_topic_partition *found;
    struct test_call *ask;

    kafka_message_init(&kafka_offset_for_leader_epoch_request_message, &request);
    kafka_message_init(&kafka_offset_for_leader_epoch_request_topic_message, &topic);
    kafka_message_init(&kafka_offset_for_leader_epoch_request_topic_partition_message, &partition);
    partition.leader_epoch = epoch;
    topic.topic = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 4, &request, &ask);
    found = &response->topics[0].partitions[0];
    ck_assert_int_eq(found->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(found->leader_epoch, found_epoch);
    ck_assert_int_eq(found->end_offset, end_offset);
    call_free(ask);
}

static int32_t
current_epoch(void)
{
    struct ks_topic *topic =
        ks_topics_find(ks_broker_topics(broker->broker), ks_slice_of_text("a"));

    ck_assert_ptr_nonnull(topic->partitions[0]->log);
    return ks_partition_leader_epoch(topic->partitions[0]->log);
}

/* A consumer that is told "unknown" of an epoch throws its position away. */
START_TEST(an_epoch_ends_where_the_next_one_begins)
{
    struct client_batch batch = client_batch("a", 0);
    int32_t first = current_epoch();
    int32_t last;

    for (int i = 0; i < 2; i++) {
        test_broker_stop(broker);
        broker = test_broker_start(&fixture);
    }
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    last = current_epoch();
    ck_assert_int_gt(last, first + 1);
    expect_epoch_end(-1, -1, -1);
    expect_epoch_end(first - 1, first - 1, 0);
    expect_epoch_end(first, first, 7);
    expect_epoch_end(last - 1, first, 7);
    expect_epoch_end(last, last, 8);
    expect_epoch_end(last + 1, -1, -1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers list offsets");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_time_brings_the_first_record_that_is_not_older);
    tcase_add_test(tests, words_stand_for_the_ends);
    tcase_add_test(tests, times_are_found_in_bundles);
    tcase_add_test(tests, words_of_later_versions_are_refused);
    tcase_add_test(tests, a_partition_asked_for_twice_is_refused_in_both_places);
    tcase_add_test(tests, a_topic_that_goes_while_its_batch_is_read_is_unknown);
    tcase_add_test(tests, an_epoch_ends_where_the_next_one_begins);
    suite_add_tcase(suite, tests);
    return suite;
}
