/* SPDX-License-Identifier: Apache-2.0 */
/* The state follows from the window; it is kept only to know since when it has been so. */
#include "store/health.h"

#include <assert.h>

const struct ks_health_options ks_health_defaults = { .window_ms = 60000,
                                                      .latency_warn_ms = 500,
                                                      .latency_crit_ms = 3000,
                                                      .error_rate_warn = 0.2,
                                                      .error_rate_crit = 0.6 };

enum value { REQUESTS, FAILURES, TIME };

const char *
ks_store_state_name(enum ks_store_state state)
{
    static const char *const names[KS_STORE_STATE_COUNT] = {
        [KS_STORE_HEALTHY] = "healthy",
        [KS_STORE_DEGRADED] = "degraded",
        [KS_STORE_UNAVAILABLE] = "unavailable",
    };

    assert(state < KS_STORE_STATE_COUNT);
    return names[state];
}

void
ks_store_health_init(struct ks_store_health *health, const struct ks_health_options *options,
                     int64_t now_ms)
{
    *health = (struct ks_store_health){ .options = *options, .since_ms = now_ms };
    ks_window_init(&health->window, options->window_ms);
}

static enum ks_store_state
judge(const struct ks_store_health *health, int64_t requests, double latency_ms, double error_rate)
{
    const struct ks_health_options *options = &health->options;

    if (requests < KS_HEALTH_SAMPLES_MIN) {
        return KS_STORE_HEALTHY;
    }
    if (health->has_failed && (latency_ms >= (double) options->latency_crit_ms ||
                               error_rate >= options->error_rate_crit)) {
        return KS_STORE_UNAVAILABLE;
    }
    if (latency_ms >= (double) options->latency_warn_ms || error_rate >= options->error_rate_warn) {
        return KS_STORE_DEGRADED;
    }
    return KS_STORE_HEALTHY;
}

void
ks_store_health_read(struct ks_store_health *health, int64_t now_ms,
                     struct ks_health_reading *reading_out)
{
    struct ks_health_reading reading = { 0 };
    int64_t sums[KS_WINDOW_VALUES];

    ks_window_sum(&health->window, now_ms, sums);
    if (sums[REQUESTS] > 0) {
        reading.latency_ms = (double) sums[TIME] / (double) sums[REQUESTS];
        reading.error_rate = (double) sums[FAILURES] / (double) sums[REQUESTS];
    }
    reading.state = judge(health, sums[REQUESTS], reading.latency_ms, reading.error_rate);
    if (reading.state != health->state) {
        health->state = reading.state;
        health->since_ms = now_ms;
    }
    reading.state_ms = now_ms - health->since_ms;
    *reading_out = reading;
}

void
ks_store_health_note(struct ks_store_health *health, int64_t now_ms, int64_t took_ms,
                     bool has_failed)
{
    const int64_t values[KS_WINDOW_VALUES] = {
        [REQUESTS] = 1, [FAILURES] = has_failed ? 1 : 0, [TIME] = took_ms
    };
    struct ks_health_reading ignored;

    ks_window_add(&health->window, now_ms, values);
    health->has_failed = has_failed;
    ks_store_health_read(health, now_ms, &ignored);
}
