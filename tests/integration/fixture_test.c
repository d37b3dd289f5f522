/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixture of kafscale/testing.h, with librdkafka at its default settings: whatever is done to
 * the broker, what was acknowledged is there, once and in order.
 */
#include "support.h"
#include "support/main.h"
#include <stdio.h>
#include <string.h>

#define WAIT_MS 30000
#define HOUR_MS ((int64_t) 3600 * 1000)
#define REQUEST_TIMED_OUT 7
#define NOT_COORDINATOR 16

static const char *const nothing[] = { NULL };
static const char *const idempotent[] = { "enable.idempotence",
                                          "true",
                                          "retry.backoff.ms",
                                          "10",
                                          "reconnect.backoff.ms",
                                          "10",
                                          "reconnect.backoff.max.ms",
                                          "100",
                                          NULL };

static struct kafscale_testing *
start_with(struct kafscale_testing_options options)
{
    static const struct kafscale_testing_topic topic = { .name = "a", .partitions = 1 };
    struct kafscale_error error = { 0 };
    struct kafscale_testing *testing;

    options.size = sizeof options;
    if (options.topics == NULL) {
        options.topics = &topic;
        options.topic_count = 1;
    }
    testing = kafscale_testing_start(&options, &error);
    ck_assert_msg(testing != NULL, "%s", error.text);
    return testing;
}

static struct kafscale_testing *
start(void)
{
    return start_with((struct kafscale_testing_options){ 0 });
}

static void
ok(enum kafscale_status status, const struct kafscale_error *error)
{
    ck_assert_msg(status == KAFSCALE_OK, "%d: %s", (int) status, error->text);
}

static void
fail_requests(struct kafscale_testing *testing, struct kafscale_testing_fault fault)
{
    struct kafscale_error error = { 0 };

    fault.size = sizeof fault;
    ok(kafscale_testing_fail_requests(testing, &fault, &error), &error);
}

static void
fail_store(struct kafscale_testing *testing, struct kafscale_testing_store_fault fault)
{
    struct kafscale_error error = { 0 };

    fault.size = sizeof fault;
    ok(kafscale_testing_fail_store(testing, &fault, &error), &error);
}

static void
clear_faults(struct kafscale_testing *testing)
{
    struct kafscale_error error = { 0 };

    ok(kafscale_testing_clear_faults(testing, &error), &error);
}

static void
restart(struct kafscale_testing *testing, enum kafscale_testing_end end)
{
    struct kafscale_error error = { 0 };

    ok(kafscale_testing_restart(testing, end, WAIT_MS, &error), &error);
}

static void
advance(struct kafscale_testing *testing, int64_t duration_ms)
{
    struct kafscale_error error = { 0 };

    ok(kafscale_testing_advance(testing, duration_ms, &error), &error);
}

static rd_kafka_t *
producer_of(struct kafscale_testing *testing, const char *const *settings)
{
    return client_new(RD_KAFKA_PRODUCER, kafscale_testing_broker(testing), settings);
}

static void
produce(struct kafscale_testing *testing, int first, int count)
{
    rd_kafka_t *producer = producer_of(testing, idempotent);

    produce_numbers(producer, "a", 0, first, count);
    rd_kafka_destroy(producer);
}

static void
expect(struct kafscale_testing *testing, int count)
{
    expect_numbers(kafscale_testing_broker(testing), "a", 0, count);
}

static uint64_t
count_of(struct kafscale_testing *testing, const char *api)
{
    struct kafscale_error error = { 0 };
    uint64_t count = 0;

    ok(kafscale_testing_count_requests(testing, api, &count, &error), &error);
    return count;
}

/* --- Topics ----------------------------------------------------------------------------------- */

START_TEST(topics_are_there_at_once)
{
    static const char *const configs[] = { "retention.ms", "1000", NULL };
    static const char *const wrong[] = { "retention.ms", "soon", NULL };
    static const struct kafscale_testing_topic topics[] = {
        { .name = "orders", .partitions = 3, .configs = configs },
        { .name = "others" },
    };
    struct kafscale_testing *testing =
        start_with((struct kafscale_testing_options){ .topics = topics, .topic_count = 2 });
    struct kafscale_testing_topic more = { .name = "more", .partitions = 2, .configs = wrong };
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_testing_create_topic(testing, &topics[0], &error), KAFSCALE_EXISTS);
    error = (struct kafscale_error){ 0 };
    ck_assert_int_eq(kafscale_testing_create_topic(testing, &more, &error), KAFSCALE_INVALID);
    ck_assert_ptr_nonnull(strstr(error.text, "more"));
    more.configs = NULL;
    error = (struct kafscale_error){ 0 };
    ok(kafscale_testing_create_topic(testing, &more, &error), &error);
    more.name = "no/name";
    ck_assert_int_eq(kafscale_testing_create_topic(testing, &more, NULL), KAFSCALE_INVALID);
    ok(kafscale_testing_wait_records(testing, "orders", -1, 0, 0, &error), &error);
    ck_assert_int_eq(kafscale_testing_wait_records(testing, "orders", 2, 1, 0, NULL),
                     KAFSCALE_UNAVAILABLE);
    kafscale_testing_free(testing);
}
END_TEST

