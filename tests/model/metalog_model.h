/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of the metadata log (docs/durability.md 3): transactions are entries created with
 * put-if-absent, the state is their replay, snapshots and trim marks let old entries go. A PUT
 * that was sent acts at any later moment, any number of times; its answer comes at once or never.
 * A writer may stop for a while or for ever, give up, or lose its memory and begin again.
 */
#ifndef MODEL_METALOG_MODEL_H
#define MODEL_METALOG_MODEL_H

#include "model/search.h"

#include <string.h>

#define WRITERS_MAX 4
#define ENTRIES_MAX 6
#define TRANSACTIONS_MAX 3

enum meta_bound {
    BOUND_WRITERS,
    BOUND_ENTRIES,
    BOUND_TRANSACTIONS,
    BOUND_CHUNK,
    BOUND_TABLE,
    BOUND_EARLY
};

enum meta_rule {
    RULE_PUT_IF_ABSENT,
    RULE_NONCE,
    RULE_NONCE_OF_TRANSACTION,
    RULE_LOOK,
    RULE_EVALUATE_AGAIN,
    RULE_TIMEOUT,
    RULE_READ_TO_TAIL,
    RULE_MARK_AFTER_CREATE,
    RULE_MARK_AFTER_READ,
    RULE_VOID,
    RULE_VOID_LOOK,
    RULE_MARK_BEFORE_DELETE,
    RULE_NUMBERED_MARKS,
    RULE_MARKS_IN_ORDER,
    RULE_MARKS_STAY,
    RULE_SNAPSHOT_BEFORE_MARK,
    RULE_SNAPSHOT_OF_VALID,
    RULE_NEWEST_SNAPSHOT,
};

enum phase { IDLE, READING, VALIDATING, LOADING, WAITING, CHECKING };
enum kind { SWAP, PUT, READ }; /* a compare-and-swap, a put without compare, a linearizable read */
enum attempt { NOT_SENT, SENT, VOID };

struct writer {
    uint8_t phase;
    uint8_t count; /* transactions begun; the last is the one at hand */
    uint8_t kind;
    uint8_t attempt; /* of the entry after `valid` */
    uint8_t valid;   /* its state is the replay up to here */
    uint8_t read;    /* entries were read up to here */
    uint8_t least;   /* what clients had been told when its transaction began */
    uint8_t history[ENTRIES_MAX + 1];
    uint8_t wanted[TRANSACTIONS_MAX]; /* version that the compare asks for */
};

/* Entries are numbered from 1, chunks from 0; an entry's id is that of its transaction and kind. */
struct meta_state {
    uint32_t sent[ENTRIES_MAX + 1]; /* ids of PUTs sent, as bits */
    uint8_t entries[ENTRIES_MAX + 1];
    uint8_t snapshots, snapshots_sent, marks;
    uint8_t early; /* places within chunks whose snapshot may be there at any time from now on */
    uint8_t single_mark, single_mark_sent; /* instead of marks (their rule is off) */
    struct writer writers[WRITERS_MAX];

    uint8_t truth[ENTRIES_MAX + 1]; /* what was created first at each place */
    uint8_t told;                   /* clients know of the state up to here */
    uint32_t failed;                /* transactions that were answered as failed */
};

struct meta_bounds {
    int writers, entries, transactions, chunk, chunks, ids;
    bool has_table, has_early;
};

extern struct meta_bounds meta_bounds;

/* --- Entries -------------------------------------------------------------------------------- */

static inline int
transaction_id(int writer, int transaction)
{
    return writer * meta_bounds.transactions + transaction;
}

static inline int
entry_id(int transaction, int kind)
{
    return 1 + transaction * 2 + kind;
}

static inline int
transaction_of(int entry)
{
    return entry != 0 ? (entry - 1) / 2 : -1;
}

static inline int
kind_of(int entry)
{
    return (entry - 1) & 1;
}

static inline bool
has(uint32_t set, int bit)
{
    return set >> bit & 1;
}

static inline int
at_hand(const struct meta_state *state, int w)
{
    return transaction_id(w, state->writers[w].count - 1);
}

static inline int
chunk_of(int place)
{
    return (place - 1) / meta_bounds.chunk;
}

static inline int
chunk_end(int chunk)
{
    return (chunk + 1) * meta_bounds.chunk;
}

/* The version of the one register there is. */
static inline int
version(const uint8_t *history, int end)
{
    int swaps = 0;

    for (int place = 1; place <= end; place++) {
        swaps += kind_of(history[place]) == SWAP;
    }
    return swaps;
}

static inline int
highest(unsigned set)
{
    int bit = -1;

    while (set >> (bit + 1) != 0) {
        bit++;
    }
    return bit;
}

static inline bool
is_marked(const struct meta_state *state, int place)
{
    if (!model_obeys(RULE_NUMBERED_MARKS)) {
        return chunk_of(place) < state->single_mark;
    }
    return place <= meta_bounds.entries && has(state->marks, chunk_of(place));
}

static inline bool
is_replay(const struct meta_state *state, int w, int end)
{
    return memcmp(state->writers[w].history + 1, state->truth + 1, (size_t) end) == 0;
}

/* Everything that a writer does: reads, writes, makes snapshots, stops. */
void meta_model_writer(const struct meta_state *state, int writer, struct model_search *search);

#endif
