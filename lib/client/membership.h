/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of a consumer group inside the program, by the classic protocol: it joins, is given
 * partitions, or gives them to all as their leader, and says that it lives. It takes part with
 * what every client of Kafka's knows (range, roundrobin; all partitions are given up at a
 * rebalance), so that it can be in one group with them.
 *
 *     out -> finding -> joining (-> counting, by the leader) -> syncing -> fetching -> stable
 *
 * and from there to finding when others come or go.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_CLIENT_MEMBERSHIP_H
#define KS_CLIENT_MEMBERSHIP_H

#include "client/committer.h"
#include "client/leader.h"

struct ks_membership_options {
    struct kafscale_slice client_id; /* these two are borrowed as long as the membership */
    struct kafscale_slice group_id;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
};

/* None may end the membership, but in a turn of its own. */
struct ks_membership_events {
    void *arg;
    /* Others come or go, or it was left out: it is to give up what it has, and join again. */
    void (*called)(void *arg);
    /* What it reads now, from its group's offset on; -1: there is none. Until it joins again. */
    void (*assigned)(void *arg, struct kafscale_slice topic, int32_t partition, int64_t offset);
    /* It can't be in the group, and doesn't try any more. */
    void (*failed)(void *arg, int16_t kafka_error);
    /* Before each heartbeat. False: it is to leave the group, and is called. */
    bool (*is_alive)(void *arg);
};

enum ks_membership_state {
    KS_MEMBERSHIP_OUT,
    KS_MEMBERSHIP_FINDING,
    KS_MEMBERSHIP_JOINING,
    KS_MEMBERSHIP_COUNTING,
    KS_MEMBERSHIP_SYNCING,
    KS_MEMBERSHIP_FETCHING,
    KS_MEMBERSHIP_STABLE,
};

/* The names of topics, in memory of their own. Zeroed: none. */
struct ks_subscribed {
    struct ks_arena arena;
    struct kafscale_slice *topics;
    size_t count;
};

struct ks_membership {
    struct ks_membership_options options;
    struct ks_membership_events events;
    struct ks_env *env;
    struct ks_asker asker;
    struct ks_asker committer; /* of commits */
    enum ks_membership_state state;
    struct ks_ask ask; /* of the state; a heartbeat, or the leader's look for new partitions */
    struct ks_ask leaving;
    struct ks_timer timer; /* the next heartbeat, or try */
    uint32_t failures;
    bool is_stale;  /* the answer under way is of no use: join again */
    bool is_called; /* and was told so */
    bool is_ended;

    struct ks_subscribed subscribed;

    char *member_id; /* NULL: the coordinator gives one */
    int32_t generation;

    struct ks_arena round; /* of this generation */
    struct kafscale_slice protocol;
    struct ks_leader leader;
    struct ks_assigned_topic *assigned;
    size_t assigned_count;
};

void ks_membership_init(struct ks_membership *membership, struct ks_env *env,
                        const struct ks_request_sink *sink,
                        const struct ks_membership_options *options,
                        const struct ks_membership_events *events);

/* Ended and quiet. */
void ks_membership_deinit(struct ks_membership *membership);

/* Copies the names. KAFSCALE_NO_MEMORY, KAFSCALE_TOO_LARGE: nothing is to be freed. Any thread. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_subscribed_init(struct ks_subscribed *subscribed,
                                                            const char *const *topics,
                                                            size_t count);
void ks_subscribed_deinit(struct ks_subscribed *subscribed);

/* Takes what `subscribed` has. It isn't joined by this. */
void ks_membership_subscribe(struct ks_membership *membership, struct ks_subscribed *subscribed);

/* Anew, or again; who calls this has given up what was assigned. */
void ks_membership_join(struct ks_membership *membership);
void ks_membership_leave(struct ks_membership *membership);

/* As ks_commit_begin; from outside while it was never in the group. */
void ks_membership_commit(struct ks_membership *membership, struct ks_commit *commit);

/* Nothing is told any more but the ends of commits; what is under way still ends. */
void ks_membership_end(struct ks_membership *membership);
bool ks_membership_is_quiet(const struct ks_membership *membership);

#endif
