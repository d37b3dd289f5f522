/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A witness stands right before the memory of a simulated store, below all faults, and beside the
 * metadata: it sees every PUT and DELETE when it acts, and every register when it changes. It
 * knows docs/durability.md and nothing of the code that is to keep it, so it tells at once what
 * readers would find out much later, if ever:
 *
 * - a key is never used for other content, once written or deleted;
 * - a slot goes only below the trim mark or above a valid seal, a seal never, but below the mark;
 * - a mark passes a slot, and a bundle's register goes, only when everything in it is elsewhere;
 * - a bundle is there before its register and as long as that is; an index before its segment;
 * - the producers in an index, a bundle or an object of their own are those that the batches below
 *   its end have left, last used when the slots with these were made;
 * - segments go only below log_start, and what lies above no one deletes;
 * - epochs, marks, log_start and compacted_upto only grow; registers of dead topics don't change;
 * - an epoch is activated when all logs before it are closed or sealed, and its batches are in the
 *   log of the incarnation that activated it.
 *
 * At the end it reads the store by itself, from the directories of segments, bundles and slots.
 */
#ifndef KS_TESTS_SIM_WITNESS_H
#define KS_TESTS_SIM_WITNESS_H

#include "log/format/registers.h"
#include "meta/meta.h"

struct witness;

struct witness_options {
    const char *ns;
    struct ks_env *env;
    struct ks_meta_bucket *meta; /* NULL: metadata is a log in the store */
    /* A register of a topic was written; NULL: homes are added by hand. */
    void (*topic_made)(void *arg, const struct ks_id *topic, struct kafscale_slice value);
    /* A promise is broken. Any number of times; the object's key is borrowed. */
    void (*broken)(void *arg, const char *what, const char *key);
    void *arg;
};

/* What it has seen, for simulations that must have met it. */
struct witness_counts {
    uint64_t slots_deleted;
    uint64_t orphans_deleted;
    uint64_t slots_again; /* that were deleted, by a PUT that was late */
    uint64_t bundles;
    uint64_t bundles_registered;
    uint64_t bundles_dropped; /* their registers */
    uint64_t bundles_merged;  /* registers that went for that of a merged bundle */
    uint64_t merges;
    uint64_t merges_of_parts; /* of these, of several */
    uint64_t merges_again;    /* of merged bundles */
    uint64_t merged_deleted;  /* objects */
    uint64_t bundles_deleted;
    uint64_t segments;
    uint64_t segments_deleted;
    uint64_t segments_again;
    uint64_t seals;
    uint64_t seals_void;    /* below the mark when they acted */
    uint64_t removes_late;  /* of what had gone already */
    uint64_t removes_again; /* of what had come again */
};

/* Takes `inner`. The witness outlives the store it is given for; witness_free frees it. */
struct kafscale_store witness_new(const struct witness_options *options,
                                  struct kafscale_store inner, struct witness **witness_out);

/* After the store was closed. Accepts NULL. */
void witness_free(struct witness *witness);

/* From now on the segments under {ns}/{prefix}/ are those of this topic. */
void witness_add_home(struct witness *witness, const char *prefix, const struct ks_id *topic);

/* Judges what changed in the last transaction; call it between steps. */
void witness_settle(struct witness *witness);

/* Objects by number, in order of their first PUT; the key, or NULL for one that has gone. */
size_t witness_object_count(const struct witness *witness);
const char *witness_object(const struct witness *witness, size_t number,
                           struct kafscale_slice *bytes_out);

/* The object of this key; false: there is none. */
bool witness_bytes(const struct witness *witness, const char *key,
                   struct kafscale_slice *bytes_out);

/* What the register of this partition says. */
int64_t witness_compacted_upto(const struct witness *witness, const struct ks_partition_name *name);

/* Whether the log that this slot belongs to has come to its end above it, by a seal. */
bool witness_is_below_seal(const struct witness *witness, const char *slot_key);

const struct witness_counts *witness_counts(const struct witness *witness);

/* One batch of a partition, wherever it lies. */
struct witness_batch {
    int64_t base_offset;
    int64_t last_offset;
    int64_t producer_id;
    int32_t first_sequence;
};

/*
 * Reads a partition from its log_start on: first its segments, which must reach compacted_upto
 * without hole or overlap, then what its chain's logs and bundles hold above that. `found` is
 * called in order of offsets. False: something is broken, and was told. `end_out` is the end.
 */
bool witness_walk(struct witness *witness, const struct ks_partition_name *name, const char *prefix,
                  void (*found)(void *arg, const struct witness_batch *batch), void *arg,
                  int64_t *end_out);

#endif
