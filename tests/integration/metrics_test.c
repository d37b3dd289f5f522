/* SPDX-License-Identifier: Apache-2.0 */
/* A broker's metrics as the program reads them that embeds it. */
#include "support.h"
#include "support/main.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char *const no_settings[] = { NULL };

struct seen {
    size_t count;
    double topics;
    double ready;
};

static void
see(void *arg, const struct kafscale_metric_sample *sample)
{
    struct seen *seen = arg;

    seen->count++;
    if (strcmp(sample->name, "kafscale_topics") == 0) {
        seen->topics = sample->value;
    }
    if (strcmp(sample->labels, "state=\"ready\"") == 0) {
        seen->ready = sample->value;
    }
}

START_TEST(another_thread_reads_them_while_the_broker_serves)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    rd_kafka_t *producer = client_new(RD_KAFKA_PRODUCER, broker, NULL);
    struct seen seen = { 0 };

    produce_numbers(producer, "numbers", 0, 0, 10);
    rd_kafka_destroy(producer);
    ck_assert_int_eq(kafscale_broker_read_metrics(broker, see, &seen, NULL), KAFSCALE_OK);
    ck_assert_uint_gt(seen.count, 50);
    ck_assert_double_eq(seen.topics, 1);
    ck_assert_double_eq(seen.ready, 1);
    ck_assert_ptr_null(kafscale_broker_metrics_address(broker));
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(a_broker_that_does_not_run_has_none)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_error error = { 0 };
    struct seen seen = { 0 };

    ck_assert_int_eq(kafscale_broker_read_metrics(broker, see, &seen, &error), KAFSCALE_INVALID);
    ck_assert_str_eq(error.text, "the broker doesn't run");
    kafscale_broker_free(broker);
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

struct asker {
    struct kafscale_broker *broker;
    atomic_bool is_over;
    int answered;
    int refused;
};

static void *
ask(void *arg)
{
    struct asker *asker = arg;

    while (!atomic_load(&asker->is_over)) {
        struct seen seen = { 0 };

        if (kafscale_broker_read_metrics(asker->broker, see, &seen, NULL) == KAFSCALE_OK) {
            asker->answered++;
        } else {
            ck_assert_uint_eq(seen.count, 0);
            asker->refused++;
        }
    }
    return NULL;
}

static void
on_stopped(void *arg)
{
    atomic_store((atomic_bool *) arg, true);
}

/* Each is answered or refused, none waits for ever. */
START_TEST(who_asks_while_the_broker_stops_gets_an_answer)
{
    struct asker asker = { .broker = broker_start(no_settings) };
    atomic_bool is_stopped = false;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, ask, &asker), 0);
    kafscale_broker_stop(asker.broker, on_stopped, &is_stopped);
    while (!atomic_load(&is_stopped)) {
    }
    while (kafscale_broker_read_metrics(asker.broker, see, &(struct seen){ 0 }, NULL) ==
           KAFSCALE_OK) {
    }
    atomic_store(&asker.is_over, true);
    pthread_join(thread, NULL);
    kafscale_broker_free(asker.broker);
}
END_TEST

static void
read_when_ready(void *arg, enum kafscale_broker_state state, const struct kafscale_error *error)
{
    struct asker *asker = arg;

    (void) error;
    if (state == KAFSCALE_BROKER_READY) {
        struct seen seen = { 0 };

        ck_assert_int_eq(kafscale_broker_read_metrics(asker->broker, see, &seen, NULL),
                         KAFSCALE_OK);
        asker->answered++;
        kafscale_broker_stop(asker->broker, NULL, NULL);
    }
}

