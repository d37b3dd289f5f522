/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of an earlier incarnation, as its successor sees it: its directories in order and,
 * unless its owner closed it, a seal in its first free slot, after which the old owner can't
 * acknowledge anything more.
 */
#ifndef KS_LOG_OPEN_DEAD_LOG_H
#define KS_LOG_OPEN_DEAD_LOG_H

#include "log/bundle/bundle.h"

struct ks_dead_slot;
struct ks_dead_bundle;

/* A request that waits to be sent again; all zero: it doesn't. */
struct ks_dead_retry {
    struct ks_timer timer;
    struct ks_dead_log *dead;
    void (*again)(void *arg);
    void *arg;
};

struct ks_dead_log {
    struct ks_list link;
    struct ks_table_node node; /* by incarnation */
    struct ks_log *log;
    struct ks_id incarnation;
    uint32_t source;
    bool must_seal;      /* some partition's part of it was not closed by its owner */
    uint64_t closed_end; /* greatest closed end of those that were; slots below must be there */

    enum kafscale_status status; /* once done: OK, CORRUPT, NO_MEMORY, FENCED ... */
    struct kafscale_error error;
    uint64_t trim;  /* the mark when reading began */
    uint64_t mark;  /* and at the end of it, at most `end` */
    bool must_look; /* for the next reading of the mark what is known already won't do */
    uint64_t mark_version;
    uint64_t end;                /* first slot that holds nothing */
    struct ks_dead_slot **slots; /* from `trim` on */
    size_t slot_count;
    size_t slot_capacity;
    uint64_t frontier; /* first slot that isn't known yet */
    size_t in_flight;
    struct ks_list bundles;       /* of slots below `trim`, ascending, each with a reference */
    struct ks_dead_bundle *asked; /* bundles on their way */
    size_t asked_count;
    size_t asked_next;
    size_t asked_under_way;
    bool is_bundle_missing; /* its object was not there, though a register named it */
    char missing_key[KS_BUNDLE_KEY_BYTES];
    bool is_at_end; /* what is in the frontier is being made sure of: no more slots are taken */
    bool is_ending; /* frontier stands; waits for what is in flight */

    struct kafscale_put seal_put;
    struct kafscale_part seal_part;
    struct ks_buffer seal;
    char seal_key[KS_WAL_KEY_BYTES];
    char trim_key[KS_REGISTER_KEY_BYTES];
    char bundle_prefix[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct kafscale_meta_read trim_read;
    char reader_key[KS_BUNDLE_REGISTER_KEY_BYTES];
    bool has_told; /* that the log was read */
    struct kafscale_meta_compare reader_compare;
    struct kafscale_meta_operation reader_operation;
    struct kafscale_meta_txn reader_txn;
    struct ks_dead_retry retry;
    uint32_t attempts;
    void (*done)(struct ks_dead_log *dead);
    void *arg;
};

struct ks_dead_log *ks_dead_log_new(struct ks_log *log, const struct ks_id *incarnation);

/* Only when it isn't under way. */
void ks_dead_log_free(struct ks_dead_log *dead);

/* Reads and seals; `done` comes once, never before this has returned. */
void ks_dead_log_start(struct ks_dead_log *dead, void (*done)(struct ks_dead_log *), void *arg);

/*
 * For a log that is going: waits for nothing but requests under way. It may complete and be
 * freed.
 */
void ks_dead_log_silence(struct ks_dead_log *dead);

/*
 * Nothing of it is under way any more, since no completion will come (ks_log_abandon): it may be
 * freed.
 */
void ks_dead_log_drop(struct ks_dead_log *dead);

/* Header and directory of a slot (trim <= sequence < end). */
struct kafscale_slice ks_dead_log_head(const struct ks_dead_log *dead, uint64_t sequence);

/* The directory of a slot (trim <= sequence < end) and where the body begins in its object. */
struct kafscale_slice ks_dead_log_directory(const struct ks_dead_log *dead, uint64_t sequence,
                                            size_t *body_position_out, int64_t *created_ms_out);

/* --- Between dead_log.c and dead_bundles.c: requests under way, which the log counts too --- */
void ks_dead_begin(struct ks_dead_log *dead);
/* Must be the last word: it may complete the whole and free it. */
void ks_dead_end(struct ks_dead_log *dead);
void ks_dead_give_up(struct ks_dead_log *dead, enum kafscale_status status);
/* Waits, then calls `again` unless it is over by then; counts as under way meanwhile. */
void ks_dead_wait(struct ks_dead_log *dead, struct ks_dead_retry *retry, void (*again)(void *),
                  void *arg, uint32_t attempts);
/* Whether it was waiting; the caller calls ks_dead_end for it. */
bool ks_dead_stop_waiting(struct ks_dead_retry *retry);
bool ks_dead_is_over(const struct ks_dead_log *dead);
/* Takes the slots that have come, in order, and asks for more. */
void ks_dead_log_advance(struct ks_dead_log *dead);
void ks_dead_log_read_mark(struct ks_dead_log *dead);

/* --- dead_bundles.c --- */
/*
 * Reads the registers of bundles and the heads of those below `trim`, which was read before, having
 * told the log's owner that it has readers; then the log advances.
 */
void ks_dead_bundles_read(struct ks_dead_log *dead);
void ks_dead_bundles_free(struct ks_dead_log *dead);
/* How many timers it has stopped, each of which counted as under way. */
size_t ks_dead_bundles_silence(struct ks_dead_log *dead);

#endif
