/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to the libs3 store as a job. Private to store/libs3. Between submission and completion
 * the call belongs to the worker; of the store it reads only the bucket, which never changes.
 */
#ifndef KS_STORE_LIBS3_CALL_H
#define KS_STORE_LIBS3_CALL_H

#include "base/base.h"
#include "kafscale/loop.h"
#include "kafscale/store.h"
#include "store/libs3/answer.h"
#include "store/operation.h"

struct ks_libs3_store;

/* Where the objects are, and what opens the door. Owns its texts. */
struct ks_libs3_bucket {
    S3BucketContext context;
    bool may_create;
};

struct ks_libs3_call {
    struct kafscale_job job;
    struct kafscale_timer pause;
    struct ks_list link; /* of all calls of the store */
    struct ks_libs3_store *store;
    const struct ks_libs3_bucket *bucket;
    enum ks_store_operation kind;
    union ks_store_request request;
    union ks_store_done done;
    void *arg;
    uint32_t tries;
    bool is_running;     /* with a worker, or due to be sent again */
    bool is_seen_absent; /* of a put-if-absent: the first of its two steps is done */
    bool may_have_acted; /* an earlier attempt */

    /* What came of the last attempt. */
    enum ks_libs3_verdict verdict;
    struct kafscale_error error;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    struct kafscale_list_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    bool is_truncated;
};

/* One attempt, on a worker thread; fills in what comes of it. */
void ks_libs3_attempt(struct ks_libs3_call *call);

/* Forgets what came of the last attempt. */
void ks_libs3_call_clear(struct ks_libs3_call *call);

/* The key, or the prefix. */
const char *ks_libs3_call_key(const struct ks_libs3_call *call);

#endif
