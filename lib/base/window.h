/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over the last while. Time is cut into slots; what lies in a slot goes when the slot is older
 * than the window, so a sum is of the window and up to one slot more.
 */
#ifndef KS_BASE_WINDOW_H
#define KS_BASE_WINDOW_H

#include <stdint.h>

#define KS_WINDOW_SLOTS 30
#define KS_WINDOW_VALUES 3

struct ks_window_slot {
    int64_t number; /* of the slots since time began */
    int64_t values[KS_WINDOW_VALUES];
};

struct ks_window {
    int64_t slot_ms;
    struct ks_window_slot slots[KS_WINDOW_SLOTS + 1];
};

/* length_ms is at least KS_WINDOW_SLOTS. */
void ks_window_init(struct ks_window *window, int64_t length_ms);

/* Times are not negative and don't go back. */
void ks_window_add(struct ks_window *window, int64_t now_ms,
                   const int64_t values[KS_WINDOW_VALUES]);

void ks_window_sum(const struct ks_window *window, int64_t now_ms,
                   int64_t sums_out[KS_WINDOW_VALUES]);

#endif
