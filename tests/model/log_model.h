/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the log with bundles: what its files share. docs/durability.md 1 and 2 in small:
 * brokers write logs of slots, others seal and recover them, what is committed goes to bundles and
 * segments, and everything may be late, twice, or done by one who should have stopped long ago.
 *
 * The store. A PUT or DELETE that was sent acts at any later moment, any number of times; so a slot
 * that was deleted may come again. An answer may be lost. Metadata is a set of registers that are
 * compared and swapped. Brokers stop for a while or for ever by taking no further step. Bundlers,
 * compactors and collectors have no state of their own: what any of them may have read and slept on
 * stays in the state, which stands for any number of them. Broker b writes log b. One batch is one
 * offset.
 */
#ifndef MODEL_LOG_MODEL_H
#define MODEL_LOG_MODEL_H

#include "model/search.h"

#define LOGS_MAX 3
#define SLOTS_MAX 3
#define PARTITIONS_MAX 2
#define EPOCHS_MAX 4
#define BROKERS_MAX 4
#define OFFSETS_MAX (LOGS_MAX * SLOTS_MAX)
#define RANGES_MAX (SLOTS_MAX * (SLOTS_MAX + 1) / 2)
#define RANGE_NONE 0xff
#define ATTEMPTS_MAX 2 /* to merge the bundles of a range */
#define MERGES_MAX (RANGES_MAX * ATTEMPTS_MAX)

enum log_bound {
    BOUND_BROKERS,
    BOUND_LOGS,
    BOUND_SLOTS,
    BOUND_PARTITIONS,
    BOUND_EPOCHS,
    BOUND_RELEASES,
    BOUND_BUNDLES,
    BOUND_MERGES,
};

enum log_rule {
    RULE_PREFIX,
    RULE_FROZEN,
    RULE_PUT_IF_ABSENT,
    RULE_LOOK,
    RULE_NEW_INCARNATION,
    RULE_SEAL,
    RULE_SEAL_KEPT,
    RULE_MARK_AFTER_SEAL,
    RULE_WHOLE_CHAIN,
    RULE_DROP_EMPTY,
    RULE_DRAIN,
    RULE_REPLAY_TO_SEAL,
    RULE_REGISTER_AFTER_REPLAY,
    RULE_COMPARE_VERSION,
    RULE_COMPARE_EPOCH,
    RULE_MARK_BEFORE_REGISTERS,
    RULE_READ_AGAIN,
    RULE_READ_MARK_AGAIN,
    RULE_READ_REGISTERS_AGAIN,
    RULE_SEAL_BELOW_END,
    RULE_END_COMPACTED,
    RULE_BELOW_DOES_NOT_COUNT,
    RULE_COMMITTED_ONLY,
    RULE_COMPARE_COMPACTED,
    RULE_MARK_COVERED,
    RULE_MARK_BEFORE_DELETE,
    RULE_ORPHANS_SEALED,
    RULE_ORPHANS_MARK,
    RULE_BUNDLE_UNBROKEN,
    RULE_BUNDLE_NO_SEAL,
    RULE_BUNDLE_OBJECT_FIRST,
    RULE_BUNDLE_COMPARES_MARK,
    RULE_BUNDLE_ONE_TRANSACTION,
    RULE_BUNDLE_COVERED,
    RULE_BUNDLE_REGISTER_FIRST,
    RULE_COLLECT_MARK,
    RULE_COLLECT_REGISTER,
    RULE_COLLECT_MARK_FIRST,
    RULE_MERGE_OBJECT_FIRST,
    RULE_MERGE_COMPARES,
    RULE_MERGE_ONE_TRANSACTION,
    RULE_MERGE_INPUTS_LAST,
    RULE_MERGE_KEEPS_NEEDED,
    RULE_MERGE_NEW_NAME,
    RULE_MERGE_ORPHANS,
    RULE_MERGE_READERS,
    RULE_READER_FIRST,
    RULE_AT_ONCE_CLOSED,
    RULE_AT_ONCE_TRIMMED,
    RULE_AT_ONCE_UNBUNDLED,
};

enum claim_stage {
    CLAIM_NONE,
    CLAIM_ELEMENT,   /* which element of the chain is next? */
    CLAIM_PROBE,     /* looks for the first free slot */
    CLAIM_VALIDATE,  /* sealed; reads the mark again */
    CLAIM_MARK,      /* reads the mark */
    CLAIM_REGISTERS, /* reads the registers of bundles */
    CLAIM_READ,      /* reads slots and bundles */
};

