/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way that requests of the S3 store take, on a scripted server and a virtual clock: when one is
 * sent a second time, how many are under way at once, where keys come from, and the end.
 */
#include "support/main.h"
#include "unit/s3_fixture.h"

#include <stdlib.h>

static enum kafscale_status
read_key(const char *key)
{
    char *text = NULL;
    enum kafscale_status status = store_client_get(&script->client, key, 0, SIZE_MAX, &text, NULL);

    free(text);
    return status;
}

/* --- Second sendings -------------------------------------------------------------------------- */

/* Lets the store know that a PUT takes 40 ms. */
static void
get_used_to(int64_t delay_ms)
{
    script->otherwise.delay_ms = delay_ms;
    for (int i = 0; i < 30; i++) {
        ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    }
    script->request_count = 0;
    script->answer_count = 0;
}

START_TEST(late_put_is_sent_again_and_the_faster_one_counts)
{
    int64_t start_ms;

    get_used_to(40);
    start_ms = s3_script_now_ms(script);
    s3_script_add(script, (struct s3_answer){ .delay_ms = 9000 });
    ck_assert_int_eq(s3_create("slow"), KAFSCALE_OK);

    s3_expect_count(2);
    s3_expect_request(1, "PUT " SERVER "/b/slow");
    ck_assert_str_eq(script->requests[1].condition, "*");
    ck_assert(script->requests[1].is_fresh);
    ck_assert_int_ge(s3_gap_ms(0), 40);
    ck_assert_int_le(s3_gap_ms(0), 55);
    ck_assert_int_lt(s3_script_now_ms(script) - start_ms, 120);
    ck_assert_uint_eq(s3_script_counters(script)->hedges, 1);
    ck_assert_uint_eq(script->cancelled, 1);
}
END_TEST

START_TEST(put_without_a_condition_is_never_sent_twice_for_lateness)
{
    get_used_to(40);
    s3_script_add(script, (struct s3_answer){ .delay_ms = 9000 });
    ck_assert_int_eq(store_client_put(&script->client, "slow", "x"), KAFSCALE_OK);
    s3_expect_count(1);
}
END_TEST

/* Beyond the end of an object, and neither answer tells how long it is. */
START_TEST(both_answers_may_raise_the_same_question)
{
    struct s3_answer beyond = { .status = 416, .code = "InvalidRange", .delay_ms = 100 };
    char *text = NULL;
    uint64_t object_bytes = 0;

    script->otherwise = (struct s3_answer){ .body = "text", .delay_ms = 40 };
    for (int i = 0; i < 30; i++) {
        ck_assert_int_eq(read_key("k"), KAFSCALE_OK);
    }
    script->request_count = 0;
    script->answer_count = 0;
    s3_script_add(script, beyond);
    s3_script_add(script, beyond);
    s3_script_add(script, (struct s3_answer){ .head_length = 10 });
    ck_assert_int_eq(store_client_get(&script->client, "k", 10, 5, &text, &object_bytes),
                     KAFSCALE_OK);
    ck_assert_uint_eq(object_bytes, 10);
    s3_expect_count(3);
    s3_expect_request(2, "HEAD " SERVER "/b/k");
    free(text);
}
END_TEST

START_TEST(extra_sendings_are_few)
{
    get_used_to(40);
    for (int i = 0; i < 400; i++) {
        script->otherwise.delay_ms = 40 + i;
        ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    }
    ck_assert_uint_ge(s3_script_counters(script)->hedges, 8);
    ck_assert_uint_le(s3_script_counters(script)->hedges, 8 + (430 * 5 + 99) / 100);
}
END_TEST

/* Both fail: only then the outcome is what is known of the two. */
START_TEST(failure_of_one_of_two_waits_for_the_other)
{
    get_used_to(40);
    s3_script_add(script, (struct s3_answer){ .delay_ms = 200, .status = 500 });
    s3_script_add(script, (struct s3_answer){ .delay_ms = 500 });
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    s3_expect_count(2);
}
END_TEST

/* --- The gate --------------------------------------------------------------------------------- */

struct many {
    struct kafscale_put puts[20];
    struct kafscale_get gets[20];
    char order[64];
    size_t count;
};

static void
on_many_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct many *many = arg;

    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    many->order[many->count++] = 'p';
}

static void
on_many_got(void *arg, enum kafscale_status status, struct kafscale_blob *body,
            uint64_t object_bytes, const struct kafscale_error *error)
{
    struct many *many = arg;

    (void) body;
    (void) object_bytes;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    many->order[many->count++] = 'g';
}

static void
be_narrow(struct ks_s3_settings *settings)
{
    settings->concurrency = 1;
}

static void
start_gets(struct many *many, int count)
{
    for (int i = 0; i < count; i++) {
        many->gets[i] = (struct kafscale_get){ .key = "g", .size_max = SIZE_MAX };
        ks_store_get(script->client.store, &many->gets[i], on_many_got, many);
    }
}

