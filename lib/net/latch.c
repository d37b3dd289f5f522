/* SPDX-License-Identifier: Apache-2.0 */
#include "net/latch.h"

#include "net/monotonic.h"

void
ks_latch_init(struct ks_latch *latch)
{
    *latch = (struct ks_latch){ 0 };
    pthread_mutex_init(&latch->mutex, NULL);
    ks_monotonic_condition_init(&latch->raised);
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

uint32_t
ks_latch_wait(struct ks_latch *latch, uint32_t marks, int64_t timeout_ms)
{
    int64_t due_ms = ks_monotonic_after(timeout_ms);
    uint32_t raised;

    pthread_mutex_lock(&latch->mutex);
    while ((latch->marks & marks) == 0 &&
           ks_monotonic_wait(&latch->raised, &latch->mutex, due_ms)) {
    }
    raised = latch->marks;
    pthread_mutex_unlock(&latch->mutex);
    return raised;
}
