/* SPDX-License-Identifier: Apache-2.0 */
/* The loop as plug-ins see it (kafscale/loop.h), over the real loop and over the virtual one. */
#include "net/net.h"
#include "support/main.h"
#include "support/virtual_env.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static struct ks_loop *inner;
static struct kafscale_loop loop;
static char log_text[100];

static void
on_line(void *arg, const struct kafscale_log_event *event)
{
    (void) arg;
    snprintf(log_text, sizeof log_text, "%d %s", (int) event->level, event->line);
}

static void
setup(void)
{
    struct ks_loop_options options = { .logger = { .write = on_line, .level = KAFSCALE_LOG_INFO } };
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(ks_loop_new(NULL, &options, &inner, &error), KAFSCALE_OK);
    loop = ks_env_loop(ks_loop_env(inner));
}

static void
teardown(void)
{
    ks_loop_free(inner);
}

/* What happened, one letter each; the loop stops at the last one. */
struct story {
    char text[32];
    size_t length;
    size_t length_end;
};

struct actor {
    struct story *story;
    char letter;
};

static void
tell(void *arg)
{
    struct actor *actor = arg;
    struct story *story = actor->story;

    story->text[story->length++] = actor->letter;
    if (story->length == story->length_end) {
        ks_loop_stop(inner);
    }
}

START_TEST(timers_and_tasks_come_in_order_and_can_be_taken_back)
{
    struct story story = { .length_end = 3 };
    struct actor a = { &story, 'a' };
    struct actor b = { &story, 'b' };
    struct actor never = { &story, 'x' };
    struct kafscale_timer late = { .on_due = tell, .arg = &b };
    struct kafscale_timer soon = { .on_due = tell, .arg = &a };
    struct kafscale_timer cancelled = { .on_due = tell, .arg = &never };
    struct kafscale_task task = { .run = tell, .arg = &a };
    struct kafscale_task dropped = { .run = tell, .arg = &never };
    int64_t now_ms = loop.ops->now_ms(loop.self);

    loop.ops->set_timer(loop.self, &late, now_ms + 20);
    loop.ops->set_timer(loop.self, &soon, now_ms + 10);
    loop.ops->set_timer(loop.self, &cancelled, now_ms + 5);
    loop.ops->cancel_timer(loop.self, &cancelled);
    loop.ops->defer(loop.self, &task);
    loop.ops->defer(loop.self, &dropped);
    loop.ops->cancel_task(loop.self, &dropped);
    loop.ops->cancel_task(loop.self, &dropped);
    ck_assert_uint_eq(story.length, 0);
    ks_loop_run(inner);

    ck_assert_str_eq(story.text, "aab");
    ck_assert_int_ge(loop.ops->now_ms(loop.self), now_ms + 20);
}
END_TEST

struct blocking {
    struct story story;
    struct actor actor;
    pthread_t ran_on;
};

static void
block(void *arg)
{
    ((struct blocking *) arg)->ran_on = pthread_self();
}

static void
blocked(void *arg)
{
    tell(&((struct blocking *) arg)->actor);
}

START_TEST(jobs_run_elsewhere_and_end_on_the_loop)
{
    struct blocking blocking = { .story = { .length_end = 1 } };
    struct kafscale_job job = { .run = block, .done = blocked, .arg = &blocking };

    blocking.actor = (struct actor){ &blocking.story, 'j' };
    loop.ops->submit(loop.self, &job);
    ks_loop_run(inner);

    ck_assert_str_eq(blocking.story.text, "j");
    ck_assert(!pthread_equal(blocking.ran_on, pthread_self()));
}
END_TEST

/* One end of a pipe that is watched. */
struct end {
    struct story *story;
    int fd;
    struct kafscale_watch watch;
};

static void
on_readable(void *arg, unsigned ready)
{
    struct end *end = arg;
    char byte;

    ck_assert_uint_eq(ready, KAFSCALE_WATCH_READ);
    ck_assert_int_eq(read(end->fd, &byte, 1), 1);
    tell(&(struct actor){ end->story, byte });
}

static void
on_writable(void *arg, unsigned ready)
{
    struct end *end = arg;

    ck_assert_uint_eq(ready, KAFSCALE_WATCH_WRITE);
    ck_assert_int_eq(write(end->fd, "rs", 2), 2);
    ck_assert_int_eq(loop.ops->watch(loop.self, &end->watch, end->fd, 0), KAFSCALE_OK);
}