START_TEST(records_are_waited_for)
{
    struct kafscale_testing *testing = start();
    struct kafscale_error error = { 0 };

    produce(testing, 0, 10);
    ok(kafscale_testing_wait_records(testing, "a", 0, 10, WAIT_MS, &error), &error);
    ok(kafscale_testing_wait_records(testing, "a", -1, 10, WAIT_MS, &error), &error);
    ck_assert_int_eq(kafscale_testing_wait_records(testing, "a", 0, 11, 5, &error),
                     KAFSCALE_UNAVAILABLE);
    kafscale_testing_free(testing);
}
END_TEST

/* --- Restarts --------------------------------------------------------------------------------- */

START_TEST(what_was_acknowledged_survives_every_end)
{
    struct kafscale_testing *testing = start();
    char address[64];

    snprintf(address, sizeof address, "%s", kafscale_testing_bootstrap(testing));
    produce(testing, 0, 100);
    restart(testing, KAFSCALE_TESTING_IN_ORDER);
    produce(testing, 100, 100);
    restart(testing, KAFSCALE_TESTING_KILLED);
    restart(testing, KAFSCALE_TESTING_KILLED);
    ck_assert_str_eq(kafscale_testing_bootstrap(testing), address);
    expect(testing, 200);
    kafscale_testing_free(testing);
}
END_TEST

START_TEST(a_directory_is_found_again)
{
    char path[64];
    char store[80];
    const char *settings[] = { "store", store, NULL };
    struct kafscale_testing *testing;

    directory_make(path);
    snprintf(store, sizeof store, "dir:%s", path);
    testing = start_with((struct kafscale_testing_options){ .settings = settings });
    produce(testing, 0, 50);
    restart(testing, KAFSCALE_TESTING_KILLED);
    produce(testing, 50, 50);
    restart(testing, KAFSCALE_TESTING_IN_ORDER);
    expect(testing, 100);
    kafscale_testing_free(testing);
    directory_remove(path);
}
END_TEST

/* A producer that goes on through everything gets each record in once, in its order. */
START_TEST(an_idempotent_producer_survives_kills)
{
    struct kafscale_testing *testing = start();
    rd_kafka_t *producer = producer_of(testing, idempotent);

    for (int round = 0; round < 5; round++) {
        for (int i = round * 20; i < round * 20 + 20; i++) {
            char text[16];
            size_t size = (size_t) snprintf(text, sizeof text, "%d", i);

            ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("a"),
                                               RD_KAFKA_V_PARTITION(0),
                                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                               RD_KAFKA_V_VALUE(text, size), RD_KAFKA_V_END),
                             RD_KAFKA_RESP_ERR_NO_ERROR);
        }
        restart(testing, round % 2 == 0 ? KAFSCALE_TESTING_KILLED : KAFSCALE_TESTING_IN_ORDER);
    }
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
    expect(testing, 100);
    kafscale_testing_free(testing);
}
END_TEST

/* --- Requests that fail ----------------------------------------------------------------------- */

/* What idempotence is for: done, and the client can't know. */
START_TEST(lost_answers_repeat_nothing)
{
    struct kafscale_testing *testing = start();

    fail_requests(testing, (struct kafscale_testing_fault){ .api = "Produce",
                                                            .count = 2,
                                                            .fate = KAFSCALE_TESTING_CLOSE_AFTER });
    fail_requests(testing, (struct kafscale_testing_fault){ .api = "Produce",
                                                            .count = 2,
                                                            .fate = KAFSCALE_TESTING_ERROR_AFTER,
                                                            .error = REQUEST_TIMED_OUT });
    fail_requests(testing, (struct kafscale_testing_fault){
                               .api = "Produce", .count = 1, .fate = KAFSCALE_TESTING_CLOSE });
    produce(testing, 0, 20);
    ck_assert_uint_ge(count_of(testing, "Produce"), 6);
    expect(testing, 20);
    kafscale_testing_free(testing);
}
END_TEST

