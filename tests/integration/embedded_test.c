/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brokers inside this process, through the public library, and librdkafka at its default settings
 * talking to them.
 */
#include "support.h"
#include "support/main.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const no_settings[] = { NULL };
static const char *const idempotent[] = { "enable.idempotence", "true", NULL };

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
produce_and_expect(const struct kafscale_broker *broker, const char *topic, int count,
                   const char *const *producer_settings)
{
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, broker, producer_settings);

    produce_numbers(producer, topic, 0, 0, count);
    rd_kafka_destroy(producer);
    expect_numbers(broker, topic, 0, count);
}

START_TEST(what_an_idempotent_producer_sent_comes_back_in_order)
{
    struct kafscale_broker *broker = broker_start(no_settings);

    produce_and_expect(broker, "numbers", 10000, idempotent);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(every_codec_passes_through)
{
    static const char *const codecs[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    struct kafscale_broker *broker = broker_start(no_settings);

    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        const char *const settings[] = { "compression.codec", codecs[i], NULL };

        produce_and_expect(broker, codecs[i], 1000, settings);
    }
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(a_directory_store_keeps_records_over_restarts)
{
    char path[64];
    char store[80];
    const char *const settings[] = { "store", store, NULL };
    struct kafscale_broker *broker;
    rd_kafka_t *producer;

    directory_make(path);
    snprintf(store, sizeof store, "dir:%s/data", path);
    for (int round = 0; round < 3; round++) {
        broker = broker_start(settings);
        producer = client_new(RD_KAFKA_PRODUCER, broker, idempotent);
        produce_numbers(producer, "kept", 0, round * 100, 100);
        rd_kafka_destroy(producer);
        kafscale_broker_free(broker);
    }
    broker = broker_start(settings);
    expect_numbers(broker, "kept", 0, 300);
    kafscale_broker_free(broker);
    directory_remove(path);
}
END_TEST

START_TEST(several_brokers_live_in_one_process)
{
    struct kafscale_broker *one = broker_start(no_settings);
    struct kafscale_broker *two = broker_start(no_settings);

    ck_assert_uint_ne(kafscale_broker_port(one), kafscale_broker_port(two));
    produce_and_expect(one, "same", 10, NULL);
    produce_and_expect(two, "same", 20, NULL);
    kafscale_broker_free(one);
    expect_numbers(two, "same", 0, 20);
    kafscale_broker_free(two);
}
END_TEST

START_TEST(several_listeners_and_ipv6_work)
{
    const char *const settings[] = { "listen", "127.0.0.1:0,[::1]:0", NULL };
    struct kafscale_broker *broker = broker_start(settings);

    ck_assert_int_eq(strncmp(kafscale_broker_address(broker, 0), "127.0.0.1:", 10), 0);
    ck_assert_int_eq(strncmp(kafscale_broker_address(broker, 1), "[::1]:", 6), 0);
    ck_assert_ptr_null(kafscale_broker_address(broker, 2));
    produce_and_expect(broker, "a", 10, NULL);
    kafscale_broker_free(broker);
}
END_TEST

/* --- Starting and stopping -------------------------------------------------------------------- */

/* The states in the order in which they came, one letter each. */
struct states {
    char letters[16];
    size_t count;
    enum kafscale_status why;
};

static void
on_changed(void *arg, enum kafscale_broker_state state, const struct kafscale_error *error)
{
    struct states *states = arg;

    ck_assert_uint_lt(states->count, sizeof states->letters - 1);
    states->letters[states->count++] = "NSRXFsE"[state];
    if (error != NULL) {
        states->why = error->status;
    }
}

START_TEST(the_states_come_in_their_order)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct states states = { 0 };

    kafscale_broker_set_changed(broker, on_changed, &states);
    ck_assert_int_eq(kafscale_broker_state(broker), KAFSCALE_BROKER_NEW);
    ck_assert_uint_eq(kafscale_broker_port(broker), 0);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_OK);
    ck_assert_uint_ne(kafscale_broker_port(broker), 0);
    ck_assert_int_eq(kafscale_broker_wait_ready(broker, 10000, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_broker_state(broker), KAFSCALE_BROKER_READY);
    kafscale_broker_free(broker);
    ck_assert_str_eq(states.letters, "SRsE");
}
END_TEST

START_TEST(a_broker_that_was_never_started_can_be_freed)
{
    kafscale_broker_free(broker_new(no_settings));
    kafscale_broker_free(NULL);
}
END_TEST

START_TEST(a_broker_can_be_stopped_while_it_starts)
{
    for (int i = 0; i < 20; i++) {
        struct kafscale_broker *broker = broker_new(no_settings);

        ck_assert_int_eq(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_OK);
        kafscale_broker_stop(broker, NULL, NULL);
        kafscale_broker_stop(broker, NULL, NULL);
        kafscale_broker_free(broker);
    }
}
END_TEST

/* A callback that does what it must not, and what it may. */
static void
on_changed_wait(void *arg, enum kafscale_broker_state state, const struct kafscale_error *error)
{
    struct kafscale_broker **broker = arg;

    (void) error;
    if (state == KAFSCALE_BROKER_READY) {
        ck_assert_int_eq(kafscale_broker_wait_ready(*broker, -1, NULL), KAFSCALE_INVALID);
        kafscale_broker_stop(*broker, NULL, NULL);
    }
}

START_TEST(calls_in_the_wrong_order_are_answered)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_error error = { 0 };

    kafscale_broker_set_changed(broker, on_changed_wait, &broker);
    ck_assert_int_eq(kafscale_broker_wait_ready(broker, -1, &error), KAFSCALE_INVALID);
    kafscale_broker_stop(broker, NULL, NULL);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_INVALID);
    while (kafscale_broker_wait_ready(broker, 10000, NULL) == KAFSCALE_OK) {
    }
    kafscale_broker_free(broker);
    ck_assert_ptr_null(kafscale_broker_new(NULL, NULL));
}
END_TEST

