/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of meta: the metadata store (kafscale/meta.h) behind a wrapper that checks its
 * contract, and its built-in backends. The backend for every day keeps a log of immutable objects
 * in the object store and needs nothing besides.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_META_META_H
#define KS_META_META_H

#include "base/base.h"
#include "kafscale/meta.h"
#include "meta/contract.h"
#include "meta/describe.h"

struct ks_store;

/*
 * The contract wrapper, and the only caller of a kafscale_meta. It refuses requests that the
 * header forbids, forwards the others, asserts that each completion comes once and not from
 * inside the call, and waits for all of them when closed.
 */
struct ks_meta;

/* Takes `inner` and closes it when closed. NULL: out of memory, and `inner` stays the caller's. */
struct ks_meta *ks_meta_new(struct ks_env *env, struct kafscale_meta inner);

/*
 * One read or transaction; keys, values and the request struct stay valid until `done` has
 * returned, which is called once, never from inside this call. Transactions that wait together are
 * carried out in the order in which they were submitted.
 *
 * To tell apart: KAFSCALE_CONFLICT, KAFSCALE_UNKNOWN (kafscale/meta.h). KAFSCALE_INVALID,
 * KAFSCALE_TOO_LARGE: the request itself is at fault. KAFSCALE_FULL, KAFSCALE_NO_MEMORY: a limit.
 * KAFSCALE_UNAVAILABLE: the store can't be reached, nothing happened. KAFSCALE_CORRUPT,
 * KAFSCALE_UNSUPPORTED: an object, which the error names, can't be read; asking again looks again.
 * KAFSCALE_FENCED: this writer is not registered any more; KAFSCALE_FAILED: the store can't be
 * trusted; both stay so. KAFSCALE_STOPPED: closing.
 */
void ks_meta_read(struct ks_meta *meta, const struct kafscale_meta_read *read,
                  kafscale_meta_read_done *done, void *arg);
void ks_meta_txn(struct ks_meta *meta, const struct kafscale_meta_txn *txn,
                 kafscale_meta_txn_done *done, void *arg);

/* As kafscale_meta_ops.watch: one watcher, NULL ends it. */
void ks_meta_watch(struct ks_meta *meta, kafscale_meta_changed *changed, void *arg);

/*
 * Operations, and as many compares, that one transaction may have; 0: no limit besides that of
 * bytes.
 */
size_t ks_meta_operations_max(const struct ks_meta *meta);

/*
 * Calls `done` once every completion has come: requests that were not begun, and those that come
 * from now on, with KAFSCALE_STOPPED, a transaction that was sent with KAFSCALE_UNKNOWN. Then
 * `meta` and its backend are gone. Call it once.
 */
void ks_meta_close(struct ks_meta *meta, kafscale_meta_close_done *done, void *arg);

/*
 * For simulations: the caller dies. Frees everything at once; no completion comes any more. Not
 * from inside a completion. The store below must have promised to complete nothing either
 * (ks_fault_store_crash).
 */
void ks_meta_abandon(struct ks_meta *meta);

/*
 * Rules of the log (docs/durability.md, "Metadata store") that a test can break on purpose; the
 * switch exists with -DKS_PLANTED_FAULTS only.
 */
enum ks_meta_log_fault {
    KS_META_LOG_FAULT_NONE,
    KS_META_LOG_FAULT_FROZEN,      /* 1: a repeated PUT carries other bytes under its nonce */
    KS_META_LOG_FAULT_TAIL,        /* 2: reads and failed compares are answered from memory */
    KS_META_LOG_FAULT_MARK_READ,   /* 2: the trim mark is not looked at after reading */
    KS_META_LOG_FAULT_LOOK,        /* 3: "exists" counts as success, whosever the entry is */
    KS_META_LOG_FAULT_NONCE,       /* 3: an own entry found counts as another's */
    KS_META_LOG_FAULT_OVER,        /* 3: what held in a lost slot counts for the next one */
    KS_META_LOG_FAULT_FREE_FAILED, /* 3: a free slot after a time-out counts as a failure */
    KS_META_LOG_FAULT_MARK_CREATE, /* 4: the trim mark is not looked at after a create */
    KS_META_LOG_FAULT_VOID_FAILED, /* 5: a void create is reported as failed */
    KS_META_LOG_FAULT_VOID_AGAIN,  /* 5: a void create is repeated, whatever became of it */
    KS_META_LOG_FAULT_UNVALIDATED, /* 6: snapshots are made of entries not known to be valid */
    KS_META_LOG_FAULT_MARK_EARLY,  /* 7: the mark is put before the snapshot is durable */
    KS_META_LOG_FAULT_MARK_ORDER,  /* 7: marks are put in any order */
    KS_META_LOG_FAULT_DELETE,      /* 7: entries go before their chunk is marked */
    KS_META_LOG_FAULT_NEWEST,      /* 7: the newest marked snapshot goes too */
    KS_META_LOG_FAULT_START,       /* 8: the snapshot of the start counts as the newest state */
    KS_META_LOG_FAULT_OVERWRITE,   /* entries are put whether or not their slot is taken */
    KS_META_LOG_FAULT_WRITER,      /* 5: the last j of a writer is not looked at */
    KS_META_LOG_FAULT_MARK_GONE,   /* 7: a mark goes when the next one exists */
    KS_META_LOG_FAULT_COUNT
};

