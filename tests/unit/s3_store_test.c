/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the S3 store asks and what it makes of answers, on a scripted server and a virtual clock:
 * each row of the table of errors.
 */
#include "support/main.h"
#include "support/s3_script.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVER "http://127.0.0.1:9000"

static struct s3_script *script;

static void
teardown(void)
{
    s3_script_free(script);
    script = NULL;
}

static void
setup(void)
{
    script = s3_script_new(NULL);
}

static void
setup_as(void (*change)(struct ks_s3_settings *settings))
{
    teardown();
    script = s3_script_new(change);
}

static void
answer_status(int status, const char *code)
{
    s3_script_add(script, (struct s3_answer){ .status = status, .code = code });
}

static enum kafscale_status
create(const char *key)
{
    return store_client_put_if_absent(&script->client, key, "text");
}

static void
expect_request(size_t index, const char *text)
{
    ck_assert_uint_lt(index, script->request_count);
    ck_assert_str_eq(script->requests[index].text, text);
}

static void
expect_count(size_t count)
{
    ck_assert_uint_eq(script->request_count, count);
}

static int64_t
gap_ms(size_t index)
{
    return script->requests[index + 1].at_ms - script->requests[index].at_ms;
}

/* --- PUT -------------------------------------------------------------------------------------- */

START_TEST(put_carries_condition_checksum_and_bytes)
{
    ck_assert_int_eq(create("wal/1"), KAFSCALE_OK);
    ck_assert_int_eq(store_client_put(&script->client, "a b+c", "other"), KAFSCALE_OK);

    expect_request(0, "PUT " SERVER "/b/wal/1");
    ck_assert_str_eq(script->requests[0].condition, "*");
    ck_assert_str_eq(script->requests[0].checksum, "L1MZ4Q==");
    ck_assert_str_eq(script->requests[0].body, "text");
    expect_request(1, "PUT " SERVER "/b/a%20b%2Bc");
    ck_assert_str_eq(script->requests[1].condition, "");
}
END_TEST

START_TEST(taken_key_exists_and_is_not_tried_again)
{
    answer_status(412, "PreconditionFailed");
    ck_assert_int_eq(create("k"), KAFSCALE_EXISTS);
    expect_count(1);
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
    ck_assert_msg(create("k") == failures[_i].put, "%s", failures[_i].title);
    ck_assert_msg(script->request_count == failures[_i].sent, "%s: %zu", failures[_i].title,
                  script->request_count);
    ck_assert_msg(s3_script_now_ms(script) - start_ms >= failures[_i].took_ms_min, "%s",
                  failures[_i].title);
}
END_TEST

START_TEST(passing_failure_of_a_put_is_healed_with_the_same_bytes)
{
    answer_status(500, "InternalError");
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_CUT });
    ck_assert_int_eq(create("k"), KAFSCALE_OK);

    expect_count(3);
    ck_assert_str_eq(script->requests[2].body, "text");
    ck_assert_str_eq(script->requests[2].condition, "*");
    ck_assert(script->requests[2].is_fresh);
    ck_assert_int_ge(gap_ms(1), 50);
    ck_assert_uint_eq(s3_script_counters(script)->retries, 2);
}
END_TEST

/* The second try meets what the first has done: the caller looks whose it is. */
START_TEST(put_that_acted_before_its_answer_was_lost_exists)
{
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_CUT });
    answer_status(412, "PreconditionFailed");
    ck_assert_int_eq(create("k"), KAFSCALE_EXISTS);
}
END_TEST

START_TEST(one_unknown_try_makes_the_whole_unknown)
{
    s3_script_add(script, (struct s3_answer){ .outcome = KS_S3_CUT });
    script->otherwise = (struct s3_answer){ .outcome = KS_S3_NOT_SENT };
    ck_assert_int_eq(create("k"), KAFSCALE_UNKNOWN);
}
END_TEST