START_TEST(callbacks_and_hosts_read_them_on_the_loop)
{
    struct event_base *base = event_base_new();
    struct asker asker = { .broker = broker_new(no_settings) };

    kafscale_broker_set_changed(asker.broker, read_when_ready, &asker);
    ck_assert_int_eq(kafscale_broker_start(asker.broker, base, NULL), KAFSCALE_OK);
    event_base_dispatch(base);
    ck_assert_int_eq(asker.answered, 1);
    ck_assert_int_eq(kafscale_broker_read_metrics(asker.broker, see, &(struct seen){ 0 }, NULL),
                     KAFSCALE_INVALID);
    kafscale_broker_free(asker.broker);
    event_base_free(base);
}
END_TEST

struct told {
    int count;
    char json[1 << 16];
};

static void
keep(void *arg, const char *json)
{
    struct told *told = arg;

    told->count++;
    ck_assert_uint_lt(strlen(json), sizeof told->json);
    strcpy(told->json, json);
}

START_TEST(the_status_is_told_to_any_thread)
{
    const char *const settings[] = { "num.partitions", "3", NULL };
    struct kafscale_broker *broker = broker_new(settings);
    struct kafscale_error error = { 0 };
    static struct told told;

    ck_assert_int_eq(kafscale_broker_read_status(broker, keep, &told, &error), KAFSCALE_INVALID);
    ck_assert_str_eq(error.text, "the broker doesn't run");
    kafscale_broker_free(broker);
    ck_assert_int_eq(told.count, 0);
    broker = broker_start(settings);
    ck_assert_int_eq(kafscale_broker_read_status(broker, keep, &told, NULL), KAFSCALE_OK);
    ck_assert_int_eq(told.count, 1);
    ck_assert_ptr_nonnull(strstr(told.json, "\"state\": \"ready\""));
    ck_assert_ptr_nonnull(strstr(told.json, "\"key\": \"num.partitions\""));
    kafscale_broker_free(broker);
}
END_TEST

static void *
ask_status(void *arg)
{
    struct asker *asker = arg;
    static struct told told;

    while (!atomic_load(&asker->is_over)) {
        asker->answered +=
            kafscale_broker_read_status(asker->broker, keep, &told, NULL) == KAFSCALE_OK;
    }
    return NULL;
}

START_TEST(who_asks_for_the_status_while_the_broker_stops_gets_an_answer)
{
    struct asker asker = { .broker = broker_start(no_settings) };
    atomic_bool is_stopped = false;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, ask_status, &asker), 0);
    kafscale_broker_stop(asker.broker, on_stopped, &is_stopped);
    while (!atomic_load(&is_stopped)) {
    }
    atomic_store(&asker.is_over, true);
    pthread_join(thread, NULL);
    kafscale_broker_free(asker.broker);
}
END_TEST

START_TEST(the_http_port_is_bound_where_it_is_asked_for)
{
    const char *const settings[] = { "metrics.addr", "127.0.0.1:0", NULL };
    struct kafscale_broker *one = broker_start(settings);
    const char *const taken[] = { "metrics.addr", kafscale_broker_metrics_address(one), NULL };
    struct kafscale_broker *two = broker_new(taken);
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(strncmp(kafscale_broker_metrics_address(one), "127.0.0.1:", 10), 0);
    ck_assert_int_ne(kafscale_broker_start(two, NULL, &error), KAFSCALE_OK);
    ck_assert_msg(strstr(error.text, "metrics.addr: bind to 127.0.0.1:") != NULL, "%s", error.text);
    kafscale_broker_free(two);
    kafscale_broker_free(one);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, another_thread_reads_them_while_the_broker_serves);
    tcase_add_test(tests, a_broker_that_does_not_run_has_none);
    tcase_add_test(tests, who_asks_while_the_broker_stops_gets_an_answer);
    tcase_add_test(tests, callbacks_and_hosts_read_them_on_the_loop);
    tcase_add_test(tests, the_status_is_told_to_any_thread);
    tcase_add_test(tests, who_asks_for_the_status_while_the_broker_stops_gets_an_answer);
    tcase_add_test(tests, the_http_port_is_bound_where_it_is_asked_for);
    suite_add_tcase(suite, tests);
    return suite;
}
