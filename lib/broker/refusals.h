/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that were refused because their partition was not open yet, or not known. A producer
 * sends several without waiting for answers; were the partition opened between two of them, the
 * later one would be taken for its first, and the one before it could never be stored any more.
 */
#ifndef KS_BROKER_REFUSALS_H
#define KS_BROKER_REFUSALS_H

#include "log/log.h"

#define KS_REFUSALS_MAX 8

/* Of the first batch of a producer that was refused. */
struct ks_refusal {
    int64_t producer_id;
    int32_t sequence;
    int16_t producer_epoch;
};

/* Zeroed: none. In fixed places, since memory may be what is wanting; the latest producers. */
struct ks_refusals {
    struct ks_refusal places[KS_REFUSALS_MAX];
    uint32_t count;
};

/* Of partitions that a topic doesn't have yet, as far as is known here. Zeroed: none. */
struct ks_early_refusals {
    struct ks_early_refusal {
        struct ks_refusal refusal;
        int32_t partition;
    } places[KS_REFUSALS_MAX];
    uint32_t count;
};

/* Of an idempotent producer's batch; nothing for others. */
void ks_refusals_note(struct ks_refusals *refusals, const struct ks_batch *batch);

/* The same for a partition that isn't known. */
void ks_early_refusals_note(struct ks_early_refusals *early, int32_t partition,
                            const struct ks_batch *batch);

/* The partition has become known, and is new: what was noted of it goes to `out`. */
void ks_early_refusals_move(struct ks_early_refusals *early, int32_t partition,
                            struct ks_refusals *out);

/* The partition is open: its log looks after the order from now on. */
void ks_refusals_hand_over(struct ks_refusals *refusals, struct ks_log *log,
                           struct ks_partition *partition);

#endif
