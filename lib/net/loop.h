/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a broker: the environment (base/env.h) on libevent, real clocks, real
 * randomness and worker threads. One thread runs it and owns everything built on it; the calls
 * of this header that other threads may make say so. A loop in which no timer is set and
 * nothing happens never wakes up.
 */
#ifndef KS_NET_LOOP_H
#define KS_NET_LOOP_H

#include "base/base.h"

struct event_base;

#define KS_LOOP_WORKER_COUNT_DEFAULT 2

/* Zeroed: the defaults. */
struct ks_loop_options {
    uint32_t
        worker_count; /* threads for jobs, started when needed; 0: KS_LOOP_WORKER_COUNT_DEFAULT */
    struct ks_logger logger;
    bool is_clock_still; /* time passes by ks_loop_advance only */
};

/* Somebody who puts the clock forward; in his memory until `done`. Zeroed but for the first two. */
struct ks_advance {
    void (*done)(void *arg);
    void *arg;
    struct ks_list link;
    int64_t until_ms;
};

struct ks_loop;

/*
 * A loop on `host`, which is borrowed, or on an event base of its own when `host` is NULL.
 * `options` may be NULL. With a host the caller is the thread that runs it.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_loop_new(struct event_base *host,
                                                     const struct ks_loop_options *options,
                                                     struct ks_loop **loop_out,
                                                     struct kafscale_error *error);

/*
 * Waits for all jobs and makes their `done` calls, makes the calls handed over, then frees.
 * Tasks and timers that are still waiting are forgotten. Accepts NULL. Not from within the
 * loop.
 */
void ks_loop_free(struct ks_loop *loop);

/*
 * Leaves the host, which may end its base before ks_loop_free then. Nothing is served any more, so
 * no job may be under way.
 */
void ks_loop_detach(struct ks_loop *loop);

/* Valid as long as the loop. */
struct ks_env *ks_loop_env(struct ks_loop *loop);
struct event_base *ks_loop_base(struct ks_loop *loop);

/*
 * Serves events until ks_loop_stop. Only without a host; may be called again after it returned.
 */
void ks_loop_run(struct ks_loop *loop);

/*
 * Makes ks_loop_run return; called before it, the next run returns at once. Any thread, and
 * signal handlers.
 */
void ks_loop_stop(struct ks_loop *loop);

/*
 * Puts the clock forward by so much, counted from where it is or is being put already: timers fire
 * in their order, each at its time, and between them happens what can happen without time. Time of
 * the system goes on besides, unless the clock stands still. `done` is called when the time has
 * come, or the loop is freed. Loop thread.
 */
void ks_loop_advance(struct ks_loop *loop, int64_t duration_ms, struct ks_advance *advance);

/*
 * Has `call` run on the loop's thread. Any thread. `call` must be zeroed but for `run` and
 * `arg`, and stay until it runs; it may be handed over again from then on. Calls run in their
 * order.
 */
void ks_loop_call(struct ks_loop *loop, struct ks_task *call);

/* Of libevent, as it runs. */
const char *ks_loop_library_version(void);

#endif