START_TEST(wrong_clock_is_corrected_by_the_servers_and_the_request_repeated)
{
    s3_script_add(script, (struct s3_answer){ .status = 403,
                                              .code = "RequestTimeTooSkewed",
                                              .date = "Thu, 16 Nov 2023 10:00:00 GMT" });
    ck_assert_int_eq(create("k"), KAFSCALE_OK);
    ck_assert_int_eq(create("l"), KAFSCALE_OK);

    ck_assert_str_eq(script->requests[0].date, "20231114T221321Z");
    ck_assert_str_eq(script->requests[1].date, "20231116T100000Z");
    ck_assert_str_eq(script->requests[2].date, "20231116T100000Z");
    ck_assert_ptr_nonnull(strstr(script->log, "server's time"));
}
END_TEST

START_TEST(damaged_request_is_sent_again_and_counted)
{
    answer_status(400, "BadDigest");
    ck_assert_int_eq(create("k"), KAFSCALE_OK);
    expect_count(2);
    ck_assert_uint_eq(s3_script_counters(script)->damaged_requests, 1);
}
END_TEST

START_TEST(many_failures_at_once_are_not_answered_with_as_many_retries)
{
    script->otherwise = (struct s3_answer){ .status = 500, .code = "InternalError" };
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(create("k"), KAFSCALE_UNKNOWN);
    }
    /* All are sent once; what was saved allows 64 more, and each request a fifth of one. */
    ck_assert_uint_le(script->request_count, 100 + 64 + 20);
    ck_assert_uint_ge(script->request_count, 100 + 64);
}
END_TEST

/* --- Buckets ---------------------------------------------------------------------------------- */

START_TEST(missing_bucket_on_loopback_is_made)
{
    answer_status(404, "NoSuchBucket");
    ck_assert_int_eq(create("k"), KAFSCALE_OK);

    expect_request(1, "PUT " SERVER "/b");
    expect_request(2, "PUT " SERVER "/b/k");
    ck_assert_str_eq(script->log, "made the S3 bucket 'b'\n");
}
END_TEST

static void
be_elsewhere(struct ks_s3_settings *settings)
{
    settings->bucket.endpoint = "https://s3.example.org";
    settings->bucket.is_path_style = false;
}

START_TEST(missing_bucket_elsewhere_is_told_slowly)
{
    int64_t start_ms;

    setup_as(be_elsewhere);
    start_ms = s3_script_now_ms(script);
    script->otherwise = (struct s3_answer){ .status = 404, .code = "NoSuchBucket" };
    ck_assert_int_eq(create("k"), KAFSCALE_UNAVAILABLE);

    expect_count(1);
    expect_request(0, "PUT https://b.s3.example.org/k");
    ck_assert_int_ge(s3_script_now_ms(script) - start_ms, 500);
}
END_TEST

static void
allow_making(struct ks_s3_settings *settings)
{
    be_elsewhere(settings);
    settings->may_create_bucket = true;
    settings->bucket.region = "eu-north-1";
}

START_TEST(missing_bucket_elsewhere_is_made_if_that_was_allowed)
{
    setup_as(allow_making);
    answer_status(404, "NoSuchBucket");
    ck_assert_int_eq(create("k"), KAFSCALE_OK);

    expect_request(1, "PUT https://b.s3.example.org/");
    ck_assert_ptr_nonnull(strstr(script->requests[1].body, "eu-north-1"));
}
END_TEST

/* --- Lifecycle -------------------------------------------------------------------------------- */

struct expiry {
    bool is_done;
    enum kafscale_status status;
    char text[400];
};

static void
on_expiry(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct expiry *expiry = arg;

    expiry->is_done = true;
    expiry->status = status;
    if (error != NULL) {
        (void) snprintf(expiry->text, sizeof expiry->text, "%s", error->text);
    }
}

static struct expiry
find_expiry(void)
{
    struct expiry expiry = { .status = KAFSCALE_OK };

    script->store.ops->find_expiry(script->store.self, "default/", on_expiry, &expiry);
    ck_assert(!expiry.is_done);
    ck_assert(virtual_env_run_until(&script->v, &expiry.is_done, 600000));
    return expiry;
}

