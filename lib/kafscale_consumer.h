/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public struct kafscale_consumer. kafscale_consumer.c reads partitions and hands out what it
 * gets, kafscale_subscribe.c has the group say which these are, and commits.
 */
#ifndef KS_KAFSCALE_CONSUMER_H
#define KS_KAFSCALE_CONSUMER_H

#include "kafscale_fetched.h"
#include "kafscale_local.h"

/* A partition that the program was given records of. */
struct ks_position {
    struct ks_list link;
    int32_t partition;
    int64_t offset; /* behind the last of them */
    bool is_committed;
    char topic[];
};

struct kafscale_consumer {
    struct ks_local local;
    struct ks_reader reader;
    char *client_id;
    char *group_id; /* NULL: in none */
    struct ks_reader_options reader_options;
    kafscale_fetched_records *fetched;
    void *fetched_arg;
    size_t buffer_bytes;
    struct ks_membership membership; /* in no group without a group_id */
    struct ks_membership_options membership_options;

    /* Under the lock. */
    struct ks_list orders; /* struct ks_read_partition: what the loop is to read, or no more */
    struct ks_list queue;  /* of what was fetched */
    size_t queue_bytes;
    bool is_full; /* the loop reads no more until there is room again */

    /* Under the lock, of the group. */
    bool is_assigned;   /* by the program, which then can't subscribe */
    bool is_subscribed; /* the group says what is read */
    bool is_new;        /* `subscription` is for the loop */
    struct ks_subscribed subscription;
    bool is_called;    /* to give up what it has, with the next poll */
    bool may_join;     /* it has, and the loop may go on */
    int polling;       /* threads */
    int64_t polled_ms; /* by ks_monotonic_ms */
    struct ks_list positions;
    struct ks_list commits; /* for the loop */
};

/* --- Of kafscale_consumer.c ------------------------------------------------------------------- */

/* With the lock: nothing is left in the queue. */
void ks_consumer_drop_all(struct kafscale_consumer *consumer);

/* On the loop: to the queue, or to the callback. Takes `fetched`. */
void ks_consumer_pass_on(struct kafscale_consumer *consumer, struct kafscale_fetched *fetched);

/* --- Of kafscale_subscribe.c ------------------------------------------------------------------ */

/* Before it is opened; on the loop: begin, what it was called for, end. */
void ks_consumer_group_init(struct kafscale_consumer *consumer);
void ks_consumer_group_open(struct kafscale_consumer *consumer, struct ks_env *env,
                            const struct ks_request_sink *sink);
void ks_consumer_group_run(struct kafscale_consumer *consumer);
void ks_consumer_group_end(struct kafscale_consumer *consumer);
bool ks_consumer_group_is_quiet(const struct kafscale_consumer *consumer);
void ks_consumer_group_close(struct kafscale_consumer *consumer); /* the loop is done with it */
void ks_consumer_group_deinit(struct kafscale_consumer *consumer);

/* With the lock: the program gets this. */
void ks_consumer_note(struct kafscale_consumer *consumer, const struct kafscale_fetched *fetched);

/* With the lock, by who polls: what it was given before is done with. */
void ks_consumer_give_up(struct kafscale_consumer *consumer);

#endif
