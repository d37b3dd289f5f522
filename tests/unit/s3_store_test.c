/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the S3 store asks for an object and what it makes of answers, on a scripted server and a
 * virtual clock: each row of the table of errors.
 */
#include "support/main.h"
#include "unit/s3_fixture.h"

#include <stdlib.h>

/* --- PUT -------------------------------------------------------------------------------------- */

START_TEST(put_carries_condition_checksum_and_bytes)
{
    ck_assert_int_eq(s3_create("wal/1"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&script->client, "a b+c", "other"), KAFSCALE_OK);

    s3_expect_request(0, "PUT " SERVER "/b/wal/1");
    ck_assert_str_eq(script->requests[0].condition, "*");
    ck_assert_str_eq(script->requests[0].checksum, "L1MZ4Q==");
    ck_assert_str_eq(script->requests[0].body, "text");
    s3_expect_request(1, "PUT " SERVER "/b/a%20b%2Bc");
    ck_assert_str_eq(script->requests[1].condition, "");
}
END_TEST

START_TEST(taken_key_exists_and_is_not_tried_again)
{
    s3_answer_status(412, "PreconditionFailed");
    ck_assert_int_eq(s3_create("k"), KAFSCALE_EXISTS);
    s3_expect_count(1);
}
END_TEST

static const struct {
    const char *title;
    int status; /* 0: the outcome */
    const char *code;
    enum ks_s3_outcome outcome;
    enum kafscale_status put;
    size_t sent;
    int64_t took_ms_min;
} failures[] = {
    { "500", 500, "InternalError", KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
    { "502", 502, NULL, KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
    { "504", 504, NULL, KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
    { "cut", 0, NULL, KS_S3_CUT, KAFSCALE_UNKNOWN, 3, 0 },
    { "short", 0, NULL, KS_S3_SHORT, KAFSCALE_UNKNOWN, 3, 0 },
    { "unsent", 0, NULL, KS_S3_NOT_SENT, KAFSCALE_UNAVAILABLE, 3, 0 },
    { "conflict", 409, "ConditionalRequestConflict", KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
    { "503 without a code", 503, NULL, KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
    { "slow down", 503, "SlowDown", KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 3, 600 },
    { "too many", 429, NULL, KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 3, 600 },
    { "bad digest", 400, "BadDigest", KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 3, 0 },
    { "access denied", 403, "AccessDenied", KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 1, 500 },
    { "bad signature", 403, "SignatureDoesNotMatch", KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 1, 500 },
    { "distrust", 0, NULL, KS_S3_DISTRUST, KAFSCALE_UNAVAILABLE, 1, 500 },
    { "elsewhere", 301, "PermanentRedirect", KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 1, 500 },
    { "expired", 400, "ExpiredToken", KS_S3_ANSWERED, KAFSCALE_UNAVAILABLE, 3, 500 },
    { "anything else", 418, NULL, KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
    { "a 404 of something else", 404, NULL, KS_S3_ANSWERED, KAFSCALE_UNKNOWN, 3, 0 },
};

START_TEST(put_that_fails_for_good_is_told_as_what_is_known_of_it)
{
    int64_t start_ms = s3_script_now_ms(script);

    script->otherwise = (struct s3_answer){ .status = failures[_i].status,
                                            .code = failures[_i].code,
                                            .outcome = failures[_i].outcome };
    ck_assert_msg(s3_create("k") == failures[_i].put, "%s", failures[_i].title);
    ck_assert_msg(script->request_count == failures[_i].sent, "%s: %zu", failures[_i].title,
                  script->request_count);
    ck_assert_msg(s3_script_now_ms(script) - start_ms >= failures[_i].took_ms_min, "%s",
                  failures[_i].title);
}
END_TEST

START_TEST(passing_failure_of_a_put_is_healed_with_the_same_bytes)
{
    s3_answer_status(500, "InternalError");
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_CUT });
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);

    s3_expect_count(3);
    ck_assert_str_eq(script->requests[2].body, "text");
    ck_assert_str_eq(script->requests[2].condition, "*");
    ck_assert(script->requests[2].is_fresh);
    ck_assert_int_ge(s3_gap_ms(1), 50);
    ck_assert_uint_eq(s3_script_counters(script)->retries, 2);
}
END_TEST

/* The second try meets what the first has done: the caller looks whose it is. */
START_TEST(put_that_acted_before_its_answer_was_lost_exists)
{
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_CUT });
    s3_answer_status(412, "PreconditionFailed");
    ck_assert_int_eq(s3_create("k"), KAFSCALE_EXISTS);
}
END_TEST

START_TEST(one_unknown_try_makes_the_whole_unknown)
{
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_CUT });
    script->otherwise = (struct s3_answer){ .outcome = KS_S3_NOT_SENT };
    ck_assert_int_eq(s3_create("k"), KAFSCALE_UNKNOWN);
}
END_TEST

