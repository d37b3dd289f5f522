/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group coordinator: the consumer groups of this broker and where they are kept. Topic
 * __consumer_offsets, made at the first use, has partitions; each keeps the groups whose ids fall
 * to it (ks_group_partition) as records in Kafka's own schema. What happens to a group happens in
 * memory at once and is appended in the same order; answers leave when what they tell is durable.
 * An append that was begun becomes durable or the broker ends, so nothing is ever taken back.
 *
 * A partition that was opened is read from its start before its groups are served; members and
 * generations go on as they were, each member with a whole session timeout.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_BROKER_COORDINATOR_COORDINATOR_H
#define KS_BROKER_COORDINATOR_COORDINATOR_H

#include "broker/appender.h"
#include "broker/coordinator/lag.h"
#include "broker/topic_create.h"
#include "group/group.h"

struct ks_shard;

struct ks_coordinator_options {
    int32_t partition_count;        /* of __consumer_offsets when it is made */
    int64_t initial_delay_ms;       /* group.initial.rebalance.delay.ms */
    size_t group_size_max;          /* group.max.size */
    size_t state_bytes_max;         /* of all groups and offsets in memory */
    size_t pending_bytes_max;       /* of what is appended and not yet durable */
    int64_t offsets_retention_ms;   /* after a group has no member any more; negative: for ever */
    int64_t expiry_check_ms;        /* between looks at a group's offsets */
    int64_t checkpoint_interval_ms; /* what is older is written again */
    size_t checkpoint_piece_bytes;  /* how much of it is appended at a time; 0: 128 KiB */
    size_t checkpoint_bytes_min;    /* so many must have been appended since; 0: 16 MiB */
    int64_t lag_interval_ms;        /* between looks at how far consumers are behind */
    size_t lag_series_max;          /* groups and topics that are told by their names */
};

struct ks_coordinator {
    struct ks_env *env;
    struct ks_topics *topics;
    struct ks_coordinator_options options;
    struct ks_log *log; /* NULL until the broker has one */
    struct ks_appender *appender;
    struct ks_group_options group_options;
    struct ks_topic *topic;  /* a reference, or NULL: there is none yet */
    struct ks_shard *shards; /* one for each partition of the topic */
    int32_t shard_count;
    int32_t loading_count;
    size_t group_count;
    size_t states[KS_GROUP_STATE_COUNT]; /* how many groups are in each */
    size_t member_count;
    size_t state_bytes;
    size_t pending_bytes;
    struct ks_list unopened; /* who waits for the topic */
    struct ks_list told;     /* waits whose end is known, until `task` tells them */
    struct ks_task task;
    struct ks_topic_create *creation; /* under way, or NULL */
    struct ks_topic_config topic_config;
    struct ks_buffer key; /* of the record that is being written, and its value */
    struct ks_buffer value;
    struct ks_timer expiry; /* looks at one shard after the other */
    int32_t expiry_next;
    struct ks_chore expiring; /* of one shard */
    uint64_t checkpoints;     /* that came to their end */
    struct ks_chore checkpointing;
    struct ks_lag lag;
    struct ks_log_quota expulsions;
    struct ks_log_quota rewrites;
    struct ks_log_quota troubles;
    bool is_ended;
};

/* Borrows env and topics. */
/* While it is used. What is under way ends as it has begun; groups there are may be too large. */
void ks_coordinator_set_options(struct ks_coordinator *coordinator,
                                const struct ks_coordinator_options *options);

void ks_coordinator_init(struct ks_coordinator *coordinator, struct ks_env *env,
                         struct ks_topics *topics, const struct ks_coordinator_options *options);

/* The broker has its log. Both are borrowed. */
void ks_coordinator_start(struct ks_coordinator *coordinator, struct ks_log *log,
                          struct ks_appender *appender);

/* A partition was opened, its topic is gone: nothing if it is no topic of groups. */
void ks_coordinator_opened(struct ks_coordinator *coordinator,
                           struct ks_topic_partition *partition);
void ks_coordinator_removed(struct ks_coordinator *coordinator, const struct ks_topic *topic);

/* Serves nothing any more: everybody who waits is told NOT_COORDINATOR. May come again. */
void ks_coordinator_end(struct ks_coordinator *coordinator);

/* The log is gone, so nothing is under way any more. Accepts a zeroed one. */
void ks_coordinator_deinit(struct ks_coordinator *coordinator);

/* --- Waiting ---------------------------------------------------------------------------------- */

/*
 * Somebody who waits until something is durable, or the coordinator ready; in the caller's memory
 * until `done`, which comes once and never from inside the call, or until it is cancelled. Zeroed:
 * not waiting.
 */
struct ks_group_wait {
    void (*done)(struct ks_group_wait *wait, enum ks_group_error error);
    void *arg;

    struct ks_list link;
    enum ks_group_error error;
};

void ks_coordinator_cancel(struct ks_group_wait *wait);

/* Whether groups can be found here; if not, makes the topic. FindCoordinator's question. */
bool ks_coordinator_is_ready(const struct ks_coordinator *coordinator);
void ks_coordinator_await_ready(struct ks_coordinator *coordinator, struct ks_group_wait *wait);

