/* SPDX-License-Identifier: Apache-2.0 */
/* A press counts for a while, so that a moment between two objects is no pause. */
#include "log/pace.h"

#define PRESSED_MS 1000
#define PATIENCE_MS 30000

void
ks_pace_press(struct ks_pace *pace, int64_t now_ms)
{
    if (now_ms >= pace->until_ms) {
        pace->since_ms = now_ms;
    }
    pace->until_ms = now_ms + PRESSED_MS;
}

bool
ks_pace_gives_way(const struct ks_pace *pace, int64_t now_ms, int64_t *again_ms_out)
{
    int64_t patient_until_ms = pace->since_ms + PATIENCE_MS;

    *again_ms_out = pace->until_ms < patient_until_ms ? pace->until_ms : patient_until_ms;
    return now_ms < *again_ms_out;
}
