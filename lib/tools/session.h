/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session with a store and its metadata for programs that have nothing else to do: every call
 * waits for its answer, by serving the loop until it is there. Tools are written on it as plain
 * sequences of steps; what can be asked for side by side has calls of its own.
 *
 * One thread. No call may be made from inside a callback of another.
 */
#ifndef KS_TOOLS_SESSION_H
#define KS_TOOLS_SESSION_H

#include "base/base.h"
#include "meta/meta.h"
#include "store/store.h"

/* Serves the loop: `run` returns at the latest after `wake` was called, which it may be before. */
struct ks_session_driver {
    void *self;
    void (*run)(void *self);
    void (*wake)(void *self);
};

/* Borrows everything; `ns` is the first component of every key. */
struct ks_session {
    struct ks_env *env;
    struct ks_store *store;
    struct ks_meta *meta;
    const char *ns;
    const char *backend; /* the name of the metadata's */
    struct ks_session_driver driver;
};

/* --- Objects; answers as in store/store.h, tried again where that may help --- */

/* KAFSCALE_OK: `body_out` has one reference for the caller. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_session_get(struct ks_session *session,
                                                        const struct kafscale_get *get,
                                                        struct kafscale_blob **body_out,
                                                        uint64_t *object_bytes_out,
                                                        struct kafscale_error *error);

/* A PUT if absent. KAFSCALE_EXISTS: the key is taken, perhaps by an earlier try of this call. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_session_create(struct ks_session *session,
                                                           const char *key,
                                                           struct kafscale_slice bytes,
                                                           struct kafscale_error *error);

/* Told of each key in order; false ends the listing. */
typedef bool ks_session_listed(void *arg, const struct kafscale_list_entry *entry);

/* All keys that begin with `prefix` and come after `start_after` (NULL: all), page by page. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_session_list(struct ks_session *session,
                                                         const char *prefix,
                                                         const char *start_after,
                                                         ks_session_listed *listed, void *arg,
                                                         struct kafscale_error *error);

/*
 * GETs of whole objects, several at once; told in the order of `keys`. `body` is NULL where the
 * status isn't OK, and borrowed. The session must not be used from inside `got`.
 */
typedef void ks_session_got(void *arg, size_t index, enum kafscale_status status,
                            struct kafscale_blob *body, const struct kafscale_error *error);

KAFSCALE_MUST_CHECK enum kafscale_status ks_session_get_many(struct ks_session *session,
                                                             const char *const *keys, size_t count,
                                                             ks_session_got *got, void *arg);

/* Whether the store keeps its promises (store/probe.h). */
KAFSCALE_MUST_CHECK enum kafscale_status ks_session_probe(struct ks_session *session,
                                                          struct kafscale_error *error);

/*
 * Compares the cluster's object and its key, as a broker does at its start, and makes both where
 * there are none yet. Before anything is registered. `cluster_out` may be NULL.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_session_identify(struct ks_session *session,
                                                             struct ks_id *cluster_out,
                                                             struct kafscale_error *error);

/* --- Metadata --- */

/*
 * All keys that begin with `prefix`, from a linearizable read, copied: freed with
 * ks_session_entries_free.
 */
struct ks_session_entries {
    struct kafscale_meta_entry *entries;
    size_t count;
    struct ks_arena arena;
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_session_read(struct ks_session *session,
                                                         const char *prefix,
                                                         struct ks_session_entries *entries_out,
                                                         struct kafscale_error *error);

/* Accepts the zeroed struct. */
void ks_session_entries_free(struct ks_session_entries *entries);

KAFSCALE_MUST_CHECK enum kafscale_status ks_session_txn(struct ks_session *session,
                                                        const struct kafscale_meta_txn *txn,
                                                        struct kafscale_error *error);

#endif
