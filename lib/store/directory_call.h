/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to the directory store as a job. Private to store. The job's own fields belong to
 * the worker between submission and completion; of the store it reads only the root, which
 * never changes, and `is_broken`.
 */
#ifndef KS_STORE_DIRECTORY_CALL_H
#define KS_STORE_DIRECTORY_CALL_H

#include "base/base.h"
#include "kafscale/store.h"
#include "store/directory_root.h"
#include "store/operation.h"

#include <stdatomic.h>

struct directory_store;

struct directory_call {
    struct ks_job job;
    struct directory_store *store;
    const struct ks_directory_root *root;
    atomic_bool *is_broken; /* set by whoever sees an fsync fail */
    enum ks_store_operation kind;
    union ks_store_request request;
    union ks_store_done done;
    void *arg;
    uint8_t random[KS_ID_BYTES]; /* for a temporary name */
    bool is_trusted; /* the directory's entry and its ancestors' are known to be durable */
    char directory[KAFSCALE_STORE_KEY_BYTES_MAX + 1]; /* of the key; "." for none */
    const char *name;                                 /* last component of the key */

    enum kafscale_status status;
    struct kafscale_error error;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    struct kafscale_list_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    bool is_truncated;
};

/* The work of each operation, on a worker thread. */
void ks_directory_put(struct directory_call *call);
void ks_directory_get(struct directory_call *call);
void ks_directory_remove(struct directory_call *call);
void ks_directory_list(struct directory_call *call);

/* Ends the work with a failed system call that changed nothing. */
void ks_directory_fail(struct directory_call *call, int code, const char *what, const char *path);

#endif
