/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to bury is read until that succeeds, from a metadata store that fails at first. */
#include "broker/gone_topics.h"
#include "support/flaky_meta.h"
#include "support/main.h"
#include "support/virtual_env.h"

#define AGAIN_MS 600000
#define MINUTE_MS 60000

static struct virtual_env v;
static struct ks_meta_bucket *bucket;
static struct ks_meta *meta;
static struct flaky_meta_control control;
static struct ks_gone_topics gone;

static void
set_up(void)
{
    control = (struct flaky_meta_control){ .away = 2 };
    virtual_env_init(&v, 1);
    bucket = ks_meta_bucket_new();
    meta = ks_meta_new(&v.env,
                       flaky_meta_new(&v.env, ks_meta_memory_new(&v.env, bucket, 0), &control));
    ks_gone_topics_init(&gone, &v.env, meta, AGAIN_MS);
    ks_gone_topics_start(&gone, NULL);
}

static void
ignore(void *arg)
{
    (void) arg;
}

static void
tear_down(void)
{
    ks_gone_topics_deinit(&gone);
    ks_meta_close(meta, ignore, NULL);
    virtual_env_run_until_idle(&v, 1000);
    ks_meta_bucket_free(bucket);
}

START_TEST(a_read_that_fails_is_made_again_a_minute_later_until_one_does_not)
{
    virtual_env_run_for(&v, MINUTE_MS - 1000);
    ck_assert_uint_eq(control.reads, 1);
    virtual_env_run_for(&v, MINUTE_MS);
    ck_assert_uint_eq(control.reads, 2);
    virtual_env_run_for(&v, MINUTE_MS);
    ck_assert_uint_eq(control.reads, 3);
    virtual_env_run_for(&v, 100 * MINUTE_MS);
    ck_assert_uint_eq(control.reads, 3);
}
END_TEST

START_TEST(after_the_end_nothing_is_read)
{
    virtual_env_run_for(&v, 1000);
    ks_gone_topics_end(&gone);
    virtual_env_run_for(&v, 100 * MINUTE_MS);
    ck_assert_uint_eq(control.reads, 1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker gone topics");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_read_that_fails_is_made_again_a_minute_later_until_one_does_not);
    tcase_add_test(tests, after_the_end_nothing_is_read);
    suite_add_tcase(suite, tests);
    return suite;
}
