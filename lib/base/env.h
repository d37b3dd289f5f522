/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment is all that the core knows of the outside besides the two stores: the time,
 * randomness, timers, work for later, work for other threads and descriptors that become ready.
 * `net` implements it on libevent; tests implement it on a virtual clock
 * (tests/support/virtual_env.h). Timers and tasks are kept here, so both behave alike.
 *
 * Everything here belongs to the loop thread. Nothing here can fail but watching a descriptor.
 * Plug-ins see the same through kafscale/loop.h.
 */
#ifndef KS_BASE_ENV_H
#define KS_BASE_ENV_H

#include "base/heap.h"
#include "base/list.h"
#include "base/log_quota.h"
#include "base/logger.h"
#include "kafscale/loop.h"

#include <stddef.h>
#include <stdint.h>

/* Zeroed: not set. Belongs to whoever embeds it, and must be cancelled before that goes. */
struct ks_timer {
    struct ks_heap_node node;
    void (*on_due)(void *arg);
    void *arg;
};

/* A call to be made from the loop, once the current event is done with. Zeroed: not waiting. */
struct ks_task {
    struct ks_list link;
    void (*run)(void *arg);
    void *arg;
};

/*
 * Blocking work. `run` is called on a worker thread and owns what it needs; then `done` on the
 * loop thread.
 */
struct ks_job {
    struct ks_list link;
    void (*run)(struct ks_job *job);
    void (*done)(struct ks_job *job);
};

/* A descriptor that is watched. Zeroed but for the first two: not watching. */
struct ks_watch {
    void (*on_ready)(void *arg, unsigned ready);
    void *arg;
    void *inner; /* the implementation's; NULL: not watching */
};

struct ks_env_ops {
    int64_t (*now_ms)(void *self);  /* monotonic */
    int64_t (*wall_ms)(void *self); /* since 1970, for records and people only */
    void (*random)(void *self, void *out, size_t size); /* unpredictable bytes */
    void (*submit)(void *self, struct ks_job *job);
    void (*wake)(void *self); /* a task waits, or the first timer moved */
    /* As ks_env_watch; NULL: there are no descriptors. */
    enum kafscale_status (*watch)(void *self, struct ks_watch *watch, int fd, unsigned wanted);
};

struct ks_env {
    const struct ks_env_ops *ops;
    void *self;
    struct ks_logger logger;
    struct ks_log_quota plugin_events;
    struct ks_heap timers;
    struct ks_list tasks;
};

void ks_env_init(struct ks_env *env, const struct ks_env_ops *ops, void *self);

int64_t ks_env_now_ms(struct ks_env *env);
int64_t ks_env_wall_ms(struct ks_env *env);
void ks_env_random(struct ks_env *env, void *out, size_t size);
uint64_t ks_env_random_u64(struct ks_env *env);
void ks_env_submit(struct ks_env *env, struct ks_job *job);

/*
 * Sets (or moves) a timer to an absolute monotonic time; a time that has passed is due at the
 * next turn of the loop.
 */
void ks_env_set_timer(struct ks_env *env, struct ks_timer *timer, int64_t due_ms);
void ks_env_cancel_timer(struct ks_env *env, struct ks_timer *timer);
bool ks_env_timer_is_set(const struct ks_timer *timer);

/* Does nothing for a task that waits already. */
void ks_env_defer(struct ks_env *env, struct ks_task *task);
void ks_env_cancel_task(struct ks_task *task);

/*
 * Watches a descriptor for KAFSCALE_WATCH_READ, _WRITE or both, or changes what is waited for; 0
 * ends it, which can't fail, and must come before the descriptor is closed. Level-triggered. On
 * failure (KAFSCALE_UNSUPPORTED, _NO_MEMORY, _IO) nothing is watched.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_env_watch(struct ks_env *env, struct ks_watch *watch,
                                                      int fd, unsigned wanted);

/* The environment as plug-ins see it; valid as long as the environment. */
struct kafscale_loop ks_env_loop(struct ks_env *env);

/* The environment behind a loop; NULL: it is none of ours. */
struct ks_env *ks_env_of_loop(struct kafscale_loop loop);

/* For implementers: runs the tasks that wait now and the timers due now. */
void ks_env_run_due(struct ks_env *env);

/*
 * For implementers: when ks_env_run_due has something to do; INT64_MIN: at once, INT64_MAX:
 * never.
 */
int64_t ks_env_next_due_ms(const struct ks_env *env);

#endif
