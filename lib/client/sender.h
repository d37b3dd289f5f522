/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer inside the program, always idempotent and with acks=all. Records gather in batches,
 * one open batch for each partition, until the loop has a place for them in flight: a slow store
 * makes batches larger, not more numerous.
 *
 *     topic -> line for each partition -> batches, of which the first ones are in flight
 *
 * Two owners: what gathers belongs to whoever holds the producer's lock, on any thread; what was
 * collected and all that follows belongs to the loop thread. Each function says which it needs.
 */
#ifndef KS_CLIENT_SENDER_H
#define KS_CLIENT_SENDER_H

#include "client/batch.h"

#include <stdatomic.h>

struct ks_sender;

struct ks_sender_options {
    struct kafscale_slice client_id; /* borrowed as long as the sender */
    size_t batch_bytes;              /* of the records of one batch */
    size_t buffer_bytes;             /* of all that is not delivered yet */
    int64_t delivery_timeout_ms;
    int64_t linger_ms;
};

/* All come on the loop thread, without the lock. */
struct ks_sender_events {
    void *arg;
    /* Around what the loop does with what is the lock's. NULL: there is one thread only. */
    void (*lock)(void *arg);
    void (*unlock)(void *arg);
    /* Once for each batch, in the order of its partition; borrowed for the call. */
    void (*delivered)(void *arg, const struct ks_send_batch *batch,
                      const struct ks_delivered *delivered);
    /* A topic has become known, or couldn't; records were delivered; there is room again. */
    void (*changed)(void *arg);
};

/* A partition. */
struct ks_line {
    struct ks_send_topic *topic;
    int32_t index;

    /* The lock's. */
    struct ks_send_batch *open;
    struct ks_list closed;
    struct ks_list dirty_link;
    size_t usual_bytes;    /* of the last batch: how large the next one begins */
    int64_t open_since_ms; /* when the loop saw it first; 0: not yet */

    /* The loop's. */
    struct ks_sender *sender;
    struct ks_list batches; /* not delivered, in order */
    int32_t batch_count;
    int32_t in_flight;
    bool has_identity;
    bool is_broken; /* a batch in the sequence failed: the next ones need another identity */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t next_sequence;
    struct ks_list identity_link;
    struct ks_list run_link;
    struct ks_timer timer;
    int64_t retry_at_ms;
    uint32_t failures; /* since something went well */
};

struct ks_send_topic {
    struct ks_table_node node;
    char *name;
    struct ks_sender *sender;

    /* The lock's; written by the loop under it. */
    struct ks_line **lines;
    int32_t line_count;         /* 0: not known */
    int32_t next_line;          /* where records without a key go */
    int16_t error;              /* why it isn't known; NONE: nobody has answered yet */
    struct ks_list wanted_link; /* the loop is to ask */

    /* The loop's. */
    struct ks_list ask_link;
    struct ks_ask ask;
    int64_t known_ms;
};

struct ks_sender {
    struct ks_sender_options options;
    struct ks_sender_events events;
    struct ks_env *env;
    size_t headroom;

    /* The lock's. */
    struct ks_table topics;
    struct ks_list dirty;  /* lines with something to collect */
    struct ks_list wanted; /* topics to ask for */
    bool is_closed;

    /* Any thread's. */
    atomic_size_t buffered_bytes;
    atomic_size_t pending_records;

    /* The loop's. */
    struct ks_asker asker;
    struct ks_list changed; /* lines to run */
    struct ks_task run_task;
    struct ks_ask identity_ask;
    struct ks_list identity_lines;
    struct ks_timer linger_timer;
    int64_t linger_due_ms;
    bool is_stopping;
    bool is_ended;
};

/* Loop. */
void ks_sender_init(struct ks_sender *sender, struct ks_env *env,
                    const struct ks_request_sink *sink, const struct ks_sender_options *options,
                    const struct ks_sender_events *events);

/* Nothing may be under way: ks_sender_is_quiet. Any thread, as the last one. */
void ks_sender_deinit(struct ks_sender *sender);

/* Lock. The topic of this name, maybe not known yet; NULL when memory is short. */
struct ks_send_topic *ks_sender_topic(struct ks_sender *sender, struct kafscale_slice name);

/* Lock. The loop is to ask for it, which tells by `changed`. */
void ks_sender_want(struct ks_sender *sender, struct ks_send_topic *topic);

/* Lock. Which partition a record goes to that names none; the topic is known. */
int32_t ks_send_topic_choose(struct ks_send_topic *topic, struct kafscale_slice key);

/*
 * Lock. Copies a record into the open batch of a partition. True in `*is_news_out`: the loop is to
 * collect. FULL: no room now. TOO_LARGE, NO_MEMORY, STOPPED.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_sender_append(struct ks_sender *sender,
                                                          struct ks_line *line,
                                                          const struct ks_record *record,
                                                          void *opaque, bool *is_news_out);

/* Loop. Sends what has gathered: all, or what has waited for linger_ms. */
void ks_sender_collect(struct ks_sender *sender, bool takes_all);

/* Loop. Nothing more is taken or sent; what is in flight ends as it ends. */
void ks_sender_stop(struct ks_sender *sender);

/*
 * Loop. All that is not delivered is given up, and said so; nothing more is taken. What is in
 * flight still ends: ks_sender_is_quiet tells when.
 */
void ks_sender_end(struct ks_sender *sender);
bool ks_sender_is_quiet(const struct ks_sender *sender);

/* --- Of one line, for sender.c ---------------------------------------------------------------- */

struct ks_line *ks_line_new(struct ks_send_topic *topic, int32_t index);
void ks_line_free(struct ks_line *line);
void ks_line_run(struct ks_line *line);

/* Takes a batch that was collected. */
void ks_line_take(struct ks_line *line, struct ks_send_batch *batch, int64_t now_ms);

/* Whether another batch could be in flight. */
bool ks_line_has_place(const struct ks_line *line);
void ks_line_end(struct ks_line *line);

/* A line asks for a producer id; ks_line_identify answers. */
void ks_sender_want_identity(struct ks_sender *sender, struct ks_line *line);
void ks_line_identify(struct ks_line *line, int16_t error, int64_t producer_id, int16_t epoch);

/* Asks, also again, how many partitions a topic has; it is created if the broker does so. */
void ks_sender_ask(struct ks_sender *sender, struct ks_send_topic *topic);

/* Runs the line in a turn of its own. */
void ks_sender_line_changed(struct ks_sender *sender, struct ks_line *line);

/* A batch is delivered or given up. */
void ks_sender_report(struct ks_sender *sender, struct ks_send_batch *batch,
                      const struct ks_delivered *delivered);

#endif
