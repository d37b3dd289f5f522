/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to bury is read until that succeeds, from a metadata store that fails at first. */
#include "broker/gone_topics.h"
#include "support/main.h"
#include "support/virtual_env.h"

#define AGAIN_MS 600000
#define MINUTE_MS 60000

static struct virtual_env v;
static struct ks_meta *meta;
static struct ks_gone_topics gone;
static int failures_left;
static int read_count;

/* One read at a time, answered by a task. */
static struct {
    struct ks_task task;
    kafscale_meta_read_done *done;
    void *arg;
} reading;

static struct {
    struct ks_task task;
    kafscale_meta_close_done *done;
    void *arg;
} closing;

static void
answer_read(void *arg)
{
    static const struct kafscale_error error = { .text = "planted" };

    (void) arg;
    if (failures_left > 0) {
        failures_left--;
        reading.done(reading.arg, KAFSCALE_UNAVAILABLE, NULL, 0, 0, &error);
    } else {
        reading.done(reading.arg, KAFSCALE_OK, NULL, 0, 1, NULL);
    }
}

static void
backend_read(void *self, const struct kafscale_meta_read *read, kafscale_meta_read_done *done,
             void *arg)
{
    (void) self;
    ck_assert_str_eq(read->key, "gone/");
    read_count++;
    reading.done = done;
    reading.arg = arg;
    reading.task = (struct ks_task){ .run = answer_read };
    ks_env_defer(&v.env, &reading.task);
}

/* Nothing is found, so nothing is written. */
static void
backend_txn(void *self, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done,
            void *arg)
{
    (void) self;
    (void) txn;
    (void) done;
    (void) arg;
    ck_abort();
}

static void
backend_watch(void *self, kafscale_meta_changed *changed, void *arg)
{
    (void) self;
    (void) changed;
    (void) arg;
}

static void
run_close(void *arg)
{
    (void) arg;
    closing.done(closing.arg);
}

static void
backend_close(void *self, kafscale_meta_close_done *done, void *arg)
{
    (void) self;
    closing.done = done;
    closing.arg = arg;
    closing.task = (struct ks_task){ .run = run_close };
    ks_env_defer(&v.env, &closing.task);
}

static const struct kafscale_meta_ops backend_ops = {
    .version = KAFSCALE_META_OPS_VERSION,
    .name = "failing",
    .read = backend_read,
    .txn = backend_txn,
    .watch = backend_watch,
    .close = backend_close,
};

static void
set_up(void)
{
    read_count = 0;
    failures_left = 2;
    virtual_env_init(&v, 1);
    meta = ks_meta_new(&v.env, (struct kafscale_meta){ &backend_ops, NULL });
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
}

START_TEST(a_read_that_fails_is_made_again_a_minute_later_until_one_does_not)
{
    virtual_env_run_for(&v, MINUTE_MS - 1000);
    ck_assert_int_eq(read_count, 1);
    virtual_env_run_for(&v, MINUTE_MS);
    ck_assert_int_eq(read_count, 2);
    virtual_env_run_for(&v, MINUTE_MS);
    ck_assert_int_eq(read_count, 3);
    virtual_env_run_for(&v, 100 * MINUTE_MS);
    ck_assert_int_eq(read_count, 3);
}
END_TEST

START_TEST(after_the_end_nothing_is_read)
{
    virtual_env_run_for(&v, 1000);
    ks_gone_topics_end(&gone);
    virtual_env_run_for(&v, 100 * MINUTE_MS);
    ck_assert_int_eq(read_count, 1);
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