START_TEST(wrong_clock_is_corrected_by_the_servers_and_the_request_repeated)
{
    s3_script_add(script, (struct s3_answer){ .status = 403,
                                              .code = "RequestTimeTooSkewed",
                                              .date = "Thu, 16 Nov 2023 10:00:00 GMT" });
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    ck_assert_int_eq(s3_create("l"), KAFSCALE_OK);

    ck_assert_str_eq(script->requests[0].date, "20231114T221321Z");
    ck_assert_str_eq(script->requests[1].date, "20231116T100000Z");
    ck_assert_str_eq(script->requests[2].date, "20231116T100000Z");
    ck_assert_ptr_nonnull(strstr(script->log, "server's time"));
}
END_TEST

START_TEST(damaged_request_is_sent_again_and_counted)
{
    s3_answer_status(400, "BadDigest");
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);
    s3_expect_count(2);
    ck_assert_uint_eq(s3_script_counters(script)->damaged_requests, 1);
}
END_TEST

START_TEST(many_failures_at_once_are_not_answered_with_as_many_retries)
{
    script->otherwise = (struct s3_answer){ .status = 500, .code = "InternalError" };
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(s3_create("k"), KAFSCALE_UNKNOWN);
    }
    /* All are sent once; what was saved allows 64 more, and each request a fifth of one. */
    ck_assert_uint_le(script->request_count, 100 + 64 + 20);
    ck_assert_uint_ge(script->request_count, 100 + 64);
}
END_TEST

/* --- GET -------------------------------------------------------------------------------------- */

static enum kafscale_status
read_range(uint64_t position, size_t size_max, const char *expected)
{
    char *text = NULL;
    uint64_t object_bytes = 0;
    enum kafscale_status status =
        store_client_get(&script->client, "k", position, size_max, &text, &object_bytes);

    if (status == KAFSCALE_OK) {
        ck_assert_str_eq(text, expected);
    }
    free(text);
    return status;
}

START_TEST(get_of_a_range_asks_for_it_and_checks_what_came)
{
    s3_script_add(script,
                  (struct s3_answer){ .status = 206, .body = "234", .range = "bytes 2-4/10" });
    ck_assert_int_eq(read_range(2, 3, "234"), KAFSCALE_OK);

    s3_expect_request(0, "GET " SERVER "/b/k");
    ck_assert_str_eq(script->requests[0].range, "bytes=2-4");
}
END_TEST

START_TEST(range_that_reaches_beyond_the_end_is_cut_short)
{
    s3_script_add(script,
                  (struct s3_answer){ .status = 206, .body = "89", .range = "bytes 8-9/10" });
    ck_assert_int_eq(read_range(8, 1000, "89"), KAFSCALE_OK);
    s3_script_add(script,
                  (struct s3_answer){ .status = 206, .body = "89", .range = "bytes 8-9/10" });
    ck_assert_int_eq(read_range(8, SIZE_MAX, "89"), KAFSCALE_OK);
    ck_assert_str_eq(script->requests[1].range, "bytes=8-");
}
END_TEST

static const struct {
    const char *title;
    struct s3_answer answer;
} damages[] = {
    { "short", { .outcome = KS_S3_SHORT, .status = 206 } },
    { "too large", { .outcome = KS_S3_TOO_LARGE, .status = 206 } },
    { "other range", { .status = 206, .body = "123", .range = "bytes 1-3/10" } },
    { "short range", { .status = 206, .body = "23", .range = "bytes 2-3/10" } },
    { "other length", { .status = 206, .body = "23", .range = "bytes 2-4/10" } },
    { "no range", { .status = 206, .body = "234" } },
    { "beyond the object", { .status = 206, .body = "234", .range = "bytes 2-4/3" } },
    { "everything", { .status = 200, .body = "0123456789" } },
};

