/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a request is late, and how often one may be sent that nobody asked for. Retries and second
 * sendings heal single failures; without a budget they would double the load of a store that
 * fails because of load. Private to store/s3.
 */
#ifndef KS_STORE_S3_PACE_H
#define KS_STORE_S3_PACE_H

#include "base/base.h"

/* --- Latency ---------------------------------------------------------------------------------- */

#define KS_S3_LATENCY_STEPS 80
#define KS_S3_LATENCY_SAMPLES_MIN 20 /* fewer say nothing */

/* How long requests of one kind took, the recent ones. Zeroed: nothing is known. */
struct ks_s3_latency {
    uint32_t counts[KS_S3_LATENCY_STEPS]; /* each step is longer by a fifth to a quarter */
    uint32_t count;
};

void ks_s3_latency_note(struct ks_s3_latency *latency, int64_t took_ms);

/* What 95 of 100 stay below, rounded up; -1 while too little is known. */
int64_t ks_s3_latency_p95_ms(const struct ks_s3_latency *latency);

/* --- Budgets ---------------------------------------------------------------------------------- */

/* Each ordinary request earns `share` of an extra one, up to `saved_max` of them. */
struct ks_s3_budget {
    double share;
    double saved_max;
    double saved;
};

void ks_s3_budget_init(struct ks_s3_budget *budget, double share, double saved_max);
void ks_s3_budget_earn(struct ks_s3_budget *budget);

/* False: there is nothing left for an extra request. */
KAFSCALE_MUST_CHECK bool ks_s3_budget_spend(struct ks_s3_budget *budget);

#endif
