/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a log's objects from its trim mark on: the directories of the committed slots,
 * and the state of the producers where each partition's part begins. It says how far the mark may
 * move (durability 2, rule 4). The own log has a trail, and each earlier log that was read.
 */
#ifndef KS_LOG_TRIM_TRAIL_H
#define KS_LOG_TRIM_TRAIL_H

#include "log/bundle/bundle.h"

struct ks_dead_log;

/* A committed object. */
struct ks_trail_slot {
    struct kafscale_blob *head; /* header and directory */
    struct ks_wal_header header;
    struct kafscale_slice directory;
};

/*
 * The part of a partition that a log holds under one leader epoch, and what its producers had done
 * before the slot `state_upto` of the trail.
 */
struct ks_trail_run {
    struct ks_table_node node; /* by key */
    struct ks_section_key key;
    char *topic_name;
    struct ks_producer_table producers;
    int64_t next_offset; /* batches that end below it are in `producers`; it may lie in one */
};

struct ks_trail {
    struct ks_list link; /* in the log's trails, oldest first */
    struct ks_log *log;
    struct ks_id incarnation;
    uint32_t source;
    bool is_own;
    bool is_lost;             /* what it says may not hold: it is left alone until the next start */
    uint32_t failures;        /* of bundling, in a row */
    int64_t bundled_after_ms; /* it is not tried before */
    uint64_t mark;
    uint64_t mark_version;       /* of the register; 0: it does not exist */
    uint64_t moved_to;           /* by another broker, which has bundled the slots below */
    uint64_t end;                /* slots from `mark` on below it are committed */
    struct ks_trail_slot *slots; /* the first `slot_gap` are void */
    size_t slot_gap;
    size_t slot_capacity;
    uint64_t body_bytes; /* of all these slots */
    uint64_t head_bytes;

    uint64_t covered;                 /* slots below it are covered */
    size_t covered_bytes;             /* so much of the directory of slot `covered`, too */
    struct ks_partition_name blocker; /* of the section there, once has_blocker */
    int64_t blocker_last;
    bool has_blocker;

    struct ks_list bundles; /* registered, ascending by slot and part, all below `mark` */
    /*
     * To merge some of them, numbered from 1 on. It must never fall: the own trail, which alone is
     * merged, lives as long as the incarnation, and with both the numbers end.
     */
    uint32_t attempts;
    bool is_merge_over;      /* others have read this log, or it can't be read */
    int64_t merged_after_ms; /* it is not tried before */

    struct ks_table runs;
    uint64_t state_upto; /* the slot before which the runs' producers stand */
};

/* NULL without memory. Lists itself in the log. */
struct ks_trail *ks_trail_new(struct ks_log *log, const struct ks_id *incarnation, uint64_t mark,
                              uint64_t mark_version);

/* Accepts NULL. */
void ks_trail_free(struct ks_trail *trail);

/* The trail of this log, or NULL. */
struct ks_trail *ks_trail_find(const struct ks_log *log, uint32_t source);

/* Whether a slot is below its log's trim mark: what is needed of it is elsewhere. */
bool ks_trail_is_trimmed(const struct ks_log *log, uint32_t source, uint64_t sequence);

/* The next slot is committed. Without memory the trail is lost. */
void ks_trail_add(struct ks_trail *trail, uint64_t sequence, struct kafscale_slice head);

/*
 * Begins a run, or leaves one that is there: `producers` is what the batches of the partition below
 * `next_offset` leave behind. Without memory the trail is lost.
 */
void ks_trail_add_run(struct ks_trail *trail, const struct ks_partition *partition, int32_t epoch,
                      struct ks_producer_table *producers, int64_t next_offset);

struct ks_trail_run *ks_trail_find_run(const struct ks_trail *trail,
                                       const struct ks_section_key *key);

/* mark <= sequence < end */
struct ks_trail_slot *ks_trail_slot(const struct ks_trail *trail, uint64_t sequence);

/*
 * Carries the producers of all runs over the entries of the slots below `upto`. Without memory the
 * trail is lost.
 */
void ks_trail_advance_states(struct ks_trail *trail, uint64_t upto);

/* The mark has moved: forgets the slots below. */
void ks_trail_set_mark(struct ks_trail *trail, uint64_t mark, uint64_t mark_version);

/*
 * Takes over the reference to a bundle of slots below the mark. One of the same name that is
 * there already stays, and is the one given back.
 */
struct ks_bundle *ks_trail_add_bundle(struct ks_trail *trail, struct ks_bundle *bundle);

/*
 * All parts of this merged bundle are in the trail, and its register is written: bundles of these
 * slots that were there before go, and what refers to them refers to its parts.
 */
void ks_trail_supersede(struct ks_trail *trail, const struct ks_bundle_name *merged);

/* The section of the bundled slot that holds this offset of a partition under an epoch, or NULL. */
const struct ks_bundle_section *ks_trail_find_section(const struct ks_trail *trail,
                                                      uint64_t sequence,
                                                      const struct ks_partition_name *name,
                                                      int32_t leader_epoch, int64_t offset,
                                                      struct ks_bundle **bundle_out);

/* Nothing is left of it but its mark. */
bool ks_trail_is_over(const struct ks_trail *trail);

/* --- What is covered --- */

enum ks_coverage {
    KS_COVERED,
    KS_NOT_COVERED,
    KS_COVERAGE_UNKNOWN, /* of a partition that isn't open here: the metadata store knows */
};

/* Whether all batches up to `last_offset` are below compacted_upto, or their topic is gone. */
enum ks_coverage ks_trail_coverage(const struct ks_log *log, const struct ks_partition_name *name,
                                   int64_t last_offset);

/* The same of all batches in a section. */
enum ks_coverage ks_trail_section_coverage(const struct ks_log *log,
                                           const struct ks_wal_section *section);

/*
 * Moves `covered` on as far as is known. UNKNOWN: it stops at `blocker`, of which nothing is
 * known; NOT_COVERED: at one that isn't; COVERED: at the end.
 */
enum ks_coverage ks_trail_find_covered(struct ks_trail *trail);

#endif
