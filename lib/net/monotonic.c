/* SPDX-License-Identifier: Apache-2.0 */
#include "net/monotonic.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#define TIMEOUT_MS_MAX ((int64_t) 1000 * 86400 * 365)

int64_t
ks_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
ks_monotonic_after(int64_t timeout_ms)
{
    int64_t now_ms = ks_monotonic_ms();

    if (timeout_ms < 0) {
        return INT64_MAX;
    }
    timeout_ms = timeout_ms > TIMEOUT_MS_MAX ? TIMEOUT_MS_MAX : timeout_ms;
    return timeout_ms == 0 ? now_ms : now_ms + timeout_ms + 1; /* of the first a part has passed */
}

void
ks_monotonic_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool
ks_monotonic_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t due_ms)
{
    struct timespec due = { .tv_sec = (time_t) (due_ms / 1000),
                            .tv_nsec = (long) (due_ms % 1000 * 1000000) };
    int result;

    if (due_ms == INT64_MAX) {
        result = pthread_cond_wait(condition, mutex);
    } else {
        result = pthread_cond_timedwait(condition, mutex, &due);
    }
    assert(result == 0 || result == ETIMEDOUT);
    return result == 0;
}