/* Sets of slots, epochs and ranges are bits. */
struct wal {
    uint8_t data, seal; /* what is in the store */
    uint8_t ever;       /* data was in the store at some time */
    uint8_t seal_sent;
    uint8_t other, other_stored; /* sent, stored: other bytes than those sent first */
    uint8_t next;                /* slots given */
    uint8_t acknowledged;
    uint8_t mark;
    uint8_t content[SLOTS_MAX][PARTITIONS_MAX]; /* 0, or epoch << 4 | offset + 1 */

    uint8_t last[SLOTS_MAX];     /* register of the bundle from this slot: last slot + 1 */
    uint8_t inside[RANGES_MAX];  /* slots in the bundle of a range; 0: never sent */
    uint8_t bundle, bundle_ever; /* in the store, in the store at some time */
    uint8_t bundle_deleted;      /* DELETE sent */
    uint8_t bundle_unnamed;      /* a collector saw no register of it (its rule is off) */

    uint8_t merge[SLOTS_MAX]; /* the register from this slot names a merged one: number + 1 */
    uint8_t merge_inputs[MERGES_MAX][SLOTS_MAX]; /* registers that an attempt compares */
    uint8_t merge_inside[MERGES_MAX];            /* 0: not begun */
    uint16_t merged, merged_ever;                /* in the store, in the store at some time */
    uint16_t merged_deleted;
    uint16_t merge_over; /* done, or given up for ever */
    bool has_readers;    /* another than its owner has read the log */
};

struct part {
    uint8_t epoch;
    uint8_t compacted;
    uint8_t active, dropped; /* elements of the chain */
    uint8_t owner[EPOCHS_MAX];
    uint8_t base[EPOCHS_MAX];
    uint8_t closed[EPOCHS_MAX];  /* 0, or closed end + 1 */
    uint8_t record[OFFSETS_MAX]; /* what is at an offset for ever: log * SLOTS_MAX + slot + 1 */
};

struct claim {
    uint8_t stage, partition, epoch, element;
    uint8_t end, mark;       /* of the log that is read */
    uint8_t missed;          /* 0, or slot + 1 or SLOTS_MAX + range + 1 that wasn't there */
    uint8_t compacted;       /* as read before the replay (its rule is off) */
    uint8_t last[SLOTS_MAX]; /* registers of bundles as read */
    uint8_t merge[SLOTS_MAX];
    uint8_t got[LOGS_MAX]; /* slots whose batches were read */
};

struct log_state {
    struct wal wals[LOGS_MAX];
    struct part parts[PARTITIONS_MAX];
    struct claim claims[BROKERS_MAX];
    uint8_t held[BROKERS_MAX][LOGS_MAX][SLOTS_MAX]; /* registers that a broker has read last */
};

struct log_bounds {
    int brokers, logs, slots, partitions, epochs;
    bool has_releases, has_bundles, has_merges;
};

extern struct log_bounds log_bounds;

/* --- What the files ask of each other ------------------------------------------------------- */

static inline bool
has(unsigned set, int bit)
{
    return set >> bit & 1;
}

static inline void
put(uint8_t *set, int bit)
{
    *set = (uint8_t) (*set | 1u << bit);
}

static inline void
take(uint8_t *set, int bit)
{
    *set = (uint8_t) (*set & ~(1u << bit));
}

static inline int
offset_in(uint8_t content)
{
    return (content & 15) - 1;
}

static inline int
epoch_in(uint8_t content)
{
    return content >> 4;
}

static inline uint8_t
record_id(int log, int slot)
{
    return (uint8_t) (log * SLOTS_MAX + slot + 1);
}

/* Number of the range of slots first .. last. */
static inline int
range_of(int first, int last)
{
    return first * SLOTS_MAX - first * (first - 1) / 2 + last - first;
}

/* Slots of a range from `first` on whose merged bundle has this number. */
static inline int
merge_of(int range, int attempt)
{
    return range * ATTEMPTS_MAX + attempt;
}

/* A register in one number, 0 for none: last slot + 1, number of the merged bundle + 1. */
static inline uint8_t
register_value(uint8_t last, uint8_t merge)
{
    return (uint8_t) (last | merge << 3);
}

/* What the register from slot `first` names: whether it is there, and what is inside. */
bool log_model_is_stored(const struct wal *wal, int first, uint8_t last, uint8_t merge);
uint8_t log_model_inside(const struct wal *wal, int first, uint8_t last, uint8_t merge);

/* Whether all batches of slots first .. end - 1 are below compacted_upto. */
bool log_model_is_covered(const struct log_state *state, int log, int first, int end);

/* First slot at which no data ever was. */
int log_model_committed_end(const struct wal *wal);

void log_model_writers(const struct log_state *state, struct model_search *search);
void log_model_claims(const struct log_state *state, struct model_search *search);
void log_model_background(const struct log_state *state, struct model_search *search);
void log_model_bundles(const struct log_state *state, struct model_search *search);
void log_model_merges(const struct log_state *state, struct model_search *search);

#endif
