/* SPDX-License-Identifier: Apache-2.0 */
/* A ring: a slot is taken over by the first value that comes a whole turn later. */
#include "base/window.h"

#include <assert.h>

void
ks_window_init(struct ks_window *window, int64_t length_ms)
{
    assert(length_ms >= KS_WINDOW_SLOTS);

    *window = (struct ks_window){ .slot_ms = (length_ms + KS_WINDOW_SLOTS - 1) / KS_WINDOW_SLOTS };
    for (int i = 0; i <= KS_WINDOW_SLOTS; i++) {
        window->slots[i].number = -1;
    }
}

void
ks_window_add(struct ks_window *window, int64_t now_ms, const int64_t values[KS_WINDOW_VALUES])
{
    int64_t number = now_ms / window->slot_ms;
    struct ks_window_slot *slot = &window->slots[number % (KS_WINDOW_SLOTS + 1)];

    assert(now_ms >= 0);

    if (slot->number != number) {
        *slot = (struct ks_window_slot){ .number = number };
    }
    for (int i = 0; i < KS_WINDOW_VALUES; i++) {
        slot->values[i] += values[i];
    }
}

void
ks_window_sum(const struct ks_window *window, int64_t now_ms, int64_t sums_out[KS_WINDOW_VALUES])
{
    int64_t first = now_ms / window->slot_ms - KS_WINDOW_SLOTS;

    for (int i = 0; i < KS_WINDOW_VALUES; i++) {
        sums_out[i] = 0;
    }
    for (int i = 0; i <= KS_WINDOW_SLOTS; i++) {
        const struct ks_window_slot *slot = &window->slots[i];

        for (int j = 0; j < KS_WINDOW_VALUES && slot->number >= 0 && slot->number >= first; j++) {
            sums_out[j] += slot->values[j];
        }
    }
}