START_TEST(a_broker_that_failed_to_start_can_be_asked_and_stopped)
{
    const char *const settings[] = { "store", "dir:/nonexistent/a/b", NULL };
    struct kafscale_broker *broker = broker_new(settings);

    ck_assert_int_ne(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_broker_wait_ready(broker, -1, NULL), KAFSCALE_STOPPED);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_INVALID);
    kafscale_broker_stop(broker, NULL, NULL);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(a_taken_port_is_an_error_before_the_store_is_touched)
{
    struct kafscale_broker *first = broker_start(no_settings);
    char path[64];
    char store[80];
    const char *const settings[] = { "listen", kafscale_broker_address(first, 0), "store", store,
                                     NULL };
    struct kafscale_error error = { 0 };
    struct kafscale_broker *second;
    struct stat status;

    directory_make(path);
    snprintf(store, sizeof store, "dir:%s/data", path);
    second = broker_new(settings);
    ck_assert_int_ne(kafscale_broker_start(second, NULL, &error), KAFSCALE_OK);
    ck_assert_msg(strstr(error.text, kafscale_broker_address(first, 0)) != NULL, "%s", error.text);
    ck_assert_int_ne(stat(store + 4, &status), 0);
    kafscale_broker_free(second);
    produce_and_expect(first, "a", 10, NULL);
    kafscale_broker_free(first);
    directory_remove(path);
}
END_TEST

START_TEST(a_store_that_cannot_be_opened_is_an_error_with_its_path)
{
    const char *const settings[] = { "store", "dir:/nonexistent/a/b", NULL };
    struct kafscale_broker *broker = broker_new(settings);
    struct kafscale_error error = { 0 };
    enum kafscale_status status = kafscale_broker_start(broker, NULL, &error);

    if (status == KAFSCALE_OK) {
        status = kafscale_broker_wait_ready(broker, 10000, &error);
    }
    ck_assert_int_ne(status, KAFSCALE_OK);
    ck_assert_msg(strstr(error.text, "/nonexistent/a/b") != NULL, "%s", error.text);
    kafscale_broker_free(broker);
}
END_TEST

