/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's work behind the scenes: moving trim marks over slots that nobody needs any more, and
 * deleting what lies below (durability 2, rule 4). One step at a time, each safe to die after; no
 * request and no timer while nothing is due.
 */
#ifndef KS_LOG_TRIM_TRIM_H
#define KS_LOG_TRIM_TRIM_H

#include "log/trim/trail.h"

/* The index in the name of what is known of a topic as a whole. */
#define KS_KNOWN_TOPIC (-1)

/* What was read about a partition that isn't open here, or about a topic. */
struct ks_known {
    struct ks_table_node node; /* by name */
    struct ks_partition_name name;
    bool is_gone; /* of a topic: it was deleted, and ids never return */
    int64_t compacted_upto;
    uint64_t round; /* of the trimmer when it was read */
};

/* Slots to be deleted, or a bundle of them. */
struct ks_garbage {
    struct ks_list link;
    bool is_bundle;
    uint32_t source;
    uint64_t next;
    uint64_t end;
    struct ks_bundle_name name; /* of a bundle */
};

struct ks_removal;
struct ks_bundler;
struct ks_merger;
struct ks_leftovers;

enum ks_trim_step {
    KS_TRIM_IDLE,
    KS_TRIM_LOOK,  /* at a partition that isn't open here */
    KS_TRIM_MOVE,  /* the transaction that moves the mark */
    KS_TRIM_CHECK, /* reading the mark after an outcome that was not plain */
    KS_TRIM_BUNDLE,
    KS_TRIM_REMOVE, /* the transaction that removes the register of a bundle, or looks at it */
};

struct ks_trimmer {
    struct ks_log *log;
    struct ks_list trails; /* oldest first */
    struct ks_trail *own;  /* NULL: the log keeps its slots */
    struct ks_table known;
    uint64_t round;    /* grows when something may have become covered */
    int64_t looked_ms; /* when it was last asked about a partition */
    bool has_looked;

    enum ks_trim_step step;
    struct ks_trail *trail;   /* the step's */
    uint64_t mark;            /* where its mark moves */
    struct ks_bundle *bundle; /* that goes; of a merged one the first part */
    struct ks_bundler *bundler;
    struct ks_merger *merger; /* beside the steps */
    struct ks_leftovers *leftovers;
    bool has_left; /* leftovers were looked for */
    struct ks_partition_name name;
    char key[KS_REGISTER_KEY_BYTES];
    uint8_t value[8];
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operation;
    struct kafscale_meta_txn txn;
    struct kafscale_meta_read read;
    uint32_t attempts;
    struct ks_timer retry;
    struct ks_task task;

    struct ks_list garbage;  /* ranges to be deleted */
    struct ks_list removals; /* under way */
    size_t removal_count;
};

/* NULL without memory. */
struct ks_trimmer *ks_trimmer_new(struct ks_log *log);

/* Nothing of it may be under way. Accepts NULL. */
void ks_trimmer_free(struct ks_trimmer *trimmer);

/*
 * A log that was read to its end has a trail from now on, which takes over its bundles, if anything
 * is left of it. NO_MEMORY: what it says can't be used.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_trimmer_take(struct ks_log *log,
                                                         struct ks_dead_log *dead);

/* Does what is due, from the loop. */
void ks_trimmer_poke(struct ks_log *log);

/* The log ends or drains: nothing more is begun, nor sent again. */
bool ks_trimmer_is_over(const struct ks_log *log);

/* Has it look again then, if nothing else does before. */
void ks_trimmer_step_at(struct ks_trimmer *trimmer, int64_t due_ms);

/* Clients need the store, and what could begin waits. */
bool ks_trimmer_gives_way(struct ks_trimmer *trimmer);

/* A step that goes on elsewhere has ended. */
void ks_trimmer_step_done(struct ks_trimmer *trimmer);

/*
 * Takes over the reference to a bundle that was registered with the slots from the trail's mark on,
 * and which are deleted now.
 */
void ks_trimmer_adopt(struct ks_trimmer *trimmer, struct ks_trail *trail, struct ks_bundle *bundle,
                      uint64_t version);

/* --- known.c --- */
/* What a fresh read has told. Without memory nothing is noted. */
void ks_known_note(struct ks_trimmer *trimmer, const struct ks_partition_name *name, bool is_gone,
                   int64_t compacted_upto);
const struct ks_known *ks_known_find(const struct ks_trimmer *trimmer,
                                     const struct ks_partition_name *name);
void ks_known_forget(struct ks_trimmer *trimmer);

/* --- trim_due.c --- */
/*
 * Whether the mark shall move over what is covered. A few slots of a log that is written to are
 * left for later; of one that is not they go when none is left that can't.
 */
bool ks_trail_is_worth_moving(const struct ks_trail *trail);
/* Whether there is enough for a bundle; of a log that doesn't grow any more less is enough. */
bool ks_trail_is_worth_bundling(const struct ks_trail *trail);
/* Whether bundling may give way to clients: the next start would not read too much. */
bool ks_trail_can_wait(const struct ks_trail *trail);
/*
 * How far a bundle would go: a whole one, or as far as the states stand already. At the mark: no
 * bundle can be made. UNKNOWN out: it must be looked at `name_out` first.
 */
uint64_t ks_trail_bundle_end(const struct ks_trail *trail, enum ks_coverage *coverage_out,
                             struct ks_partition_name *name_out);
/* Whether nobody needs a bundle any more; UNKNOWN: it must be looked at `name_out` first. */
enum ks_coverage ks_bundle_coverage(const struct ks_log *log, struct ks_bundle *bundle,
                                    struct ks_partition_name *name_out);

/* --- garbage.c --- */
/* Deletes the slots from `first` to `end` - 1, below the mark, a few at a time. */
void ks_garbage_add(struct ks_trimmer *trimmer, uint32_t source, uint64_t first, uint64_t end);
/* Deletes the object of a bundle that no register names. */
void ks_garbage_add_bundle(struct ks_trimmer *trimmer, uint32_t source,
                           const struct ks_bundle_name *name);
void ks_garbage_silence(struct ks_trimmer *trimmer);
/* Frees all, for whose requests no completion comes. */
void ks_garbage_drop(struct ks_trimmer *trimmer);

#endif
