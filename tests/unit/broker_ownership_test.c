/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a store belongs to: the identity of a cluster, one broker taking over from another, and
 * looking at the right times.
 */
#include "broker/broker_internal.h"
#include "broker/identity.h"
#include "support/client.h"
#include "support/main.h"

static struct broker_fixture fixture;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 4);
}

static void
tear_down(void)
{
    broker_fixture_deinit(&fixture);
}

/* --- The bucket by hand ----------------------------------------------------------------------- */

struct by_hand {
    struct ks_store *store;
    bool is_done;
    enum kafscale_status status;
};

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct by_hand *hand = arg;

    (void) error;
    hand->status = status;
    hand->is_done = true;
}

static void
on_closed(void *arg)
{
    struct by_hand *hand = arg;

    hand->is_done = true;
}

static void
bucket_do(const char *put_key, struct kafscale_slice bytes, const char *remove_key)
{
    struct by_hand hand = {
        .store = ks_store_new(&fixture.v.env, ks_memory_store_new(&fixture.v.env, fixture.bucket))
    };
    struct kafscale_part part = { .bytes = bytes };
    struct kafscale_put put = { .key = put_key, .parts = &part, .part_count = 1 };
    struct kafscale_remove remove = { .key = remove_key };

    if (put_key != NULL) {
        ks_store_put(hand.store, &put, on_put, &hand);
    } else {
        ks_store_remove(hand.store, &remove, on_put, &hand);
    }
    ck_assert(virtual_env_run_until(&fixture.v, &hand.is_done, 1000));
    ck_assert_int_eq(hand.status, KAFSCALE_OK);
    hand.is_done = false;
    ks_store_close(hand.store, on_closed, &hand);
    ck_assert(virtual_env_run_until(&fixture.v, &hand.is_done, 1000));
}

static void
put_identity(const char *backend, uint16_t level)
{
    struct ks_identity_record record = { .format_level = level, .cluster = { .bytes = { 9 } } };
    uint8_t bytes[KS_IDENTITY_RECORD_BYTES_MAX];
    size_t size;

    memcpy(record.backend, backend, strlen(backend));
    size = ks_identity_encode(&record, bytes);
    bucket_do("default/__kafscale/cluster", ks_slice(bytes, size), NULL);
}

static struct test_broker *
start_and_fail(enum kafscale_status status)
{
    struct test_broker *broker = test_broker_begin(&fixture, NULL);

    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_int_eq(broker->start_status, status);
    ck_assert_int_eq(ks_broker_state(broker->broker), KS_BROKER_FAILED);
    return broker;
}

/* --- Identity --------------------------------------------------------------------------------- */

START_TEST(a_cluster_keeps_its_id)
{
    struct test_broker *broker = test_broker_start(&fixture);
    struct ks_id cluster = *ks_broker_cluster_id(broker->broker);

    ck_assert(!ks_id_is_zero(&cluster));
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert(ks_id_equals(&cluster, ks_broker_cluster_id(broker->broker)));
    test_broker_stop(broker);
}
END_TEST

START_TEST(a_first_start_that_died_between_its_two_writes_is_taken_up)
{
    struct test_broker *broker;

    put_identity("object log", KS_FORMAT_LEVEL);
    broker = test_broker_begin(&fixture, NULL);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_msg(broker->start_status == KAFSCALE_OK, "%s", broker->start_error.text);
    ck_assert_uint_eq(ks_broker_cluster_id(broker->broker)->bytes[0], 9);
    test_broker_stop(broker);
}
END_TEST

START_TEST(a_cluster_with_records_and_without_metadata_is_refused)
{
    static const char *const traces[] = { "default/__kafscale/wal/x/1", "default/A/0/segment",
                                          "default/zoo/0/segment", "default/__kafscale/bundle/x" };
    struct test_broker *broker;

    put_identity("object log", KS_FORMAT_LEVEL);
    bucket_do(traces[_i], ks_slice_of_text("x"), NULL);
    broker = start_and_fail(KAFSCALE_INVALID);
    test_broker_stop(broker);
}
END_TEST

START_TEST(a_cluster_object_that_vanished_is_refused)
{
    struct test_broker *broker = test_broker_start(&fixture);

    test_broker_stop(broker);
    bucket_do(NULL, ks_slice(NULL, 0), "default/__kafscale/cluster");
    broker = start_and_fail(KAFSCALE_INVALID);
    test_broker_stop(broker);
}
END_TEST