#define RULE(prefix)                                                        \
    "<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix>" prefix    \
    "</Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days>" \
    "</Expiration></Rule></LifecycleConfiguration>"

START_TEST(rule_that_takes_our_objects_away_is_found)
{
    struct expiry expiry;

    s3_script_add(script, (struct s3_answer){ .body = RULE("default/") });
    s3_script_add(script, (struct s3_answer){ .body = RULE("") });
    s3_script_add(script, (struct s3_answer){ .body = RULE("other/") });
    expiry = find_expiry();
    ck_assert_int_eq(expiry.status, KAFSCALE_INVALID);
    ck_assert_ptr_nonnull(strstr(expiry.text, "'tidy'"));
    ck_assert_ptr_nonnull(strstr(expiry.text, "30 days"));
    ck_assert_int_eq(find_expiry().status, KAFSCALE_INVALID);
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    expect_request(0, "GET " SERVER "/b?lifecycle=");
}
END_TEST

START_TEST(bucket_without_rules_takes_nothing_away)
{
    answer_status(404, "NoSuchLifecycleConfiguration");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    answer_status(404, "NoSuchBucket");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    expect_count(2);
}
END_TEST

START_TEST(rules_that_cant_be_read_are_told_as_such)
{
    answer_status(403, "AccessDenied");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_UNSUPPORTED);
    answer_status(501, "NotImplemented");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_UNSUPPORTED);
    expect_count(2);
    answer_status(503, "SlowDown");
    answer_status(404, "NoSuchLifecycleConfiguration");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    s3_script_add(script, (struct s3_answer){ .body = "<Odd/>" });
    s3_script_add(script, (struct s3_answer){ .body = RULE("default/a/") });
    ck_assert_int_eq(find_expiry().status, KAFSCALE_INVALID);
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

    expect_request(0, "GET " SERVER "/b/k");
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
    expect_count(3);
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
    answer_status(404, "NoSuchKey");
    ck_assert_int_eq(read_range(0, 10, ""), KAFSCALE_NOT_FOUND);
    expect_count(1);
    script->otherwise = (struct s3_answer){ .status = 404, .body = "<html>no page</html>" };
    ck_assert_int_eq(read_range(0, 10, ""), KAFSCALE_UNAVAILABLE);
}
END_TEST

START_TEST(range_that_begins_at_the_end_is_empty)
{
    s3_script_add(
        script, (struct s3_answer){ .status = 416, .code = "InvalidRange", .range = "bytes */10" });
    ck_assert_int_eq(read_range(10, 5, ""), KAFSCALE_OK);
    expect_count(1);
}
END_TEST

START_TEST(size_that_is_not_told_is_asked_for)
{
    answer_status(416, "InvalidRange");
    s3_script_add(script, (struct s3_answer){ .head_length = 10 });
    ck_assert_int_eq(read_range(10, 5, ""), KAFSCALE_OK);
    expect_request(1, "HEAD " SERVER "/b/k");
    ck_assert_str_eq(script->requests[1].range, "");
}
END_TEST

START_TEST(empty_object_is_read_whole)
{
    ck_assert_int_eq(read_range(0, SIZE_MAX, ""), KAFSCALE_OK);
}
END_TEST

/* --- LIST ------------------------------------------------------------------------------------- */

#define PAGE(truncated, contents)                                               \
    "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>" truncated \
    "</IsTruncated><NextContinuationToken>t+1</NextContinuationToken>" contents \
    "</ListBucketResult>"
#define ENTRY(key) "<Contents><Key>" key "</Key><Size>5</Size></Contents>"

static void
expect_list(const char *start_after, size_t count_max, const char *expected)
{
    char *keys;

    ck_assert_int_eq(store_client_list(&script->client, "p/", start_after, count_max, &keys),
                     KAFSCALE_OK);
    ck_assert_str_eq(keys, expected);
    free(keys);
}

