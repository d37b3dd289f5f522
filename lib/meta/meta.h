/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of meta: the metadata store (kafscale/meta.h) behind a wrapper that checks its contract, and its built-in backends. The
 * backend for every day keeps a log of immutable objects in the object store and needs nothing besides.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_META_META_H
#define KS_META_META_H

#include "base/base.h"
#include "kafscale/meta.h"

struct ks_store;

/*
 * The contract wrapper, and the only caller of a kafscale_meta. It refuses requests that the header forbids, forwards the
 * others, asserts that each completion comes once and not from inside the call, and waits for all of them when closed.
 */
struct ks_meta;

/* Takes `inner` and closes it when closed. NULL: out of memory, and `inner` stays the caller's. */
struct ks_meta *ks_meta_new(struct ks_env *env, struct kafscale_meta inner);

/*
 * One read or transaction; keys, values and the request struct stay valid until `done` has returned, which is called once, never
 * from inside this call. KAFSCALE_INVALID, KAFSCALE_TOO_LARGE: the request itself is at fault. KAFSCALE_FULL: a limit of memory
 * or of waiting requests. KAFSCALE_UNAVAILABLE: the store can't be reached, nothing happened. KAFSCALE_STOPPED: closing.
 * Transactions that wait together are carried out in the order in which they were submitted.
 */
void ks_meta_read(struct ks_meta *meta, const struct kafscale_meta_read *read,
                  kafscale_meta_read_done *done, void *arg);
void ks_meta_txn(struct ks_meta *meta, const struct kafscale_meta_txn *txn,
                 kafscale_meta_txn_done *done, void *arg);

/* As kafscale_meta_ops.watch: one watcher, NULL ends it. */
void ks_meta_watch(struct ks_meta *meta, kafscale_meta_changed *changed, void *arg);

/* Operations, and as many compares, that one transaction may have; 0: no limit besides that of bytes. */
size_t ks_meta_operations_max(const struct ks_meta *meta);

/*
 * Takes no more requests, and calls `done` once every completion has come: those that were not begun come with
 * KAFSCALE_STOPPED, a transaction that was sent with KAFSCALE_UNKNOWN. Then `meta` and its backend are gone. Call it once.
 */
void ks_meta_close(struct ks_meta *meta, kafscale_meta_close_done *done, void *arg);

/*
 * For simulations: the caller dies. Frees everything at once; no completion comes any more. Not from inside a completion. The store
 * below must have promised to complete nothing either (ks_fault_store_crash).
 */
void ks_meta_abandon(struct ks_meta *meta);

/* Rules of the log that a test can break on purpose; the switch exists with -DKS_PLANTED_FAULTS only. */
enum ks_meta_log_fault {
    KS_META_LOG_FAULT_NONE,
    KS_META_LOG_FAULT_FROZEN, /* 1: a PUT that is repeated carries other bytes under the same nonce */
    KS_META_LOG_FAULT_TAIL,   /* 2: fresh reads and failed compares are answered from memory */
    KS_META_LOG_FAULT_MARK_READ, /* 2: the trim mark is not looked at after reading */
    KS_META_LOG_FAULT_LOOK,  /* 3: "exists" counts as success without looking whose entry it is */
    KS_META_LOG_FAULT_NONCE, /* 3: an own entry found after a lost answer counts as another's */
    KS_META_LOG_FAULT_OVER, /* 3: after a lost slot the next one is tried without evaluating again */
    KS_META_LOG_FAULT_FREE_FAILED, /* 3: a free slot after a time-out counts as a failure */
    KS_META_LOG_FAULT_MARK_CREATE, /* 4: the trim mark is not looked at after a create */
    KS_META_LOG_FAULT_VOID_FAILED, /* 5: a void create is reported as failed */
    KS_META_LOG_FAULT_VOID_AGAIN, /* 5: a void create is repeated without looking for its outcome */
    KS_META_LOG_FAULT_UNVALIDATED, /* 6: a snapshot is made before its entries are known to be valid */
    KS_META_LOG_FAULT_MARK_EARLY, /* 7: the mark is put before the snapshot is durable */
    KS_META_LOG_FAULT_MARK_ORDER, /* 7: marks are put in any order */
    KS_META_LOG_FAULT_DELETE,     /* 7: entries go before their chunk is marked */
    KS_META_LOG_FAULT_NEWEST,     /* 7: the newest marked snapshot goes too */
    KS_META_LOG_FAULT_START,      /* 8: a missing snapshot counts as an empty log */
    KS_META_LOG_FAULT_COUNT
};

/* Zero in a number means its default. */
struct ks_meta_log_options {
    const char *ns;           /* first component of every key, e.g. "default"; copied */
    struct ks_id incarnation; /* the writer I; never used by another run */
    uint32_t
        chunk_entries; /* entries from snapshot to snapshot (512); the same for all who share a log */
    size_t operations_max; /* stated to callers; tests use 4 */
    uint32_t
        retry_ms; /* first wait after a store failure (50); doubles up to retry_ms_max, with jitter */
    uint32_t retry_ms_max; /* 5,000 */
    uint32_t timeout_ms; /* after which a request is answered though the store is silent (30,000) */
    uint32_t
        trim_delay_ms; /* grace for whoever ended a chunk to trim it, before others do (10,000) */
    uint32_t
        pending_count_max;    /* requests that wait (4,096); more are refused with KAFSCALE_FULL */
    size_t pending_bytes_max; /* of waiting transactions (16 MiB); likewise */
    size_t
        state_bytes_max; /* of keys and values (256 MiB); transactions that write beyond get KAFSCALE_FULL */
#ifdef KS_PLANTED_FAULTS
    enum ks_meta_log_fault planted_fault;
#endif
};

/*
 * The log of objects under {ns}/__kafscale/meta/ in `store`, which it borrows and which must outlive it (docs/durability.md,
 * "Metadata store"). Sends nothing before the first request. `ops` is NULL when memory is short.
 */
struct kafscale_meta ks_meta_log_new(struct ks_env *env, struct ks_store *store,
                                     const struct ks_meta_log_options *options);

/*
 * For tests: a state in memory that several brokers share, and their views of it. The bucket is borrowed and must outlive
 * the views. NULL, or NULL `ops`, when memory is short.
 */
struct ks_meta_bucket;
struct ks_meta_bucket *ks_meta_bucket_new(void);
void ks_meta_bucket_free(struct ks_meta_bucket *bucket);
struct kafscale_meta ks_meta_memory_new(struct ks_env *env, struct ks_meta_bucket *bucket,
                                        size_t operations_max);

#endif
