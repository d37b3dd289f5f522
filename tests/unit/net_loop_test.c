/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on the real clock and with real threads. The tests wait for events, never for a
 * while, except where a timer of a few milliseconds is what is tested.
 */
#include "net/net.h"
#include "support/main.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

#define CALLS_MAX 64

static struct ks_loop *
loop_new(const struct ks_loop_options *options)
{
    struct kafscale_error error = { 0 };
    struct ks_loop *loop = NULL;

    ck_assert_int_eq(ks_loop_new(NULL, options, &loop, &error), KAFSCALE_OK);
    return loop;
}

/* What happened, one letter each. */
struct story {
    struct ks_loop *loop;
    char text[CALLS_MAX];
    size_t length;
    size_t length_end; /* stops the loop */
};

struct actor {
    struct story *story;
    char letter;
    struct ks_timer timer;
    struct ks_task task;
    struct ks_job job;
    pthread_t ran_on;
    bool is_deferring_again;
};

static void
tell(struct actor *actor)
{
    struct story *story = actor->story;

    ck_assert_uint_lt(story->length, CALLS_MAX - 1);
    story->text[story->length++] = actor->letter;
    if (story->length == story->length_end) {
        ks_loop_stop(story->loop);
    }
}

static void
on_call(void *arg)
{
    struct actor *actor = arg;

    tell(actor);
    if (actor->is_deferring_again) {
        ks_env_defer(ks_loop_env(actor->story->loop), &actor->task);
    }
}

static void
job_run(struct ks_job *job)
{
    KS_CONTAINER(job, struct actor, job)->ran_on = pthread_self();
}

static void
job_done(struct ks_job *job)
{
    tell(KS_CONTAINER(job, struct actor, job));
}

static void
actor_init(struct actor *actor, struct story *story, char letter)
{
    *actor = (struct actor){ .story = story, .letter = letter };
    actor->timer = (struct ks_timer){ .on_due = on_call, .arg = actor };
    actor->task = (struct ks_task){ .run = on_call, .arg = actor };
    actor->job = (struct ks_job){ .run = job_run, .done = job_done };
}

START_TEST(timers_fire_in_order_and_not_early)
{
    struct story story = { .loop = loop_new(NULL), .length_end = 3 };
    struct ks_env *env = ks_loop_env(story.loop);
    int64_t start_ms = ks_env_now_ms(env);
    struct actor a;
    struct actor b;
    struct actor c;
    struct actor never;

    actor_init(&a, &story, 'a');
    actor_init(&b, &story, 'b');
    actor_init(&c, &story, 'c');
    actor_init(&never, &story, 'x');
    ks_env_set_timer(env, &c.timer, start_ms + 30);
    ks_env_set_timer(env, &a.timer, start_ms - 5);
    ks_env_set_timer(env, &never.timer, start_ms + 5);
    ks_env_set_timer(env, &b.timer, start_ms + 10);
    ks_env_cancel_timer(env, &never.timer);
    ks_loop_run(story.loop);

    ck_assert_str_eq(story.text, "abc");
    ck_assert_int_ge(ks_env_now_ms(env), start_ms + 30);
    ks_loop_free(story.loop);
}
END_TEST

/* A task that keeps deferring itself must not keep timers and descriptors from their turn. */
START_TEST(endless_task_starves_nobody)
{
    struct story story = { .loop = loop_new(NULL), .length_end = CALLS_MAX - 1 };
    struct ks_env *env = ks_loop_env(story.loop);
    struct actor task;
    struct actor timer;
    struct actor call;

    actor_init(&task, &story, 't');
    actor_init(&timer, &story, 'm');
    actor_init(&call, &story, 'c');
    task.is_deferring_again = true;
    ks_env_defer(env, &task.task);
    ks_env_set_timer(env, &timer.timer, ks_env_now_ms(env));
    ks_loop_call(story.loop, &call.task);
    ks_loop_run(story.loop);
    ks_env_cancel_task(&task.task);

    ck_assert_ptr_nonnull(strchr(story.text, 'm'));
    ck_assert_ptr_nonnull(strchr(story.text, 'c'));
    ks_loop_free(story.loop);
}
END_TEST

START_TEST(jobs_run_on_other_threads_and_finish_on_the_loop)
{
    struct ks_loop_options options = { .worker_count = 3 };
    struct story story = { .loop = loop_new(&options), .length_end = 40 };
    struct actor actors[40];

    for (size_t i = 0; i < 40; i++) {
        actor_init(&actors[i], &story, 'j');
        ks_env_submit(ks_loop_env(story.loop), &actors[i].job);
    }
    ks_loop_run(story.loop);

    ck_assert_uint_eq(story.length, 40);
    for (size_t i = 0; i < 40; i++) {
        ck_assert(!pthread_equal(actors[i].ran_on, pthread_self()));
    }
    ks_loop_free(story.loop);
}
END_TEST

