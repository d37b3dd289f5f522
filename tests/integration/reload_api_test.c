/* SPDX-License-Identifier: Apache-2.0 */
/* Other options for a broker that runs, as the program gives them that embeds it. */
#include "support.h"
#include "support/main.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const char *const no_settings[] = { NULL };

static struct kafscale_options *
options_of(const char *key, const char *value)
{
    struct kafscale_options *options = kafscale_options_new();

    ck_assert_int_eq(kafscale_options_set(options, "listen", "127.0.0.1:0", NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_set(options, "store", "memory", NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_options_set(options, key, value, NULL), KAFSCALE_OK);
    return options;
}

static void
take_limit(void *arg, const struct kafscale_metric_sample *sample)
{
    double *limit = arg;

    if (strcmp(sample->name, "kafscale_memory_account_limit_bytes") == 0) {
        *limit = sample->value;
    }
}

static double
memory_limit(struct kafscale_broker *broker)
{
    double limit = -1;

    ck_assert_int_eq(kafscale_broker_read_metrics(broker, take_limit, &limit, NULL), KAFSCALE_OK);
    return limit;
}

START_TEST(a_broker_takes_other_options_while_it_runs)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct kafscale_options *options = options_of("memory.bytes", "150000000");

    ck_assert_double_eq(memory_limit(broker), 268435456);
    ck_assert_int_eq(kafscale_broker_reload(broker, options, NULL), KAFSCALE_OK);
    kafscale_options_free(options);
    ck_assert_double_eq(memory_limit(broker), 150000000);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(what_does_not_go_together_changes_nothing)
{
    struct kafscale_broker *broker = broker_start(no_settings);
    struct kafscale_options *options = options_of("memory.bytes", "5000000");
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_broker_reload(broker, options, &error), KAFSCALE_INVALID);
    ck_assert_ptr_nonnull(strstr(error.text, "memory.bytes"));
    ck_assert_double_eq(memory_limit(broker), 268435456);
    ck_assert_int_eq(kafscale_broker_reload(broker, NULL, NULL), KAFSCALE_INVALID);
    kafscale_options_free(options);
    kafscale_broker_free(broker);
}
END_TEST

START_TEST(a_broker_that_does_not_run_takes_none)
{
    struct kafscale_broker *broker = broker_new(no_settings);
    struct kafscale_options *options = options_of("num.partitions", "3");
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(kafscale_broker_reload(broker, options, &error), KAFSCALE_INVALID);
    ck_assert_str_eq(error.text, "the broker doesn't run");
    kafscale_options_free(options);
    kafscale_broker_free(broker);
}
END_TEST

struct changer {
    struct kafscale_broker *broker;
    struct kafscale_options *options;
    atomic_bool is_over;
    int changed;
};

static void *
change(void *arg)
{
    struct changer *changer = arg;

    while (!atomic_load(&changer->is_over)) {
        changer->changed +=
            kafscale_broker_reload(changer->broker, changer->options, NULL) == KAFSCALE_OK;
    }
    return NULL;
}

static void
on_stopped(void *arg)
{
    atomic_store((atomic_bool *) arg, true);
}

/* Each call is answered, none waits for ever, and nothing of them is left behind. */
START_TEST(who_changes_options_while_the_broker_stops_gets_an_answer)
{
    struct changer changers[2] = { { .options = options_of("num.partitions", "3") },
                                   { .options = options_of("num.partitions", "4") } };
    struct kafscale_broker *broker = broker_start(no_settings);
    atomic_bool is_stopped = false;
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        changers[i].broker = broker;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, change, &changers[i]), 0);
    }
    while (kafscale_broker_reload(broker, changers[0].options, NULL) != KAFSCALE_OK) {
    }
    kafscale_broker_stop(broker, on_stopped, &is_stopped);
    while (!atomic_load(&is_stopped) ||
           kafscale_broker_reload(broker, changers[0].options, NULL) == KAFSCALE_OK) {
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&changers[i].is_over, true);
        pthread_join(threads[i], NULL);
        kafscale_options_free(changers[i].options);
    }
    kafscale_broker_free(broker);
}
END_TEST

static void
change_when_ready(void *arg, enum kafscale_broker_state state, const struct kafscale_error *error)
{
    struct changer *changer = arg;

    (void) error;
    if (state == KAFSCALE_BROKER_READY) {
        changer->changed +=
            kafscale_broker_reload(changer->broker, changer->options, NULL) == KAFSCALE_OK;
        ck_assert_double_eq(memory_limit(changer->broker), 150000000);
        kafscale_broker_stop(changer->broker, NULL, NULL);
    }
}

START_TEST(callbacks_and_hosts_change_them_on_the_loop)
{
    struct event_base *base = event_base_new();
    struct changer changer = { .broker = broker_new(no_settings),
                               .options = options_of("memory.bytes", "150000000") };

    kafscale_broker_set_changed(changer.broker, change_when_ready, &changer);
    ck_assert_int_eq(kafscale_broker_start(changer.broker, base, NULL), KAFSCALE_OK);
    event_base_dispatch(base);
    ck_assert_int_eq(changer.changed, 1);
    ck_assert_int_eq(kafscale_broker_reload(changer.broker, changer.options, NULL),
                     KAFSCALE_INVALID);
    kafscale_broker_free(changer.broker);
    kafscale_options_free(changer.options);
    event_base_free(base);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("reload");
    TCase *options = tcase_create("options");

    tcase_add_test(options, a_broker_takes_other_options_while_it_runs);
    tcase_add_test(options, what_does_not_go_together_changes_nothing);
    tcase_add_test(options, a_broker_that_does_not_run_takes_none);
    tcase_add_test(options, who_changes_options_while_the_broker_stops_gets_an_answer);
    tcase_add_test(options, callbacks_and_hosts_change_them_on_the_loop);
    suite_add_tcase(suite, options);
    return suite;
}
