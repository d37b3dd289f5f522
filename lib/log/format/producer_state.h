/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a partition remembers of its idempotent producers (KIP-98): per producer id the epoch
 * and the last five batches. It changes when a batch is appended and is rebuilt by replaying
 * the directory entries of the log.
 */
#ifndef KS_LOG_FORMAT_PRODUCER_STATE_H
#define KS_LOG_FORMAT_PRODUCER_STATE_H

#include "base/base.h"

#define KS_PRODUCERS_MAX 1000000 /* of a partition, with an option at its highest */
#define KS_PRODUCER_BATCHES 5
#define KS_PRODUCER_REFUSALS 8

/* A batch as its producer numbers it, and where it went. */
struct ks_producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t base_offset;
    int64_t last_offset;
};

struct ks_producer {
    struct ks_table_node node;
    struct ks_list by_use; /* in one of the table's lists */
    int64_t id;
    int16_t epoch;
    uint8_t batch_count;
    int32_t expected_sequence; /* without batches: of the first one, which was refused */
    struct ks_producer_batch batches[KS_PRODUCER_BATCHES]; /* oldest first */
    int64_t used_ms;
};

/* A producer without batches for which there was no memory. */
struct ks_producer_refusal {
    int64_t id;
    int64_t used_ms;
    int32_t expected_sequence;
    int16_t epoch;
};

struct ks_producer_table {
    struct ks_table table;
    struct ks_list by_use;  /* those with batches */
    struct ks_list refused; /* those without, oldest first: they take no room from the others */
    uint32_t refused_count;
    struct ks_producer_refusal refusals[KS_PRODUCER_REFUSALS]; /* more of those, oldest first */
    uint32_t refusal_count;
    uint32_t producers_max; /* of each kind */
    int64_t expiration_ms;
};

enum ks_sequence_check {
    KS_SEQUENCE_NEXT,      /* append it */
    KS_SEQUENCE_DUPLICATE, /* one of the last five: answer where it went */
    KS_SEQUENCE_OUT_OF_ORDER,
    KS_SEQUENCE_OLD_EPOCH,
    KS_SEQUENCE_TOO_MANY, /* no room for another producer id */
};

void ks_producer_table_init(struct ks_producer_table *producers, uint64_t seed,
                            uint32_t producers_max, int64_t expiration_ms);
void ks_producer_table_deinit(struct ks_producer_table *producers);

/*
 * Kafka's checks, in its order; a producer without state may begin anywhere. With
 * KS_SEQUENCE_DUPLICATE `original_out` is the earlier batch. Changes nothing but the room it
 * makes for a new producer id.
 */
enum ks_sequence_check ks_producer_check(struct ks_producer_table *producers, int64_t id,
                                         int16_t epoch, int32_t first_sequence,
                                         int32_t last_sequence, int64_t now_ms,
                                         struct ks_producer_batch *original_out);

/*
 * Notes that a batch was refused which was next, or for whose producer there was no room, so that
 * none after it overtakes it: of a producer without state the first batch alone may begin anywhere.
 * Beyond producers_max of such producers the oldest is forgotten; where memory is short
 * KS_PRODUCER_REFUSALS are remembered beside these.
 */
void ks_producer_note_refused(struct ks_producer_table *producers, int64_t id, int16_t epoch,
                              int32_t first_sequence, int64_t now_ms);

/*
 * Notes a batch that was appended (or is replayed), as if the table had been pruned before: of a
 * producer that comes again after its expiration nothing else is remembered, and beyond the limit
 * idle ones go. So what is left doesn't depend on what was stored on the way. NO_MEMORY leaves
 * everything as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_producer_note(struct ks_producer_table *producers,
                                                          int64_t id, int16_t epoch,
                                                          const struct ks_producer_batch *batch,
                                                          int64_t now_ms);

/*
 * Adds a producer with batches as it was stored, as the one used last. CORRUPT: there is one of
 * this id. NO_MEMORY: nothing has changed.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_producer_restore(struct ks_producer_table *producers,
                                                             const struct ks_producer *stored);

/* Moves a table, and leaves `from` zeroed. */
void ks_producer_table_move(struct ks_producer_table *to, struct ks_producer_table *from);

/*
 * Drops what has expired by the time of the batch noted last, and idle producers beyond the
 * limit, as the next new producer would.
 */
void ks_producer_table_prune(struct ks_producer_table *producers);

#endif
