/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic: the only randomness is splitmix64 from the seed, drawn in the order of the
 * events.
 */
#include "support/virtual_env.h"

static uint64_t
next_random(struct virtual_env *v)
{
    uint64_t z = (v->random_state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int64_t
virtual_now_ms(void *self)
{
    return ((struct virtual_env *) self)->now_ms;
}

static int64_t
virtual_wall_ms(void *self)
{
    return 1700000000000 + ((struct virtual_env *) self)->now_ms;
}

static void
virtual_random(void *self, void *out, size_t size)
{
    uint8_t *bytes = out;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t) (next_random(self) >> 17);
    }
}

static void
virtual_submit(void *self, struct ks_job *job)
{
    struct virtual_env *v = self;

    ks_list_append(&v->jobs, &job->link);
    if (v->holds_jobs) {
        v->held_count++;
    } else {
        v->job_count++;
    }
}

static void
virtual_wake(void *self)
{
    (void) self;
}

static const struct ks_env_ops virtual_ops = {
    .now_ms = virtual_now_ms,
    .wall_ms = virtual_wall_ms,
    .random = virtual_random,
    .submit = virtual_submit,
    .wake = virtual_wake,
};

void
virtual_env_init(struct virtual_env *v, uint64_t seed)
{
    *v = (struct virtual_env){ .now_ms = 1000, .random_state = seed };
    ks_env_init(&v->env, &virtual_ops, v);
    ks_list_init(&v->jobs);
}

void
virtual_env_hold_jobs(struct virtual_env *v, bool holds)
{
    v->holds_jobs = holds;
    if (holds) {
        v->held_count += v->job_count;
        v->job_count = 0;
    } else {
        v->job_count += v->held_count;
        v->held_count = 0;
    }
}

static void
run_one_job(struct virtual_env *v)
{
    size_t skip = (size_t) (next_random(v) % v->job_count);
    struct ks_list *node = v->jobs.next;
    struct ks_job *job;

    while (skip-- > 0) {
        node = node->next;
    }
    ks_list_remove(node);
    v->job_count--;
    job = KS_CONTAINER(node, struct ks_job, link);
    job->run(job);
    job->done(job);
}

/* One event, but time does not pass `until_ms`. */
static bool
step_until(struct virtual_env *v, int64_t until_ms)
{
    int64_t due_ms = ks_env_next_due_ms(&v->env);

    if (due_ms <= v->now_ms) {
        ks_env_run_due(&v->env);
        return true;
    }
    if (v->job_count > 0) {
        run_one_job(v);
        return true;
    }
    if (due_ms > until_ms || due_ms == INT64_MAX) {
        return false;
    }
    v->now_ms = due_ms;
    return true;
}

bool
virtual_env_step(struct virtual_env *v)
{
    return step_until(v, INT64_MAX);
}

bool
virtual_env_step_now(struct virtual_env *v)
{
    return step_until(v, v->now_ms);
}

int64_t
virtual_env_next_due_ms(const struct virtual_env *v)
{
    int64_t due_ms = v->job_count > 0 ? v->now_ms : ks_env_next_due_ms(&v->env);

    return due_ms < v->now_ms ? v->now_ms : due_ms;
}

bool
virtual_env_run_until_idle(struct virtual_env *v, int64_t limit_ms)
{
    int64_t until_ms = v->now_ms + limit_ms;

    while (step_until(v, until_ms)) {
    }
    return ks_env_next_due_ms(&v->env) == INT64_MAX && v->job_count == 0;
}

bool
virtual_env_run_until(struct virtual_env *v, const bool *condition, int64_t limit_ms)
{
    int64_t until_ms = v->now_ms + limit_ms;

    while (!*condition && step_until(v, until_ms)) {
    }
    return *condition;
}

void
virtual_env_run_for(struct virtual_env *v, int64_t duration_ms)
{
    int64_t until_ms = v->now_ms + duration_ms;

    while (step_until(v, until_ms)) {
    }
    v->now_ms = until_ms;
}
