/* SPDX-License-Identifier: Apache-2.0 */
/* The first step of a start: a store that has to be probed is, once in 30 days for each place. */
#include "broker/verdict.h"

#include "support/main.h"
#include "support/virtual_env.h"

#include <stdio.h>

#define DAY_MS ((int64_t) 24 * 60 * 60 * 1000)

/* A memory store that is somewhere. */
static struct virtual_env v;
static struct ks_memory_bucket *bucket;
static struct kafscale_store_ops ops;
static const struct kafscale_store_ops *memory_ops;
static const char *place;
static struct ks_store *store;
static char log_text[600];

static const char *
tell_place(void *self)
{
    (void) self;
    return place;
}

/* Puts whatever the condition says. */
static void
put_always(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    static struct kafscale_put copies[64];
    static size_t count;
    struct kafscale_put *copy = &copies[count++ % 64];

    *copy = *put;
    copy->if_absent = false;
    memory_ops->put(self, copy, done, arg);
}

static void
on_line(void *arg, const struct kafscale_log_event *event)
{
    (void) arg;
    (void) snprintf(log_text, sizeof log_text, "%s", event->line);
}

static void
open_store(void)
{
    struct kafscale_store memory = ks_memory_store_new(&v.env, bucket);

    memory_ops = memory.ops;
    if (ops.put == NULL) {
        ops = *memory_ops;
        ops.place = tell_place;
    }
    memory.ops = &ops;
    store = ks_store_new(&v.env, memory);
}

static void
on_closed(void *arg)
{
    (void) arg;
    store = NULL;
}

static void
set_up(void)
{
    virtual_env_init(&v, 1);
    v.env.logger = (struct ks_logger){ .write = on_line, .level = KAFSCALE_LOG_WARN };
    v.now_ms = 100 * DAY_MS;
    bucket = ks_memory_bucket_new();
    ops = (struct kafscale_store_ops){ 0 };
    place = "http://one";
    log_text[0] = '\0';
    open_store();
}

static void
tear_down(void)
{
    if (store != NULL) {
        ks_store_close(store, on_closed, NULL);
    }
    virtual_env_run_until_idle(&v, 1000);
    ck_assert_ptr_null(store);
    ks_memory_bucket_unref(bucket);
}

struct answer {
    bool is_done;
    enum kafscale_status status;
    char text[KAFSCALE_ERROR_TEXT_BYTES];
};

static void
on_verdict(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct answer *answer = arg;

    ck_assert(!answer->is_done);
    answer->is_done = true;
    answer->status = status;
    (void) snprintf(answer->text, sizeof answer->text, "%s", error == NULL ? "" : error->text);
}

/* The answer, and how many requests it took. */
static struct answer
ask(bool is_single_writer, uint64_t *requests_out)
{
    struct ks_verdict verdict = {
        .env = &v.env, .store = store, .ns = "ns", .is_single_writer = is_single_writer
    };
    const struct ks_store_counters *counters = ks_store_counters(store);
    struct answer answer = { 0 };
    uint64_t before = 0;

    *requests_out = 0;
    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        before += counters->requests[i];
    }
    ks_verdict_ask(&verdict, on_verdict, &answer);
    ck_assert(virtual_env_run_until(&v, &answer.is_done, 1000));
    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        *requests_out += counters->requests[i];
    }
    *requests_out -= before;
    return answer;
}

START_TEST(good_verdict_is_found_once_and_then_read)
{
    uint64_t requests;

    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_ge(requests, KS_STORE_PROBE_RACERS + 5);
    ck_assert_uint_eq(ks_memory_bucket_object_count(bucket), 1);
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_eq(requests, 1);
}
END_TEST

START_TEST(verdict_is_good_for_thirty_days)
{
    uint64_t requests;

    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    v.now_ms += 29 * DAY_MS;
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_eq(requests, 1);
    v.now_ms += 2 * DAY_MS;
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_gt(requests, KS_STORE_PROBE_RACERS);
}
END_TEST

START_TEST(verdict_on_one_place_says_nothing_about_another)
{
    uint64_t requests;

    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    place = "http://two";
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_gt(requests, KS_STORE_PROBE_RACERS);
}
END_TEST

START_TEST(unfit_store_is_refused_unless_there_is_one_writer)
{
    struct answer answer;
    uint64_t requests;

    ops.put = put_always;
    answer = ask(false, &requests);
    ck_assert_int_eq(answer.status, KAFSCALE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(answer.text, "not fit for use"));
    ck_assert_uint_eq(ks_memory_bucket_object_count(bucket), 0);

    ck_assert_int_eq(ask(true, &requests).status, KAFSCALE_OK);
    ck_assert_ptr_nonnull(strstr(log_text, "one writer"));
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_UNSUPPORTED);
}
END_TEST

START_TEST(store_that_needs_no_probe_is_asked_nothing)
{
    uint64_t requests;

    ops.place = NULL;
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_eq(requests, 0);
    ops.place = tell_place;
    ops.version = 1;
    ck_assert_int_eq(ask(false, &requests).status, KAFSCALE_OK);
    ck_assert_uint_eq(requests, 0);
}
END_TEST

/* After each step of the asking in turn. */
START_TEST(store_that_is_closed_meanwhile_ends_it)
{
    struct ks_verdict verdict = { .env = &v.env, .store = store, .ns = "ns" };
    struct answer answer = { 0 };

    ks_verdict_ask(&verdict, on_verdict, &answer);
    for (int i = 0; i < _i; i++) {
        virtual_env_step_now(&v);
    }
    if (!answer.is_done) {
        ks_store_close(store, on_closed, NULL);
        virtual_env_run_until_idle(&v, 1000);
        ck_assert(answer.is_done);
        ck_assert_int_ne(answer.status, KAFSCALE_UNSUPPORTED);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker verdict");
    TCase *cases = tcase_create("verdict");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, good_verdict_is_found_once_and_then_read);
    tcase_add_test(cases, verdict_is_good_for_thirty_days);
    tcase_add_test(cases, verdict_on_one_place_says_nothing_about_another);
    tcase_add_test(cases, unfit_store_is_refused_unless_there_is_one_writer);
    tcase_add_test(cases, store_that_needs_no_probe_is_asked_nothing);
    tcase_add_loop_test(cases, store_that_is_closed_meanwhile_ends_it, 0, 10);
    suite_add_tcase(suite, cases);
    return suite;
}
