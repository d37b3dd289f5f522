/* SPDX-License-Identifier: Apache-2.0 */
/* Records go in and come out: Produce and Fetch on a whole broker. */
#include "support/client.h"
#include "support/main.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

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

static size_t
fetch_count(const char *topic, int32_t partition, int64_t offset)
{
    struct test_call *fetch = client_fetch_begin(broker, topic, partition, offset, 0);
    const struct kafka_fetch_response_topic_partition *fetched = client_fetched(fetch);
    size_t count;

    ck_assert_int_eq(fetched->error_code, KAFKA_ERROR_NONE);
    count = client_count_records(&fetched->records);
    call_free(fetch);
    return count;
}

START_TEST(produced_records_are_fetched_in_order_with_their_offsets)
{
    struct client_batch batch = client_batch("a", 1);
    int64_t offset;

    batch.count = 3;
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 0);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 3);
    ck_assert_uint_eq(fetch_count("a", 1, 0), 6);
    /* An offset inside a batch brings the whole batch. */
    ck_assert_uint_eq(fetch_count("a", 1, 4), 3);
    ck_assert_uint_eq(fetch_count("a", 1, 6), 0);
    ck_assert_uint_eq(fetch_count("a", 0, 0), 0);
}
END_TEST

START_TEST(records_survive_a_restart)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset;

    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_uint_eq(fetch_count("a", 0, 0), 1);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 1);
    ck_assert_uint_ge(fetch_count("a", 0, 0), 1);
    ck_assert_uint_eq(fetch_count("a", 0, 1), 1);
}
END_TEST

START_TEST(a_repeated_idempotent_batch_is_stored_once)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t offset = -1;

    batch.producer_id = 7;
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 0);
    ck_assert_uint_eq(fetch_count("a", 0, 0), 1);
    batch.sequence = 5;
    ck_assert_int_eq(client_produce(broker, &batch, &offset),
                     KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    batch.producer_epoch = 1;
    batch.sequence = 0;
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    batch.producer_epoch = 0;
    batch.sequence = 1;
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_INVALID_PRODUCER_EPOCH);
}
END_TEST

START_TEST(a_fetch_waits_for_records_and_is_woken_by_them)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *fetch = client_fetch_begin(broker, "a", 0, 0, 30000);
    int64_t begun_ms = fixture.v.now_ms;

    ck_assert(!fetch->is_done);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ck_assert_uint_eq(client_count_records(&client_fetched(fetch)->records), 1);
    ck_assert_int_lt(fixture.v.now_ms - begun_ms, 30000);
    call_free(fetch);
}
END_TEST

