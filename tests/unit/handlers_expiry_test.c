/* SPDX-License-Identifier: Apache-2.0 */
/* A broker does not start on a store that takes its objects away by itself. */
#include "support/broker_fixture.h"
#include "support/main.h"

#include <stdio.h>

static struct broker_fixture fixture;
static struct kafscale_store_ops ops; /* of a memory store, with one question more */
static enum kafscale_status answers[2];
static size_t asked;
static char asked_prefix[100];

static struct {
    bool is_done;
    enum kafscale_status status;
    struct kafscale_error error;
} start;

static bool is_stopped;
static kafscale_expiry_done *answer_done;
static void *answer_arg;

static void
answer(void *arg)
{
    enum kafscale_status status = answers[asked < 2 ? asked : 1];
    struct kafscale_error error = { 0 };

    (void) arg;
    asked++;
    ks_error_set(&error, status, "rule 'tidy'");
    answer_done(answer_arg, status, status == KAFSCALE_OK ? NULL : &error);
}

static void
find_expiry(void *self, const char *prefix, kafscale_expiry_done *done, void *arg)
{
    static struct ks_task task;

    (void) self;
    snprintf(asked_prefix, sizeof asked_prefix, "%s", prefix);
    answer_done = done;
    answer_arg = arg;
    task = (struct ks_task){ .run = answer };
    ks_env_defer(&fixture.v.env, &task);
}

static void
on_started(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    start.is_done = true;
    start.status = status;
    if (error != NULL) {
        start.error = *error;
    }
}

static void
on_stopped(void *arg)
{
    (void) arg;
    is_stopped = true;
}

/* Starts a broker whose store answers so, and stops it; the status of the start. */
static enum kafscale_status
start_with(enum kafscale_status first, enum kafscale_status second)
{
    struct kafscale_store store = ks_memory_store_new(&fixture.v.env, fixture.bucket);
    struct ks_broker_options options;
    struct ks_broker *broker;

    answers[0] = first;
    answers[1] = second;
    asked = 0;
    ops = *store.ops;
    ops.find_expiry = find_expiry;
    store.ops = &ops;
    test_broker_options(&options);
    broker = ks_broker_new(&fixture.v.env, store, (struct kafscale_meta){ 0 }, &options);
    ck_assert_ptr_nonnull(broker);
    start.is_done = false;
    ks_broker_start(broker, on_started, NULL);
    ck_assert(virtual_env_run_until(&fixture.v, &start.is_done, 60000));
    is_stopped = false;
    ks_broker_stop(broker, 1000, on_stopped, NULL);
    ck_assert(virtual_env_run_until(&fixture.v, &is_stopped, 60000));
    ks_broker_free(broker);
    return start.status;
}

static void
set_up(void)
{
    broker_fixture_init(&fixture, 3);
}

static void
tear_down(void)
{
    broker_fixture_deinit(&fixture);
}

START_TEST(a_store_that_deletes_by_itself_is_refused)
{
    ck_assert_int_eq(start_with(KAFSCALE_INVALID, KAFSCALE_INVALID), KAFSCALE_INVALID);
    ck_assert_str_eq(start.error.text, "rule 'tidy'");
    ck_assert_str_eq(asked_prefix, "default/");
    ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_store_that_does_not_is_served)
{
    ck_assert_int_eq(start_with(KAFSCALE_OK, KAFSCALE_OK), KAFSCALE_OK);
    ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(where_nobody_may_look_the_broker_starts)
{
    ck_assert_int_eq(start_with(KAFSCALE_UNSUPPORTED, KAFSCALE_OK), KAFSCALE_OK);
    ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_store_that_is_away_is_asked_again)
{
    ck_assert_int_eq(start_with(KAFSCALE_UNAVAILABLE, KAFSCALE_INVALID), KAFSCALE_INVALID);
    ck_assert_uint_eq(asked, 2);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers expiry");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_store_that_deletes_by_itself_is_refused);
    tcase_add_test(tests, a_store_that_does_not_is_served);
    tcase_add_test(tests, where_nobody_may_look_the_broker_starts);
    tcase_add_test(tests, a_store_that_is_away_is_asked_again);
    suite_add_tcase(suite, tests);
    return suite;
}
