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

static bool
is_noted_early(const struct ks_early_refusals *early, int32_t partition, int64_t producer_id)
{
    for (uint32_t i = 0; i < early->count; i++) {
        if (early->places[i].partition == partition &&
            early->places[i].refusal.producer_id == producer_id) {
            return true;
        }
    }
    return false;
}

static void
drop_early(struct ks_early_refusals *early, uint32_t index)
{
    early->count--;
    memmove(&early->places[index], &early->places[index + 1],
            (early->count - index) * sizeof early->places[0]);
}

void
ks_early_refusals_note(struct ks_early_refusals *early, int32_t partition,
                       const struct ks_batch *batch)
{
    if (batch->producer_id < 0 || is_noted_early(early, partition, batch->producer_id)) {
        return;
    }
    if (early->count == KS_REFUSALS_MAX) {
        drop_early(early, 0);
    }
    early->places[early->count++] =
        (struct ks_early_refusal){ .refusal = { .producer_id = batch->producer_id,
                                                .sequence = batch->base_sequence,
                                                .producer_epoch = batch->producer_epoch },
                                   .partition = partition };
}

void
ks_early_refusals_move(struct ks_early_refusals *early, int32_t partition, struct ks_refusals *out)
{
    uint32_t i = 0;

    while (i < early->count) {
        if (early->places[i].partition != partition) {
            i++;
            continue;
        }
        if (out->count < KS_REFUSALS_MAX) {
            out->places[out->count++] = early->places[i].refusal;
        }
        drop_early(early, i);
    }
}
