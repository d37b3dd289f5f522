/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram that forgets by halving, and a purse. */
#include "store/s3/pace.h"

#define SAMPLES_MAX 1024

/* The upper ends of the steps in milliseconds: 1, 2, 3, 4, 5, 7, 9, 12, ... */
static int64_t
end_ms_of(size_t step)
{
    int64_t end_ms = 1;

    for (size_t i = 0; i < step; i++) {
        end_ms += end_ms < 5 ? 1 : (end_ms + 3) / 4;
    }
    return end_ms;
}

static size_t
step_of(int64_t took_ms)
{
    int64_t end_ms = 1;
    size_t step = 0;

    while (end_ms < took_ms && step + 1 < KS_S3_LATENCY_STEPS) {
        end_ms += end_ms < 5 ? 1 : (end_ms + 3) / 4;
        step++;
    }
    return step;
}

void
ks_s3_latency_note(struct ks_s3_latency *latency, int64_t took_ms)
{
    latency->counts[step_of(took_ms)]++;
    if (++latency->count < SAMPLES_MAX) {
        return;
    }
    latency->count = 0;
    for (size_t i = 0; i < KS_S3_LATENCY_STEPS; i++) {
        latency->counts[i] /= 2;
        latency->count += latency->counts[i];
    }
}

int64_t
ks_s3_latency_p95_ms(const struct ks_s3_latency *latency)
{
    uint32_t below = 0;
    size_t step = 0;

    if (latency->count < KS_S3_LATENCY_SAMPLES_MIN) {
        return -1;
    }
    while (step + 1 < KS_S3_LATENCY_STEPS) {
        below += latency->counts[step];
        if ((uint64_t) below * 100 >= (uint64_t) latency->count * 95) {
            break;
        }
        step++;
    }
    return end_ms_of(step);
}

void
ks_s3_budget_init(struct ks_s3_budget *budget, double share, double saved_max)
{
    *budget = (struct ks_s3_budget){ .share = share, .saved_max = saved_max, .saved = saved_max };
}

void
ks_s3_budget_earn(struct ks_s3_budget *budget)
{
    double more = budget->saved + budget->share;

    budget->saved = more > budget->saved_max ? budget->saved_max : more;
}

bool
ks_s3_budget_spend(struct ks_s3_budget *budget)
{
    if (budget->saved < 1) {
        return false;
    }
    budget->saved -= 1;
    return true;
}