/* `done` is where a job's memory is freed, so it must come even when the loop goes first. */
START_TEST(free_waits_for_jobs)
{
    struct story story = { .loop = loop_new(NULL) };
    struct actor actors[10];

    for (size_t i = 0; i < 10; i++) {
        actor_init(&actors[i], &story, 'j');
        ks_env_submit(ks_loop_env(story.loop), &actors[i].job);
    }
    ks_loop_free(story.loop);

    ck_assert_uint_eq(story.length, 10);
}
END_TEST

#define CALLERS 4
#define CALLS_EACH 2000

struct caller {
    struct ks_loop *loop;
    struct ks_task calls[CALLS_EACH];
    uint64_t *count;
};

static void
count_call(void *arg)
{
    struct caller *caller = arg;

    *caller->count += 1;
    if (*caller->count == (uint64_t) CALLERS * CALLS_EACH) {
        ks_loop_stop(caller->loop);
    }
}

static void *
call_often(void *arg)
{
    struct caller *caller = arg;

    for (size_t i = 0; i < CALLS_EACH; i++) {
        caller->calls[i] = (struct ks_task){ .run = count_call, .arg = caller };
        ks_loop_call(caller->loop, &caller->calls[i]);
    }
    return NULL;
}

START_TEST(calls_from_other_threads_all_arrive)
{
    static struct caller callers[CALLERS];
    struct ks_loop *loop = loop_new(NULL);
    pthread_t threads[CALLERS];
    uint64_t count = 0;

    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].loop = loop;
        callers[i].count = &count;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    ks_loop_run(loop);
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }

    ck_assert_uint_eq(count, (uint64_t) CALLERS * CALLS_EACH);
    ks_loop_free(loop);
}
END_TEST

static void *
stop_loop(void *arg)
{
    ks_loop_stop(arg);
    return NULL;
}

START_TEST(stop_works_from_another_thread_and_before_run)
{
    struct ks_loop *loop = loop_new(NULL);
    pthread_t thread;

    ks_loop_stop(loop);
    ks_loop_run(loop);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_loop, loop), 0);
    ks_loop_run(loop);
    pthread_join(thread, NULL);
    ks_loop_free(loop);
}
END_TEST

START_TEST(host_base_serves_the_loop)
{
    struct event_base *host = event_base_new();
    struct story story = { 0 };
    struct kafscale_error error = { 0 };
    struct actor task;
    struct actor job;

    ck_assert_int_eq(ks_loop_new(host, NULL, &story.loop, &error), KAFSCALE_OK);
    actor_init(&task, &story, 't');
    actor_init(&job, &story, 'j');
    ks_env_defer(ks_loop_env(story.loop), &task.task);
    ks_env_submit(ks_loop_env(story.loop), &job.job);
    while (story.length < 2) {
        event_base_loop(host, EVLOOP_ONCE);
    }
    ks_loop_free(story.loop);

    ck_assert_int_eq(event_base_get_num_events(host, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(host);
}
END_TEST

/* Nothing is due and nobody calls: whatever the loop has registered, none of it may fire. */
START_TEST(idle_loop_has_nothing_to_wake_up_for)
{
    struct ks_loop *loop = loop_new(NULL);

    event_base_loop(ks_loop_base(loop), EVLOOP_NONBLOCK);

    ck_assert_int_eq(event_base_get_num_events(ks_loop_base(loop), EVENT_BASE_COUNT_ACTIVE), 0);
    ck_assert_int_eq(ks_env_next_due_ms(ks_loop_env(loop)), INT64_MAX);
    ks_loop_free(loop);
}
END_TEST

START_TEST(random_bytes_differ)
{
    struct ks_loop *loop = loop_new(NULL);
    uint8_t large[5000] = { 0 };
    size_t zeros = 0;

    ck_assert(ks_env_random_u64(ks_loop_env(loop)) != ks_env_random_u64(ks_loop_env(loop)));
    ks_env_random(ks_loop_env(loop), large, sizeof large);
    for (size_t i = 0; i < sizeof large; i++) {
        zeros += large[i] == 0;
    }
    ck_assert_uint_lt(zeros, 200);
    ks_loop_free(loop);
}
END_TEST

START_TEST(too_many_workers_are_refused)
{
    struct ks_loop_options options = { .worker_count = 100000 };
    struct ks_loop *loop = NULL;
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(ks_loop_new(NULL, &options, &loop, &error), KAFSCALE_INVALID);
    ck_assert_ptr_null(loop);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net loop");
    TCase *cases = tcase_create("loop");

    tcase_add_test(cases, timers_fire_in_order_and_not_early);
    tcase_add_test(cases, endless_task_starves_nobody);
    tcase_add_test(cases, jobs_run_on_other_threads_and_finish_on_the_loop);
    tcase_add_test(cases, free_waits_for_jobs);
    tcase_add_test(cases, calls_from_other_threads_all_arrive);
    tcase_add_test(cases, stop_works_from_another_thread_and_before_run);
    tcase_add_test(cases, host_base_serves_the_loop);
    tcase_add_test(cases, idle_loop_has_nothing_to_wake_up_for);
    tcase_add_test(cases, random_bytes_differ);
    tcase_add_test(cases, too_many_workers_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