START_TEST(list_asks_for_a_page_and_gives_decoded_keys)
{
    s3_script_add(script,
                  (struct s3_answer){ .body = PAGE("false", ENTRY("p/b%26c") ENTRY("p/d")) });
    expect_list("p/a", 5000, "p/b&c p/d ");
    expect_request(0,
                   "GET " SERVER
                   "/b?encoding-type=url&list-type=2&max-keys=1000&prefix=p%2F&start-after=p%2Fa");
}
END_TEST

START_TEST(keys_that_cant_be_ours_are_left_out_and_a_page_of_them_is_passed_over)
{
    s3_script_add(script, (struct s3_answer){ .body = PAGE("true", ENTRY("p//x") ENTRY("p/x/")) });
    s3_script_add(script, (struct s3_answer){ .body = PAGE("false", ENTRY("p/y")) });
    expect_list(NULL, 10, "p/y ");
    ck_assert_ptr_nonnull(strstr(script->requests[1].text, "continuation-token=t%2B1"));
}
END_TEST

#define LONG_PAGES 30

static char *
page_of_long_keys(void)
{
    char *page = NULL;
    size_t size;
    FILE *out = open_memstream(&page, &size);

    fputs("<ListBucketResult><IsTruncated>true</IsTruncated>", out);
    for (int i = 0; i < 20; i++) {
        fprintf(out, "<Contents><Key>p/%030000d</Key><Size>5</Size></Contents>", i);
    }
    fputs("<NextContinuationToken>t</NextContinuationToken></ListBucketResult>", out);
    fclose(out);
    return page;
}

/* All that these hold is more than a list may have. */
START_TEST(what_pages_passed_over_held_is_not_kept)
{
    char *page = page_of_long_keys();

    for (int i = 0; i < LONG_PAGES; i++) {
        s3_script_add(script, (struct s3_answer){ .body = page });
    }
    s3_script_add(script, (struct s3_answer){ .body = PAGE("false", ENTRY("p/y")) });
    expect_list(NULL, 10, "p/y ");
    free(page);
}
END_TEST

/* The token leads to the next page as often as that comes damaged. */
START_TEST(a_page_that_comes_damaged_is_asked_for_with_the_same_token)
{
    s3_script_add(script, (struct s3_answer){ .body = PAGE("true", ENTRY("p//x")) });
    s3_script_add(script, (struct s3_answer){ .body = PAGE("true", ENTRY("p//y") "<Contents>") });
    s3_script_add(script, (struct s3_answer){ .body = PAGE("false", ENTRY("p/y")) });
    expect_list(NULL, 10, "p/y ");
    ck_assert_ptr_nonnull(strstr(script->requests[2].text, "continuation-token=t%2B1"));
}
END_TEST

static const char *const bad_pages[] = {
    "",
    "<html>",
    PAGE("false", ENTRY("q/x")),
    PAGE("false", ENTRY("p/b") ENTRY("p/a")),
    PAGE("false", ENTRY("p/A")),
};

START_TEST(list_that_is_none_is_not_believed)
{
    char *keys;

    script->otherwise = (struct s3_answer){ .body = bad_pages[_i] };
    ck_assert_int_eq(store_client_list(&script->client, "p/", "p/B", 10, &keys),
                     KAFSCALE_UNAVAILABLE);
    expect_count(3);
    free(keys);
}
END_TEST

/* --- DELETE ----------------------------------------------------------------------------------- */

struct removal {
    struct kafscale_remove remove;
    char key[16];
    bool is_done;
    enum kafscale_status status;
};

static void
on_removed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct removal *removal = arg;

    ck_assert(!removal->is_done);
    ck_assert(status == KAFSCALE_OK || error != NULL);
    removal->is_done = true;
    removal->status = status;
}