static int
connect_to(const struct kafscale_broker *broker)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(kafscale_broker_port(broker)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

/* ApiVersions version 0, correlation id 1, no client id. */
static void
expect_an_answer(const struct kafscale_broker *broker)
{
    static const unsigned char request[] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0, 0 };
    unsigned char answer[8];
    int fd = connect_to(broker);

    ck_assert_int_eq(send(fd, request, sizeof request, MSG_NOSIGNAL), sizeof request);
    ck_assert_int_eq(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    ck_assert_int_eq(answer[7], 1);
    close(fd);
}

START_TEST(a_broker_that_is_refused_its_store_still_answers)
{
    char path[64];
    char store[80];
    char object[160];
    const char *const settings[] = { "store", store, NULL };
    struct kafscale_broker *broker;
    FILE *file;

    directory_make(path);
    snprintf(store, sizeof store, "dir:%s/data", path);
    broker = broker_start(settings);
    kafscale_broker_free(broker);
    snprintf(object, sizeof object, "%s/objects/default/__kafscale/cluster", store + 4);
    file = fopen(object, "w");
    ck_assert_ptr_nonnull(file);
    fputs("not a cluster", file);
    fclose(file);
    broker = broker_new(settings);
    ck_assert_int_eq(kafscale_broker_start(broker, NULL, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_broker_wait_ready(broker, 30000, NULL), KAFSCALE_CORRUPT);
    ck_assert_int_eq(kafscale_broker_state(broker), KAFSCALE_BROKER_FAILED);
    expect_an_answer(broker);
    kafscale_broker_free(broker);
    directory_remove(path);
}
END_TEST

START_TEST(idle_and_waiting_clients_do_not_delay_the_stop)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    const char *const patient[] = { "fetch.wait.max.ms", "10000", NULL };
    rd_kafka_t *consumer = client_new(RD_KAFKA_CONSUMER, broker, patient);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, "a", NULL);
    int fd = connect_to(broker);
    int64_t begun_ms;

    produce_and_expect(broker, "a", 1, NULL);
    rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_message_destroy(rd_kafka_consume(topic, 0, 10000));
    begun_ms = now_ms();
    kafscale_broker_free(broker);
    ck_assert_int_lt(now_ms() - begun_ms, 2000);
    close(fd);
    rd_kafka_consume_stop(topic, 0);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(consumer);
}
END_TEST

/* --- On the host's loop ----------------------------------------------------------------------- */

struct host {
    struct event_base *base;
    struct kafscale_broker *broker;
    bool is_stopped;
};

static void
on_stopped(void *arg)
{
    struct host *host = arg;

    host->is_stopped = true;
    event_base_loopbreak(host->base);
}

static void *
be_a_client(void *arg)
{
    struct host *host = arg;

    produce_and_expect(host->broker, "host", 100, NULL);
    kafscale_broker_stop(host->broker, on_stopped, host);
    return NULL;
}

START_TEST(a_broker_runs_on_the_loop_of_its_host)
{
    struct host host = { .base = event_base_new(), .broker = broker_new(no_settings) };
    struct states states = { 0 };
    pthread_t client;

    kafscale_broker_set_changed(host.broker, on_changed, &states);
    ck_assert_int_eq(kafscale_broker_start(host.broker, host.base, NULL), KAFSCALE_OK);
    ck_assert_int_eq(pthread_create(&client, NULL, be_a_client, &host), 0);
    event_base_loop(host.base, EVLOOP_NO_EXIT_ON_EMPTY);
    pthread_join(client, NULL);
    ck_assert(host.is_stopped);
    ck_assert_str_eq(states.letters, "SRsE");
    kafscale_broker_free(host.broker);
    event_base_free(host.base);
}
END_TEST

static void
on_stopped_only(void *arg)
{
    *(bool *) arg = true;
}

