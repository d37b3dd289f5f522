/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a backend from submission to completion. Answers are put on a list and told from a
 * task, so that no completion runs inside a submission or inside the machine that answers. A
 * reserve serves refusals when memory is short.
 */
#ifndef KS_META_REQUEST_H
#define KS_META_REQUEST_H

#include "base/base.h"
#include "kafscale/meta.h"

/* So many requests can be refused for want of memory within one turn of the loop. */
#define KS_META_RESERVE_COUNT 64

/*
 * Exactly one of `read` and `txn` is set, with its `done`. What stands below `ticket` is the
 * backend's own.
 */
struct ks_meta_request {
    struct ks_list link;
    const struct kafscale_meta_read *read;
    const struct kafscale_meta_txn *txn;
    kafscale_meta_read_done *read_done;
    kafscale_meta_txn_done *txn_done;
    void *arg;
    enum kafscale_status status;
    uint64_t revision;
    struct kafscale_error error;
    uint64_t ticket;
    int64_t due_ms;
    size_t bytes;
};

/* Answers a read that succeeded by calling its `read_done` with the entries. */
typedef void ks_meta_answer_read(void *arg, const struct ks_meta_request *request);

struct ks_meta_requests {
    struct ks_env *env;
    struct ks_task task;
    struct ks_list answered;
    struct ks_list idle;
    size_t idle_count;
    ks_meta_answer_read *answer_read;
    void (*drained)(void *arg); /* after each round of completions; may free everything */
    void *arg;
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_meta_requests_init(struct ks_meta_requests *requests,
                                                               struct ks_env *env,
                                                               ks_meta_answer_read *answer_read,
                                                               void (*drained)(void *arg),
                                                               void *arg);

/* Frees all memory; what was answered and not told is forgotten. Accepts the zeroed struct. */
void ks_meta_requests_deinit(struct ks_meta_requests *requests);

/*
 * A request to be answered later; NULL when memory is short, and then it will be answered so.
 */
struct ks_meta_request *ks_meta_requests_read(struct ks_meta_requests *requests,
                                              const struct kafscale_meta_read *read,
                                              kafscale_meta_read_done *done, void *arg);
struct ks_meta_request *ks_meta_requests_txn(struct ks_meta_requests *requests,
                                             const struct kafscale_meta_txn *txn,
                                             kafscale_meta_txn_done *done, void *arg);

/* Answers a request that is in no list. `error` may be NULL: then the status speaks for itself. */
void ks_meta_requests_answer(struct ks_meta_requests *requests, struct ks_meta_request *request,
                             enum kafscale_status status, uint64_t revision,
                             const struct kafscale_error *error);

bool ks_meta_requests_are_told(const struct ks_meta_requests *requests);

#endif
