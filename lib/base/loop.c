/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment as kafscale/loop.h shows it. What the environment needs for a timer, a task, a
 * watch or a job lies in the reserved words of the struct that the plug-in embeds, so that nothing
 * is allocated, and nothing of the environment's shape is part of the binary interface.
 */
#include "base/env.h"

#include <assert.h>

static_assert(sizeof(struct ks_timer) <= sizeof((struct kafscale_timer *) 0)->reserved,
              "a timer fits into the words reserved for it");
static_assert(sizeof(struct ks_task) <= sizeof((struct kafscale_task *) 0)->reserved,
              "a task fits into the words reserved for it");
static_assert(sizeof(struct ks_watch) <= sizeof((struct kafscale_watch *) 0)->reserved,
              "a watch fits into the words reserved for it");
static_assert(sizeof(struct ks_job) <= sizeof((struct kafscale_job *) 0)->reserved,
              "a job fits into the words reserved for it");

static struct ks_timer *
timer_of(struct kafscale_timer *timer)
{
    return (struct ks_timer *) (void *) timer->reserved;
}

static struct ks_task *
task_of(struct kafscale_task *task)
{
    return (struct ks_task *) (void *) task->reserved;
}

static struct ks_watch *
watch_of(struct kafscale_watch *watch)
{
    return (struct ks_watch *) (void *) watch->reserved;
}

static struct ks_job *
job_of(struct kafscale_job *job)
{
    return (struct ks_job *) (void *) job->reserved;
}

static int64_t
loop_now_ms(void *self)
{
    return ks_env_now_ms(self);
}

static int64_t
loop_wall_ms(void *self)
{
    return ks_env_wall_ms(self);
}

static void
loop_random(void *self, void *out, size_t size)
{
    ks_env_random(self, out, size);
}

static void
loop_set_timer(void *self, struct kafscale_timer *timer, int64_t due_ms)
{
    struct ks_timer *inner = timer_of(timer);

    inner->on_due = timer->on_due;
    inner->arg = timer->arg;
    ks_env_set_timer(self, inner, due_ms);
}

static void
loop_cancel_timer(void *self, struct kafscale_timer *timer)
{
    ks_env_cancel_timer(self, timer_of(timer));
}

static void
loop_defer(void *self, struct kafscale_task *task)
{
    struct ks_task *inner = task_of(task);

    inner->run = task->run;
    inner->arg = task->arg;
    ks_env_defer(self, inner);
}

static void
loop_cancel_task(void *self, struct kafscale_task *task)
{
    (void) self;
    ks_env_cancel_task(task_of(task));
}

static enum kafscale_status
loop_watch(void *self, struct kafscale_watch *watch, int fd, unsigned wanted)
{
    struct ks_watch *inner = watch_of(watch);

    inner->on_ready = watch->on_ready;
    inner->arg = watch->arg;
    return ks_env_watch(self, inner, fd, wanted);
}

static struct kafscale_job *
outer_job(struct ks_job *inner)
{
    return KS_CONTAINER(inner, struct kafscale_job, reserved);
}

static void
run_job(struct ks_job *inner)
{
    struct kafscale_job *job = outer_job(inner);

    job->run(job->arg);
}

static void
job_done(struct ks_job *inner)
{
    struct kafscale_job *job = outer_job(inner);

    job->done(job->arg);
}

static void
loop_submit(void *self, struct kafscale_job *job)
{
    struct ks_job *inner = job_of(job);

    assert(job->run != NULL);
    assert(job->done != NULL);
    inner->run = run_job;
    inner->done = job_done;
    ks_env_submit(self, inner);
}

static void
loop_log(void *self, enum kafscale_log_level level, const char *message,
         const struct kafscale_log_field *fields, size_t field_count)
{
    struct ks_env *env = self;

    ks_log_some_fields(env, &env->plugin_events, KS_LOG_QUOTA_DEBUG_COUNT, level, message, fields,
                       field_count);
}

static const struct kafscale_loop_ops loop_ops = {
    .version = KAFSCALE_LOOP_OPS_VERSION,
    .now_ms = loop_now_ms,
    .wall_ms = loop_wall_ms,
    .random = loop_random,
    .set_timer = loop_set_timer,
    .cancel_timer = loop_cancel_timer,
    .defer = loop_defer,
    .cancel_task = loop_cancel_task,
    .watch = loop_watch,
    .submit = loop_submit,
    .log = loop_log,
};

struct kafscale_loop
ks_env_loop(struct ks_env *env)
{
    return (struct kafscale_loop){ .ops = &loop_ops, .self = env };
}

struct ks_env *
ks_env_of_loop(struct kafscale_loop loop)
{
    return loop.ops == &loop_ops ? loop.self : NULL;
}