START_TEST(a_stopped_broker_leaves_the_loop_of_its_host)
{
    struct event_base *base = event_base_new();
    struct kafscale_broker *broker = broker_new(no_settings);
    bool is_stopped = false;

    ck_assert_int_eq(kafscale_broker_start(broker, base, NULL), KAFSCALE_OK);
    kafscale_broker_stop(broker, on_stopped_only, &is_stopped);
    /* Returns once nobody waits for anything any more. */
    event_base_dispatch(base);
    ck_assert(is_stopped);
    event_base_free(base);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(a_second_broker_on_a_directory_takes_over_and_the_first_says_so)
{
    char path[64];
    char store[80];
    const char *const settings[] = { "store", store, "freshness.ms", "100", NULL };
    struct states states = { 0 };
    struct kafscale_broker *first;
    struct kafscale_broker *second;
    rd_kafka_t *producer;

    directory_make(path);
    snprintf(store, sizeof store, "dir:%s/data", path);
    first = broker_new(settings);
    kafscale_broker_set_changed(first, on_changed, &states);
    ck_assert_int_eq(kafscale_broker_start(first, NULL, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_broker_wait_ready(first, 10000, NULL), KAFSCALE_OK);
    producer = client_new(RD_KAFKA_PRODUCER, first, idempotent);
    produce_numbers(producer, "t", 0, 0, 100);
    rd_kafka_destroy(producer);

    second = broker_start(settings);
    producer = client_new(RD_KAFKA_PRODUCER, second, idempotent);
    produce_numbers(producer, "t", 0, 100, 100);
    rd_kafka_destroy(producer);
    expect_numbers(second, "t", 0, 200);

    /* The first notices with the next request it gets. */
    producer = client_new(RD_KAFKA_PRODUCER, first, NULL);
    for (int i = 0; i < 100 && kafscale_broker_state(first) == KAFSCALE_BROKER_READY; i++) {
        const struct rd_kafka_metadata *metadata = NULL;

        if (rd_kafka_metadata(producer, 1, NULL, &metadata, 100) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(metadata);
        }
        rd_kafka_poll(producer, 50);
    }
    rd_kafka_destroy(producer);
    ck_assert_int_eq(kafscale_broker_state(first), KAFSCALE_BROKER_FENCED);
    kafscale_broker_free(first);
    ck_assert_int_eq(states.why, KAFSCALE_FENCED);
    expect_numbers(second, "t", 0, 200);
    kafscale_broker_free(second);
    directory_remove(path);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("embedded");
    TCase *records = tcase_create("records");
    TCase *life = tcase_create("life");

    tcase_set_timeout(records, 60);
    tcase_set_timeout(life, 60);
    tcase_add_test(records, what_an_idempotent_producer_sent_comes_back_in_order);
    tcase_add_test(records, every_codec_passes_through);
    tcase_add_test(records, a_directory_store_keeps_records_over_restarts);
    tcase_add_test(records, several_brokers_live_in_one_process);
    tcase_add_test(records, several_listeners_and_ipv6_work);
    tcase_add_test(life, the_states_come_in_their_order);
    tcase_add_test(life, a_broker_that_was_never_started_can_be_freed);
    tcase_add_test(life, a_broker_can_be_stopped_while_it_starts);
    tcase_add_test(life, calls_in_the_wrong_order_are_answered);
    tcase_add_test(life, a_broker_that_failed_to_start_can_be_asked_and_stopped);
    tcase_add_test(life, a_broker_that_is_refused_its_store_still_answers);
    tcase_add_test(life, a_stopped_broker_leaves_the_loop_of_its_host);
    tcase_add_test(life, a_taken_port_is_an_error_before_the_store_is_touched);
    tcase_add_test(life, a_store_that_cannot_be_opened_is_an_error_with_its_path);
    tcase_add_test(life, idle_and_waiting_clients_do_not_delay_the_stop);
    tcase_add_test(life, a_broker_runs_on_the_loop_of_its_host);
    tcase_add_test(life, a_second_broker_on_a_directory_takes_over_and_the_first_says_so);
    suite_add_tcase(suite, records);
    suite_add_tcase(suite, life);
    return suite;
}
