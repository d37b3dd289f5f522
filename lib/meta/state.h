/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata itself: what the replay of the log up to one entry leaves. Keys in order with
 * value and version, and for each writer its last entry and what became of it. Pure: the same
 * entries give the same state everywhere.
 *
 * The revision counts committed transactions, so that no two of them give a key the same version.
 */
#ifndef KS_META_STATE_H
#define KS_META_STATE_H

#include "base/base.h"
#include "kafscale/meta.h"

/* Transactions of one entry; a writer's outcomes are that many bits. */
#define KS_META_TXNS_MAX 256

/*
 * Writers that are remembered without being registered. One more, and the one that wrote longest
 * ago is forgotten: a writer stays for sure while its key inc/{hex} exists, and removing that key
 * removes it.
 */
#define KS_META_WRITERS_MAX 1024

/* A key with its value; one block of memory, never changed once inside a state. */
struct ks_meta_item {
    uint64_t version;
    const uint8_t *value;
    size_t value_size;
    char key[];
};

/*
 * The last entry of one writer. `outcome` has a bit for each of its transactions: set, it was
 * committed.
 */
struct ks_meta_writer {
    struct ks_id id;
    uint64_t number;
    uint64_t seq;
    uint64_t revision_before;
    uint32_t txn_count;
    uint8_t outcome[KS_META_TXNS_MAX / 8];
};

/* Zeroed: the empty state before the first entry. */
struct ks_meta_state {
    uint64_t seq; /* entries applied */
    uint64_t revision;
    struct ks_meta_item **items; /* ascending by key */
    size_t item_count;
    size_t item_capacity;
    struct ks_meta_writer *writers;
    size_t writer_count;
    size_t writer_capacity;
    size_t bytes;       /* of keys and values */
    uint64_t forgotten; /* writers dropped so far: none between two states, none unknown there */
};

/* One entry of the log, decoded. The transactions' keys and values are borrowed. */
struct ks_meta_batch {
    uint64_t seq;
    struct ks_id writer;
    uint64_t number;
    struct kafscale_meta_txn *txns;
    size_t txn_count;
};

void ks_meta_state_deinit(struct ks_meta_state *state);

/* NULL: no such key. Borrowed until the state changes. */
const struct ks_meta_item *ks_meta_state_find(const struct ks_meta_state *state, const char *key);

/*
 * The array place of the first key not below `key`; the items that begin with a prefix follow one
 * another from there.
 */
size_t ks_meta_state_lower_bound(const struct ks_meta_state *state, const char *key);

struct kafscale_meta_entry ks_meta_item_entry(const struct ks_meta_item *item);

/* Whether all compares hold in this state. */
bool ks_meta_state_holds(const struct ks_meta_state *state, const struct kafscale_meta_txn *txn);

/* Bytes that the writes of a transaction may add. */
size_t ks_meta_txn_bytes(const struct kafscale_meta_txn *txn);

/*
 * Applies entry number state->seq + 1: each transaction in order, against what those before it
 * left. `changed` (may be NULL) hears of every change; the state must not be used from inside it.
 * `record_out` is what the state then remembers of the writer, unless the entry removed the
 * writer's register. KAFSCALE_NO_MEMORY leaves everything as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_state_apply(struct ks_meta_state *state,
                                                             const struct ks_meta_batch *batch,
                                                             kafscale_meta_changed *changed,
                                                             void *arg,
                                                             struct ks_meta_writer *record_out);

/* NULL: not registered. */
const struct ks_meta_writer *ks_meta_state_find_writer(const struct ks_meta_state *state,
                                                       const struct ks_id *id);

/*
 * Whether the transaction at `index` of the writer's last entry was committed, and at which
 * revision.
 */
bool ks_meta_writer_outcome(const struct ks_meta_writer *writer, size_t index,
                            uint64_t *revision_out);

/*
 * For decoding snapshots: appends what must come in ascending order of keys. KAFSCALE_CORRUPT: it
 * does not. The state is good for ks_meta_state_deinit only after a failure.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_state_append_item(struct ks_meta_state *state,
                                                                   const char *key,
                                                                   struct kafscale_slice value,
                                                                   uint64_t version);
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_state_append_writer(
    struct ks_meta_state *state, const struct ks_meta_writer *writer);

/*
 * Tells `changed` what differs between two states, the older first: writes in order of revision,
 * then removals at the newer revision, since theirs are not known any more. KAFSCALE_NO_MEMORY:
 * nothing was told.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_state_compare(const struct ks_meta_state *older,
                                                               const struct ks_meta_state *newer,
                                                               kafscale_meta_changed *changed,
                                                               void *arg);

#endif
