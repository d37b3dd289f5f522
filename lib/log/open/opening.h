/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening partitions, for open.c (claims and activates), opening_logs.c (reads earlier logs)
 * and replay.c (rebuilds what the logs say).
 */
#ifndef KS_LOG_OPEN_OPENING_H
#define KS_LOG_OPEN_OPENING_H

#include "log/open/dead_log.h"
#include "log/moves.h"

enum ks_item_state {
    KS_ITEM_UNREAD,
    KS_ITEM_READ,    /* its register is known, and not ours */
    KS_ITEM_CLAIMED, /* ours, in CLAIMED */
    KS_ITEM_REPLAYED,
    KS_ITEM_ACTIVE,
    KS_ITEM_LOST, /* `result` says why */
};

/* A section of an object in a dead log, or of a bundle, for one element of a chain. */
struct ks_replay_section {
    uint64_t sequence;        /* of a bundle the first slot */
    struct ks_bundle *bundle; /* a reference; NULL: of an object */
    const struct ks_bundle_section *bundled;
    const uint8_t *entries;
    uint32_t entries_bytes;
    uint32_t element;
};

/* One partition on its way. */
struct ks_opening_item {
    struct ks_table_node node;
    struct ks_partition_name name;
    const char *topic_name;
    const char *prefix;
    struct ks_register_place place;
    enum ks_item_state state;
    enum kafscale_status result;
    struct ks_register reg;
    /*
     * Every part of an earlier log that its chain names was closed and trimmed to its end when the
     * register was read, and has no bundles: all records lie in segments.
     */
    bool is_all_compacted;
    struct ks_register wanted; /* what the transaction under way would make of it */
    bool wants_active;
    struct ks_partition *partition;
    /* What it is at compacted_upto, where that is above 0 (opening_segments.c). */
    bool has_compacted;
    struct ks_producer_table compacted_producers;
    struct ks_epoch_start *compacted_epochs;
    size_t compacted_epoch_count;
    struct ks_opening_load *load;       /* the one under way, or NULL */
    struct ks_replay_section *sections; /* found in the dead logs */
    size_t section_count;
    size_t section_capacity;
    /*
     * The newest of the sections in bundles. It says what the producers had done, so replay has to
     * begin with them only there.
     */
    const struct ks_replay_section *newest;
    struct kafscale_blob *producers; /* that state, encoded */
};

struct ks_state_read;

struct ks_opening {
    struct ks_list link;
    struct ks_log *log;
    struct ks_log_open open;
    ks_log_open_done *done;
    void *arg;
    struct ks_opening_item *items;
    struct ks_table by_name; /* items */
    struct ks_list dead_logs;
    struct ks_table dead_by_incarnation;
    struct ks_list *dead_next; /* the first that was not begun */
    size_t dead_logs_under_way;
    struct ks_list state_reads; /* under way */
    bool has_old_logs;          /* bundles have gone since the dead logs were read */
    bool has_states;
    uint32_t states_missing; /* how often a bundle with them was not there */
    bool had_dead_logs;
    size_t loads_under_way;
    size_t load_next;     /* the first item that may need its state loaded */
    struct ks_list moves; /* transactions under way */
    size_t transactions_left;
    bool has_read_again; /* the registers, after the dead logs */
    bool must_read;      /* an outcome was not plain: look at the registers again */
    bool is_surprised;   /* that look must be a fresh one */
    uint32_t attempts;
    struct kafscale_meta_read read;
    struct ks_timer retry;
    struct kafscale_error error;
};

/* The dead log of an incarnation, or NULL. */
struct ks_dead_log *ks_opening_find_dead(const struct ks_opening *opening,
                                         const struct ks_id *incarnation);

struct ks_opening_item *ks_opening_find_item(const struct ks_opening *opening,
                                             const struct ks_partition_name *name);

/*
 * Does what can be done now; comes back after each transaction and each reading. It may
 * complete and free the opening.
 */
void ks_opening_move_on(struct ks_opening *opening);

/* Whether the log takes no more partitions: what is under way gives up. */
bool ks_opening_is_over(const struct ks_opening *opening);

void ks_opening_lose(struct ks_opening_item *item, enum kafscale_status result);

/* --- opening_logs.c: the dead logs of the claimed items --- */
/*
 * Begins to read them, unless there are none; each that ends, and the last, moves the opening
 * on.
 */
void ks_opening_read_dead_logs(struct ks_opening *opening);
/* For a log that is going: waits for nothing but requests under way. */
void ks_opening_silence_dead_logs(struct ks_opening *opening);
/* What they say is kept, so that it can be trimmed. */
void ks_opening_give_trails(struct ks_opening *opening);
void ks_opening_free_dead_logs(struct ks_opening *opening);
/* The same when no completion of what is under way will come. */
void ks_opening_drop_dead_logs(struct ks_opening *opening);

/* --- opening_segments.c: what items are at compacted_upto --- */
/*
 * Begins to load what is missing of the claimed items, and of those that need nothing else; the
 * last one that ends moves the opening on. False: nothing is missing.
 */
bool ks_opening_load_segments(struct ks_opening *opening);
/* Gives what was loaded, if anything was, to the item's new partition. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_opening_give_segments(struct ks_opening_item *item,
                                                                  struct ks_partition *partition,
                                                                  bool with_producers);
void ks_opening_forget_segments(struct ks_opening_item *item);
/* Whether the item is all compacted, by all keys as they were when its register was read. */
bool ks_opening_is_all_compacted(const struct ks_opening_item *item,
                                 const struct kafscale_meta_entry *entries, size_t entry_count);
/* Frees what is under way, for which no completion will come (ks_log_abandon). */
void ks_opening_drop_segments(struct ks_opening *opening);

/* --- replay.c --- */
/* Whether an element may hold records that must be replayed. */
bool ks_element_is_replayed(const struct ks_opening_item *item,
                            const struct ks_chain_element *element);

/*
 * Makes the partition of an item from the dead logs its chain names: state REPLAYED, or LOST
 * with the reason in the log.
 */
void ks_replay_item(struct ks_opening *opening, struct ks_opening_item *item);

/* Finds the sections of all claimed items, with one walk through each dead log. */
void ks_replay_note_sections(struct ks_opening *opening);

/* ks_replay_item for all claimed items, after that. */
void ks_replay_items(struct ks_opening *opening);

void ks_opening_forget_sections(struct ks_opening_item *item);

/* --- opening_states.c --- */
/*
 * Reads the producer states that replay begins with. The last one that comes moves the opening on;
 * false: there are none to be read.
 */
bool ks_opening_read_states(struct ks_opening *opening);
/* For a log that is going: those that wait for a timer are gone. */
void ks_opening_silence_states(struct ks_opening *opening);
/* Frees them, for whose requests no completion comes. */
void ks_opening_drop_states(struct ks_opening *opening);

#endif