static void
start_puts(struct many *many, int count)
{
    for (int i = 0; i < count; i++) {
        many->puts[i] = (struct kafscale_put){ .key = "p" };
        ks_store_put(script->client.store, &many->puts[i], on_many_put, many);
    }
}

START_TEST(writes_go_before_reads_but_not_for_ever)
{
    struct many many = { .count = 0 };

    s3_setup_as(be_narrow);
    script->otherwise.delay_ms = 10;
    start_gets(&many, 3);
    start_puts(&many, 8);
    virtual_env_run_until_idle(&script->v, 60000);
    ck_assert_str_eq(many.order, "gpppgpppgpp");
    ck_assert_uint_eq(script->in_flight_max, 1);
}
END_TEST

static bool
is_slowed(void)
{
    return script->store.ops->is_slowed(script->store.self);
}

START_TEST(server_that_is_too_busy_is_told_of_until_it_takes_what_there_is)
{
    struct many many = { .count = 0 };

    ck_assert(!is_slowed());
    script->otherwise = (struct s3_answer){ .status = 503, .code = "SlowDown" };
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(s3_create("k"), KAFSCALE_UNAVAILABLE);
        ck_assert(is_slowed());
        virtual_env_run_for(&script->v, 1001);
    }
    script->otherwise = (struct s3_answer){ .delay_ms = 10 };
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    ck_assert(!is_slowed());
    start_puts(&many, 20); /* more than are let in now */
    virtual_env_run_for(&script->v, 15);
    ck_assert(is_slowed());
    virtual_env_run_until_idle(&script->v, 60000);
    ck_assert(!is_slowed());
}
END_TEST

START_TEST(server_that_is_too_busy_gets_fewer_at_once_and_then_more_again)
{
    struct many many = { .count = 0 };
    struct many later = { .count = 0 };

    script->otherwise = (struct s3_answer){ .delay_ms = 10 };
    /* Six refusals, more than a second apart, bring 64 down to 1. */
    for (int i = 0; i < 6; i++) {
        script->answer_count = script->request_count;
        script->answers[script->answer_count++] =
            (struct s3_answer){ .status = 503, .code = "SlowDown" };
        ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
        virtual_env_run_for(&script->v, 1001);
    }
    script->in_flight_max = 0;
    start_puts(&many, 20);
    virtual_env_run_until_idle(&script->v, 60000);
    ck_assert_uint_le(script->in_flight_max, 8);
    ck_assert_uint_eq(s3_script_counters(script)->slow_downs, 6);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    }
    script->in_flight_max = 0;
    start_puts(&later, 20);
    virtual_env_run_until_idle(&script->v, 60000);
    ck_assert_uint_eq(script->in_flight_max, 20);
}
END_TEST

static const struct s3_answer outages[] = {
    { .outcome = KS_S3_NOT_SENT },
    { .status = 503, .code = "SlowDown" },
    { .status = 500, .code = "InternalError" },
};

/* Two minutes of failures leave nothing behind that the first request after them waits for. */
START_TEST(server_that_is_back_is_not_kept_waiting)
{
    int64_t back_ms;

    script->otherwise = outages[_i];
    for (int i = 0; i < 120; i++) {
        ck_assert_int_ne(s3_create("k"), KAFSCALE_OK);
        virtual_env_run_for(&script->v, 1000);
    }
    script->otherwise = (struct s3_answer){ .delay_ms = 10 };
    back_ms = s3_script_now_ms(script);
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    ck_assert_int_le(s3_script_now_ms(script) - back_ms, 20);
}
END_TEST

/* --- Keys ------------------------------------------------------------------------------------- */

static const char *
container_variable(void *arg, const char *name)
{
    (void) arg;
    return strcmp(name, "AWS_CONTAINER_CREDENTIALS_FULL_URI") == 0 ? "http://127.0.0.1/keys" : NULL;
}

static void
have_container(struct ks_s3_settings *settings)
{
    settings->credentials.access_key = NULL;
    settings->credentials.secret_key = NULL;
    settings->credentials.find_variable = container_variable;
}

#define KEYS(token)                                                       \
    "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\",\"Token\":\"" token \
    "\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"

START_TEST(keys_are_asked_for_first_and_again_when_they_are_refused)
{
    s3_setup_as(have_container);
    s3_script_add(script, (struct s3_answer){ .body = KEYS("one") });
    s3_script_add(script, (struct s3_answer){ .body = NULL });
    s3_script_add(script, (struct s3_answer){ .status = 400, .code = "ExpiredToken" });
    s3_script_add(script, (struct s3_answer){ .body = KEYS("two") });
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    virtual_env_run_for(&script->v, 10000);
    ck_assert_int_eq(s3_create("l"), KAFSCALE_OK);

    s3_expect_request(0, "GET http://127.0.0.1/keys");
    ck_assert_str_eq(script->requests[1].token, "one");
    s3_expect_request(2, "PUT " SERVER "/b/l");
    s3_expect_request(3, "GET http://127.0.0.1/keys");
    s3_expect_request(4, "PUT " SERVER "/b/l");
    ck_assert_str_eq(script->requests[4].token, "two");
}
END_TEST

