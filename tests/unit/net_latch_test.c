/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latches and loop threads: what one thread raises another sees, and a loop's thread ends when its
 * loop is stopped.
 */
#include "net/net.h"
#include "support/main.h"

struct fixture {
    struct ks_latch latch;
    struct ks_loop *loop;
    struct ks_loop_thread thread;
    struct ks_task task;
    int value;
    bool was_current;
};

static void
on_loop(void *arg)
{
    struct fixture *f = arg;

    f->value = 42;
    f->was_current = ks_loop_thread_is_current(&f->thread);
    ks_latch_raise(&f->latch, 2);
}

START_TEST(a_mark_stays_and_tells_whether_it_was_new)
{
    struct ks_latch latch;

    ks_latch_init(&latch);
    ck_assert_uint_eq(ks_latch_wait(&latch, 1, 0), 0);
    ck_assert_uint_eq(ks_latch_raise(&latch, 1), 0);
    ck_assert_uint_eq(ks_latch_raise(&latch, 4), 1);
    ck_assert_uint_eq(ks_latch_wait(&latch, 2, 0), 5);
    ck_assert_uint_eq(ks_latch_wait(&latch, 1, -1), 5);
    ck_assert_uint_eq(ks_latch_wait(&latch, 2, 10), 5);
    ks_latch_deinit(&latch);
}
END_TEST

START_TEST(what_a_loop_thread_raises_is_seen_by_the_one_that_waits)
{
    struct fixture f = { 0 };
    struct kafscale_error error = { 0 };

    ks_latch_init(&f.latch);
    ck_assert_int_eq(ks_loop_new(NULL, NULL, &f.loop, &error), KAFSCALE_OK);
    f.task = (struct ks_task){ .run = on_loop, .arg = &f };
    ck_assert_int_eq(ks_loop_thread_start(&f.thread, f.loop, &error), KAFSCALE_OK);
    ks_loop_call(f.loop, &f.task);
    ck_assert_uint_eq(ks_latch_wait(&f.latch, 2, INT64_MAX), 2);
    ck_assert_int_eq(f.value, 42);
    ck_assert(f.was_current);
    ck_assert(!ks_loop_thread_is_current(&f.thread));

    ks_loop_stop(f.loop);
    ks_loop_thread_join(&f.thread);
    ks_loop_thread_join(&f.thread);
    ks_loop_free(f.loop);
    ks_latch_deinit(&f.latch);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net latch");
    TCase *latch = tcase_create("latch");

    tcase_add_test(latch, a_mark_stays_and_tells_whether_it_was_new);
    tcase_add_test(latch, what_a_loop_thread_raises_is_seen_by_the_one_that_waits);
    suite_add_tcase(suite, latch);
    return suite;
}