/* --- Members ---------------------------------------------------------------------------------- */

/* A join or a sync that waits, in the caller's memory until it is answered or told gone. */
struct ks_group_waiter {
    /* One of the two, by what was asked; once, also from inside the call that asked. */
    void (*joined)(struct ks_group_waiter *waiter, const struct ks_group_join_answer *answer);
    void (*synced)(struct ks_group_waiter *waiter, const struct ks_group_sync_answer *answer);
    void *arg;

    struct ks_coordinated_group *group; /* NULL: answered */
};

/* `waiter` of join and sync is set here. A group that doesn't exist begins with a new member. */
void ks_coordinator_join(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                         struct ks_group_join *join, struct ks_group_waiter *waiter);
void ks_coordinator_sync(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                         struct ks_group_sync *sync, struct ks_group_waiter *waiter);

/* The asker has gone. Nothing is called any more. */
void ks_coordinator_gone(struct ks_coordinator *coordinator, struct ks_group_waiter *waiter);

enum ks_group_error ks_coordinator_heartbeat(struct ks_coordinator *coordinator,
                                             struct kafscale_slice group_id,
                                             const struct ks_group_claim *claim);

enum ks_group_error ks_coordinator_leave(struct ks_coordinator *coordinator,
                                         struct kafscale_slice group_id,
                                         struct kafscale_slice member_id,
                                         struct kafscale_slice instance_id);

/* --- Offsets ---------------------------------------------------------------------------------- */

struct ks_group_offset {
    struct kafscale_slice topic;
    int32_t partition;
    struct ks_offset_value value; /* committed_ms is set here */
};

/*
 * Whether a commit may be taken, and counts as a sign of life. NOT_FOUND: a group that doesn't
 * exist, from somebody who says that he is a member; "simple" commits make it.
 */
enum ks_group_error ks_coordinator_check_commit(struct ks_coordinator *coordinator,
                                                struct kafscale_slice group_id,
                                                const struct ks_group_claim *claim);

/*
 * Commits offsets for a group, after a check in the same turn; `wait` is told when they are
 * durable. Borrows the offsets for the call.
 */
void ks_coordinator_commit(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                           const struct ks_group_offset *offsets, size_t offset_count,
                           struct ks_group_wait *wait);

/*
 * Takes back committed offsets: what isn't there is no failure. The group must exist (NOT_FOUND);
 * whether a member reads the topic is for the caller to find out first.
 */
struct ks_group_offset_name {
    struct kafscale_slice topic;
    int32_t partition;
};

void ks_coordinator_delete_offsets(struct ks_coordinator *coordinator,
                                   struct kafscale_slice group_id,
                                   const struct ks_group_offset_name *names, size_t name_count,
                                   struct ks_group_wait *wait);

/* Deletes a group that nobody uses: NOT_FOUND, NOT_EMPTY, or OK when it is durable. */
void ks_coordinator_delete(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                           struct ks_group_wait *wait);

/* --- Looking ---------------------------------------------------------------------------------- */

/* For reading, until the next turn of the loop. */
struct ks_coordinated_group {
    struct ks_table_node node;
    struct ks_list link; /* of its shard, in the order of their coming */
    struct ks_shard *shard;
    struct ks_group *group;
    struct ks_offsets offsets;

    /* The inside. */
    struct ks_group_events events;
    struct kafscale_slice stored; /* its record's value as it was last appended; data NULL: none */
    struct ks_list store_link;    /* of the write with that record, until it is durable */
    uint64_t store_number;
    uint64_t changed;     /* the write of its shard with its last change */
    size_t counted_bytes; /* as in the sums of all groups, with the following two */
    enum ks_group_state counted_state;
    size_t counted_members;
    int64_t unused_since_ms; /* wall time; 0: it is used */
    struct ks_timer timer;
    int64_t timer_due_ms;
};

/* OK, NOT_FOUND (the group doesn't exist), LOADING, NOT_COORDINATOR, NOT_AVAILABLE. */
enum ks_group_error ks_coordinator_find(struct ks_coordinator *coordinator,
                                        struct kafscale_slice group_id,
                                        struct ks_coordinated_group **group_out);

/* Whether what the group is now is durable; if not, `wait` is told when it is. */
bool ks_coordinator_is_durable(const struct ks_coordinated_group *group);
void ks_coordinator_await_durable(struct ks_coordinated_group *group, struct ks_group_wait *wait);

/*
 * Whether a committed offset is of the topic that has its name now. One under an earlier life of
 * the topic counts as none.
 */
bool ks_coordinator_is_current(const struct ks_coordinator *coordinator,
                               const struct ks_offsets_topic *topic);

/* All groups, in no order, of partitions that are served: NULL begins, NULL ends. */
struct ks_coordinated_group *ks_coordinator_next(const struct ks_coordinator *coordinator,
                                                 const struct ks_coordinated_group *group);

/* Partitions whose groups are not served: to be read, being read, or not understood. */
int32_t ks_coordinator_unserved(const struct ks_coordinator *coordinator);

/* Whether every partition is served; else what ks_coordinator_next gives isn't all. */
enum ks_group_error ks_coordinator_is_complete(const struct ks_coordinator *coordinator);

#endif
