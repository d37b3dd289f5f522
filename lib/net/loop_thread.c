/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal mask is inherited, so it is set around the thread's creation: no signal can slip in
 * between.
 */
#include "net/loop_thread.h"

#include <assert.h>
#include <signal.h>

/* Set by the thread itself: its first callback may come before pthread_create has returned. */
static _Thread_local const struct ks_loop_thread *current;

static void *
run(void *arg)
{
    const struct ks_loop_thread *thread = arg;

    current = thread;
    ks_loop_run(thread->loop);
    return NULL;
}

enum kafscale_status
ks_loop_thread_start(struct ks_loop_thread *thread, struct ks_loop *loop,
                     struct kafscale_error *error)
{
    sigset_t all;
    sigset_t before;
    int result;

    assert(!thread->is_started);
    thread->loop = loop;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    result = pthread_create(&thread->thread, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no thread could be started");
    }
    thread->is_started = true;
    return KAFSCALE_OK;
}

void
ks_loop_thread_join(struct ks_loop_thread *thread)
{
    if (thread->is_started) {
        pthread_join(thread->thread, NULL);
        thread->is_started = false;
    }
}

bool
ks_loop_thread_is_current(const struct ks_loop_thread *thread)
{
    return current == thread;
}
