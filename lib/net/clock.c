/* SPDX-License-Identifier: Apache-2.0 */
#include "net/clock.h"

#include "net/monotonic.h"

#include <stdatomic.h>
#include <time.h>

static int64_t
system_wall_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int64_t
read(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void
ks_clock_init(struct ks_clock *clock, bool is_still)
{
    clock->is_still = is_still;
    atomic_init(&clock->now_ms, is_still ? ks_monotonic_ms() : 0);
    atomic_init(&clock->wall_ms, is_still ? system_wall_ms() : 0);
    atomic_init(&clock->ahead_ms, 0);
}

int64_t
ks_clock_now_ms(const struct ks_clock *clock)
{
    return clock->is_still ? read(&clock->now_ms) : ks_monotonic_ms() + read(&clock->ahead_ms);
}

int64_t
ks_clock_wall_ms(const struct ks_clock *clock)
{
    return clock->is_still ? read(&clock->wall_ms) : system_wall_ms() + read(&clock->ahead_ms);
}

void
ks_clock_put_forward(struct ks_clock *clock, int64_t until_ms)
{
    int64_t step_ms = until_ms - ks_clock_now_ms(clock);

    if (step_ms <= 0) {
        return;
    }
    if (clock->is_still) {
        atomic_fetch_add(&clock->now_ms, step_ms);
        atomic_fetch_add(&clock->wall_ms, step_ms);
    } else {
        atomic_fetch_add(&clock->ahead_ms, step_ms);
    }
}

int64_t
ks_clock_system_ms(const struct ks_clock *clock, int64_t due_ms)
{
    return clock->is_still ? INT64_MAX : due_ms - read(&clock->ahead_ms);
}
