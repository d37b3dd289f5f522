/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches whose records must be looked at, or written anew, before they are appended. That is work
 * for another thread; meanwhile the batches that come after it for the same partition wait, so
 * that all are appended in the order in which they came. Where no rule asks for it nothing waits.
 */
#ifndef KS_BROKER_PREPARER_H
#define KS_BROKER_PREPARER_H

#include "broker/appender.h"

/* So many faulty records of a batch are named. */
#define KS_FAULTY_RECORDS_MAX 10000

/* One batch being prepared, in the caller's memory until its append is done. */
struct ks_preparation {
    struct ks_batch_rules rules; /* for each record, if times_fail; and the largest batch */
    int codec;                   /* to be stored with, or -1: as it came */
    int level;                   /* of that codec, as in ks_compress_at */
    bool needs_keys;
    bool times_fail; /* the header is outside the rules already: tell which records are */

    /* Out, after the append is done: ks_preparation_deinit. */
    enum kafscale_status status; /* OK, or NO_MEMORY */
    enum ks_batch_fault fault;
    int32_t *faulty; /* indexes of records, ascending */
    int32_t faulty_count;

    /* The inside. */
    struct ks_job job;
    struct ks_preparer *preparer;
    struct ks_pending_append *pending;
    struct kafscale_blob *blob; /* the batch, written anew */
    bool is_ready;
};

struct ks_preparer {
    struct ks_env *env;
    struct ks_appender *appender;
    size_t busy;          /* jobs under way */
    struct ks_task *idle; /* to be deferred when none is any more, or NULL */
};

/* Borrows both. */
void ks_preparer_init(struct ks_preparer *preparer, struct ks_env *env,
                      struct ks_appender *appender);

/*
 * As ks_appender_append, after the batch was prepared; `preparation` is NULL where nothing is to be
 * done. A batch with a fault ends with KS_BROKER_ERROR_BAD_BATCH.
 */
void ks_preparer_append(struct ks_preparer *preparer, struct ks_pending_append *pending,
                        struct ks_preparation *preparation);

/* As ks_appender_give_up, wherever the batch is. */
void ks_preparer_give_up(struct ks_preparer *preparer, struct ks_pending_append *pending);

/* True: no job is under way. Else `task` is deferred when that has come true. */
bool ks_preparer_is_idle(struct ks_preparer *preparer, struct ks_task *task);

/* Accepts the empty state. */
void ks_preparation_deinit(struct ks_preparation *preparation);

#endif