static struct removal *
remove_many(size_t count)
{
    struct removal *removals = calloc(count, sizeof *removals);

    for (size_t i = 0; i < count; i++) {
        (void) snprintf(removals[i].key, sizeof removals[i].key, "k%zu", i);
        removals[i].remove.key = removals[i].key;
        ks_store_remove(script->client.store, &removals[i].remove, on_removed, &removals[i]);
    }
    virtual_env_run_until_idle(&script->v, 60000);
    for (size_t i = 0; i < count; i++) {
        ck_assert(removals[i].is_done);
    }
    return removals;
}

START_TEST(single_removal_is_a_delete_and_absence_is_fine)
{
    answer_status(404, "NoSuchKey");
    ck_assert_int_eq(store_client_remove(&script->client, "k"), KAFSCALE_OK);
    expect_count(1);
    expect_request(0, "DELETE " SERVER "/b/k");
}
END_TEST

START_TEST(removals_at_once_go_together_and_fail_each_for_itself)
{
    struct removal *removals;

    s3_script_add(script, (struct s3_answer){
                              .body = "<DeleteResult><Error><Key>k1</Key><Code>InternalError</Code>"
                                      "<Message>m</Message></Error></DeleteResult>" });
    removals = remove_many(3);
    expect_count(1);
    expect_request(0, "POST " SERVER "/b?delete=");
    ck_assert_ptr_nonnull(strstr(script->requests[0].body, "<Key>k2</Key>"));
    ck_assert_int_eq(removals[0].status, KAFSCALE_OK);
    ck_assert_int_eq(removals[1].status, KAFSCALE_UNKNOWN);
    ck_assert_int_eq(removals[2].status, KAFSCALE_OK);
    free(removals);
}
END_TEST

START_TEST(a_thousand_removals_fill_a_request)
{
    struct removal *removals;

    script->otherwise = (struct s3_answer){ .body = "<DeleteResult></DeleteResult>" };
    removals = remove_many(1001);
    expect_count(2);
    expect_request(1, "DELETE " SERVER "/b/k1000");
    free(removals);
}
END_TEST

START_TEST(server_without_multi_delete_gets_one_at_a_time)
{
    struct removal *removals;

    answer_status(501, "NotImplemented");
    removals = remove_many(3);
    expect_count(4);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(removals[i].status, KAFSCALE_OK);
    }
    free(removals);
    removals = remove_many(2);
    expect_count(6);
    expect_request(5, "DELETE " SERVER "/b/k1");
    free(removals);
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
    setup_as(have_replica);
    ck_assert_int_eq(read_key("ns/t/0/segment-0.kfs", true), KAFSCALE_OK);
    ck_assert_int_eq(read_key("ns/__kafscale/wal/1", true), KAFSCALE_OK);
    ck_assert_int_eq(create("ns/t/0/segment-1.kfs"), KAFSCALE_OK);

    expect_request(0, "GET " SERVER "/near/ns/t/0/segment-0.kfs");
    expect_request(1, "GET " SERVER "/b/ns/__kafscale/wal/1");
    expect_request(2, "PUT " SERVER "/b/ns/t/0/segment-1.kfs");
}
END_TEST

/* Whoever decides by what he reads, or has read something wrong, wants the object itself. */
START_TEST(the_replica_is_not_asked_by_who_wants_no_copy)
{
    setup_as(have_replica);
    ck_assert_int_eq(read_key("ns/t/0/segment-0.kfs", false), KAFSCALE_OK);
    expect_count(1);
    expect_request(0, "GET " SERVER "/b/ns/t/0/segment-0.kfs");
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
    setup_as(have_replica);
    s3_script_add(script, replica_troubles[_i]);
    ck_assert_int_eq(read_key("ns/t/0/segment-0.kfs", true), KAFSCALE_OK);
    expect_count(2);
    expect_request(1, "GET " SERVER "/b/ns/t/0/segment-0.kfs");
    ck_assert_int_eq(gap_ms(0), 0);
}
END_TEST

