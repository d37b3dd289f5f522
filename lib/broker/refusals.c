/* SPDX-License-Identifier: Apache-2.0 */
/* A few places in the order of their coming. */
#include "broker/refusals.h"

static bool
is_noted(const struct ks_refusals *refusals, int64_t producer_id)
{
    for (uint32_t i = 0; i < refusals->count; i++) {
        if (refusals->places[i].producer_id == producer_id) {
            return true;
        }
    }
    return false;
}

void
ks_refusals_note(struct ks_refusals *refusals, const struct ks_batch *batch)
{
    if (batch->producer_id < 0 || is_noted(refusals, batch->producer_id)) {
        return;
    }
    if (refusals->count == KS_REFUSALS_MAX) {
        refusals->count--;
        memmove(&refusals->places[0], &refusals->places[1],
                refusals->count * sizeof refusals->places[0]);
    }
    refusals->places[refusals->count++] =
        (struct ks_refusal){ .producer_id = batch->producer_id,
                             .sequence = batch->base_sequence,
                             .producer_epoch = batch->producer_epoch };
}

void
ks_refusals_hand_over(struct ks_refusals *refusals, struct ks_log *log,
                      struct ks_partition *partition)
{
    for (uint32_t i = 0; i < refusals->count; i++) {
        struct ks_batch batch = { .producer_id = refusals->places[i].producer_id,
                                  .producer_epoch = refusals->places[i].producer_epoch,
                                  .base_sequence = refusals->places[i].sequence };

        ks_log_pass_over(log, partition, &batch);
    }
    refusals->count = 0;
}
