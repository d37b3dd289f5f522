/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers inside the broker's process as members of groups: alone, together, with librdkafka. */
#include "local.h"
#include "support.h"
#include "support/main.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS 4
#define SESSION_MS 600
#define ROUND_MS 300
#define ROUNDS_MAX 200

/* Between records that came together. */
#define SETTLE_MS 50

/* A broker with a topic "t" of four partitions, and a producer for it. */
struct world {
    struct kafscale_testing *testing;
    struct kafscale_broker *broker;
    struct kafscale_producer *producer;
    struct local_seen seen;
};

static void
create_topic(struct world *world, const char *name)
{
    struct kafscale_testing_topic topic = { .name = name, .partitions = PARTITIONS };
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_testing_create_topic(world->testing, &topic, &error) == KAFSCALE_OK,
                  "%s", error.text);
}

static void
world_init(struct world *world)
{
    const char *const settings[] = { "group.min.session.timeout.ms", "100",
                                     "auto.create.topics.enable", "false", NULL };
    struct kafscale_testing_options options = { .size = sizeof options, .settings = settings };
    struct kafscale_error error = { 0 };

    *world = (struct world){ .testing = kafscale_testing_start(&options, &error) };
    ck_assert_msg(world->testing != NULL, "%s", error.text);
    world->broker = kafscale_testing_broker(world->testing);
    world->producer = local_producer(world->broker, &world->seen);
    create_topic(world, "t");
}

static void
world_deinit(struct world *world)
{
    kafscale_producer_free(world->producer);
    kafscale_testing_free(world->testing);
}

/* One record to each partition. */
static void
send_round(struct world *world, const char *topic)
{
    for (int32_t i = 0; i < PARTITIONS; i++) {
        local_send(world->producer, topic, i, "x");
    }
    local_flush(world->producer);
}

static struct kafscale_consumer_options
member_options(void)
{
    struct kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;

    options.group_id = "g";
    options.session_timeout_ms = SESSION_MS;
    options.poll_interval_ms = 10 * SESSION_MS;
    return options;
}

static void
subscribe(struct kafscale_consumer *consumer, const char *topic)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_consumer_subscribe(consumer, &topic, 1, &error) == KAFSCALE_OK, "%s",
                  error.text);
}

static struct kafscale_consumer *
member_of(struct world *world, const struct kafscale_consumer_options *options)
{
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *consumer = kafscale_consumer_new(world->broker, options, &error);

    ck_assert_msg(consumer != NULL, "%s", error.text);
    subscribe(consumer, "t");
    return consumer;
}

static struct kafscale_consumer *
member_new(struct world *world)
{
    struct kafscale_consumer_options options = member_options();

    return member_of(world, &options);
}

static void
commit(struct kafscale_consumer *consumer)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_consumer_commit(consumer, WAIT_MS, &error) == KAFSCALE_OK, "%s",
                  error.text);
}

static int
count_records(struct kafscale_fetched *fetched)
{
    struct kafscale_record record;
    int count = 0;

    while (kafscale_fetched_next(fetched, &record, NULL) == KAFSCALE_OK) {
        count++;
    }
    return count;
}

static int
bit_count(unsigned bits)
{
    return __builtin_popcount(bits);
}

/* Polls until so many records have come, and no more of them. */
static void
read_records(struct kafscale_consumer *consumer, int expected)
{
    int count = 0;

    while (count < expected) {
        struct kafscale_fetched *fetched = local_next(consumer);

        ck_assert_int_eq(kafscale_fetched_error(fetched), KAFKA_ERROR_NONE);
        count += count_records(fetched);
        kafscale_fetched_free(fetched);
    }
    ck_assert_int_eq(count, expected);
}

/* Something of each partition. */
static void
read_any(struct kafscale_consumer *consumer)
{
    unsigned partitions = 0;

    while (bit_count(partitions) < PARTITIONS) {
        struct kafscale_fetched *fetched = local_next(consumer);

        partitions |= 1u << kafscale_fetched_partition(fetched);
        kafscale_fetched_free(fetched);
    }
}

/* The partitions that a consumer gets something of within a time, as bits. */
static unsigned
poll_partitions(struct kafscale_consumer *consumer, int64_t timeout_ms)
{
    struct kafscale_fetched *fetched;
    unsigned partitions = 0;

    while ((fetched = kafscale_consumer_poll(consumer, timeout_ms, NULL)) != NULL) {
        ck_assert_int_eq(kafscale_fetched_error(fetched), KAFKA_ERROR_NONE);
        partitions |= 1u << kafscale_fetched_partition(fetched);
        kafscale_fetched_free(fetched);
        timeout_ms = timeout_ms < SETTLE_MS ? timeout_ms : SETTLE_MS;
    }
    return partitions;
}