#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

static TCase *
new_case(Suite *suite, const char *name)
{
    TCase *cases = tcase_create(name);

    tcase_add_checked_fixture(cases, setup, teardown);
    suite_add_tcase(suite, cases);
    return cases;
}

static void
add_put_tests(TCase *cases)
{
    tcase_add_test(cases, put_carries_condition_checksum_and_bytes);
    tcase_add_test(cases, taken_key_exists_and_is_not_tried_again);
    tcase_add_loop_test(cases, put_that_fails_for_good_is_told_as_what_is_known_of_it, 0,
                        COUNT(failures));
    tcase_add_test(cases, passing_failure_of_a_put_is_healed_with_the_same_bytes);
    tcase_add_test(cases, put_that_acted_before_its_answer_was_lost_exists);
    tcase_add_test(cases, one_unknown_try_makes_the_whole_unknown);
    tcase_add_test(cases, wrong_clock_is_corrected_by_the_servers_and_the_request_repeated);
    tcase_add_test(cases, damaged_request_is_sent_again_and_counted);
    tcase_add_test(cases, many_failures_at_once_are_not_answered_with_as_many_retries);
    tcase_add_test(cases, missing_bucket_on_loopback_is_made);
    tcase_add_test(cases, missing_bucket_elsewhere_is_told_slowly);
    tcase_add_test(cases, missing_bucket_elsewhere_is_made_if_that_was_allowed);
    tcase_add_test(cases, rule_that_takes_our_objects_away_is_found);
    tcase_add_test(cases, bucket_without_rules_takes_nothing_away);
    tcase_add_test(cases, rules_that_cant_be_read_are_told_as_such);
}

static void
add_get_tests(TCase *cases)
{
    tcase_add_test(cases, get_of_a_range_asks_for_it_and_checks_what_came);
    tcase_add_test(cases, range_that_reaches_beyond_the_end_is_cut_short);
    tcase_add_loop_test(cases, damaged_answer_is_read_again_and_after_three_times_an_alarm, 0,
                        COUNT(damages));
    tcase_add_test(cases, answer_damaged_once_is_healed);
    tcase_add_test(cases, whole_object_that_does_not_fit_its_checksum_is_damaged);
    tcase_add_test(cases, absent_key_is_told_by_its_code_only);
    tcase_add_test(cases, range_that_begins_at_the_end_is_empty);
    tcase_add_test(cases, size_that_is_not_told_is_asked_for);
    tcase_add_test(cases, empty_object_is_read_whole);
    tcase_add_test(cases, the_replica_is_not_asked_by_who_wants_no_copy);
    tcase_add_test(cases, segments_come_from_the_replica_and_everything_else_does_not);
    tcase_add_loop_test(cases, what_the_replica_does_not_give_is_read_from_the_bucket_at_once, 0,
                        COUNT(replica_troubles));
}

static void
add_other_tests(TCase *cases)
{
    tcase_add_test(cases, list_asks_for_a_page_and_gives_decoded_keys);
    tcase_add_test(cases, keys_that_cant_be_ours_are_left_out_and_a_page_of_them_is_passed_over);
    tcase_add_test(cases, what_pages_passed_over_held_is_not_kept);
    tcase_add_test(cases, a_page_that_comes_damaged_is_asked_for_with_the_same_token);
    tcase_add_loop_test(cases, list_that_is_none_is_not_believed, 0, COUNT(bad_pages));
    tcase_add_test(cases, single_removal_is_a_delete_and_absence_is_fine);
    tcase_add_test(cases, removals_at_once_go_together_and_fail_each_for_itself);
    tcase_add_test(cases, a_thousand_removals_fill_a_request);
    tcase_add_test(cases, server_without_multi_delete_gets_one_at_a_time);
}

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 store");

    add_put_tests(new_case(suite, "put"));
    add_get_tests(new_case(suite, "get"));
    add_other_tests(new_case(suite, "list and delete"));
    return suite;
}
