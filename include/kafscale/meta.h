/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata store as the broker sees it: a small linearizable key-value store with
 * transactions.
 *
 * Keys are short printable strings, values up to KAFSCALE_META_VALUE_BYTES_MAX bytes. Every key
 * that exists has a version: the revision of the transaction that last wrote it; a key that does
 * not exist has version 0. Completions come exactly once, on the loop thread, never before the
 * submitting call has returned. What a request points to must stay until then.
 */
#ifndef KAFSCALE_META_H
#define KAFSCALE_META_H

#include "kafscale/bytes.h"
#include "kafscale/loop.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KAFSCALE_META_OPS_VERSION 1u
#define KAFSCALE_META_KEY_BYTES_MAX 300
#define KAFSCALE_META_VALUE_BYTES_MAX (1u << 20)

/* A key that exists, with its value and version. */
struct kafscale_meta_entry {
    const char *key;
    struct kafscale_slice value;
    uint64_t version;
};

/*
 * One read. `is_prefix`: all keys that begin with `key`, ascending; else the one key. `is_fresh`
 * false allows an answer from what is known already: it may be stale, but not older than anything
 * that an earlier completion has told. True demands a linearizable one.
 */
struct kafscale_meta_read {
    const char *key;
    bool is_prefix;
    bool is_fresh;
};

/*
 * The entries are borrowed until the completion returns. An absent key gives no entry, and is no
 * failure. `revision` is that of the state that was read.
 */
typedef void kafscale_meta_read_done(void *arg, enum kafscale_status status,
                                     const struct kafscale_meta_entry *entries, size_t entry_count,
                                     uint64_t revision, const struct kafscale_error *error);

/*
 * The key must have this version; 0: must not exist. `any_version`: must exist, whatever its
 * version.
 */
struct kafscale_meta_compare {
    const char *key;
    uint64_t version;
    bool any_version;
};

/* Writes `value`, or removes the key when `is_delete`. */
struct kafscale_meta_operation {
    const char *key;
    struct kafscale_slice value;
    bool is_delete;
};

/*
 * All compares hold -> all operations happen, at one revision; else nothing does. A key stands in
 * one operation at most. Without operations it tells whether the compares hold.
 */
struct kafscale_meta_txn {
    const struct kafscale_meta_compare *compares;
    size_t compare_count;
    const struct kafscale_meta_operation *operations;
    size_t operation_count;
};

/*
 * KAFSCALE_OK: committed, at `revision`, which is the version of every key it wrote, and of no
 * key that another wrote. KAFSCALE_CONFLICT: a compare failed, nothing happened and nothing will.
 * KAFSCALE_UNKNOWN: it may have happened or may still; read and look. All others: nothing
 * happened and nothing will. `error` is NULL with KAFSCALE_OK.
 */
typedef void kafscale_meta_txn_done(void *arg, enum kafscale_status status, uint64_t revision,
                                    const struct kafscale_error *error);

/*
 * A change that became visible here, in order of revision; `entry->value` is empty with
 * `is_delete`. Called on the loop thread for own and foreign transactions alike.
 */
typedef void kafscale_meta_changed(void *arg, const struct kafscale_meta_entry *entry,
                                   bool is_delete);
typedef void kafscale_meta_close_done(void *arg);

/*
 * What an implementer fills in: `version` is KAFSCALE_META_OPS_VERSION of the headers it was
 * compiled with; members are only ever appended.
 */
struct kafscale_meta_ops {
    uint32_t version;
    const char *name;      /* valid as long as `self` */
    size_t operations_max; /* of one transaction, and as many compares; 0: no limit of its own */
    void (*read)(void *self, const struct kafscale_meta_read *read, kafscale_meta_read_done *done,
                 void *arg);
    void (*txn)(void *self, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done,
                void *arg);
    /*
     * At most one watcher; NULL ends it. It hears of every change seen after the call, and, when
     * the backend begins only then, of what was there before.
     */
    void (*watch)(void *self, kafscale_meta_changed *changed, void *arg);
    /*
     * Ends all that waits (KAFSCALE_STOPPED, or KAFSCALE_UNKNOWN when it was sent), then frees
     * `self` and completes.
     */
    void (*close)(void *self, kafscale_meta_close_done *done, void *arg);
    /*
     * May be NULL. For simulations: the caller dies. Frees `self` at once; no completion comes
     * any more.
     */
    void (*abandon)(void *self);
};

/* A metadata store: the operations and their object. Owned by whoever closes it. */
struct kafscale_meta {
    const struct kafscale_meta_ops *ops;
    void *self;
};

/*
 * Opens a metadata store on a loop, which is valid until the store has closed. Whoever called takes
 * it over, and closes it. On failure `error` is filled in, and nothing is left.
 */
typedef enum kafscale_status kafscale_meta_open(void *arg, struct kafscale_loop loop,
                                                struct kafscale_meta *meta_out,
                                                struct kafscale_error *error);

#ifdef __cplusplus
}
#endif

#endif
