/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What concerns the bucket and many objects of it, on a scripted server and a virtual clock: a
 * bucket that is missing or deletes by itself, lists, and removals that go together.
 */
#include "support/main.h"
#include "unit/s3_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* --- Buckets ---------------------------------------------------------------------------------- */

START_TEST(missing_bucket_on_loopback_is_made)
{
    s3_answer_status(404, "NoSuchBucket");
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);

    s3_expect_request(1, "PUT " SERVER "/b");
    s3_expect_request(2, "PUT " SERVER "/b/k");
    ck_assert_str_eq(script->log, "made the S3 bucket bucket=b\n");
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

    s3_setup_as(be_elsewhere);
    start_ms = s3_script_now_ms(script);
    script->otherwise = (struct s3_answer){ .status = 404, .code = "NoSuchBucket" };
    ck_assert_int_eq(s3_create("k"), KAFSCALE_UNAVAILABLE);

    s3_expect_count(1);
    s3_expect_request(0, "PUT https://b.s3.example.org/k");
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
    s3_setup_as(allow_making);
    s3_answer_status(404, "NoSuchBucket");
    ck_assert_int_eq(s3_create("k"), KAFSCALE_OK);

    s3_expect_request(1, "PUT https://b.s3.example.org/");
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
    s3_expect_request(0, "GET " SERVER "/b?lifecycle=");
}
END_TEST

START_TEST(bucket_without_rules_takes_nothing_away)
{
    s3_answer_status(404, "NoSuchLifecycleConfiguration");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    s3_answer_status(404, "NoSuchBucket");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    s3_expect_count(2);
}
END_TEST

START_TEST(rules_that_cant_be_read_are_told_as_such)
{
    s3_answer_status(403, "AccessDenied");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_UNSUPPORTED);
    s3_answer_status(501, "NotImplemented");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_UNSUPPORTED);
    s3_expect_count(2);
    s3_answer_status(503, "SlowDown");
    s3_answer_status(404, "NoSuchLifecycleConfiguration");
    ck_assert_int_eq(find_expiry().status, KAFSCALE_OK);
    s3_script_add(script, (struct s3_answer){ .body = "<Odd/>" });
    s3_script_add(script, (struct s3_answer){ .body = RULE("default/a/") });
    ck_assert_int_eq(find_expiry().status, KAFSCALE_INVALID);
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
    s3_expect_request(
        0, "GET " SERVER
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
    s3_expect_count(3);
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
    s3_answer_status(404, "NoSuchKey");
    ck_assert_int_eq(store_client_remove(&script->client, "k"), KAFSCALE_OK);
    s3_expect_count(1);
    s3_expect_request(0, "DELETE " SERVER "/b/k");
}
END_TEST

START_TEST(removals_at_once_go_together_and_fail_each_for_itself)
{
    struct removal *removals;

    s3_script_add(script, (struct s3_answer){
                              .body = "<DeleteResult><Error><Key>k1</Key><Code>InternalError</Code>"
                                      "<Message>m</Message></Error></DeleteResult>" });
    removals = remove_many(3);
    s3_expect_count(1);
    s3_expect_request(0, "POST " SERVER "/b?delete=");
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
    s3_expect_count(2);
    s3_expect_request(1, "DELETE " SERVER "/b/k1000");
    free(removals);
}
END_TEST

START_TEST(server_without_multi_delete_gets_one_at_a_time)
{
    struct removal *removals;

    s3_answer_status(501, "NotImplemented");
    removals = remove_many(3);
    s3_expect_count(4);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(removals[i].status, KAFSCALE_OK);
    }
    free(removals);
    removals = remove_many(2);
    s3_expect_count(6);
    s3_expect_request(5, "DELETE " SERVER "/b/k1");
    free(removals);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("s3 bucket");
    TCase *cases = s3_new_case(suite, "bucket");

    tcase_add_test(cases, missing_bucket_on_loopback_is_made);
    tcase_add_test(cases, missing_bucket_elsewhere_is_told_slowly);
    tcase_add_test(cases, missing_bucket_elsewhere_is_made_if_that_was_allowed);
    tcase_add_test(cases, rule_that_takes_our_objects_away_is_found);
    tcase_add_test(cases, bucket_without_rules_takes_nothing_away);
    tcase_add_test(cases, rules_that_cant_be_read_are_told_as_such);
    cases = s3_new_case(suite, "list and delete");
    tcase_add_test(cases, list_asks_for_a_page_and_gives_decoded_keys);
    tcase_add_test(cases, keys_that_cant_be_ours_are_left_out_and_a_page_of_them_is_passed_over);
    tcase_add_test(cases, what_pages_passed_over_held_is_not_kept);
    tcase_add_test(cases, a_page_that_comes_damaged_is_asked_for_with_the_same_token);
    tcase_add_loop_test(cases, list_that_is_none_is_not_believed, 0, S3_COUNT(bad_pages));
    tcase_add_test(cases, single_removal_is_a_delete_and_absence_is_fine);
    tcase_add_test(cases, removals_at_once_go_together_and_fail_each_for_itself);
    tcase_add_test(cases, a_thousand_removals_fill_a_request);
    tcase_add_test(cases, server_without_multi_delete_gets_one_at_a_time);
    return suite;
}
