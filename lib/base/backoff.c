/* SPDX-License-Identifier: Apache-2.0 */
/* Doubling ends before it overflows: the limit is an int64_t. */
#include "base/backoff.h"

#include <assert.h>

int64_t
ks_backoff_ms(int64_t first_ms, int64_t last_ms, uint32_t doublings)
{
    int64_t wait_ms = first_ms;

    assert(first_ms > 0);

    while (doublings > 0 && wait_ms < last_ms) {
        wait_ms = wait_ms <= last_ms / 2 ? wait_ms * 2 : last_ms;
        doublings--;
    }
    return wait_ms < last_ms ? wait_ms : last_ms;
}

int64_t
ks_backoff_random_ms(struct ks_env *env, int64_t first_ms, int64_t last_ms, uint32_t doublings)
{
    uint64_t wait_ms = (uint64_t) ks_backoff_ms(first_ms, last_ms, doublings);

    return (int64_t) (wait_ms / 2 + ks_env_random_u64(env) % (wait_ms / 2 + 1));
}
