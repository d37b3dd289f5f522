/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oldest batch has waited about as long as a new one will. Clients are asked to wait for what
 * that is beyond the usual, which is less than what there is to do: because of them the store never
 * runs out of work.
 */
#include "broker/throttle.h"

/* What a store that is well may take for an object. */
#define USUAL_WAIT_MS 1000

/* The least that is worth saying once the store has asked for fewer requests. */
#define SLOWED_MS 100

/* A sixth of the shortest session that members may ask for, if nothing else is configured. */
#define COMMIT_MS_MAX 1000

#define MEMORY_PERCENT_NEAR 75u

/* A line of waiting reads this many times as long as the places is no trouble yet. */
#define COLD_ROUNDS_USUAL 4u
#define COLD_ROUND_MS 25

static int64_t
larger_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int32_t
limited(const struct ks_pressure *pressure, int64_t wait_ms)
{
    return (int32_t) (wait_ms < pressure->throttle_ms_max ? wait_ms : pressure->throttle_ms_max);
}

static int64_t
slowed_ms(const struct ks_pressure *pressure)
{
    return pressure->is_slowed ? SLOWED_MS : 0;
}

static int64_t
behind_ms(const struct ks_pressure *pressure)
{
    int64_t usual_ms = pressure->is_slowed ? 0 : USUAL_WAIT_MS;

    return larger_of(pressure->behind_ms - usual_ms, slowed_ms(pressure));
}

/* From nothing at three quarters to the whole when it is full. */
static int64_t
memory_ms(const struct ks_pressure *pressure)
{
    unsigned percent = pressure->memory_percent < 100 ? pressure->memory_percent : 100;

    return percent <= MEMORY_PERCENT_NEAR
               ? 0
               : pressure->throttle_ms_max * (int64_t) (percent - MEMORY_PERCENT_NEAR) /
                     (int64_t) (100 - MEMORY_PERCENT_NEAR);
}

int32_t
ks_throttle_produce_ms(const struct ks_pressure *pressure)
{
    return limited(pressure, larger_of(behind_ms(pressure), memory_ms(pressure)));
}

int32_t
ks_throttle_commit_ms(const struct ks_pressure *pressure)
{
    int32_t wait_ms = ks_throttle_produce_ms(pressure);

    return wait_ms < COMMIT_MS_MAX ? wait_ms : COMMIT_MS_MAX;
}

int32_t
ks_throttle_cold_ms(const struct ks_pressure *pressure)
{
    size_t rounds = pressure->cold_places == 0 ? 0 : pressure->cold_waiting / pressure->cold_places;
    int64_t line_ms = rounds < COLD_ROUNDS_USUAL ? 0 : (int64_t) rounds * COLD_ROUND_MS;

    return limited(pressure, larger_of(line_ms, slowed_ms(pressure)));
}

int32_t
ks_throttle_starved_ms(const struct ks_pressure *pressure)
{
    return limited(pressure, larger_of(memory_ms(pressure), SLOWED_MS));
}