START_TEST(another_cluster_or_backend_or_format_is_refused)
{
    struct test_broker *broker = test_broker_start(&fixture);

    test_broker_stop(broker);
    put_identity("object log", KS_FORMAT_LEVEL);
    broker = start_and_fail(KAFSCALE_INVALID);
    test_broker_stop(broker);
    put_identity("etcd", KS_FORMAT_LEVEL);
    broker = start_and_fail(KAFSCALE_INVALID);
    test_broker_stop(broker);
    put_identity("object log", KS_FORMAT_LEVEL + 1);
    broker = start_and_fail(KAFSCALE_UNSUPPORTED);
    test_broker_stop(broker);
    bucket_do("default/__kafscale/cluster", ks_slice_of_text("nonsense"), NULL);
    broker = start_and_fail(KAFSCALE_CORRUPT);
    test_broker_stop(broker);
}
END_TEST

/* Every answer of the store may be lost on the way of a first start and a first topic. */
START_TEST(a_first_start_survives_each_lost_answer)
{
    struct ks_fate lost = { .fault = KS_FAULT_ERROR_AFTER };
    struct ks_fate fine = { .fault = KS_FAULT_NONE };
    struct test_broker *broker = test_broker_begin(&fixture, NULL);

    if (_i > 0) {
        ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, fine, (uint32_t) _i);
    }
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, lost, 1);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_msg(broker->start_status == KAFSCALE_OK, "%s", broker->start_error.text);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
}
END_TEST

/* What would end a start for ever is read again before it is believed. */
START_TEST(a_start_survives_bytes_damaged_on_their_way)
{
    struct ks_fate damage = { .fault = KS_FAULT_DAMAGE };
    struct test_broker *broker = test_broker_start(&fixture);

    test_broker_stop(broker);
    broker = test_broker_begin(&fixture, NULL);
    ks_fault_store_next(broker->faults, KS_STORE_GET, "__kafscale/cluster", damage, 4);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_msg(broker->start_status == KAFSCALE_OK, "%s", broker->start_error.text);
    test_broker_stop(broker);
}
END_TEST

START_TEST(a_start_that_waits_for_the_store_ends_at_once_when_it_is_stopped)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct test_broker *broker = test_broker_start(&fixture);
    int64_t begin_ms;

    test_broker_stop(broker);
    broker = test_broker_begin(&fixture, NULL);
    if (_i > 0) {
        ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL,
                            (struct ks_fate){ .fault = KS_FAULT_NONE }, (uint32_t) _i);
    }
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    virtual_env_run_for(&fixture.v, 3000);
    ck_assert(!broker->is_started);
    begin_ms = fixture.v.now_ms;
    test_broker_stop(broker);
    ck_assert_int_le(fixture.v.now_ms - begin_ms, 1000);
}
END_TEST

START_TEST(a_start_waits_for_a_store_that_is_away_and_can_be_stopped)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct test_broker *broker = test_broker_begin(&fixture, NULL);
    struct test_call *metadata;
    struct kafka_metadata_request request;

    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    kafka_message_init(&kafka_metadata_request_message, &request);
    metadata = call_begin(broker, KAFKA_API_METADATA, 9, &request);
    virtual_env_run_for(&fixture.v, 30000);
    ck_assert(!broker->is_started);
    ck_assert(!metadata->is_done);
    ks_fault_store_clear(broker->faults);
    if (_i == 0) {
        ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
        ck_assert_int_eq(broker->start_status, KAFSCALE_OK);
    }
    test_broker_begin_stop(broker);
    call_wait(metadata);
    call_free(metadata);
    test_broker_end_stop(broker);
}
END_TEST

/* --- Two brokers ------------------------------------------------------------------------------ */

