/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that does nothing but run a loop. All signals are blocked in it: they belong to the
 * program around us.
 */
#ifndef KS_NET_LOOP_THREAD_H
#define KS_NET_LOOP_THREAD_H

#include "net/loop.h"

#include <pthread.h>

struct ks_loop_thread {
    struct ks_loop *loop;
    pthread_t thread;
    bool is_started;
};

/* Hands the loop over to a new thread until ks_loop_thread_join. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_loop_thread_start(struct ks_loop_thread *thread,
                                                              struct ks_loop *loop,
                                                              struct kafscale_error *error);

/*
 * Waits for ks_loop_run to return; the loop is the caller's again. Does nothing when it was not
 * started.
 */
void ks_loop_thread_join(struct ks_loop_thread *thread);

/* Whether the caller runs on it. */
bool ks_loop_thread_is_current(const struct ks_loop_thread *thread);

#endif
