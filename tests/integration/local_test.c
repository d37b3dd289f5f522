/* SPDX-License-Identifier: Apache-2.0 */
/* Producers and consumers inside the broker's process, with each other and with librdkafka. */
#include "local.h"
#include "support.h"
#include "support/main.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const no_settings[] = { NULL };

static struct kafscale_consumer *
consumer_of(struct kafscale_broker *broker, const char *topic, int64_t offset)
{
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *consumer = kafscale_consumer_new(broker, NULL, &error);

    ck_assert_msg(consumer != NULL, "%s", error.text);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, topic, 0, offset, &error), KAFSCALE_OK);
    return consumer;
}

static void
send_numbers(struct kafscale_producer *producer, const char *topic, int first, int count)
{
    char number[16];

    for (int i = first; i < first + count; i++) {
        snprintf(number, sizeof number, "%d", i);
        local_send(producer, topic, 0, number);
    }
}

/* Expects the numbers from `first` to `end`, in order, at their offsets. */
static void
poll_numbers(struct kafscale_consumer *consumer, int first, int end)
{
    while (first < end) {
        struct kafscale_fetched *fetched = local_next(consumer);
        struct kafscale_record record;
        enum kafscale_status status;

        ck_assert_int_eq(kafscale_fetched_error(fetched), KAFKA_ERROR_NONE);
        while ((status = kafscale_fetched_next(fetched, &record, NULL)) == KAFSCALE_OK) {
            char number[16] = "";

            ck_assert_uint_lt(record.value.size, sizeof number);
            memcpy(number, record.value.data, record.value.size);
            ck_assert_int_eq(atoi(number), first);
            ck_assert_int_eq(record.offset, first);
            first++;
        }
        ck_assert_int_eq(status, KAFSCALE_NOT_FOUND);
        kafscale_fetched_free(fetched);
    }
    ck_assert_int_eq(first, end);
}

/* --- Records ---------------------------------------------------------------------------------- */

START_TEST(a_record_arrives_as_it_was_sent)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer = consumer_of(broker, "a", KAFSCALE_OFFSET_EARLIEST);
    struct kafscale_header headers[] = { { local_text("one"), local_text("1") },
                                         { local_text("null"), { NULL, 0 } } };
    struct kafscale_record sent = { .timestamp_ms = 1700000000123,
                                    .key = local_text("key"),
                                    .headers = headers,
                                    .header_count = 2 };
    struct kafscale_fetched *fetched;
    struct kafscale_record found;

    ck_assert_int_eq(kafscale_producer_send(producer, "a", 0, &sent, NULL, NULL), KAFSCALE_OK);
    local_flush(producer);
    ck_assert_int_eq(atomic_load(&seen.count), 1);
    ck_assert_int_eq(seen.offset, 0);
    fetched = local_next(consumer);
    ck_assert_str_eq(kafscale_fetched_topic(fetched), "a");
    ck_assert_int_eq(kafscale_fetched_partition(fetched), 0);
    ck_assert_int_eq(kafscale_fetched_high_watermark(fetched), 1);
    ck_assert_int_eq(kafscale_fetched_next(fetched, &found, NULL), KAFSCALE_OK);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
    /* What was fetched outlives them all. */
    ck_assert_int_eq(found.timestamp_ms, 1700000000123);
    ck_assert_mem_eq(found.key.data, "key", 3);
    ck_assert_ptr_null(found.value.data);
    ck_assert_uint_eq(found.header_count, 2);
    ck_assert_mem_eq(found.headers[0].key.data, "one", 3);
    ck_assert_mem_eq(found.headers[0].value.data, "1", 1);
    ck_assert_ptr_null(found.headers[1].value.data);
    ck_assert_int_eq(kafscale_fetched_next(fetched, &found, NULL), KAFSCALE_NOT_FOUND);
    kafscale_fetched_free(fetched);
}
END_TEST

START_TEST(other_clients_read_what_is_sent_here)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);

    send_numbers(producer, "numbers", 0, 20000);
    local_flush(producer);
    ck_assert_int_eq(atomic_load(&seen.count), 20000);
    expect_numbers(broker, "numbers", 0, 20000);
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(what_other_clients_send_is_read_here)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct kafscale_consumer *consumer = consumer_of(broker, "numbers", KAFSCALE_OFFSET_EARLIEST);
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, broker, NULL);

    produce_numbers(client, "numbers", 0, 0, 5000);
    poll_numbers(consumer, 0, 5000);
    produce_numbers(client, "numbers", 0, 5000, 100);
    poll_numbers(consumer, 5000, 5100);
    rd_kafka_destroy(client);
    kafscale_consumer_free(consumer);
    kafscale_broker_free(broker);
}
END_TEST

