/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the leader of a group knows and decides: who has subscribed to what, how many partitions
 * there are, and who gets which. It asks nothing itself. What others have subscribed to comes from
 * anywhere: it may be anything, and takes time and memory as its size does.
 */
#ifndef KS_CLIENT_LEADER_H
#define KS_CLIENT_LEADER_H

#include "client/assignor.h"
#include "client/subscription.h"
#include "protocol/protocol.h"

/* Subscriptions of all members together; who comes with more than is left is given nothing. */
#define KS_LEADER_SUBSCRIPTIONS_MAX ((size_t) 100000)

/* All of it lies in the arena of ks_leader_collect. Zeroed: another one leads. */
struct ks_leader {
    struct kafscale_slice *members; /* their ids, in order */
    size_t member_count;
    struct ks_assign_topic *topics; /* that any of them has subscribed to */
    size_t topic_count;
};

/* From a JoinGroup answer, which is copied. False without memory. */
bool ks_leader_collect(struct ks_leader *leader, struct ks_arena *arena,
                       const struct kafka_join_group_response *response);

/* Which topics' partitions to ask for. False without memory. */
bool ks_leader_ask(const struct ks_leader *leader, struct ks_arena *arena,
                   struct kafka_metadata_request *request);

/* Takes the answer; whether it isn't as it was. */
bool ks_leader_count(struct ks_leader *leader, const struct kafka_metadata_response *response);

/* Everybody's assignment, by one of the two assignors. False without memory. */
bool ks_leader_share(const struct ks_leader *leader, bool is_range, struct ks_arena *arena,
                     struct kafka_sync_group_request *request);

#endif