/* Until, of the same records, each of the two gets so many partitions, and together all. */
static void
wait_shared(struct world *world, struct kafscale_consumer *one, int of_one,
            struct kafscale_consumer *two, int of_two)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        unsigned got_one;
        unsigned got_two;

        send_round(world, "t");
        got_one = poll_partitions(one, ROUND_MS);
        got_two = two == NULL ? 0 : poll_partitions(two, of_two == 0 ? 0 : ROUND_MS);
        if (bit_count(got_one) == of_one && bit_count(got_two) == of_two &&
            (got_one & got_two) == 0 && of_one + of_two == PARTITIONS) {
            return;
        }
    }
    ck_abort_msg("the partitions were never shared %d to %d", of_one, of_two);
}

/* The next member of the group reads nothing but what comes now. */
static void
expect_all_committed(struct world *world)
{
    struct kafscale_consumer *consumer = member_new(world);

    ck_assert_uint_eq(poll_partitions(consumer, ROUND_MS), 0);
    send_round(world, "t");
    read_records(consumer, PARTITIONS);
    kafscale_consumer_free(consumer);
}

/* --- Alone ------------------------------------------------------------------------------------ */

START_TEST(the_next_one_goes_on_behind_what_was_committed)
{
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    send_round(&world, "t");
    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    commit(consumer);
    commit(consumer); /* there is nothing new to commit */
    send_round(&world, "t");
    read_records(consumer, PARTITIONS);
    kafscale_consumer_free(consumer);

    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    commit(consumer);
    kafscale_consumer_free(consumer);

    expect_all_committed(&world);
    world_deinit(&world);
}
END_TEST

START_TEST(what_a_broker_has_committed_outlives_it)
{
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    send_round(&world, "t");
    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    commit(consumer);
    ck_assert_msg(kafscale_testing_restart(world.testing, KAFSCALE_TESTING_KILLED, WAIT_MS,
                                           &error) == KAFSCALE_OK,
                  "%s", error.text);
    send_round(&world, "t");
    read_records(consumer, PARTITIONS);
    kafscale_consumer_free(consumer);
    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

START_TEST(a_topic_that_comes_later_is_read)
{
    struct kafscale_consumer_options options = member_options();
    const char *const topics[] = { "later", "t" };
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    consumer = kafscale_consumer_new(world.broker, &options, NULL);
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, topics, 2, NULL), KAFSCALE_OK);
    send_round(&world, "t");
    read_records(consumer, PARTITIONS);
    commit(consumer);
    create_topic(&world, "later");
    send_round(&world, "later");
    read_records(consumer, PARTITIONS);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

