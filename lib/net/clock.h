/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of a loop: that of the system, which can be put forward; or one that stands still and
 * moves only when it is put forward. Monotonic and wall time move together. The loop thread puts it
 * forward; any thread reads it. Private to this module.
 */
#ifndef KS_NET_CLOCK_H
#define KS_NET_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct ks_clock {
    bool is_still;
    /* Where it stands, and what wall time is then; unused unless it stands. */
    _Atomic int64_t now_ms;
    _Atomic int64_t wall_ms;
    _Atomic int64_t ahead_ms; /* of the system's clock */
};

void ks_clock_init(struct ks_clock *clock, bool is_still);

int64_t ks_clock_now_ms(const struct ks_clock *clock);
int64_t ks_clock_wall_ms(const struct ks_clock *clock);

/* To a time of ks_clock_now_ms; one that has passed changes nothing. */
void ks_clock_put_forward(struct ks_clock *clock, int64_t until_ms);

/* When it will be `due_ms`, on CLOCK_MONOTONIC; INT64_MAX: not by itself. */
int64_t ks_clock_system_ms(const struct ks_clock *clock, int64_t due_ms);

#endif