/* A consumer that takes its time makes the loop wait, not the memory grow. */
START_TEST(a_small_buffer_holds_the_reading_up)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer;

    options.fetch_bytes = 2000;
    options.buffer_bytes = 3000;
    consumer = kafscale_consumer_new(broker, &options, NULL);
    for (int i = 0; i < 100; i++) {
        send_numbers(producer, "numbers", i * 50, 50);
        local_flush(producer);
    }
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "numbers", 0, 0, NULL), KAFSCALE_OK);
    poll_numbers(consumer, 0, 5000);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(reading_goes_on_where_it_is_told_to)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer = consumer_of(broker, "numbers", 40);
    struct kafscale_error error = { 0 };

    send_numbers(producer, "numbers", 0, 100);
    local_flush(producer);
    poll_numbers(consumer, 40, 100);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "numbers", 0, 95, NULL), KAFSCALE_OK);
    poll_numbers(consumer, 95, 100);
    ck_assert_int_eq(
        kafscale_consumer_assign(consumer, "numbers", 0, KAFSCALE_OFFSET_EARLIEST, NULL),
        KAFSCALE_OK);
    poll_numbers(consumer, 0, 100);
    ck_assert_int_eq(kafscale_consumer_unassign(consumer, "numbers", 0, NULL), KAFSCALE_OK);
    send_numbers(producer, "numbers", 100, 1);
    local_flush(producer);
    ck_assert_ptr_null(kafscale_consumer_poll(consumer, 0, &error));
    ck_assert_int_eq(error.status, KAFSCALE_NOT_FOUND);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(a_position_beyond_the_log_is_reset_or_refused)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer = consumer_of(broker, "numbers", 1000);
    struct kafscale_fetched *fetched;
    struct kafscale_record record;

    send_numbers(producer, "numbers", 0, 10);
    local_flush(producer);
    poll_numbers(consumer, 0, 10);
    kafscale_consumer_free(consumer);
    options.reset = KAFSCALE_RESET_NONE;
    consumer = kafscale_consumer_new(broker, &options, NULL);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "numbers", 0, 1000, NULL), KAFSCALE_OK);
    fetched = local_next(consumer);
    ck_assert_int_eq(kafscale_fetched_error(fetched), KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(kafscale_fetched_next(fetched, &record, NULL), KAFSCALE_NOT_FOUND);
    kafscale_fetched_free(fetched);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "numbers", 0, 0, NULL), KAFSCALE_OK);
    poll_numbers(consumer, 0, 10);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(keys_decide_where_records_go)
{
    const char *const settings[] = { "num.partitions", "7", NULL };
    struct kafscale_broker *broker = broker_start(settings);
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer = kafscale_consumer_new(broker, NULL, NULL);
    struct kafscale_record record = { .timestamp_ms = -1, .key = local_text("foobar") };
    struct kafscale_fetched *fetched;

    for (int32_t i = 0; i < 7; i++) {
        ck_assert_int_eq(kafscale_consumer_assign(consumer, "a", i, 0, NULL), KAFSCALE_OK);
    }
    ck_assert_int_eq(kafscale_producer_send(producer, "a", -1, &record, NULL, NULL), KAFSCALE_OK);
    fetched = local_next(consumer);
    /* Kafka's murmur2 of it is -790332482. */
    ck_assert_int_eq(kafscale_fetched_partition(fetched), (-790332482 & INT32_MAX) % 7);
    kafscale_fetched_free(fetched);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
}
END_TEST

/* --- Threads ---------------------------------------------------------------------------------- */

#define SENDERS 4
#define SENT_BY_EACH 5000

struct sending_thread {
    struct kafscale_producer *producer;
    pthread_t thread;
    int32_t partition;
};

static void *
send_all(void *arg)
{
    struct sending_thread *self = arg;
    char number[16];

    for (int i = 0; i < SENT_BY_EACH; i++) {
        struct kafscale_record record;

        snprintf(number, sizeof number, "%d", i);
        record = local_record(number);
        if (kafscale_producer_send(self->producer, "numbers", self->partition, &record, NULL,
                                   NULL) != KAFSCALE_OK) {
            break;
        }
    }
    return NULL;
}

START_TEST(many_threads_send_through_one_producer)
{
    const char *const settings[] = { "num.partitions", "4", NULL };
    struct kafscale_broker *broker = broker_start(settings);
    struct sending_thread threads[SENDERS];
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);

    for (int i = 0; i < SENDERS; i++) {
        threads[i] = (struct sending_thread){ .producer = producer, .partition = i };
        ck_assert_int_eq(pthread_create(&threads[i].thread, NULL, send_all, &threads[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i].thread, NULL);
    }
    local_flush(producer);
    ck_assert_int_eq(atomic_load(&seen.count), SENDERS * SENT_BY_EACH);
    for (int32_t i = 0; i < SENDERS; i++) {
        expect_numbers(broker, "numbers", i, SENT_BY_EACH);
    }
    kafscale_producer_free(producer);
    kafscale_broker_free(broker);
}
END_TEST

