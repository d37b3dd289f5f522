/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of consumer groups, in short forms on top of support/client.h: what it asks in any
 * version, and what it learns. Everything here fails the running test when it can't do its work.
 */
#ifndef KS_TESTS_SUPPORT_GROUP_CLIENT_H
#define KS_TESTS_SUPPORT_GROUP_CLIENT_H

#include "support/client.h"

#define GROUP_TEXT_BYTES 512
#define GROUP_METADATA_BYTES 4200

/* A broker whose groups don't wait for more members at first; has loaded what groups there are. */
struct test_broker *group_broker_start(struct broker_fixture *fixture);

/* The options of such a broker. */
void group_broker_options(struct ks_broker_options *options);

/* What every client asks first. */
void group_find_coordinator(struct test_broker *broker);

/* --- Members ---------------------------------------------------------------------------------- */

struct group_join {
    int16_t version;
    const char *group;
    const char *member_id;
    const char *instance_id; /* NULL: dynamic */
    const char *type;
    const char *protocol;
    const char *metadata;
    int32_t session_ms;
    int32_t rebalance_ms;
};

/* Version 5, group "g", a newcomer of type "consumer" with protocol "range", 30 and 60 seconds. */
struct group_join group_join(void);

struct group_joined {
    int16_t code;
    int32_t generation;
    char type[GROUP_TEXT_BYTES];
    char protocol[GROUP_TEXT_BYTES];
    char leader[GROUP_TEXT_BYTES];
    char member_id[GROUP_TEXT_BYTES];
    bool is_skipped;
    size_t member_count;
    char members[4][GROUP_TEXT_BYTES];  /* their ids; of the first four */
    char metadata[4][GROUP_TEXT_BYTES]; /* and what they sent */
};

struct test_call *group_join_begin(struct test_broker *broker, const struct group_join *join);

/* Waits for the answer and frees the call. */
struct group_joined group_joined(struct test_call *call);

/*
 * Joins without waiting for others: takes the id that it is given, where the version asks it to
 * join again, and must be let in.
 */
struct group_joined group_join_alone(struct test_broker *broker, struct group_join join);

struct group_sync {
    int16_t version;
    const char *group;
    const char *member_id;
    const char *instance_id;
    int32_t generation;
    const char *type;           /* from version 5 on */
    const char *protocol;       /* the same */
    const char *assigned[4][2]; /* member id and assignment; ends with NULL */
};

/* Version 3, group "g", of a joined member. */
struct group_sync group_sync(const struct group_joined *joined);

struct group_synced {
    int16_t code;
    char type[GROUP_TEXT_BYTES];
    char protocol[GROUP_TEXT_BYTES];
    char assignment[GROUP_TEXT_BYTES];
};

struct test_call *group_sync_begin(struct test_broker *broker, const struct group_sync *sync);
struct group_synced group_synced(struct test_call *call);

/* The one member of group "g", with version 5, stable; "mine" is its assignment. */
struct group_joined group_make_stable(struct test_broker *broker);

int16_t group_heartbeat(struct test_broker *broker, int16_t version, const char *group,
                        const char *member_id, const char *instance_id, int32_t generation);

/* The code of the one member. */
int16_t group_leave(struct test_broker *broker, int16_t version, const char *group,
                    const char *member_id, const char *instance_id);

/* --- Offsets ---------------------------------------------------------------------------------- */

struct group_commit {
    int16_t version;
    const char *group;
    const char *member_id;
    const char *instance_id;
    int32_t generation;
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    const char *metadata; /* NULL: null */
    int64_t retention_ms;
};

/* Version 7, group "g", nobody's member, partition 0 of "a". */
struct group_commit group_commit(int64_t offset);

struct test_call *group_commit_begin(struct test_broker *broker, const struct group_commit *commit);
int16_t group_committed(struct test_call *call);

struct group_fetched {
    int16_t code; /* of the group, or else of the partition */
    int64_t offset;
    int32_t leader_epoch;
    char metadata[GROUP_METADATA_BYTES];
};

/* Of one partition of one topic. */
struct test_call *group_fetch_begin(struct test_broker *broker, int16_t version, const char *group,
                                    const char *topic, int32_t partition);
struct group_fetched group_fetched(struct test_call *call);
struct group_fetched group_fetch(struct test_broker *broker, int16_t version, const char *group,
                                 const char *topic, int32_t partition);

#endif