START_TEST(a_second_broker_takes_over_and_the_first_stops_acknowledging)
{
    struct test_broker *first = test_broker_start(&fixture);
    struct client_batch batch = client_batch("a", 0);
    struct test_broker *second;
    struct test_call *fetch;
    int64_t offset = -1;

    ck_assert_int_eq(client_create(first, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(first, &batch, NULL), KAFKA_ERROR_NONE);
    second = test_broker_start(&fixture);
    ck_assert_int_eq(client_produce(first, &batch, NULL), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(ks_broker_state(first->broker), KS_BROKER_FENCED);
    ck_assert_int_eq(client_produce(second, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 1);
    fetch = client_fetch_begin(first, "a", 0, 0, 1000);
    ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    call_free(fetch);
    test_broker_stop(first);
    ck_assert_int_eq(client_produce(second, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 2);
    test_broker_stop(second);
}
END_TEST

START_TEST(a_broker_that_was_replaced_notices_at_the_first_request_after_a_silence)
{
    struct test_broker *first = test_broker_start(&fixture);
    struct test_broker *second;
    struct test_call *fetch;

    ck_assert_int_eq(client_create(first, "a", 1), KAFKA_ERROR_NONE);
    second = test_broker_start(&fixture);
    virtual_env_run_for(&fixture.v, 5000);
    ck_assert_int_eq(ks_broker_state(first->broker), KS_BROKER_READY);
    fetch = client_fetch_begin(first, "a", 0, 0, 10000);
    virtual_env_run_for(&fixture.v, 100);
    ck_assert_int_eq(ks_broker_state(first->broker), KS_BROKER_FENCED);
    ck_assert(fetch->is_done);
    ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    call_free(fetch);
    test_broker_stop(first);
    test_broker_stop(second);
}
END_TEST

START_TEST(a_new_topic_of_another_broker_is_found_by_looking)
{
    struct test_broker *first = test_broker_start(&fixture);
    struct test_broker *second = test_broker_start(&fixture);

    ck_assert_int_eq(client_create(second, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_delete(second, "a"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(second, "a", 1), KAFKA_ERROR_NONE);
    test_broker_stop(first);
    test_broker_stop(second);
}
END_TEST

/* What a broker knows of topics is as old as its question, not as its start. */
START_TEST(a_topic_made_during_a_slow_start_is_found_by_looking)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .answer_ms = 5000 };
    struct test_broker *first = test_broker_start(&fixture);
    struct test_broker *second = test_broker_begin(&fixture, NULL);
    struct client_batch batch = client_batch("a", 0);

    while (second->broker->step != KS_START_SOLE) {
        ck_assert(virtual_env_step(&fixture.v));
    }
    ks_fault_store_next(second->faults, KS_STORE_GET, NULL, slow, 1);
    virtual_env_run_for(&fixture.v, 100);
    ck_assert_int_eq(client_create(first, "a", 1), KAFKA_ERROR_NONE);
    ck_assert(virtual_env_run_until(&fixture.v, &second->is_started, 60000));
    ck_assert_int_eq(client_produce(second, &batch, NULL), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    test_broker_stop(first);
    test_broker_stop(second);
}
END_TEST

/* A request whose answer would be "unknown" looks first, and then takes what the look brought. */
START_TEST(a_topic_another_broker_made_is_known_to_the_request_that_looks)
{
    struct test_broker *first = test_broker_start(&fixture);
    struct test_broker *second = test_broker_start(&fixture);
    struct client_batch batch = client_batch("a", 0);
    struct test_call *fetch;

    ck_assert_int_eq(client_create(first, "a", 1), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 3000);
    if (_i == 0) {
        fetch = client_fetch_begin(second, "a", 0, 0, 10);
        ck_assert_int_ne(client_fetched(fetch)->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        call_free(fetch);
    } else {
        batch.producer_id = 5;
        ck_assert_int_eq(client_produce(second, &batch, NULL), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
        /* What its producer sent behind it doesn't overtake it. */
        virtual_env_run_for(&fixture.v, 3000);
        batch.sequence = 1;
        ck_assert_int_eq(client_produce(second, &batch, NULL),
                         KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        for (batch.sequence = 0; batch.sequence < 2; batch.sequence++) {
            ck_assert_int_eq(client_produce(second, &batch, NULL), KAFKA_ERROR_NONE);
        }
    }
    test_broker_stop(first);
    test_broker_stop(second);
}
END_TEST

/* Its successor comes when the topic is known and open already, and the look not yet through. */
START_TEST(nothing_overtakes_a_batch_whose_topic_is_looked_for)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .answer_ms = 10000 };
    struct test_broker *first = test_broker_start(&fixture);
    struct test_broker *second = test_broker_start(&fixture);
    struct client_batch batch = client_batch("a", 0);
    struct test_call *call;

    ck_assert_int_eq(client_create(first, "a", 1), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 3000);
    batch.producer_id = 5;
    ks_fault_store_next(second->faults, KS_STORE_GET, "/wal/", slow, 1);
    call = client_produce_begin(second, &batch, 30000);
    virtual_env_run_for(&fixture.v, 5000);
    batch.sequence = 1;
    ck_assert_int_eq(client_produce(second, &batch, NULL),
                     KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(client_produced(call, NULL), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    for (batch.sequence = 0; batch.sequence < 2; batch.sequence++) {
        ck_assert_int_eq(client_produce(second, &batch, NULL), KAFKA_ERROR_NONE);
    }
    call_free(call);
    test_broker_stop(first);
    test_broker_stop(second);
}
END_TEST

/* --- Looking ---------------------------------------------------------------------------------- */

START_TEST(an_idle_broker_sends_no_request)
{
    struct test_broker *broker = test_broker_start(&fixture);
    uint64_t requests;

    ck_assert_int_eq(client_create(broker, "a", 8), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 60000);
    requests = test_broker_store_requests(broker);
    virtual_env_run_for(&fixture.v, 3600000);
    ck_assert_uint_eq(test_broker_store_requests(broker), requests);
    test_broker_stop(broker);
}
END_TEST

START_TEST(requests_make_a_broker_look_once_in_freshness_ms)
{
    struct test_broker *broker = test_broker_start(&fixture);
    struct ks_freshness *freshness = ks_broker_freshness(broker->broker);
    uint64_t looks;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 2000);
    looks = freshness->looks;
    for (int i = 0; i < 100; i++) {
        struct test_call *fetch = client_fetch_begin(broker, "a", 0, 0, 100);

        ck_assert_int_eq(client_fetched(fetch)->error_code, KAFKA_ERROR_NONE);
        call_free(fetch);
    }
    ck_assert_uint_ge(freshness->looks - looks, 9);
    ck_assert_uint_le(freshness->looks - looks, 11);
    test_broker_stop(broker);
}
END_TEST

static struct test_call *
latest_begin(struct test_broker *broker)
{
    struct kafka_list_offsets_request_topic_partition partition;
    struct kafka_list_offsets_request_topic topic;
    struct kafka_list_offsets_request request;

    kafka_message_init(&kafka_list_offsets_request_message, &request);
    kafka_message_init(&kafka_list_offsets_request_topic_message, &topic);
    kafka_message_init(&kafka_list_offsets_request_topic_partition_message, &partition);
    partition.timestamp = -1;
    topic.name = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_LIST_OFFSETS, 7, &request);
}

/* What a slow look brings is as old as its beginning. */
START_TEST(who_asks_late_in_a_slow_look_waits_for_the_next_one)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .answer_ms = 5000 };
    struct test_broker *broker = test_broker_start(&fixture);
    struct ks_freshness *freshness = ks_broker_freshness(broker->broker);
    struct test_call *early;
    struct test_call *late;
    uint64_t looks;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 5000);
    looks = freshness->looks;
    ks_fault_store_next(broker->faults, KS_STORE_GET, NULL, slow, UINT32_MAX);
    early = latest_begin(broker);
    virtual_env_run_for(&fixture.v, 3000);
    late = latest_begin(broker);
    call_wait(early);
    ck_assert_uint_eq(freshness->looks - looks, 1 + 1);
    ck_assert(!late->is_done);
    call_wait(late);
    ck_assert_uint_eq(freshness->looks - looks, 1 + 1);
    call_free(early);
    call_free(late);
    ks_fault_store_clear(broker->faults);
    test_broker_stop(broker);
}
END_TEST

/*
 * A PUT proves that nobody sealed this log, not that the topic lives: the answer waits for a look
 * that can't be had.
 */
START_TEST(nothing_is_acknowledged_while_the_broker_cannot_look)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct test_broker *broker = test_broker_start(&fixture);
    struct client_batch batch = client_batch("a", 0);
    struct test_call *produce;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    virtual_env_run_for(&fixture.v, 5000);
    ks_fault_store_next(broker->faults, KS_STORE_GET, NULL, away, UINT32_MAX);
    produce = client_produce_begin(broker, &batch, 10000);
    ck_assert_int_ne(client_produced(produce, NULL), KAFKA_ERROR_NONE);
    call_free(produce);
    ks_fault_store_clear(broker->faults);
    virtual_env_run_for(&fixture.v, 10000);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker ownership");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_cluster_keeps_its_id);
    tcase_add_test(tests, a_first_start_that_died_between_its_two_writes_is_taken_up);
    tcase_add_loop_test(tests, a_cluster_with_records_and_without_metadata_is_refused, 0, 4);
    tcase_add_test(tests, a_cluster_object_that_vanished_is_refused);
    tcase_add_test(tests, another_cluster_or_backend_or_format_is_refused);
    tcase_add_loop_test(tests, a_first_start_survives_each_lost_answer, 0, 16);
    tcase_add_test(tests, a_start_survives_bytes_damaged_on_their_way);
    tcase_add_loop_test(tests, a_start_that_waits_for_the_store_ends_at_once_when_it_is_stopped, 0,
                        8);
    tcase_add_loop_test(tests, a_start_waits_for_a_store_that_is_away_and_can_be_stopped, 0, 2);
    tcase_add_test(tests, a_second_broker_takes_over_and_the_first_stops_acknowledging);
    tcase_add_test(tests, a_broker_that_was_replaced_notices_at_the_first_request_after_a_silence);
    tcase_add_test(tests, a_new_topic_of_another_broker_is_found_by_looking);
    tcase_add_test(tests, a_topic_made_during_a_slow_start_is_found_by_looking);
    tcase_add_loop_test(tests, a_topic_another_broker_made_is_known_to_the_request_that_looks, 0,
                        2);
    tcase_add_test(tests, nothing_overtakes_a_batch_whose_topic_is_looked_for);
    tcase_add_test(tests, an_idle_broker_sends_no_request);
    tcase_add_test(tests, requests_make_a_broker_look_once_in_freshness_ms);
    tcase_add_test(tests, who_asks_late_in_a_slow_look_waits_for_the_next_one);
    tcase_add_test(tests, nothing_is_acknowledged_while_the_broker_cannot_look);
    suite_add_tcase(suite, tests);
    return suite;
}
