/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting goes by the monotonic clock: a step of the wall clock must not stretch or end it. */
#include "net/latch.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define TIMEOUT_MS_MAX ((int64_t) 1000 * 86400 * 365)

void
ks_latch_init(struct ks_latch *latch)
{
    pthread_condattr_t attributes;

    *latch = (struct ks_latch){ 0 };
    pthread_mutex_init(&latch->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&latch->raised, &attributes);
    pthread_condattr_destroy(&attributes);
}

void
ks_latch_deinit(struct ks_latch *latch)
{
    pthread_cond_destroy(&latch->raised);
    pthread_mutex_destroy(&latch->mutex);
}

uint32_t
ks_latch_raise(struct ks_latch *latch, uint32_t marks)
{
    uint32_t before;

    pthread_mutex_lock(&latch->mutex);
    before = latch->marks;
    latch->marks |= marks;
    pthread_cond_broadcast(&latch->raised);
    pthread_mutex_unlock(&latch->mutex);
    return before;
}

static struct timespec
time_after(int64_t timeout_ms)
{
    struct timespec time;
    int64_t nanoseconds;

    timeout_ms = timeout_ms > TIMEOUT_MS_MAX ? TIMEOUT_MS_MAX : timeout_ms;
    clock_gettime(CLOCK_MONOTONIC, &time);
    nanoseconds = time.tv_nsec + timeout_ms % 1000 * 1000000;
    time.tv_sec += (time_t) (timeout_ms / 1000 + nanoseconds / 1000000000);
    time.tv_nsec = (long) (nanoseconds % 1000000000);
    return time;
}

uint32_t
ks_latch_wait(struct ks_latch *latch, uint32_t marks, int64_t timeout_ms)
{
    struct timespec until = time_after(timeout_ms < 0 ? 0 : timeout_ms);
    uint32_t raised;
    int result = 0;

    pthread_mutex_lock(&latch->mutex);
    while ((latch->marks & marks) == 0 && result == 0) {
        if (timeout_ms < 0) {
            result = pthread_cond_wait(&latch->raised, &latch->mutex);
        } else {
            result = pthread_cond_timedwait(&latch->raised, &latch->mutex, &until);
        }
    }
    assert(result == 0 || result == ETIMEDOUT);
    raised = latch->marks;
    pthread_mutex_unlock(&latch->mutex);
    return raised;
}