/* Each record that was taken is told of, whenever the broker goes. */
START_TEST(the_broker_stops_while_many_send)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct sending_thread thread;
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer = consumer_of(broker, "numbers", 0);
    struct kafscale_record record = local_record("late");
    struct kafscale_error error = { 0 };

    thread = (struct sending_thread){ .producer = producer };
    ck_assert_int_eq(pthread_create(&thread.thread, NULL, send_all, &thread), 0);
    kafscale_fetched_free(local_next(consumer));
    kafscale_broker_free(broker);
    pthread_join(thread.thread, NULL);
    ck_assert_int_eq(kafscale_producer_send(producer, "numbers", 0, &record, NULL, &error),
                     KAFSCALE_STOPPED);
    ck_assert_int_eq(kafscale_producer_flush(producer, 0, NULL), KAFSCALE_OK);
    ck_assert_int_gt(atomic_load(&seen.count), 0);
    while (kafscale_consumer_poll(consumer, 0, &error) != NULL) {
    }
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "numbers", 0, 0, &error), KAFSCALE_STOPPED);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
}
END_TEST

START_TEST(who_is_freed_with_records_under_way_tells_of_them)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);

    send_numbers(producer, "numbers", 0, 1000);
    kafscale_producer_free(producer);
    ck_assert_int_eq(atomic_load(&seen.count) + atomic_load(&seen.failed), 1000);
    kafscale_broker_free(broker);
}
END_TEST

static void
count_records(void *arg, struct kafscale_fetched *fetched)
{
    atomic_int *count = arg;
    struct kafscale_record record;

    while (kafscale_fetched_next(fetched, &record, NULL) == KAFSCALE_OK) {
        atomic_fetch_add(count, 1);
    }
    kafscale_fetched_free(fetched);
}

/* The whole life on a loop of the host: everything on one thread. */
struct host {
    struct event_base *base;
    struct kafscale_broker *broker;
    struct kafscale_producer *producer;
    struct kafscale_consumer *consumer;
    struct event *tick;
    atomic_int read_count;
    int sent_count;
    struct local_seen seen;
};

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct host *host = arg;
    struct kafscale_record record = local_record("x");
    struct timeval soon = { .tv_usec = 1000 };

    (void) fd;
    (void) what;
    if (host->sent_count < 100 &&
        kafscale_producer_send(host->producer, "a", 0, &record, NULL, NULL) == KAFSCALE_OK) {
        host->sent_count++;
    }
    if (atomic_load(&host->read_count) == 100) {
        kafscale_producer_free(host->producer);
        kafscale_consumer_free(host->consumer);
        kafscale_broker_stop(host->broker, NULL, NULL);
        return;
    }
    event_add(host->tick, &soon);
}