START_TEST(ready_descriptors_are_told_of_until_the_watch_ends)
{
    struct story story = { .length_end = 2 };
    struct end out = { .story = &story };
    struct end in = { .story = &story };
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    in.fd = fds[0];
    out.fd = fds[1];
    in.watch = (struct kafscale_watch){ .on_ready = on_readable, .arg = &in };
    out.watch = (struct kafscale_watch){ .on_ready = on_writable, .arg = &out };
    ck_assert_int_eq(loop.ops->watch(loop.self, &in.watch, in.fd, KAFSCALE_WATCH_READ),
                     KAFSCALE_OK);
    ck_assert_int_eq(loop.ops->watch(loop.self, &out.watch, out.fd, KAFSCALE_WATCH_WRITE),
                     KAFSCALE_OK);
    ks_loop_run(inner);
    ck_assert_str_eq(story.text, "rs");

    ck_assert_int_eq(loop.ops->watch(loop.self, &in.watch, in.fd, 0), KAFSCALE_OK);
    ck_assert_int_eq(loop.ops->watch(loop.self, &in.watch, in.fd, 0), KAFSCALE_OK);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(what_is_waited_for_can_change)
{
    struct story story = { .length_end = 1 };
    struct end end = { .story = &story };
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "c", 1), 1);
    end.fd = fds[0];
    end.watch = (struct kafscale_watch){ .on_ready = on_readable, .arg = &end };
    ck_assert_int_eq(loop.ops->watch(loop.self, &end.watch, fds[0], KAFSCALE_WATCH_WRITE),
                     KAFSCALE_OK);
    ck_assert_int_eq(loop.ops->watch(loop.self, &end.watch, fds[0], KAFSCALE_WATCH_READ),
                     KAFSCALE_OK);
    ks_loop_run(inner);
    ck_assert_str_eq(story.text, "c");

    ck_assert_int_eq(loop.ops->watch(loop.self, &end.watch, fds[0], 0), KAFSCALE_OK);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(descriptor_that_cant_be_watched_is_refused)
{
    struct kafscale_watch watch = { .on_ready = on_readable };

    ck_assert_int_eq(loop.ops->watch(loop.self, &watch, 99999, KAFSCALE_WATCH_READ), KAFSCALE_IO);
    ck_assert_int_eq(loop.ops->watch(loop.self, &watch, 99999, 0), KAFSCALE_OK);
}
END_TEST

START_TEST(events_reach_the_logger_as_its_level_allows_and_no_flood_of_them)
{
    int line_count = 0;
    const struct kafscale_log_field field = { .name = "key", .value = "a%s b", .size = 5 };

    loop.ops->log(loop.self, KAFSCALE_LOG_DEBUG, "a detail", NULL, 0);
    ck_assert_str_eq(log_text, "");
    loop.ops->log(loop.self, KAFSCALE_LOG_WARN, "100 %s of it", &field, 1);
    ck_assert_str_eq(log_text, "1 100 %s of it key=\"a%s b\"");
    for (int i = 0; i < 1000; i++) {
        loop.ops->log(loop.self, KAFSCALE_LOG_WARN, "again", NULL, 0);
        line_count += strcmp(log_text, "1 again") == 0 ? 1 : 0;
        log_text[0] = '\0';
    }
    ck_assert_int_lt(line_count, 200);
}
END_TEST

START_TEST(clocks_and_randomness_are_the_loops_own)
{
    uint8_t a[16] = { 0 };
    uint8_t b[16] = { 0 };

    ck_assert_int_gt(loop.ops->wall_ms(loop.self), 1600000000000);
    loop.ops->random(loop.self, a, sizeof a);
    loop.ops->random(loop.self, b, sizeof b);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
    ck_assert_uint_eq(loop.ops->version, KAFSCALE_LOOP_OPS_VERSION);
}
END_TEST

START_TEST(a_loop_without_descriptors_says_so)
{
    struct virtual_env v;
    struct kafscale_loop virtual_loop;
    struct kafscale_watch watch = { .on_ready = on_readable };

    virtual_env_init(&v, 1);
    virtual_loop = ks_env_loop(&v.env);
    ck_assert_int_eq(virtual_loop.ops->watch(virtual_loop.self, &watch, 0, KAFSCALE_WATCH_READ),
                     KAFSCALE_UNSUPPORTED);
    ck_assert_int_eq(virtual_loop.ops->watch(virtual_loop.self, &watch, 0, 0), KAFSCALE_OK);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net plugin loop");
    TCase *cases = tcase_create("loop");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, timers_and_tasks_come_in_order_and_can_be_taken_back);
    tcase_add_test(cases, jobs_run_elsewhere_and_end_on_the_loop);
    tcase_add_test(cases, ready_descriptors_are_told_of_until_the_watch_ends);
    tcase_add_test(cases, what_is_waited_for_can_change);
    tcase_add_test(cases, descriptor_that_cant_be_watched_is_refused);
    tcase_add_test(cases, events_reach_the_logger_as_its_level_allows_and_no_flood_of_them);
    tcase_add_test(cases, clocks_and_randomness_are_the_loops_own);
    tcase_add_test(cases, a_loop_without_descriptors_says_so);
    suite_add_tcase(suite, cases);
    return suite;
}
