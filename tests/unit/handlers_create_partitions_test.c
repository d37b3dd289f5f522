/* SPDX-License-Identifier: Apache-2.0 */
/* Topics grow while they are used; what is there goes on as if nothing had happened. */
#include "support/admin_client.h"
#include "support/main.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 32);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static int16_t
produce(int32_t partition, int64_t *offset_out)
{
    struct client_batch batch = client_batch("a", partition);

    return client_produce(broker, &batch, offset_out);
}

static int32_t
partition_count(void)
{
    return admin_topic(broker, "a")->record.partition_count;
}

START_TEST(new_partitions_serve_when_the_answer_leaves)
{
    int64_t offset = -1;

    ck_assert_int_eq(produce(1, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce(4, NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(admin_grow(broker, "a", 5), KAFKA_ERROR_NONE);
    ck_assert_int_eq(partition_count(), 5);
    ck_assert_int_eq(produce(4, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 0);
    ck_assert_int_eq(produce(1, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 1);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partition_count, 5);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partitions_reserved, 0);
    /* And again, on top of that. */
    ck_assert_int_eq(admin_grow(broker, "a", 6), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce(5, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce(4, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 1);
}
END_TEST

START_TEST(new_partitions_survive_a_restart_and_go_with_their_topic)
{
    int64_t offset = -1;

    ck_assert_int_eq(admin_grow(broker, "a", 3), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce(2, NULL), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(partition_count(), 3);
    ck_assert_int_eq(produce(2, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 1);
    ck_assert_int_eq(admin_grow(broker, "a", 4), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partition_count, 0);
    ck_assert_int_eq(produce(3, NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

START_TEST(a_topic_never_shrinks_and_has_limits)
{
    ks_broker_topics(broker->broker)->partitions_max = 10;
    ks_broker_topics(broker->broker)->topic_partitions_max = 20;
    ck_assert_int_eq(admin_grow(broker, "a", 2), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(admin_grow(broker, "a", 1), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(admin_grow(broker, "a", 0), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(admin_grow(broker, "a", -1), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(admin_grow(broker, "a", INT32_MAX), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(admin_grow(broker, "a", 11), KAFKA_ERROR_POLICY_VIOLATION);
    ck_assert_int_eq(admin_grow(broker, "b", 2), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(admin_grow(broker, "__consumer_offsets", 60), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_int_eq(partition_count(), 2);
    ck_assert_int_eq(admin_grow(broker, "a", 10), KAFKA_ERROR_NONE);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partitions_reserved, 0);
}
END_TEST

START_TEST(a_dry_run_tells_and_changes_nothing)
{
    ck_assert_int_eq(admin_grown(admin_grow_begin(broker, "a", 3, true)), KAFKA_ERROR_NONE);
    ck_assert_int_eq(admin_grown(admin_grow_begin(broker, "a", 2, true)),
                     KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(partition_count(), 2);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partitions_reserved, 0);
}
END_TEST

/* Assigns each of `assignment_count` new partitions to `broker_count` brokers. */
static int16_t
grow_to(int32_t assignment_count, int32_t broker_count)
{
    static int32_t brokers[] = { 1, 2, 3 };
    struct kafka_create_partitions_request_topic_assignment assignments[4] = { 0 };
    struct kafka_create_partitions_request_topic topic = { .name = ks_slice_of_text("a"),
                                                           .count = 4,
                                                           .assignments = assignments,
                                                           .assignments_count = assignment_count };
    struct kafka_create_partitions_request request = { .topics = &topic, .topics_count = 1 };
    const struct kafka_create_partitions_response *response;
    struct test_call *grow;
    int16_t code;

    for (int32_t i = 0; i < 4; i++) {
        assignments[i].broker_ids = brokers;
        assignments[i].broker_ids_count = broker_count;
    }
    response = call(broker, KAFKA_API_CREATE_PARTITIONS, 1, &request, &grow);
    code = response->results[0].error_code;
    call_free(grow);
    return code;
}

START_TEST(assignments_are_counted)
{
    ck_assert_int_eq(grow_to(1, 1), KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(grow_to(4, 1), KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(grow_to(2, 0), KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(partition_count(), 2);
    ck_assert_int_eq(grow_to(2, 3), KAFKA_ERROR_NONE);
    ck_assert_int_eq(partition_count(), 4);
}
END_TEST

START_TEST(who_waits_for_records_waits_on_in_the_grown_topic)
{
    struct test_call *fetch = client_fetch_begin(broker, "a", 1, 0, 20000);
    const struct kafka_fetch_response_topic_partition *fetched;

    virtual_env_run_for(&fixture.v, 100);
    ck_assert_int_eq(admin_grow(broker, "a", 50), KAFKA_ERROR_NONE);
    ck_assert(!fetch->is_done);
    ck_assert_int_eq(produce(1, NULL), KAFKA_ERROR_NONE);
    fetched = client_fetched(fetch);
    ck_assert_int_eq(fetched->error_code, KAFKA_ERROR_NONE);
    ck_assert_uint_eq(client_count_records(&fetched->records), 1);
    call_free(fetch);
}
END_TEST

START_TEST(two_who_grow_a_topic_at_once_do_not_add_up)
{
    struct test_call *first = admin_grow_begin(broker, "a", 4, false);
    struct test_call *second = admin_grow_begin(broker, "a", 4, false);
    struct test_call *third = admin_grow_begin(broker, "a", 5, false);
    int16_t first_code = admin_grown(first);
    int16_t second_code = admin_grown(second);

    /* The same growth is one growth: whoever comes second is told so, or that it is done. */
    ck_assert_int_eq(first_code, KAFKA_ERROR_NONE);
    ck_assert(second_code == KAFKA_ERROR_NONE || second_code == KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(admin_grown(third), KAFKA_ERROR_NONE);
    ck_assert_int_eq(partition_count(), 5);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partition_count, 5);
    ck_assert_int_eq(ks_broker_topics(broker->broker)->partitions_reserved, 0);
}
END_TEST

START_TEST(a_growth_with_a_lost_answer_ends_well)
{
    struct ks_fate lost = { .fault = KS_FAULT_ERROR_AFTER };

    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/meta/log/", lost, 2);
    ck_assert_int_eq(admin_grow(broker, "a", 3), KAFKA_ERROR_NONE);
    ck_assert_int_eq(produce(2, NULL), KAFKA_ERROR_NONE);
}
END_TEST

/* The next broker finds partitions that nobody has opened yet. */
START_TEST(partitions_added_just_before_a_crash_are_there)
{
    struct other_writer other;
    struct ks_topic_record record;
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    record = admin_topic(broker, "a")->record;
    record.partition_count = 4;
    other_writer_init(&other, &fixture);
    ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
    other_writer_put_topic(&other, &record);
    other_writer_deinit(&other);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(partition_count(), 4);
    ck_assert_int_eq(produce(3, NULL), KAFKA_ERROR_NONE);
}
END_TEST

/* Another broker added partitions: this one takes them over when it looks. */
START_TEST(partitions_added_by_another_broker_are_taken_over)
{
    struct other_writer other;
    struct ks_topic_record record = admin_topic(broker, "a")->record;

    record.partition_count = 3;
    other_writer_init(&other, &fixture);
    virtual_env_run_for(&fixture.v, 5000);
    other_writer_put_topic(&other, &record);
    /* The look that this request makes brings the news; its client tries again. */
    ck_assert_int_eq(produce(2, NULL), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    virtual_env_run_for(&fixture.v, 100);
    ck_assert_int_eq(produce(2, NULL), KAFKA_ERROR_NONE);
    /* A record with fewer partitions is nothing that a broker writes. */
    record.partition_count = 1;
    other_writer_put_topic(&other, &record);
    virtual_env_run_for(&fixture.v, 5000);
    ck_assert_int_eq(produce(2, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(partition_count(), 3);
    other_writer_deinit(&other);
}
END_TEST

static struct test_call *
begin_batch(int64_t producer_id, int32_t partition, int32_t sequence)
{
    struct client_batch batch = client_batch("a", partition);

    batch.producer_id = producer_id;
    batch.sequence = sequence;
    return client_produce_begin(broker, &batch, 5000);
}

static int16_t
end_batch(struct test_call *call)
{
    int16_t code = client_produced(call, NULL);

    call_free(call);
    return code;
}

/*
 * A producer knows of partitions from a broker that knew first: of its batches, sent one behind the
 * other, the first came too soon, and the second must not be taken for the first.
 */
START_TEST(a_batch_refused_for_want_of_its_partition_is_not_overtaken)
{
    int32_t count = admin_topic(broker, "a")->record.partition_count;

    ck_assert_int_eq(end_batch(begin_batch(7, count, 0)), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(end_batch(begin_batch(7, count, 1)), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(end_batch(begin_batch(8, count + 1, 5)),
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(admin_grow(broker, "a", count + 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(end_batch(begin_batch(7, count, 1)), KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    ck_assert_int_eq(end_batch(begin_batch(7, count, 0)), KAFKA_ERROR_NONE);
    ck_assert_int_eq(end_batch(begin_batch(7, count, 1)), KAFKA_ERROR_NONE);
    ck_assert_int_eq(end_batch(begin_batch(8, count + 1, 5)), KAFKA_ERROR_NONE);
    /* Of others nothing is known, and nothing expected. */
    ck_assert_int_eq(end_batch(begin_batch(9, count, 3)), KAFKA_ERROR_NONE);
}
END_TEST

/* While partitions are being opened the topic grows again. */
START_TEST(a_topic_that_grows_while_it_is_opened_is_opened_whole)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 300 };
    struct test_call *first;
    struct test_call *second;

    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/meta/log/", slow, 20);
    first = admin_grow_begin(broker, "a", 4, false);
    virtual_env_run_for(&fixture.v, 400);
    second = admin_grow_begin(broker, "a", 6, false);
    ck_assert_int_eq(admin_grown(first), KAFKA_ERROR_NONE);
    ck_assert_int_eq(admin_grown(second), KAFKA_ERROR_NONE);
    for (int32_t i = 0; i < 6; i++) {
        ck_assert_int_eq(produce(i, NULL), KAFKA_ERROR_NONE);
    }
}
END_TEST

START_TEST(new_partitions_keep_to_the_topics_retention)
{
    struct client_batch old = client_batch("a", 3);
    struct ks_topic_partition *partition;

    ck_assert_int_eq(admin_set(broker, "a", "retention.ms", "60000"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(admin_grow(broker, "a", 4), KAFKA_ERROR_NONE);
    old.timestamp = ks_env_wall_ms(&fixture.v.env) - 120000;
    ck_assert_int_eq(client_produce(broker, &old, NULL), KAFKA_ERROR_NONE);
    partition = ks_topic_partition(admin_topic(broker, "a"), 3);
    virtual_env_run_for(&fixture.v, 1000000);
    ck_assert_int_eq(ks_partition_log_start(partition->log), 1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers create partitions");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, new_partitions_serve_when_the_answer_leaves);
    tcase_add_test(tests, new_partitions_survive_a_restart_and_go_with_their_topic);
    tcase_add_test(tests, a_topic_never_shrinks_and_has_limits);
    tcase_add_test(tests, a_dry_run_tells_and_changes_nothing);
    tcase_add_test(tests, assignments_are_counted);
    tcase_add_test(tests, who_waits_for_records_waits_on_in_the_grown_topic);
    tcase_add_test(tests, two_who_grow_a_topic_at_once_do_not_add_up);
    tcase_add_test(tests, a_growth_with_a_lost_answer_ends_well);
    tcase_add_test(tests, partitions_added_just_before_a_crash_are_there);
    tcase_add_test(tests, partitions_added_by_another_broker_are_taken_over);
    tcase_add_test(tests, a_batch_refused_for_want_of_its_partition_is_not_overtaken);
    tcase_add_test(tests, a_topic_that_grows_while_it_is_opened_is_opened_whole);
    tcase_add_test(tests, new_partitions_keep_to_the_topics_retention);
    suite_add_tcase(suite, tests);
    return suite;
}