START_TEST(damaged_answer_is_read_again_and_after_three_times_an_alarm)
{
    script->otherwise = damages[_i].answer;
    ck_assert_msg(read_range(2, 3, "") == KAFSCALE_CORRUPT, "%s", damages[_i].title);
    s3_expect_count(3);
    ck_assert(!script->requests[0].is_fresh);
    ck_assert(script->requests[1].is_fresh);
    ck_assert_uint_eq(s3_script_counters(script)->damaged_answers, 3);
    ck_assert_ptr_nonnull(strstr(script->log, "GET of 'k'"));
}
END_TEST

START_TEST(answer_damaged_once_is_healed)
{
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_SHORT, .status = 200 });
    s3_script_add(script, (struct s3_answer){ .body = "text", .checksum = "L1MZ4Q==" });
    ck_assert_int_eq(read_range(0, SIZE_MAX, "text"), KAFSCALE_OK);
    ck_assert_str_eq(script->requests[0].range, "");
    ck_assert_str_eq(script->log, "");
}
END_TEST

START_TEST(whole_object_that_does_not_fit_its_checksum_is_damaged)
{
    script->otherwise = (struct s3_answer){ .body = "texd", .checksum = "L1MZ4Q==" };
    ck_assert_int_eq(read_range(0, SIZE_MAX, "text"), KAFSCALE_CORRUPT);
    /* One over several parts is of another kind. */
    script->otherwise.checksum = "L1MZ4Q==-2";
    ck_assert_int_eq(read_range(0, SIZE_MAX, "texd"), KAFSCALE_OK);
}
END_TEST

START_TEST(absent_key_is_told_by_its_code_only)
{
    s3_answer_status(404, "NoSuchKey");
    ck_assert_int_eq(read_range(0, 10, ""), KAFSCALE_NOT_FOUND);
    s3_expect_count(1);
    script->otherwise = (struct s3_answer){ .status = 404, .body = "<html>no page</html>" };
    ck_assert_int_eq(read_range(0, 10, ""), KAFSCALE_UNAVAILABLE);
}
END_TEST

START_TEST(range_that_begins_at_the_end_is_empty)
{
    s3_script_add(
        script, (struct s3_answer){ .status = 416, .code = "InvalidRange", .range = "bytes */10" });
    ck_assert_int_eq(read_range(10, 5, ""), KAFSCALE_OK);
    s3_expect_count(1);
}
END_TEST

START_TEST(size_that_is_not_told_is_asked_for)
{
    s3_answer_status(416, "InvalidRange");
    s3_script_add(script, (struct s3_answer){ .head_length = 10 });
    ck_assert_int_eq(read_range(10, 5, ""), KAFSCALE_OK);
    s3_expect_request(1, "HEAD " SERVER "/b/k");
    ck_assert_str_eq(script->requests[1].range, "");
}
END_TEST

START_TEST(empty_object_is_read_whole)
{
    ck_assert_int_eq(read_range(0, SIZE_MAX, ""), KAFSCALE_OK);
}
END_TEST

/* --- The replica ------------------------------------------------------------------------------ */

static void
have_replica(struct ks_s3_settings *settings)
{
    settings->replica = settings->bucket;
    settings->replica.bucket = "near";
}

static void
on_read(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    (void) body;
    (void) object_bytes;
    (void) error;
    *(enum kafscale_status *) arg = status;
}

static enum kafscale_status
read_key(const char *key, bool takes_copy)
{
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX, .takes_copy = takes_copy };
    enum kafscale_status status = KAFSCALE_STOPPED;

    script->store.ops->get(script->store.self, &get, on_read, &status);
    virtual_env_run_until_idle(&script->v, 60000);
    return status;
}