START_TEST(a_fetch_without_records_ends_after_its_time)
{
    struct test_call *fetch = client_fetch_begin(broker, "a", 0, 0, 500);
    int64_t begun_ms = fixture.v.now_ms;
    const struct kafka_fetch_response_topic_partition *fetched = client_fetched(fetch);

    ck_assert_int_eq(fixture.v.now_ms - begun_ms, 500);
    ck_assert_int_eq(fetched->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(fetched->high_watermark, 0);
    ck_assert(!fetched->records.is_null);
    call_free(fetch);
}
END_TEST

START_TEST(a_waiting_fetch_ends_when_its_client_leaves)
{
    struct test_call *fetch = client_fetch_begin(broker, "a", 0, 0, 60000);
    int64_t begun_ms = fixture.v.now_ms;

    call_leave(fetch);
    call_wait(fetch);
    ck_assert_int_lt(fixture.v.now_ms - begun_ms, 1000);
    call_free(fetch);
}
END_TEST

START_TEST(a_waiting_fetch_ends_when_its_topic_is_deleted)
{
    struct test_call *fetch = client_fetch_begin(broker, "a", 0, 0, 60000);

    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    call_free(fetch);
}
END_TEST

/* A broker that keeps nothing in memory reads each batch back from the store. */
static void
forget_cached_records(void)
{
    struct ks_broker_options options;

    test_broker_stop(broker);
    test_broker_options(&options);
    options.cache_bytes_max = 0;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
}

START_TEST(a_fetch_that_is_reading_tells_of_a_topic_that_goes_meanwhile)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch batch = client_batch("a", 0);
    const struct kafka_fetch_response_topic_partition *fetched;
    struct test_call *fetch;

    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.partition = 1;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    forget_cached_records();
    ks_fault_store_next(broker->faults, KS_STORE_GET, "/wal/", slow, 2);
    fetch = client_fetch_two_begin(broker, "a", 0, 0);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    fetched = client_fetched_two(fetch);
    /* Its object is deleted before it is read. */
    ck_assert_int_eq(fetched[0].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_uint_eq(client_count_records(&fetched[0].records), 0);
    ck_assert_int_eq(fetched[1].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    call_free(fetch);
}
END_TEST

/* Two answers of the store take as long as one. */
START_TEST(partitions_are_read_from_the_store_at_once)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch batch = client_batch("a", 0);
    const struct kafka_fetch_response_topic_partition *fetched;
    struct test_call *fetch;
    int64_t begun_ms;

    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.partition = 1;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    forget_cached_records();
    ks_fault_store_next(broker->faults, KS_STORE_GET, "/wal/", slow, 2);
    begun_ms = ks_env_now_ms(&fixture.v.env);
    fetch = client_fetch_two_begin(broker, "a", 0, 0);
    fetched = client_fetched_two(fetch);
    ck_assert_int_lt(ks_env_now_ms(&fixture.v.env) - begun_ms, 6000);
    ck_assert_uint_eq(client_count_records(&fetched[0].records), 1);
    ck_assert_uint_eq(client_count_records(&fetched[1].records), 1);
    call_free(fetch);
}
END_TEST

START_TEST(offsets_outside_the_log_are_out_of_range)
{
    struct test_call *fetch = client_fetch_begin(broker, "a", 0, 1, 500);

    ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(client_fetched(fetch)->log_start_offset, 0);
    call_free(fetch);
    fetch = client_fetch_begin(broker, "a", 0, -5, 500);
    ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    call_free(fetch);
}
END_TEST

START_TEST(unknown_partitions_are_refused)
{
    struct client_batch batch = client_batch("a", 9);
    struct test_call *fetch = client_fetch_begin(broker, "a", 9, 0, 500);

    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    call_free(fetch);
}
END_TEST

/* The batch stays: the client's second try is told so by the same offset. */
START_TEST(a_produce_times_out_while_its_batch_stays)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch batch = client_batch("a", 0);
    struct test_call *produce;
    int64_t offset = -1;

    batch.producer_id = 3;
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/", slow, 1);
    produce = client_produce_begin(broker, &batch, 100);
    ck_assert_int_eq(client_produced(produce, NULL), KAFKA_ERROR_REQUEST_TIMED_OUT);
    call_free(produce);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 0);
    ck_assert_uint_eq(fetch_count("a", 0, 0), 1);
}
END_TEST

/* Whatever comes while a batch is on its way to the store queues. */
static void
restart_with_one_byte_in_flight(void)
{
    struct ks_broker_options options;

    test_broker_stop(broker);
    test_broker_options(&options);
    options.unflushed_bytes_max = 1;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
}

/*
 * While too much waits for the store a batch queues until its time is over. Were its successor
 * taken then, from a producer not known here yet, the batch itself could never be stored any more.
 */
START_TEST(nothing_overtakes_a_batch_that_was_given_up)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch others = client_batch("a", 0);
    struct client_batch batch = client_batch("a", 0);
    struct test_call *calls[3];

    restart_with_one_byte_in_flight();
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/", slow, 1);
    calls[0] = client_produce_begin(broker, &others, 30000);
    batch.producer_id = 5;
    calls[1] = client_produce_begin(broker, &batch, 100);
    batch.sequence = 1;
    calls[2] = client_produce_begin(broker, &batch, 30000);
    ck_assert_int_eq(client_produced(calls[1], NULL), KAFKA_ERROR_REQUEST_TIMED_OUT);
    ck_assert_int_eq(client_produced(calls[2], NULL), KAFKA_ERROR_REQUEST_TIMED_OUT);
    ck_assert_int_eq(client_produced(calls[0], NULL), KAFKA_ERROR_NONE);
    batch.sequence = 2;
    ck_assert_int_eq(client_produce(broker, &batch, NULL),
                     KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    for (batch.sequence = 0; batch.sequence < 3; batch.sequence++) {
        ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    }
    for (int i = 0; i < 3; i++) {
        call_free(calls[i]);
    }
}
END_TEST

