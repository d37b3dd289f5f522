/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker may end at any moment: it is stopped, with or without a store that answers, it is
 * fenced, or it fails. Whatever is under way then is answered, once, and nothing is touched
 * afterwards. One request of each kind is sent, the world goes on for some steps, and then comes
 * the end; again for every number of steps.
 */
#include "broker/broker_internal.h"
#include "support/client.h"
#include "support/main.h"

#define CALLS 11
#define STEPS_MAX 120

/* A slow store answers long after a stop has given up waiting for it. */
enum world { FAST, SLOW, AWAY, WORLDS };
enum ending { STOPPED, STOPPED_WITHOUT_STORE, FENCED, FAILED, ENDINGS };

static struct broker_fixture fixture;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 11);
}

static void
tear_down(void)
{
    broker_fixture_deinit(&fixture);
}

/* Two topics with records that lie in the store alone. */
static struct test_broker *
broker_with_cold_records(void)
{
    struct client_batch batch = client_batch("a", 0);
    struct ks_broker_options options;
    struct test_broker *broker;

    test_broker_options(&options);
    options.cache_bytes_max = 0;
    broker = test_broker_begin(&fixture, &options);
    ck_assert(virtual_env_run_until(&fixture.v, &broker->is_started, 60000));
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "b", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.partition = 1;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    return broker;
}

static struct test_call *
begin_create(struct test_broker *broker)
{
    struct kafka_create_topics_request_topic topics[2];
    struct kafka_create_topics_request request;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_create_topics_request_topic_message, &topics[i]);
        topics[i].name = ks_slice_of_text(i == 0 ? "new" : "newer");
        topics[i].num_partitions = 2;
        topics[i].replication_factor = 1;
    }
    request.topics = topics;
    request.topics_count = 2;
    return call_begin(broker, KAFKA_API_CREATE_TOPICS, 7, &request);
}

static struct test_call *
begin_delete(struct test_broker *broker)
{
    struct kafscale_slice name = ks_slice_of_text("b");
    struct kafka_delete_topics_request request;

    kafka_message_init(&kafka_delete_topics_request_message, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    return call_begin(broker, KAFKA_API_DELETE_TOPICS, 3, &request);
}

static struct test_call *
begin_metadata(struct test_broker *broker)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request request;

    kafka_message_init(&kafka_metadata_request_message, &request);
    kafka_message_init(&kafka_metadata_request_topic_message, &topic);
    topic.name = ks_slice_of_text("asked-for");
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    return call_begin(broker, KAFKA_API_METADATA, 12, &request);
}

static struct test_call *
begin_init_producer_id(struct test_broker *broker)
{
    struct kafka_init_producer_id_request request;

    kafka_message_init(&kafka_init_producer_id_request_message, &request);
    return call_begin(broker, KAFKA_API_INIT_PRODUCER_ID, 4, &request);
}

/* Two partitions by time, so that each has a batch to be read. */
static struct test_call *
begin_list_offsets(struct test_broker *broker)
{
    struct kafka_list_offsets_request_topic_partition partitions[2];
    struct kafka_list_offsets_request_topic topic;
    struct kafka_list_offsets_request request;

    kafka_message_init(&kafka_list_offsets_request_message, &request);
    kafka_message_init(&kafka_list_offsets_request_topic_message, &topic);
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_list_offsets_request_topic_partition_message, &partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].timestamp = 1000;
    }
    topic.name = ks_slice_of_text("a");
    topic.partitions = partitions;
    topic.partitions_count = 2;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_LIST_OFFSETS, 7, &request);
}

static struct test_call *
begin_epoch_end(struct test_broker *broker)
{
    struct kafka_offset_for_leader_epoch_request_topic_partition partition;
    struct kafka_offset_for_leader_epoch_request_topic topic;
    struct kafka_offset_for_leader_epoch_request request;

    kafka_message_init(&kafka_offset_for_leader_epoch_request_message, &request);
    kafka_message_init(&kafka_offset_for_leader_epoch_request_topic_message, &topic);
    kafka_message_init(&kafka_offset_for_leader_epoch_request_topic_partition_message, &partition);
    partition.leader_epoch = 1;
    topic.topic = ks_slice_of_text("a");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_OFFSET_FOR_LEADER_EPOCH, 4, &request);
}

