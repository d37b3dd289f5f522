/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before what has failed is tried again: twice as long each time. */
#ifndef KS_BASE_BACKOFF_H
#define KS_BASE_BACKOFF_H

#include "base/env.h"

/* first_ms, above 0, doubled `doublings` times, at most last_ms. */
int64_t ks_backoff_ms(int64_t first_ms, int64_t last_ms, uint32_t doublings);

/* The same less up to half of it, at random, so that many who failed together don't come together.
 */
int64_t ks_backoff_random_ms(struct ks_env *env, int64_t first_ms, int64_t last_ms,
                             uint32_t doublings);

#endif