/* What was in flight belonged to a topic that is gone when it becomes durable. */
START_TEST(batches_that_queue_go_on_when_a_deleted_topic_leaves_room)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch gone = client_batch("b", 0);
    struct client_batch batch = client_batch("a", 0);
    struct test_call *calls[2];

    restart_with_one_byte_in_flight();
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/", slow, 1);
    calls[0] = client_produce_begin(broker, &gone, 30000);
    calls[1] = client_produce_begin(broker, &batch, 30000);
    ck_assert_int_eq(client_delete(broker, "b"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produced(calls[0], NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(client_produced(calls[1], NULL), KAFKA_ERROR_NONE);
    call_free(calls[0]);
    call_free(calls[1]);
}
END_TEST

/* Its client could not be told that the batch was dropped. */
START_TEST(a_batch_without_acknowledgement_queues_as_long_as_it_must)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    struct client_batch batch = client_batch("a", 0);
    struct test_call *calls[2];

    restart_with_one_byte_in_flight();
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/wal/", slow, 1);
    calls[0] = client_produce_begin(broker, &batch, 30000);
    batch.acks = 0;
    calls[1] = client_produce_begin(broker, &batch, 100);
    ck_assert_int_eq(call_wait(calls[1]), KS_ANSWER_NONE);
    ck_assert_int_eq(client_produced(calls[0], NULL), KAFKA_ERROR_NONE);
    ck_assert_uint_eq(fetch_count("a", 0, 0), 2);
    call_free(calls[0]);
    call_free(calls[1]);
}
END_TEST

START_TEST(a_batch_without_acknowledgement_that_is_refused_closes_the_connection)
{
    struct client_batch batch = client_batch("no-such-topic", 0);
    struct test_call *produce;

    batch.acks = 0;
    produce = client_produce_begin(broker, &batch, 100);
    ck_assert_int_eq(call_wait(produce), KS_ANSWER_CLOSE);
    call_free(produce);
    batch.topic = "a";
    batch.acks = 2;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_INVALID_REQUIRED_ACKS);
}
END_TEST

START_TEST(small_answers_are_copied_and_large_ones_referenced)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *fetch;

    batch.count = 1000;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    fetch = client_fetch_begin(broker, "a", 0, 0, 0);
    ck_assert_uint_eq(client_count_records(&client_fetched(fetch)->records), 1000);
    ck_assert_uint_gt(fetch->owned_bytes, 4096);
    call_free(fetch);
}
END_TEST

/* --- While memory is short -------------------------------------------------------------------- */

static size_t claimable_bytes;
static size_t wanted_bytes_last;

static size_t
claim_some(struct ks_exchange *exchange, size_t least_bytes, size_t wanted_bytes)
{
    (void) exchange;
    wanted_bytes_last = wanted_bytes;
    if (claimable_bytes < least_bytes) {
        return 0;
    }
    return wanted_bytes < claimable_bytes ? wanted_bytes : claimable_bytes;
}

static void
produce_two_batches(size_t claimable)
{
    struct client_batch batch = client_batch("a", 0);

    batch.count = 10;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    claimable_bytes = claimable;
    broker->claim = claim_some;
}

static struct test_call *
fetch_two_batches(size_t claimable)
{
    produce_two_batches(claimable);
    return client_fetch_begin(broker, "a", 0, 0, 0);
}

