/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients come first: while they give and ask for as much as the store does at once, work that can
 * be done later waits. Not for ever, since what is put off makes the next start longer and reads
 * dearer.
 */
#ifndef KS_LOG_PACE_H
#define KS_LOG_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nobody presses. Times are those of ks_env_now_ms. */
struct ks_pace {
    int64_t since_ms; /* they have pressed without a pause */
    int64_t until_ms; /* it counts as such */
};

/* Clients need the store, which is busy. */
void ks_pace_press(struct ks_pace *pace, int64_t now_ms);

/* Whether work that can wait shall be asked again at `again_ms_out`, if nothing comes before. */
bool ks_pace_gives_way(const struct ks_pace *pace, int64_t now_ms, int64_t *again_ms_out);

#endif
