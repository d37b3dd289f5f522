/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well a store answers: by the mean time and the share of failures of the last while, with
 * KafScale's names and limits. It decides nothing: it is for whoever looks.
 *
 * Few requests tell nothing, so below KS_HEALTH_SAMPLES_MIN a store counts as healthy. And one that
 * has just answered is not unavailable, whatever it did before.
 */
#ifndef KS_STORE_HEALTH_H
#define KS_STORE_HEALTH_H

#include "base/base.h"

#define KS_HEALTH_SAMPLES_MIN 5

enum ks_store_state {
    KS_STORE_HEALTHY,
    KS_STORE_DEGRADED,
    KS_STORE_UNAVAILABLE,
    KS_STORE_STATE_COUNT
};

/* "healthy", "degraded", "unavailable". */
const char *ks_store_state_name(enum ks_store_state state);

/* From these on it is degraded (warn) or unavailable (crit). */
struct ks_health_options {
    int64_t window_ms;
    int64_t latency_warn_ms;
    int64_t latency_crit_ms;
    double error_rate_warn; /* 0 to 1 */
    double error_rate_crit;
};

/* KafScale's: a minute, 500 and 3,000 ms, a fifth and three fifths. */
extern const struct ks_health_options ks_health_defaults;

struct ks_store_health {
    struct ks_health_options options;
    struct ks_window window; /* of requests, failures and their ms */
    bool has_failed;         /* the newest one */
    enum ks_store_state state;
    int64_t since_ms; /* of this state */
};

struct ks_health_reading {
    enum ks_store_state state;
    int64_t state_ms; /* how long it has been so */
    double latency_ms;
    double error_rate;
};

void ks_store_health_init(struct ks_store_health *health, const struct ks_health_options *options,
                          int64_t now_ms);

/* A request has ended. */
void ks_store_health_note(struct ks_store_health *health, int64_t now_ms, int64_t took_ms,
                          bool has_failed);

void ks_store_health_read(struct ks_store_health *health, int64_t now_ms,
                          struct ks_health_reading *reading_out);

#endif