/*
 * How a log works. Zero in a number means its default. `ns` is the first component of every key,
 * e.g. "default"; it is copied. `incarnation` is the writer, never used by another run.
 * `operations_max` is what callers are told. The log goes on trying; a request that waits longer
 * than `timeout_ms` is answered nevertheless. Whoever ended a chunk has `trim_delay_ms` to trim it
 * before others do. Requests beyond the limits, and writes that would let keys and values grow
 * beyond `state_bytes_max`, get KAFSCALE_FULL.
 */
struct ks_meta_log_options {
    const char *ns;
    struct ks_id incarnation;
    size_t operations_max;
    uint32_t chunk_entries; /* from snapshot to snapshot, 512; the same for all who share a log */
    uint32_t step_entries;  /* from early snapshot to early snapshot at least, 16; the same, too */
    uint32_t retry_ms;      /* first wait after a store failure, 50; it doubles, with jitter, */
    uint32_t retry_ms_max;  /* up to 5,000 */
    uint32_t timeout_ms;    /* 30,000 */
    uint32_t trim_delay_ms; /* 10,000 */
    uint32_t pending_count_max; /* 4,096 requests */
    size_t pending_bytes_max;   /* 16 MiB of transactions */
    size_t state_bytes_max;     /* 256 MiB */
#ifdef KS_PLANTED_FAULTS
    enum ks_meta_log_fault planted_fault;
#endif
};

/*
 * The log of objects under {ns}/__kafscale/meta/ in `store`, which it borrows and which must
 * outlive it (docs/durability.md, "Metadata store"). Sends nothing before the first request.
 * `ops` is NULL when memory is short.
 */
struct kafscale_meta ks_meta_log_new(struct ks_env *env, struct ks_store *store,
                                     const struct ks_meta_log_options *options);

/* What has happened to a log, for metrics, and for tests that must have met it. */
enum ks_meta_log_event {
    KS_META_LOG_LOOKS,
    KS_META_LOG_ENTRIES_SENT,
    KS_META_LOG_ENTRIES_SENT_AGAIN, /* the slot was free after a lost answer */
    KS_META_LOG_ENTRIES_FOUND,      /* an own entry was in its slot after a lost answer */
    KS_META_LOG_SLOTS_LOST,         /* another's entry was in the slot */
    KS_META_LOG_LOOKS_VOID,         /* a trim mark was found after reading */
    KS_META_LOG_CREATES_VOID,       /* and after a create */
    KS_META_LOG_VOID_COMMITTED,     /* the snapshot knew a void entry */
    KS_META_LOG_VOID_NOTHING,       /* the snapshot knew that it did not happen */
    KS_META_LOG_VOID_UNKNOWN,
    KS_META_LOG_LOADS,
    KS_META_LOG_SNAPSHOTS_MISSED, /* trimmed between its mark and its GET */
    KS_META_LOG_CHUNKS_TRIMMED,
    KS_META_LOG_CHUNKS_LEFT_BY_OTHERS, /* of these, not trimmed in time by who ended them */
    KS_META_LOG_EARLY_SNAPSHOTS,       /* stored within a chunk */
    KS_META_LOG_EARLY_LOADS,           /* began with one of these */
    KS_META_LOG_LISTED_IN_VAIN,        /* what LIST showed was no place to begin */
    KS_META_LOG_EVENT_COUNT
};

/* Counts by event, valid as long as `log`, which must come from ks_meta_log_new. */
const uint64_t *ks_meta_log_counts(const struct kafscale_meta *log);

enum ks_meta_log_chore {
    KS_META_LOG_CHORE_STEP, /* reading or writing the log */
    KS_META_LOG_CHORE_TRIM, /* a chunk was trimmed */
    KS_META_LOG_CHORE_COUNT
};

/* By chore, under the same conditions. */
const struct ks_chore *ks_meta_log_chores(const struct kafscale_meta *log);

/*
 * For tests: a state in memory that several brokers share, and their views of it. The bucket is
 * borrowed and must outlive the views. NULL, or NULL `ops`, when memory is short.
 */
struct ks_meta_bucket;
struct ks_meta_bucket *ks_meta_bucket_new(void);
void ks_meta_bucket_free(struct ks_meta_bucket *bucket);
struct kafscale_meta ks_meta_memory_new(struct ks_env *env, struct ks_meta_bucket *bucket,
                                        size_t operations_max);

#endif
