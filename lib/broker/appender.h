/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending with back-pressure. While too much waits for the store, batches queue here in the
 * order of their arrival, all partitions alike, and go on when objects become durable. A batch
 * that is given up takes with it the later ones of its producer in that partition, also those that
 * haven't come yet, so that nothing overtakes it.
 */
#ifndef KS_BROKER_APPENDER_H
#define KS_BROKER_APPENDER_H

#include "broker/topics.h"

/*
 * One batch on its way, in the caller's memory until `done`, which comes once and never from
 * inside ks_appender_append.
 */
struct ks_pending_append {
    struct ks_append append; /* batch and owner are the caller's to fill in */
    struct ks_topic_partition *partition;
    void (*done)(struct ks_pending_append *pending, enum ks_broker_error error);
    void *arg;

    struct ks_list link; /* of the queue, or of those about to be refused */
    bool is_queued;
    bool is_given_up;

    struct ks_preparation *preparation; /* the preparer's, as the next */
    bool is_preparing;
};

struct ks_appender {
    struct ks_env *env;
    struct ks_log *log;
    size_t unflushed_bytes_max;
    struct ks_list queue;
    struct ks_list refused;
    struct ks_task task;
    bool is_ended;
};

void ks_appender_init(struct ks_appender *appender, struct ks_env *env, struct ks_log *log,
                      size_t unflushed_bytes_max);

void ks_appender_append(struct ks_appender *appender, struct ks_pending_append *pending);

/*
 * A batch that won't be appended although nothing is wrong with it: its producer's later ones wait
 * until it comes again.
 */
void ks_appender_pass_over(struct ks_appender *appender, struct ks_topic_partition *partition,
                           const struct ks_batch *batch);

/*
 * If the batch still queues it is refused with TIMED_OUT, soon; one that was appended goes its
 * way.
 */
void ks_appender_give_up(struct ks_appender *appender, struct ks_pending_append *pending);

/* Tells whose it is, and lets go of the topic that was kept for it. */
void ks_pending_append_end(struct ks_pending_append *pending, enum ks_broker_error error);

/* Room may have come: something became durable. */
void ks_appender_go_on(struct ks_appender *appender);

/* Refuses all that queue, now and later, with NOT_OWNER. */
void ks_appender_end(struct ks_appender *appender);

/* Nothing may be queued any more. */
void ks_appender_deinit(struct ks_appender *appender);

#endif