START_TEST(a_consumer_subscribes_anew_and_not_at_all)
{
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    create_topic(&world, "other");
    send_round(&world, "t");
    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    subscribe(consumer, "other");
    send_round(&world, "other");
    send_round(&world, "t");
    for (int i = 0; i < PARTITIONS; i++) {
        struct kafscale_fetched *fetched = local_next(consumer);

        ck_assert_str_eq(kafscale_fetched_topic(fetched), "other");
        kafscale_fetched_free(fetched);
    }
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, NULL, 0, NULL), KAFSCALE_OK);
    ck_assert_msg(kafscale_testing_wait_group(world.testing, "g", 0, WAIT_MS, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    send_round(&world, "other");
    ck_assert_uint_eq(poll_partitions(consumer, ROUND_MS), 0);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

/* --- Together --------------------------------------------------------------------------------- */

START_TEST(members_share_the_partitions)
{
    struct kafscale_consumer *one;
    struct kafscale_consumer *two;
    struct world world;

    world_init(&world);
    one = member_new(&world);
    wait_shared(&world, one, PARTITIONS, NULL, 0);
    two = member_new(&world);
    wait_shared(&world, one, 2, two, 2);
    kafscale_consumer_free(one);
    wait_shared(&world, two, PARTITIONS, NULL, 0);
    kafscale_consumer_free(two);
    world_deinit(&world);
}
END_TEST

struct reader {
    pthread_t thread;
    struct world *world;
    atomic_bool *must_end;
    atomic_int *counts; /* of each number that was sent */
};

/* Reads and commits as programs do; what it commits it has counted. */
static void *
read_and_commit(void *arg)
{
    struct reader *reader = arg;
    struct kafscale_consumer *consumer = member_new(reader->world);

    while (!atomic_load(reader->must_end)) {
        struct kafscale_fetched *fetched = kafscale_consumer_poll(consumer, 20, NULL);
        struct kafscale_record record;

        while (fetched != NULL && kafscale_fetched_next(fetched, &record, NULL) == KAFSCALE_OK) {
            char number[16] = "";

            memcpy(number, record.value.data, record.value.size);
            atomic_fetch_add(&reader->counts[atoi(number)], 1);
        }
        kafscale_fetched_free(fetched);
        if (fetched != NULL && kafscale_consumer_commit(consumer, WAIT_MS, NULL) != KAFSCALE_OK) {
            continue; /* others read it again */
        }
    }
    kafscale_consumer_free(consumer);
    return NULL;
}

/* While members come and go. */
START_TEST(nothing_is_lost_when_members_come_and_go)
{
    enum { COUNT = 2000, READERS = 4, STEP = 250 };
    static atomic_int counts[COUNT];
    atomic_bool must_end[READERS] = { false };
    struct reader readers[READERS];
    struct world world;
    int missing;

    memset(counts, 0, sizeof counts);
    world_init(&world);
    for (int i = 0; i < COUNT; i++) {
        char number[16];

        if (i % STEP == 0 && i / STEP < READERS) {
            int next = i / STEP;

            readers[next] =
                (struct reader){ .world = &world, .must_end = &must_end[next], .counts = counts };
            ck_assert_int_eq(
                pthread_create(&readers[next].thread, NULL, read_and_commit, &readers[next]), 0);
        } else if (i % STEP == 0 && i / STEP < 2 * READERS - 1) {
            atomic_store(&must_end[i / STEP - READERS], true);
            pthread_join(readers[i / STEP - READERS].thread, NULL);
        }
        snprintf(number, sizeof number, "%d", i);
        local_send(world.producer, "t", i % PARTITIONS, number);
        if (i % 10 == 0) {
            local_flush(world.producer);
        }
    }
    local_flush(world.producer);
    do {
        missing = 0;
        for (int i = 0; i < COUNT; i++) {
            missing += atomic_load(&counts[i]) == 0;
        }
        sched_yield();
    } while (missing > 0);
    atomic_store(&must_end[READERS - 1], true);
    pthread_join(readers[READERS - 1].thread, NULL);
    world_deinit(&world);
}
END_TEST

static unsigned
poll_client(rd_kafka_t *client, int timeout_ms)
{
    rd_kafka_message_t *message;
    unsigned partitions = 0;

    while ((message = rd_kafka_consumer_poll(client, timeout_ms)) != NULL) {
        partitions |= message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? 1u << message->partition : 0;
        rd_kafka_message_destroy(message);
        timeout_ms = partitions == 0 ? timeout_ms : SETTLE_MS;
    }
    return partitions;
}

/* Whoever of the two leads: both come first once. */
START_TEST(a_group_is_shared_with_librdkafka)
{
    const char *const settings[] = {
        "group.id", "g", "session.timeout.ms", "6000", "auto.offset.reset", "earliest", NULL
    };
    struct kafscale_consumer *consumer = NULL;
    struct world world;
    rd_kafka_t *client;
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    bool is_first = _i == 0;

    world_init(&world);
    rd_kafka_topic_partition_list_add(topics, "t", RD_KAFKA_PARTITION_UA);
    if (is_first) {
        consumer = member_new(&world);
        wait_shared(&world, consumer, PARTITIONS, NULL, 0);
    }
    client = client_new(RD_KAFKA_CONSUMER, world.broker, settings);
    rd_kafka_poll_set_consumer(client);
    ck_assert_int_eq(rd_kafka_subscribe(client, topics), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(topics);
    for (int i = 0; !is_first && poll_client(client, ROUND_MS) == 0; i++) {
        ck_assert_int_lt(i, ROUNDS_MAX);
        send_round(&world, "t");
    }
    consumer = consumer == NULL ? member_new(&world) : consumer;
    for (int i = 0;; i++) {
        unsigned ours;
        unsigned others;

        ck_assert_int_lt(i, ROUNDS_MAX);
        send_round(&world, "t");
        ours = poll_partitions(consumer, ROUND_MS);
        others = poll_client(client, ROUND_MS);
        if (bit_count(ours) == 2 && bit_count(others) == 2 && (ours & others) == 0) {
            break;
        }
    }
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    wait_shared(&world, consumer, PARTITIONS, NULL, 0);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

START_TEST(who_does_not_poll_gives_way)
{
    struct kafscale_consumer_options options = member_options();
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *idle;
    struct kafscale_consumer *other;
    struct world world;

    world_init(&world);
    send_round(&world, "t");
    options.poll_interval_ms = SESSION_MS;
    idle = member_of(&world, &options);
    read_records(idle, PARTITIONS);
    other = member_new(&world);
    wait_shared(&world, other, PARTITIONS, NULL, 0);
    ck_assert_int_eq(kafscale_consumer_commit(idle, WAIT_MS, &error), KAFSCALE_CONFLICT);
    ck_assert_str_eq(error.text, "commit: the group has gone on: UNKNOWN_MEMBER_ID");
    wait_shared(&world, idle, 2, other, 2);
    kafscale_consumer_free(other);
    kafscale_consumer_free(idle);
    world_deinit(&world);
}
END_TEST

/* --- Callbacks -------------------------------------------------------------------------------- */

static void
count_fetched(void *arg, struct kafscale_fetched *fetched)
{
    atomic_fetch_add((atomic_int *) arg, count_records(fetched));
    kafscale_fetched_free(fetched);
}

START_TEST(members_have_callbacks_too)
{
    struct kafscale_consumer_options options = member_options();
    struct kafscale_consumer *consumer;
    struct kafscale_consumer *other;
    atomic_int count = 0;
    struct world world;

    world_init(&world);
    options.fetched = count_fetched;
    options.fetched_arg = &count;
    consumer = member_of(&world, &options);
    send_round(&world, "t");
    while (atomic_load(&count) < PARTITIONS) {
        sched_yield();
    }
    commit(consumer);
    other = member_new(&world);
    for (int i = 0; bit_count(poll_partitions(other, ROUND_MS)) != 2; i++) {
        ck_assert_int_lt(i, ROUNDS_MAX);
        send_round(&world, "t");
    }
    kafscale_consumer_free(other);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

/* --- What goes wrong -------------------------------------------------------------------------- */

START_TEST(what_fails_for_a_while_is_tried_again)
{
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    local_fail(world.testing, "JoinGroup", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    local_fail(world.testing, "JoinGroup", 1, KAFSCALE_TESTING_CLOSE, 0);
    local_fail(world.testing, "JoinGroup", 1, KAFSCALE_TESTING_CLOSE_AFTER, 0);
    local_fail(world.testing, "SyncGroup", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    local_fail(world.testing, "SyncGroup", 1, KAFSCALE_TESTING_ERROR_AFTER,
               KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    local_fail(world.testing, "SyncGroup", 1, KAFSCALE_TESTING_CLOSE_AFTER, 0);
    local_fail(world.testing, "Metadata", 1, KAFSCALE_TESTING_CLOSE, 0);
    local_fail(world.testing, "OffsetFetch", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_UNSTABLE_OFFSET_COMMIT);
    local_fail(world.testing, "OffsetFetch", 1, KAFSCALE_TESTING_CLOSE, 0);
    send_round(&world, "t");
    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    commit(consumer);
    local_fail(world.testing, "Heartbeat", 1, KAFSCALE_TESTING_CLOSE, 0);
    local_fail(world.testing, "Heartbeat", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    local_fail(world.testing, "Heartbeat", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_ILLEGAL_GENERATION);
    for (int i = 0; i < 10; i++) {
        enum kafscale_status status;

        send_round(&world, "t");
        do { /* what can't be committed comes again */
            read_any(consumer);
            status = kafscale_consumer_commit(consumer, WAIT_MS, NULL);
            ck_assert(status == KAFSCALE_OK || status == KAFSCALE_CONFLICT);
        } while (status != KAFSCALE_OK);
        ck_assert_uint_eq(poll_partitions(consumer, SESSION_MS / 3), 0);
    }
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

START_TEST(a_commit_tells_how_it_ended)
{
    struct kafscale_consumer *consumer;
    struct kafscale_error error = { 0 };
    struct world world;

    world_init(&world);
    send_round(&world, "t");
    consumer = member_new(&world);
    read_records(consumer, PARTITIONS);
    local_fail(world.testing, "OffsetCommit", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    ck_assert_int_eq(kafscale_consumer_commit(consumer, WAIT_MS, &error), KAFSCALE_UNAVAILABLE);
    local_fail(world.testing, "OffsetCommit", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_ILLEGAL_GENERATION);
    error = (struct kafscale_error){ 0 };
    ck_assert_int_eq(kafscale_consumer_commit(consumer, WAIT_MS, &error), KAFSCALE_CONFLICT);
    ck_assert_str_eq(error.text, "commit: the group has gone on: ILLEGAL_GENERATION");
    local_fail(world.testing, "OffsetCommit", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(kafscale_consumer_commit(consumer, WAIT_MS, &error), KAFSCALE_FAILED);
    commit(consumer);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

START_TEST(who_may_not_join_is_told)
{
    struct kafscale_consumer *consumer;
    struct kafscale_fetched *fetched;
    struct world world;

    world_init(&world);
    local_fail(world.testing, "JoinGroup", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    send_round(&world, "t");
    consumer = member_new(&world);
    fetched = local_next(consumer);
    ck_assert_str_eq(kafscale_fetched_topic(fetched), "");
    ck_assert_int_eq(kafscale_fetched_error(fetched), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    kafscale_fetched_free(fetched);
    subscribe(consumer, "t");
    read_records(consumer, PARTITIONS);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

START_TEST(the_broker_ends_before_its_members)
{
    struct kafscale_consumer *one;
    struct kafscale_consumer *two;
    struct world world;

    world_init(&world);
    send_round(&world, "t");
    one = member_new(&world);
    read_records(one, PARTITIONS);
    two = member_new(&world);
    world_deinit(&world);
    ck_assert_int_eq(kafscale_consumer_commit(one, WAIT_MS, NULL), KAFSCALE_STOPPED);
    ck_assert_int_eq(kafscale_consumer_subscribe(one, NULL, 0, NULL), KAFSCALE_STOPPED);
    kafscale_consumer_free(one);
    kafscale_consumer_free(two);
}
END_TEST

START_TEST(wrong_use_is_told)
{
    struct kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;
    const char *const topics[] = { "t", "" };
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    consumer = kafscale_consumer_new(world.broker, &options, NULL);
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, topics, 1, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_consumer_commit(consumer, 0, NULL), KAFSCALE_INVALID);
    kafscale_consumer_free(consumer);

    options.group_id = "";
    ck_assert_ptr_null(kafscale_consumer_new(world.broker, &options, NULL));
    options.group_id = "g";
    options.session_timeout_ms = 0;
    ck_assert_ptr_null(kafscale_consumer_new(world.broker, &options, NULL));
    options.session_timeout_ms = 1000;
    options.poll_interval_ms = 999;
    ck_assert_ptr_null(kafscale_consumer_new(world.broker, &options, NULL));
    options.poll_interval_ms = 1000;
    consumer = kafscale_consumer_new(world.broker, &options, NULL);
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, topics, 2, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, NULL, 1, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_consumer_commit(consumer, 0, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, topics, 1, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "t", 0, 0, NULL), KAFSCALE_INVALID);
    kafscale_consumer_free(consumer);

    consumer = kafscale_consumer_new(world.broker, &options, NULL);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "t", 0, 0, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_consumer_subscribe(consumer, topics, 1, NULL), KAFSCALE_INVALID);
    kafscale_consumer_free(consumer);
    world_deinit(&world);
}
END_TEST

/* Who takes its partitions itself commits for a group without being in it. */
START_TEST(who_assigns_itself_commits_too)
{
    struct kafscale_consumer_options options = member_options();
    struct kafscale_consumer *consumer;
    struct world world;

    world_init(&world);
    send_round(&world, "t");
    consumer = kafscale_consumer_new(world.broker, &options, NULL);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        ck_assert_int_eq(kafscale_consumer_assign(consumer, "t", i, KAFSCALE_OFFSET_EARLIEST, NULL),
                         KAFSCALE_OK);
    }
    read_records(consumer, PARTITIONS);
    commit(consumer);
    kafscale_consumer_free(consumer);
    expect_all_committed(&world);
    world_deinit(&world);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("local group");
    TCase *tests = tcase_create("all");
    TCase *with_others = tcase_create("with librdkafka");

    tcase_set_timeout(tests, 60);
    tcase_set_timeout(with_others, 60);
    tcase_add_test(tests, the_next_one_goes_on_behind_what_was_committed);
    tcase_add_test(tests, what_a_broker_has_committed_outlives_it);
    tcase_add_test(tests, a_topic_that_comes_later_is_read);
    tcase_add_test(tests, a_consumer_subscribes_anew_and_not_at_all);
    tcase_add_test(tests, members_share_the_partitions);
    tcase_add_test(tests, nothing_is_lost_when_members_come_and_go);
    tcase_add_loop_test(with_others, a_group_is_shared_with_librdkafka, 0, 2);
    tcase_add_test(tests, who_does_not_poll_gives_way);
    tcase_add_test(tests, members_have_callbacks_too);
    tcase_add_test(tests, what_fails_for_a_while_is_tried_again);
    tcase_add_test(tests, a_commit_tells_how_it_ended);
    tcase_add_test(tests, who_may_not_join_is_told);
    tcase_add_test(tests, the_broker_ends_before_its_members);
    tcase_add_test(tests, wrong_use_is_told);
    tcase_add_test(tests, who_assigns_itself_commits_too);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, with_others);
    return suite;
}
