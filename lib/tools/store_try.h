/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check of a store is made of: requests that are waited for, and what is expected of them.
 * The first expectation that isn't met stays as the check's failure; each function that returns a
 * bool says whether to go on.
 */
#ifndef KS_TOOLS_STORE_TRY_H
#define KS_TOOLS_STORE_TRY_H

#include "tools/session.h"

#define KS_STORE_TRY_KEY_BYTES (KAFSCALE_STORE_KEY_BYTES_MAX + 1)

struct ks_store_try {
    struct ks_session *session;
    const char *prefix;
    char base[256]; /* what the keys of this check begin with */
    struct kafscale_error failure;
    uint64_t breaches;     /* of the contract, before this check */
    struct ks_arena arena; /* of the keys that were written */
    const char **keys;
    size_t key_count;
    size_t key_capacity;
};

/* Begins the check of this number; everything else was zeroed or used before. */
void ks_store_try_begin(struct ks_store_try *attempt, int number);

/* Removes what it wrote; a failure to do so is one of the check. */
void ks_store_try_end(struct ks_store_try *attempt);
void ks_store_try_deinit(struct ks_store_try *attempt);

bool ks_store_try_failed(const struct ks_store_try *attempt);

/* The whole key of a name, noted as one to be removed. */
void ks_store_try_key(struct ks_store_try *attempt, const char *name,
                      char key_out[KS_STORE_TRY_KEY_BYTES]);

/* A broken promise; false. */
bool ks_store_try_fail(struct ks_store_try *attempt, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether an answer is the one that is wanted; `what` names the request. */
bool ks_store_try_expect(struct ks_store_try *attempt, const char *what,
                         enum kafscale_status status, const struct kafscale_error *error,
                         enum kafscale_status wanted);

/* One request, waited for. */
bool ks_store_try_put(struct ks_store_try *attempt, const char *name, struct kafscale_slice bytes,
                      bool if_absent, enum kafscale_status wanted);
bool ks_store_try_remove(struct ks_store_try *attempt, const char *name);

/* Text that a range of an object must be, and the object's size. */
bool ks_store_try_range(struct ks_store_try *attempt, const char *name, uint64_t position,
                        size_t size_max, struct kafscale_slice wanted, uint64_t object_bytes);
bool ks_store_try_absent(struct ks_store_try *attempt, const char *name);

/* Names below the base with their sizes, such as "a:1 b/c:20 ", with "..." behind if truncated. */
bool ks_store_try_list(struct ks_store_try *attempt, const char *prefix, const char *start_after,
                       size_t count_max, const char *wanted);

/* Serves the loop until `left` is 0. */
void ks_store_try_wait(struct ks_store_try *attempt, const size_t *left);

/* The end of a request that a wait is for. */
void ks_store_try_wake(struct ks_store_try *attempt, size_t *left);

#endif