struct seen {
    size_t count;
    size_t faulted;
    size_t failed;
    size_t slow;
};

static void
see(void *arg, const struct kafscale_testing_request *request)
{
    struct seen *seen = arg;

    ck_assert_str_ne(request->api, "?");
    ck_assert_str_eq(request->client_address, "127.0.0.1");
    ck_assert_uint_gt(request->connection, 0);
    seen->count++;
    seen->faulted += request->is_faulted ? 1 : 0;
    seen->failed += request->error == NOT_COORDINATOR && request->api_key == 11 ? 1 : 0;
    seen->slow += request->duration_ms >= 20 ? 1 : 0;
}

static rd_kafka_t *
join_group(struct kafscale_testing *testing)
{
    static const char *const settings[] = { "group.id", "g", "retry.backoff.ms", "10", NULL };
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_t *consumer =
        client_new(RD_KAFKA_CONSUMER, kafscale_testing_broker(testing), settings);

    rd_kafka_topic_partition_list_add(topics, "a", RD_KAFKA_PARTITION_UA);
    ck_assert_int_eq(rd_kafka_subscribe(consumer, topics), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

/*
 * A consumer joins only while somebody asks it for records. The group is stable before the answer
 * that is held back says so.
 */
static void
poll_until_stable(struct kafscale_testing *testing, rd_kafka_t *consumer)
{
    for (int i = 0; i < 300; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);

        if (message != NULL) {
            rd_kafka_message_destroy(message);
        }
        if (kafscale_testing_wait_group(testing, "g", 1, 0, NULL) == KAFSCALE_OK &&
            count_of(testing, "SyncGroup") > 0) {
            return;
        }
    }
    ck_abort_msg("the group isn't stable");
}

START_TEST(a_group_gets_over_errors_and_is_waited_for)
{
    struct kafscale_testing *testing = start();
    struct kafscale_error error = { 0 };
    struct seen seen = { 0 };
    rd_kafka_t *consumer;

    ok(kafscale_testing_wait_group(testing, "g", 0, 0, &error), &error);
    fail_requests(testing, (struct kafscale_testing_fault){ .api = "JoinGroup",
                                                            .client_id = "rdkafka",
                                                            .count = 2,
                                                            .fate = KAFSCALE_TESTING_ERROR,
                                                            .error = NOT_COORDINATOR });
    fail_requests(testing, (struct kafscale_testing_fault){
                               .api = "SyncGroup", .count = 1, .before_ms = 10, .after_ms = 10 });
    consumer = join_group(testing);
    poll_until_stable(testing, consumer);
    ok(kafscale_testing_visit_requests(testing, see, &seen, &error), &error);
    ck_assert_uint_eq(seen.count, count_of(testing, NULL));
    ck_assert_uint_eq(seen.failed, 2);
    ck_assert_uint_eq(seen.faulted, 3);
    ck_assert_uint_ge(seen.slow, 1);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    ok(kafscale_testing_wait_group(testing, "g", 0, WAIT_MS, &error), &error);
    ok(kafscale_testing_clear_requests(testing, &error), &error);
    ck_assert_uint_eq(count_of(testing, NULL), 0);
    kafscale_testing_free(testing);
}
END_TEST

/* --- Connections and time --------------------------------------------------------------------- */

static int
produced_within(struct kafscale_testing *testing, rd_kafka_t *producer, int timeout_ms)
{
    (void) testing;
    ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("a"), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE((void *) (uintptr_t) "0", (size_t) 1),
                                       RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    return rd_kafka_flush(producer, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

START_TEST(a_paused_broker_answers_when_it_goes_on)
{
    struct kafscale_testing *testing = start();
    struct kafscale_error error = { 0 };
    rd_kafka_t *producer;

    ok(kafscale_testing_pause(testing, true, &error), &error);
    producer = producer_of(testing, nothing);
    ck_assert(!produced_within(testing, producer, 100));
    ck_assert_uint_eq(count_of(testing, NULL), 0);
    ok(kafscale_testing_pause(testing, false, &error), &error);
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
    expect(testing, 1);
    kafscale_testing_free(testing);
}
END_TEST

START_TEST(clients_come_again_when_they_may)
{
    struct kafscale_testing *testing = start();
    rd_kafka_t *producer = producer_of(testing, idempotent);
    struct kafscale_error error = { 0 };

    produce_numbers(producer, "a", 0, 0, 1);
    ok(kafscale_testing_refuse(testing, true, &error), &error);
    ok(kafscale_testing_drop_connections(testing, &error), &error);
    restart(testing, KAFSCALE_TESTING_KILLED);
    ok(kafscale_testing_clear_requests(testing, &error), &error);
    ck_assert(!produced_within(testing, producer, 100));
    ck_assert_uint_eq(count_of(testing, NULL), 0);
    ok(kafscale_testing_refuse(testing, false, &error), &error);
    ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
    kafscale_testing_free(testing);
}
END_TEST

/* A member that dies without a word is put out when its time is over, which is at once. */
START_TEST(sessions_end_in_an_instant)
{
    struct kafscale_testing *testing = start();
    struct kafscale_error error = { 0 };
    rd_kafka_t *consumer = join_group(testing);

    poll_until_stable(testing, consumer);
    rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ok(kafscale_testing_wait_group(testing, "g", 1, 0, &error), &error);
    advance(testing, HOUR_MS);
    ok(kafscale_testing_wait_group(testing, "g", 0, WAIT_MS, &error), &error);
    kafscale_testing_free(testing);
}
END_TEST

static int64_t
start_of(struct kafscale_testing *testing)
{
    rd_kafka_t *producer = producer_of(testing, nothing);
    int64_t low = -1;
    int64_t high = -1;

    ck_assert_int_eq(rd_kafka_query_watermark_offsets(producer, "a", 0, &low, &high, WAIT_MS),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    ck_assert_int_eq(high, 10);
    rd_kafka_destroy(producer);
    return low;
}

START_TEST(records_grow_old_in_an_instant)
{
    static const char *const configs[] = { "retention.ms", "3600000", NULL };
    static const struct kafscale_testing_topic topic = { .name = "a",
                                                         .partitions = 1,
                                                         .configs = configs };
    struct kafscale_testing *testing =
        start_with((struct kafscale_testing_options){ .topics = &topic, .topic_count = 1 });

    produce(testing, 0, 10);
    advance(testing, HOUR_MS / 2);
    ck_assert_int_eq(start_of(testing), 0);
    advance(testing, 24 * HOUR_MS);
    ck_assert_int_eq(start_of(testing), 10);
    kafscale_testing_free(testing);
}
END_TEST

START_TEST(a_still_clock_moves_when_told)
{
    struct kafscale_testing *testing =
        start_with((struct kafscale_testing_options){ .is_clock_still = true });
    struct kafscale_error error = { 0 };
    struct seen seen = { 0 };

    fail_requests(testing, (struct kafscale_testing_fault){ .api = "Produce", .after_ms = 5000 });
    {
        rd_kafka_t *producer = producer_of(testing, nothing);

        ck_assert(!produced_within(testing, producer, 100));
        ok(kafscale_testing_wait_records(testing, "a", 0, 1, WAIT_MS, &error), &error);
        advance(testing, 4999);
        ck_assert(rd_kafka_flush(producer, 50) != RD_KAFKA_RESP_ERR_NO_ERROR);
        advance(testing, 1);
        ck_assert_int_eq(rd_kafka_flush(producer, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_destroy(producer);
    }
    ok(kafscale_testing_visit_requests(testing, see, &seen, &error), &error);
    ck_assert_uint_eq(seen.slow, 1);
    kafscale_testing_free(testing);
}
END_TEST

/* --- The store -------------------------------------------------------------------------------- */

START_TEST(a_failing_store_loses_and_repeats_nothing)
{
    struct kafscale_testing *testing = start();

    fail_store(testing, (struct kafscale_testing_store_fault){
                            .operation = "PUT", .count = 2, .fate = KAFSCALE_TESTING_STORE_FULL });
    fail_store(testing, (struct kafscale_testing_store_fault){
                            .operation = "PUT", .count = 1, .fate = KAFSCALE_TESTING_STORE_BUSY });
    fail_store(testing,
               (struct kafscale_testing_store_fault){
                   .operation = "PUT", .count = 1, .fate = KAFSCALE_TESTING_STORE_TIMEOUT });
    fail_store(testing, (struct kafscale_testing_store_fault){
                            .operation = "PUT", .count = 1, .fate = KAFSCALE_TESTING_STORE_LOST });
    fail_store(testing, (struct kafscale_testing_store_fault){
                            .count = 5, .fate = KAFSCALE_TESTING_STORE_SLOW, .delay_ms = 5 });
    produce(testing, 0, 100);
    expect(testing, 100);
    kafscale_testing_free(testing);
}
END_TEST

START_TEST(a_broker_waits_for_its_store)
{
    struct kafscale_testing *testing = start();
    struct kafscale_error error = { 0 };

    produce(testing, 0, 10);
    fail_store(testing,
               (struct kafscale_testing_store_fault){ .fate = KAFSCALE_TESTING_STORE_DENIED });
    ck_assert_int_eq(kafscale_testing_restart(testing, KAFSCALE_TESTING_KILLED, 50, &error),
                     KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(kafscale_broker_state(kafscale_testing_broker(testing)),
                     KAFSCALE_BROKER_STARTING);
    ck_assert_int_eq(kafscale_testing_restart(testing, KAFSCALE_TESTING_KILLED, 50, NULL),
                     KAFSCALE_INVALID);
    clear_faults(testing);
    expect(testing, 10);
    kafscale_testing_free(testing);
}
END_TEST

START_TEST(an_outage_does_not_hold_up_the_end)
{
    static const char *const patient[] = { "message.timeout.ms", "60000", NULL };
    struct kafscale_testing *testing = start();
    rd_kafka_t *producer = producer_of(testing, patient);

    fail_store(testing,
               (struct kafscale_testing_store_fault){ .fate = KAFSCALE_TESTING_STORE_UNAVAILABLE });
    ck_assert(!produced_within(testing, producer, 100));
    kafscale_testing_free(testing);
    ck_assert_int_eq(rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_destroy(producer);
}
END_TEST

/* --- Wrong use -------------------------------------------------------------------------------- */

static void
expect_refused(struct kafscale_testing *testing, struct kafscale_testing_fault fault,
               const char *why)
{
    struct kafscale_error error = { 0 };

    fault.size = fault.size == 0 ? sizeof fault : fault.size;
    ck_assert_int_eq(kafscale_testing_fail_requests(testing, &fault, &error), KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
}

START_TEST(wrong_use_is_told)
{
    static const char *const outside[] = { "listen", "0.0.0.0:0", NULL };
    struct kafscale_testing_options options = { .size = sizeof options, .settings = outside };
    struct kafscale_testing *testing = start();
    struct kafscale_error error = { 0 };
    struct kafscale_testing_store_fault store = { .size = sizeof store, .operation = "POST" };

    ck_assert_ptr_null(kafscale_testing_start(&options, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "loopback"));
    options.size = 8;
    ck_assert_ptr_null(kafscale_testing_start(&options, NULL));
    expect_refused(testing, (struct kafscale_testing_fault){ .size = 4 }, "size");
    expect_refused(testing, (struct kafscale_testing_fault){ .api = "Produced" }, "Produced");
    expect_refused(testing, (struct kafscale_testing_fault){ .fate = KAFSCALE_TESTING_ERROR },
                   "error code");
    expect_refused(testing, (struct kafscale_testing_fault){ .before_ms = -1 }, "negative");
    ck_assert_int_eq(kafscale_testing_fail_store(testing, &store, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_testing_advance(testing, -1, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_testing_count_requests(testing, "?", NULL, NULL), KAFSCALE_INVALID);
    kafscale_testing_free(testing);
    kafscale_testing_free(NULL);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("integration fixture");
    TCase *tests = tcase_create("fixture");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, topics_are_there_at_once);
    tcase_add_test(tests, records_are_waited_for);
    tcase_add_test(tests, what_was_acknowledged_survives_every_end);
    tcase_add_test(tests, a_directory_is_found_again);
    tcase_add_test(tests, an_idempotent_producer_survives_kills);
    tcase_add_test(tests, lost_answers_repeat_nothing);
    tcase_add_test(tests, a_group_gets_over_errors_and_is_waited_for);
    tcase_add_test(tests, a_paused_broker_answers_when_it_goes_on);
    tcase_add_test(tests, clients_come_again_when_they_may);
    tcase_add_test(tests, sessions_end_in_an_instant);
    tcase_add_test(tests, records_grow_old_in_an_instant);
    tcase_add_test(tests, a_still_clock_moves_when_told);
    tcase_add_test(tests, a_failing_store_loses_and_repeats_nothing);
    tcase_add_test(tests, a_broker_waits_for_its_store);
    tcase_add_test(tests, an_outage_does_not_hold_up_the_end);
    tcase_add_test(tests, wrong_use_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}
