/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broker does for itself again and again, without being asked: how often it came to its end,
 * when the last time was, and whether it fails now. Kept by whoever does the work, for those who
 * look after it.
 */
#ifndef KS_BASE_CHORE_H
#define KS_BASE_CHORE_H

#include <stdbool.h>
#include <stdint.h>

#define KS_CHORE_WHY_BYTES 256

/* Zeroed but for the name: nothing was done yet. Times are monotonic. */
struct ks_chore {
    const char *name;
    uint64_t successes;
    uint64_t failures; /* each try counts */
    bool is_failing;   /* it is to be tried again */
    int64_t succeeded_ms;
    int64_t failing_since_ms;
    int64_t failed_ms;            /* the last time */
    char why[KS_CHORE_WHY_BYTES]; /* then; empty: it never failed */
};

void ks_chore_succeed(struct ks_chore *chore, int64_t now_ms);

/* What failed is not tried any more, and isn't missed: it doesn't fail now. */
void ks_chore_rest(struct ks_chore *chore);

/* Cuts what is too long. */
void ks_chore_fail(struct ks_chore *chore, int64_t now_ms, const char *why);

#endif