/* Others may have the memory that the limit of a partition leaves. */
START_TEST(a_fetch_claims_no_more_than_it_may_carry)
{
    struct kafka_fetch_request_topic_partition partition;
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request request;
    struct test_call *fetch;

    produce_two_batches(SIZE_MAX);
    kafka_message_init(&kafka_fetch_request_message, &request);
    kafka_message_init(&kafka_fetch_request_topic_message, &topic);
    kafka_message_init(&kafka_fetch_request_topic_partition_message, &partition);
    partition.partition_max_bytes = 250; /* a batch and a half */
    topic.topic = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_bytes = 50 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    fetch = call_begin(broker, KAFKA_API_FETCH, 11, &request);
    ck_assert_uint_eq(client_count_records(&client_fetched(fetch)->records), 10);
    ck_assert_uint_eq(wanted_bytes_last, 250);
    call_free(fetch);
}
END_TEST

START_TEST(a_fetch_carries_what_there_is_memory_for)
{
    struct test_call *fetch = fetch_two_batches(300);

    ck_assert_uint_eq(client_count_records(&client_fetched(fetch)->records), 10);
    call_free(fetch);
}
END_TEST

START_TEST(a_fetch_waits_for_memory_and_goes_on)
{
    struct test_call *fetch = fetch_two_batches(10);

    virtual_env_run_for(&fixture.v, 500);
    ck_assert(!fetch->is_done);
    claimable_bytes = SIZE_MAX;
    ck_assert_uint_eq(client_count_records(&client_fetched(fetch)->records), 20);
    call_free(fetch);
}
END_TEST

/* Sent back at once, the client would come back at once. */
START_TEST(a_fetch_without_memory_ends_empty_after_a_while)
{
    int64_t begun_ms = fixture.v.now_ms;
    struct test_call *fetch = fetch_two_batches(0);
    const struct kafka_fetch_response_topic_partition *fetched = client_fetched(fetch);

    ck_assert_int_eq(fetched->error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(fetched->high_watermark, 20);
    ck_assert_uint_eq(client_count_records(&fetched->records), 0);
    ck_assert_int_ge(fixture.v.now_ms - begun_ms, 1000);
    call_free(fetch);
}
END_TEST

START_TEST(a_fetch_that_waits_for_memory_ends_when_its_client_leaves)
{
    struct test_call *fetch = fetch_two_batches(0);

    call_leave(fetch);
    virtual_env_run_for(&fixture.v, 10);
    ck_assert(fetch->is_done);
    call_free(fetch);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers produce and fetch");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, produced_records_are_fetched_in_order_with_their_offsets);
    tcase_add_test(tests, records_survive_a_restart);
    tcase_add_test(tests, a_repeated_idempotent_batch_is_stored_once);
    tcase_add_test(tests, a_fetch_waits_for_records_and_is_woken_by_them);
    tcase_add_test(tests, a_fetch_without_records_ends_after_its_time);
    tcase_add_test(tests, a_waiting_fetch_ends_when_its_client_leaves);
    tcase_add_test(tests, a_waiting_fetch_ends_when_its_topic_is_deleted);
    tcase_add_test(tests, a_fetch_that_is_reading_tells_of_a_topic_that_goes_meanwhile);
    tcase_add_test(tests, partitions_are_read_from_the_store_at_once);
    tcase_add_test(tests, offsets_outside_the_log_are_out_of_range);
    tcase_add_test(tests, unknown_partitions_are_refused);
    tcase_add_test(tests, a_produce_times_out_while_its_batch_stays);
    tcase_add_test(tests, nothing_overtakes_a_batch_that_was_given_up);
    tcase_add_test(tests, batches_that_queue_go_on_when_a_deleted_topic_leaves_room);
    tcase_add_test(tests, a_batch_without_acknowledgement_queues_as_long_as_it_must);
    tcase_add_test(tests, a_batch_without_acknowledgement_that_is_refused_closes_the_connection);
    tcase_add_test(tests, small_answers_are_copied_and_large_ones_referenced);
    tcase_add_test(tests, a_fetch_claims_no_more_than_it_may_carry);
    tcase_add_test(tests, a_fetch_carries_what_there_is_memory_for);
    tcase_add_test(tests, a_fetch_waits_for_memory_and_goes_on);
    tcase_add_test(tests, a_fetch_without_memory_ends_empty_after_a_while);
    tcase_add_test(tests, a_fetch_that_waits_for_memory_ends_when_its_client_leaves);
    suite_add_tcase(suite, tests);
    return suite;
}
