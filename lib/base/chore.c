/* SPDX-License-Identifier: Apache-2.0 */
#include "base/chore.h"

#include <stdio.h>

void
ks_chore_succeed(struct ks_chore *chore, int64_t now_ms)
{
    chore->successes++;
    chore->succeeded_ms = now_ms;
    chore->is_failing = false;
}

void
ks_chore_rest(struct ks_chore *chore)
{
    chore->is_failing = false;
}

void
ks_chore_fail(struct ks_chore *chore, int64_t now_ms, const char *why)
{
    chore->failures++;
    if (!chore->is_failing) {
        chore->is_failing = true;
        chore->failing_since_ms = now_ms;
    }
    chore->failed_ms = now_ms;
    snprintf(chore->why, sizeof chore->why, "%s", why);
}