START_TEST(without_keys_nothing_is_sent_and_the_reason_is_told)
{
    s3_setup_as(have_container);
    script->otherwise = (struct s3_answer){ .status = 500 };
    ck_assert_int_eq(s3_create("k"), KAFSCALE_UNAVAILABLE);
    ck_assert_uint_eq(s3_script_counters(script)->requests, 0);
    ck_assert_str_ne(script->log, "");
}
END_TEST

/* --- The end ---------------------------------------------------------------------------------- */

struct ended {
    bool is_done;
    enum kafscale_status status;
};

static void
on_ended(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    *(struct ended *) arg = (struct ended){ true, status };
}

/* A store that no longer answers must not hold up a broker that stops. */
START_TEST(closing_ends_what_is_under_way_with_what_is_known_of_it)
{
    struct kafscale_put put = { .key = "k", .if_absent = true };
    struct kafscale_put waiting = { .key = "l", .if_absent = true };
    struct kafscale_remove remove = { .key = "r" };
    struct ended sent = { 0 };
    struct ended unsent = { 0 };
    struct ended removed = { 0 };
    int64_t start_ms;

    s3_setup_as(be_narrow);
    script->otherwise.delay_ms = 100000;
    ks_store_put(script->client.store, &put, on_ended, &sent);
    ks_store_put(script->client.store, &waiting, on_ended, &unsent);
    ks_store_remove(script->client.store, &remove, on_ended, &removed);
    start_ms = s3_script_now_ms(script);
    ck_assert(store_client_close(&script->client));
    script->client.store = NULL;

    ck_assert_int_eq(s3_script_now_ms(script), start_ms);
    ck_assert(sent.is_done && sent.status == KAFSCALE_UNKNOWN);
    ck_assert(unsent.is_done && unsent.status == KAFSCALE_UNAVAILABLE);
    ck_assert(removed.is_done && removed.status == KAFSCALE_UNAVAILABLE);
    s3_expect_count(1);
}
END_TEST

START_TEST(store_at_rest_has_nothing_to_wake_up_for)
{
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    ck_assert_int_eq(read_key("k"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_remove(&script->client, "k"), KAFSCALE_OK);
    ck_assert_int_eq(ks_env_next_due_ms(&script->v.env), INT64_MAX);
}
END_TEST

/* --- Allocation ------------------------------------------------------------------------------- */

START_TEST(no_memory_at_any_allocation_is_a_status)
{
    for (uint64_t k = 0; k < 60; k++) {
        enum kafscale_status status;

        script->answer_count = 0;
        script->request_count = 0;
        ks_alloc_fail_once_after(k);
        status = s3_create("k");
        ks_alloc_fail_after(UINT64_MAX);
        ck_assert_msg(status == KAFSCALE_OK || status == KAFSCALE_NO_MEMORY ||
                          status == KAFSCALE_UNAVAILABLE || status == KAFSCALE_UNKNOWN,
                      "%d", (int) status);
        ck_assert(status != KAFSCALE_NO_MEMORY || script->request_count == 0);
    }
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 way");
    TCase *cases = s3_new_case(suite, "way");

    tcase_add_test(cases, late_put_is_sent_again_and_the_faster_one_counts);
    tcase_add_test(cases, put_without_a_condition_is_never_sent_twice_for_lateness);
    tcase_add_test(cases, both_answers_may_raise_the_same_question);
    tcase_add_test(cases, extra_sendings_are_few);
    tcase_add_test(cases, failure_of_one_of_two_waits_for_the_other);
    tcase_add_test(cases, writes_go_before_reads_but_not_for_ever);
    tcase_add_test(cases, server_that_is_too_busy_is_told_of_until_it_takes_what_there_is);
    tcase_add_test(cases, server_that_is_too_busy_gets_fewer_at_once_and_then_more_again);
    tcase_add_loop_test(cases, server_that_is_back_is_not_kept_waiting, 0, S3_COUNT(outages));
    tcase_add_test(cases, keys_are_asked_for_first_and_again_when_they_are_refused);
    tcase_add_test(cases, without_keys_nothing_is_sent_and_the_reason_is_told);
    tcase_add_test(cases, closing_ends_what_is_under_way_with_what_is_known_of_it);
    tcase_add_test(cases, store_at_rest_has_nothing_to_wake_up_for);
    tcase_add_test(cases, no_memory_at_any_allocation_is_a_status);
    return suite;
}
