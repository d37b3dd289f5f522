/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An environment with a virtual clock and seeded randomness. Time stands still while anything
 * can run, then jumps to the next timer. Jobs run in the loop's thread, in an order drawn from
 * the seed. The same seed gives the same run.
 */
#ifndef KS_TESTS_SUPPORT_VIRTUAL_ENV_H
#define KS_TESTS_SUPPORT_VIRTUAL_ENV_H

#include "base/base.h"

struct virtual_env {
    struct ks_env env;
    int64_t now_ms;
    uint64_t random_state;
    struct ks_list jobs;
    size_t job_count;
    size_t held_count; /* of jobs that are not begun before they are let go */
    bool holds_jobs;
};

void virtual_env_init(struct virtual_env *v, uint64_t seed);

/* While it holds, jobs that are submitted wait; letting go runs them as all others. */
void virtual_env_hold_jobs(struct virtual_env *v, bool holds);

/*
 * One event: due tasks and timers, or one job, or the jump to the next timer. False: nothing is
 * left to do.
 */
bool virtual_env_step(struct virtual_env *v);

/* One event that is due now; false: there is none, and time would have to pass. */
bool virtual_env_step_now(struct virtual_env *v);

/* When there is something to do: now at the earliest, INT64_MAX: never. */
int64_t virtual_env_next_due_ms(const struct virtual_env *v);

/* Runs until nothing is left to do, or `limit_ms` of virtual time have passed; true when idle. */
bool virtual_env_run_until_idle(struct virtual_env *v, int64_t limit_ms);

/*
 * Runs until *condition is true; false when `limit_ms` of virtual time passed or nothing is
 * left to do.
 */
bool virtual_env_run_until(struct virtual_env *v, const bool *condition, int64_t limit_ms);

/* Runs for exactly `duration_ms` of virtual time. */
void virtual_env_run_for(struct virtual_env *v, int64_t duration_ms);

#endif
