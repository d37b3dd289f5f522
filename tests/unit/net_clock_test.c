/* SPDX-License-Identifier: Apache-2.0 */
/* A loop whose clock is put forward: days pass in milliseconds, and nothing is skipped. */
#include "net/net.h"
#include "support/main.h"

#define HOUR_MS ((int64_t) 3600 * 1000)

struct world {
    struct ks_loop *loop;
    struct ks_env *env;
    struct ks_advance advance;
    struct ks_advance second;
    struct ks_timer timer;
    struct ks_task task;
    struct ks_job job;
    int64_t started_ms;
    int64_t period_ms;
    int64_t fired_ms; /* for the last time, since the start */
    int64_t worked_ms;
    int64_t first_told_ms;
    int ring_count;
    int echo_count; /* of tasks that the timer has set off */
    int told_count;
};

static int64_t
age_ms(const struct world *w)
{
    return ks_env_now_ms(w->env) - w->started_ms;
}

static void
on_told(void *arg)
{
    struct world *w = arg;

    w->told_count++;
    w->first_told_ms = w->told_count == 1 ? age_ms(w) : w->first_told_ms;
    if (ks_list_is_linked(&w->advance.link) || ks_list_is_linked(&w->second.link)) {
        return;
    }
    ks_loop_stop(w->loop);
}

static void
on_echo(void *arg)
{
    struct world *w = arg;

    w->echo_count++;
    ck_assert_int_eq(w->echo_count, w->ring_count);
}

static void
on_ring(void *arg)
{
    struct world *w = arg;

    w->ring_count++;
    w->fired_ms = age_ms(w);
    ks_env_defer(w->env, &w->task);
    if (w->period_ms > 0) {
        ks_env_set_timer(w->env, &w->timer, ks_env_now_ms(w->env) + w->period_ms);
    }
}

static void
work(struct ks_job *job)
{
    (void) job;
}

static void
on_worked(struct ks_job *job)
{
    struct world *w = KS_CONTAINER(job, struct world, job);

    w->worked_ms = age_ms(w);
}

static void
world_init(struct world *w, bool is_clock_still)
{
    struct ks_loop_options options = { .is_clock_still = is_clock_still };
    struct kafscale_error error = { 0 };

    *w = (struct world){ 0 };
    ck_assert_int_eq(ks_loop_new(NULL, &options, &w->loop, &error), KAFSCALE_OK);
    w->env = ks_loop_env(w->loop);
    w->started_ms = ks_env_now_ms(w->env);
    w->advance = (struct ks_advance){ .done = on_told, .arg = w };
    w->second = (struct ks_advance){ .done = on_told, .arg = w };
    w->timer = (struct ks_timer){ .on_due = on_ring, .arg = w };
    w->task = (struct ks_task){ .run = on_echo, .arg = w };
    w->job = (struct ks_job){ .run = work, .done = on_worked };
}

/* Every ring of an hour comes, each at its second, and what it sets off before the next. */
START_TEST(each_timer_of_an_hour_fires_at_its_time)
{
    struct world w;

    world_init(&w, true);
    w.period_ms = 1000;
    ks_env_set_timer(w.env, &w.timer, w.started_ms + w.period_ms);
    ks_loop_advance(w.loop, HOUR_MS, &w.advance);
    ks_loop_run(w.loop);

    ck_assert_int_eq(w.ring_count, 3600);
    ck_assert_int_eq(w.fired_ms, HOUR_MS);
    ck_assert_int_eq(w.first_told_ms, HOUR_MS);
    ck_assert_int_eq(age_ms(&w), HOUR_MS);
    ks_loop_free(w.loop);
}
END_TEST

START_TEST(clocks_move_together)
{
    struct world w;
    int64_t wall_ms;

    world_init(&w, true);
    wall_ms = ks_env_wall_ms(w.env);
    ks_loop_advance(w.loop, 24 * HOUR_MS, &w.advance);
    ks_loop_run(w.loop);

    ck_assert_int_eq(ks_env_wall_ms(w.env) - wall_ms, 24 * HOUR_MS);
    ck_assert_int_eq(age_ms(&w), 24 * HOUR_MS);
    ks_loop_free(w.loop);
}
END_TEST

START_TEST(clock_of_the_system_jumps)
{
    struct world w;

    world_init(&w, false);
    ks_env_set_timer(w.env, &w.timer, w.started_ms + HOUR_MS);
    ks_loop_advance(w.loop, HOUR_MS + 1, &w.advance);
    ks_loop_run(w.loop);
    ck_assert_int_eq(w.ring_count, 1);
    ck_assert_int_ge(w.fired_ms, HOUR_MS);
    ck_assert_int_ge(age_ms(&w), HOUR_MS + 1);
    ks_loop_free(w.loop);
}
END_TEST

/* A timer set before the jump is due earlier on the system's clock afterwards. */
START_TEST(timer_behind_a_jump_comes_by_itself)
{
    struct world w;

    world_init(&w, false);
    ks_env_set_timer(w.env, &w.timer, w.started_ms + HOUR_MS + 2);
    ks_loop_advance(w.loop, HOUR_MS, &w.advance);
    ks_loop_run(w.loop);
    w.second = (struct ks_advance){ .done = on_told, .arg = &w };
    ks_loop_advance(w.loop, 2, &w.second);
    ks_loop_run(w.loop);
    ck_assert_int_eq(w.ring_count, 1);
    ks_loop_free(w.loop);
}
END_TEST

START_TEST(time_waits_for_jobs)
{
    struct world w;

    world_init(&w, true);
    ks_env_submit(w.env, &w.job);
    ks_loop_advance(w.loop, HOUR_MS, &w.advance);
    ks_loop_run(w.loop);

    ck_assert_int_eq(w.worked_ms, 0);
    ck_assert_int_eq(age_ms(&w), HOUR_MS);
    ks_loop_free(w.loop);
}
END_TEST

START_TEST(jumps_add_up)
{
    struct world w;

    world_init(&w, true);
    ks_loop_advance(w.loop, HOUR_MS, &w.advance);
    ks_loop_advance(w.loop, 2 * HOUR_MS, &w.second);
    ks_loop_run(w.loop);

    ck_assert_int_eq(w.told_count, 2);
    ck_assert_int_eq(w.first_told_ms, HOUR_MS);
    ck_assert_int_eq(age_ms(&w), 3 * HOUR_MS);
    ks_loop_free(w.loop);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net clock");
    TCase *tests = tcase_create("clock");

    tcase_add_test(tests, each_timer_of_an_hour_fires_at_its_time);
    tcase_add_test(tests, clocks_move_together);
    tcase_add_test(tests, clock_of_the_system_jumps);
    tcase_add_test(tests, timer_behind_a_jump_comes_by_itself);
    tcase_add_test(tests, time_waits_for_jobs);
    tcase_add_test(tests, jumps_add_up);
    suite_add_tcase(suite, tests);
    return suite;
}
