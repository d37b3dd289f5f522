/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A latch is a set of marks that are raised once and never taken back, and that other threads can
 * wait for. What was written before a mark was raised can be read after it was seen.
 */
#ifndef KS_NET_LATCH_H
#define KS_NET_LATCH_H

#include "base/base.h"

#include <pthread.h>

struct ks_latch {
    pthread_mutex_t mutex;
    pthread_cond_t raised;
    uint32_t marks;
};

void ks_latch_init(struct ks_latch *latch);

/* Nobody may be waiting. */
void ks_latch_deinit(struct ks_latch *latch);

/* Any thread. Returns the marks that were raised before. */
uint32_t ks_latch_raise(struct ks_latch *latch, uint32_t marks);

/*
 * Waits until one of `marks` is raised, at most `timeout_ms` (negative: for ever), and returns
 * all that are raised. Any thread except the one that would raise it.
 */
uint32_t ks_latch_wait(struct ks_latch *latch, uint32_t marks, int64_t timeout_ms);

#endif