START_TEST(a_loop_of_the_host_has_them_too)
{
    struct host host = { .base = event_base_new(), .broker = broker_new(no_settings) };
    struct kafscale_consumer_options options = KAFSCALE_CONSUMER_OPTIONS;
    struct timeval soon = { 0 };

    options.fetched = count_records;
    options.fetched_arg = &host.read_count;
    ck_assert_ptr_null(kafscale_producer_new(host.broker, NULL, NULL));
    ck_assert_int_eq(kafscale_broker_start(host.broker, host.base, NULL), KAFSCALE_OK);
    host.producer = local_producer(host.broker, &host.seen);
    host.consumer = kafscale_consumer_new(host.broker, &options, NULL);
    ck_assert_int_eq(kafscale_consumer_assign(host.consumer, "a", 0, 0, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_producer_flush(host.producer, 0, NULL), KAFSCALE_INVALID);
    host.tick = event_new(host.base, -1, 0, on_tick, &host);
    event_add(host.tick, &soon);
    event_base_dispatch(host.base);
    ck_assert_int_eq(atomic_load(&host.seen.count), 100);
    event_free(host.tick);
    kafscale_broker_free(host.broker);
    event_base_free(host.base);
}
END_TEST

/* --- A broker that fails ---------------------------------------------------------------------- */

/* Answers that are lost or changed, refusals, and deaths: each record is there once. */
START_TEST(nothing_is_lost_or_doubled_by_a_broker_that_fails)
{
    struct kafscale_error error = { 0 };
    struct kafscale_testing *testing = kafscale_testing_start(NULL, &error);
    struct kafscale_broker *broker = kafscale_testing_broker(testing);
    struct local_seen seen = { 0 };
    struct kafscale_producer *producer = local_producer(broker, &seen);
    struct kafscale_consumer *consumer = consumer_of(broker, "numbers", KAFSCALE_OFFSET_EARLIEST);

    local_fail(testing, "Produce", 2, KAFSCALE_TESTING_ERROR_AFTER, KAFKA_ERROR_REQUEST_TIMED_OUT);
    local_fail(testing, "Produce", 2, KAFSCALE_TESTING_CLOSE_AFTER, 0);
    local_fail(testing, "Produce", 2, KAFSCALE_TESTING_ERROR, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    local_fail(testing, "Metadata", 1, KAFSCALE_TESTING_CLOSE, 0);
    local_fail(testing, "InitProducerId", 1, KAFSCALE_TESTING_ERROR,
               KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    local_fail(testing, "Fetch", 2, KAFSCALE_TESTING_CLOSE_AFTER, 0);
    for (int i = 0; i < 10; i++) {
        send_numbers(producer, "numbers", i * 100, 100);
        if (i == 4 || i == 7) {
            ck_assert_msg(kafscale_testing_restart(
                              testing, i == 4 ? KAFSCALE_TESTING_KILLED : KAFSCALE_TESTING_IN_ORDER,
                              WAIT_MS, &error) == KAFSCALE_OK,
                          "%s", error.text);
        }
    }
    local_flush(producer);
    ck_assert_int_eq(atomic_load(&seen.count), 1000);
    poll_numbers(consumer, 0, 1000);
    expect_numbers(broker, "numbers", 0, 1000);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_testing_free(testing);
}
END_TEST

/* --- Wrong use -------------------------------------------------------------------------------- */

START_TEST(wrong_use_is_told)
{
    const char *const settings[] = { "auto.create.topics.enable", "false", NULL };
    struct kafscale_broker *broker = broker_start(settings);
    struct kafscale_producer_options options = KAFSCALE_PRODUCER_OPTIONS;
    struct kafscale_record record = local_record("x");
    struct kafscale_error error = { 0 };
    struct kafscale_producer *producer;
    struct kafscale_consumer *consumer = kafscale_consumer_new(broker, NULL, NULL);

    options.size = 8;
    ck_assert_ptr_null(kafscale_producer_new(broker, &options, &error));
    ck_assert_str_eq(error.text, "producer options: begin with KAFSCALE_PRODUCER_OPTIONS");
    options = (struct kafscale_producer_options) KAFSCALE_PRODUCER_OPTIONS;
    options.batch_bytes = 10;
    ck_assert_ptr_null(kafscale_producer_new(broker, &options, NULL));
    options = (struct kafscale_producer_options) KAFSCALE_PRODUCER_OPTIONS;
    options.block_ms = 300;
    producer = kafscale_producer_new(broker, &options, NULL);
    ck_assert_int_eq(kafscale_producer_send(producer, "", 0, &record, NULL, NULL),
                     KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_producer_send(producer, "a", -2, &record, NULL, NULL),
                     KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_producer_send(producer, "../a", 0, &record, NULL, NULL),
                     KAFSCALE_INVALID);
    error = (struct kafscale_error){ 0 };
    ck_assert_int_eq(kafscale_producer_send(producer, "nowhere", 0, &record, NULL, &error),
                     KAFSCALE_NOT_FOUND);
    ck_assert_str_eq(error.text, "send to nowhere: UNKNOWN_TOPIC_OR_PARTITION");
    record.value.data = NULL;
    ck_assert_int_eq(kafscale_producer_send(producer, "nowhere", 0, &record, NULL, NULL),
                     KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "a", -1, 0, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_consumer_assign(consumer, "a", 0, -7, NULL), KAFSCALE_INVALID);
    kafscale_consumer_free(consumer);
    kafscale_producer_free(producer);
    kafscale_consumer_free(NULL);
    kafscale_producer_free(NULL);
    kafscale_broker_free(broker);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("local");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_record_arrives_as_it_was_sent);
    tcase_add_test(tests, other_clients_read_what_is_sent_here);
    tcase_add_test(tests, what_other_clients_send_is_read_here);
    tcase_add_test(tests, a_small_buffer_holds_the_reading_up);
    tcase_add_test(tests, reading_goes_on_where_it_is_told_to);
    tcase_add_test(tests, a_position_beyond_the_log_is_reset_or_refused);
    tcase_add_test(tests, keys_decide_where_records_go);
    tcase_add_test(tests, many_threads_send_through_one_producer);
    tcase_add_test(tests, the_broker_stops_while_many_send);
    tcase_add_test(tests, who_is_freed_with_records_under_way_tells_of_them);
    tcase_add_test(tests, a_loop_of_the_host_has_them_too);
    tcase_add_test(tests, nothing_is_lost_or_doubled_by_a_broker_that_fails);
    tcase_add_test(tests, wrong_use_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}
