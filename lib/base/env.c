/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks run before timers; what they add waits for the next round, so that no loop starves its
 * descriptors.
 */
#include "base/env.h"

#include <assert.h>

void
ks_env_init(struct ks_env *env, const struct ks_env_ops *ops, void *self)
{
    *env = (struct ks_env){ .ops = ops, .self = self };
    ks_list_init(&env->tasks);
}

int64_t
ks_env_now_ms(struct ks_env *env)
{
    return env->ops->now_ms(env->self);
}

int64_t
ks_env_wall_ms(struct ks_env *env)
{
    return env->ops->wall_ms(env->self);
}

void
ks_env_random(struct ks_env *env, void *out, size_t size)
{
    env->ops->random(env->self, out, size);
}

uint64_t
ks_env_random_u64(struct ks_env *env)
{
    uint64_t value;

    ks_env_random(env, &value, sizeof value);
    return value;
}

void
ks_env_submit(struct ks_env *env, struct ks_job *job)
{
    assert(job->run != NULL);
    assert(job->done != NULL);
    env->ops->submit(env->self, job);
}

void
ks_env_set_timer(struct ks_env *env, struct ks_timer *timer, int64_t due_ms)
{
    assert(timer->on_due != NULL);

    ks_heap_remove(&env->timers, &timer->node);
    ks_heap_insert(&env->timers, &timer->node, due_ms);
    if (ks_heap_first(&env->timers) == &timer->node) {
        env->ops->wake(env->self);
    }
}

void
ks_env_cancel_timer(struct ks_env *env, struct ks_timer *timer)
{
    ks_heap_remove(&env->timers, &timer->node);
}

bool
ks_env_timer_is_set(const struct ks_timer *timer)
{
    return timer->node.is_inside;
}

void
ks_env_defer(struct ks_env *env, struct ks_task *task)
{
    assert(task->run != NULL);

    if (ks_list_is_linked(&task->link)) {
        return;
    }
    ks_list_append(&env->tasks, &task->link);
    env->ops->wake(env->self);
}

void
ks_env_cancel_task(struct ks_task *task)
{
    ks_list_remove(&task->link);
}

enum kafscale_status
ks_env_watch(struct ks_env *env, struct ks_watch *watch, int fd, unsigned wanted)
{
    assert(watch->on_ready != NULL || wanted == 0);
    assert((wanted & ~(unsigned) (KAFSCALE_WATCH_READ | KAFSCALE_WATCH_WRITE)) == 0);

    if (env->ops->watch == NULL) {
        return wanted == 0 ? KAFSCALE_OK : KAFSCALE_UNSUPPORTED;
    }
    return env->ops->watch(env->self, watch, fd, wanted);
}

static void
run_tasks(struct ks_env *env)
{
    struct ks_list mark = { 0 };

    ks_list_append(&env->tasks, &mark);
    while (env->tasks.next != &mark) {
        struct ks_task *task = KS_CONTAINER(ks_list_take_first(&env->tasks), struct ks_task, link);

        task->run(task->arg);
    }
    ks_list_remove(&mark);
}

static void
run_timers(struct ks_env *env)
{
    int64_t now_ms = ks_env_now_ms(env);
    uint64_t order_end = env->timers.order_next;

    for (;;) {
        struct ks_heap_node *node = ks_heap_first(&env->timers);
        struct ks_timer *timer;

        if (node == NULL || node->key > now_ms || node->order >= order_end) {
            return;
        }
        timer = KS_CONTAINER(node, struct ks_timer, node);
        ks_heap_remove(&env->timers, node);
        timer->on_due(timer->arg);
    }
}

void
ks_env_run_due(struct ks_env *env)
{
    run_tasks(env);
    run_timers(env);
}

int64_t
ks_env_next_due_ms(const struct ks_env *env)
{
    const struct ks_heap_node *node = ks_heap_first(&env->timers);

    if (!ks_list_is_empty(&env->tasks)) {
        return INT64_MIN;
    }
    return node == NULL ? INT64_MAX : node->key;
}