START_TEST(segments_come_from_the_replica_and_everything_else_does_not)
{
    s3_setup_as(have_replica);
    ck_assert_int_eq(read_key("ns/t/0/segment-0.kfs", true), KAFSCALE_OK);
    ck_assert_int_eq(read_key("ns/__kafscale/wal/1", true), KAFSCALE_OK);
    ck_assert_int_eq(s3_create("ns/t/0/segment-1.kfs"), KAFSCALE_OK);

    s3_expect_request(0, "GET " SERVER "/near/ns/t/0/segment-0.kfs");
    s3_expect_request(1, "GET " SERVER "/b/ns/__kafscale/wal/1");
    s3_expect_request(2, "PUT " SERVER "/b/ns/t/0/segment-1.kfs");
}
END_TEST

/* Whoever decides by what he reads, or has read something wrong, wants the object itself. */
START_TEST(the_replica_is_not_asked_by_who_wants_no_copy)
{
    s3_setup_as(have_replica);
    ck_assert_int_eq(read_key("ns/t/0/segment-0.kfs", false), KAFSCALE_OK);
    s3_expect_count(1);
    s3_expect_request(0, "GET " SERVER "/b/ns/t/0/segment-0.kfs");
}
END_TEST

static const struct s3_answer replica_troubles[] = {
    { .status = 404, .code = "NoSuchKey" },
    { .status = 403, .code = "AccessDenied" },
    { .status = 500, .code = "InternalError" },
    { .outcome = KS_S3_NOT_SENT },
    { .outcome = KS_S3_SHORT },
};

START_TEST(what_the_replica_does_not_give_is_read_from_the_bucket_at_once)
{
    s3_setup_as(have_replica);
    s3_script_add(script, replica_troubles[_i]);
    ck_assert_int_eq(read_key("ns/t/0/segment-0.kfs", true), KAFSCALE_OK);
    s3_expect_count(2);
    s3_expect_request(1, "GET " SERVER "/b/ns/t/0/segment-0.kfs");
    ck_assert_int_eq(s3_gap_ms(0), 0);
}
END_TEST
static void
add_put_tests(TCase *cases)
{
    tcase_add_test(cases, put_carries_condition_checksum_and_bytes);
    tcase_add_test(cases, taken_key_exists_and_is_not_tried_again);
    tcase_add_loop_test(cases, put_that_fails_for_good_is_told_as_what_is_known_of_it, 0,
                        S3_COUNT(failures));
    tcase_add_test(cases, passing_failure_of_a_put_is_healed_with_the_same_bytes);
    tcase_add_test(cases, put_that_acted_before_its_answer_was_lost_exists);
    tcase_add_test(cases, one_unknown_try_makes_the_whole_unknown);
    tcase_add_test(cases, wrong_clock_is_corrected_by_the_servers_and_the_request_repeated);
    tcase_add_test(cases, damaged_request_is_sent_again_and_counted);
    tcase_add_test(cases, many_failures_at_once_are_not_answered_with_as_many_retries);
}

static void
add_get_tests(TCase *cases)
{
    tcase_add_test(cases, get_of_a_range_asks_for_it_and_checks_what_came);
    tcase_add_test(cases, range_that_reaches_beyond_the_end_is_cut_short);
    tcase_add_loop_test(cases, damaged_answer_is_read_again_and_after_three_times_an_alarm, 0,
                        S3_COUNT(damages));
    tcase_add_test(cases, answer_damaged_once_is_healed);
    tcase_add_test(cases, whole_object_that_does_not_fit_its_checksum_is_damaged);
    tcase_add_test(cases, absent_key_is_told_by_its_code_only);
    tcase_add_test(cases, range_that_begins_at_the_end_is_empty);
    tcase_add_test(cases, size_that_is_not_told_is_asked_for);
    tcase_add_test(cases, empty_object_is_read_whole);
    tcase_add_test(cases, segments_come_from_the_replica_and_everything_else_does_not);
    tcase_add_test(cases, the_replica_is_not_asked_by_who_wants_no_copy);
    tcase_add_loop_test(cases, what_the_replica_does_not_give_is_read_from_the_bucket_at_once, 0,
                        S3_COUNT(replica_troubles));
}

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 store");

    add_put_tests(s3_new_case(suite, "put"));
    add_get_tests(s3_new_case(suite, "get"));
    return suite;
}