static struct test_call *
begin_delete_records(struct test_broker *broker)
{
    struct kafka_delete_records_request_topic_partition partitions[2];
    struct kafka_delete_records_request_topic topic;
    struct kafka_delete_records_request request;

    kafka_message_init(&kafka_delete_records_request_message, &request);
    kafka_message_init(&kafka_delete_records_request_topic_message, &topic);
    for (int i = 0; i < 2; i++) {
        kafka_message_init(&kafka_delete_records_request_topic_partition_message, &partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].offset = -1;
    }
    topic.name = ks_slice_of_text("a");
    topic.partitions = partitions;
    topic.partitions_count = 2;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_DELETE_RECORDS, 2, &request);
}

static void
begin_all(struct test_broker *broker, struct test_call *calls[CALLS])
{
    struct client_batch batch = client_batch("a", 0);

    calls[0] = client_fetch_two_begin(broker, "a", 0, 1000000);
    calls[1] = begin_list_offsets(broker);
    calls[2] = begin_create(broker);
    calls[3] = begin_delete(broker);
    calls[4] = begin_metadata(broker);
    calls[5] = begin_init_producer_id(broker);
    calls[6] = client_produce_begin(broker, &batch, 1000000);
    calls[7] = begin_epoch_end(broker);
    batch.topic = "b";
    calls[8] = client_produce_begin(broker, &batch, 1000000);
    batch.topic = "a";
    batch.partition = 1;
    calls[9] = client_produce_begin(broker, &batch, 100);
    calls[10] = begin_delete_records(broker);
}

static void
end_broker(struct test_broker *broker, enum ending ending)
{
    struct kafscale_error error = { .status = KAFSCALE_FAILED, .text = "test" };
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    switch (ending) {
    case STOPPED:
        break;
    case STOPPED_WITHOUT_STORE:
        ks_fault_store_clear(broker->faults);
        ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL, away, UINT32_MAX);
        break;
    case FENCED:
        ks_broker_fence(broker->broker, "test");
        return;
    case FAILED:
        ks_broker_fail(broker->broker, &error);
        return;
    case ENDINGS:
        break;
    }
    test_broker_begin_stop(broker);
}

static void
set_world(struct test_broker *broker, enum world world)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 300, .answer_ms = 2500 };
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };

    if (world != FAST) {
        ks_fault_store_next(broker->faults, KS_STORE_OPERATION_COUNT, NULL,
                            world == SLOW ? slow : away, UINT32_MAX);
    }
}

/* Returns whether the world still had something to do when the end came. */
static bool
end_after(int steps, enum ending ending, enum world world)
{
    struct test_broker *broker = broker_with_cold_records();
    struct test_call *calls[CALLS];
    bool is_busy = true;

    /* The last look is too old for whoever must be certain. */
    virtual_env_run_for(&fixture.v, 5000);
    set_world(broker, world);
    begin_all(broker, calls);
    for (int i = 0; i < steps; i++) {
        is_busy = is_busy && virtual_env_step(&fixture.v);
    }
    end_broker(broker, ending);
    for (int i = 0; i < CALLS; i++) {
        call_wait(calls[i]);
        call_free(calls[i]);
    }
    if (ending == FENCED || ending == FAILED) {
        test_broker_begin_stop(broker);
    }
    test_broker_end_stop(broker);
    return is_busy;
}

START_TEST(all_that_is_under_way_is_answered_when_the_broker_ends)
{
    int steps = 0;

    while (steps < STEPS_MAX &&
           end_after(steps, (enum ending)(_i / WORLDS), (enum world)(_i % WORLDS))) {
        steps++;
        tear_down();
        set_up();
    }
    ck_assert_int_gt(steps, 10);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers endings");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, all_that_is_under_way_is_answered_when_the_broker_ends, 0,
                        ENDINGS * WORLDS);
    suite_add_tcase(suite, tests);
    return suite;
}
