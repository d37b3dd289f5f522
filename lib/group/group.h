/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of group: one consumer group of Kafka's classic protocol (KIP-62, 345, 394, 429, 848
 * calls it so): who its members are, their generation, who leads them, what each was assigned. A
 * state machine that knows neither wire nor clock nor log: its owner calls it with what has
 * happened and the time, and it answers through its events.
 *
 * Times are in ms on a monotonic clock. Everything belongs to one thread. Texts and bytes that
 * are passed in are borrowed for the call and copied where they stay.
 */
#ifndef KS_GROUP_GROUP_H
#define KS_GROUP_GROUP_H

#include "base/base.h"
#include "group/group_format.h"
#include "group/offsets.h"

struct ks_group;

enum ks_group_state {
    KS_GROUP_EMPTY,                /* no member; it may have offsets */
    KS_GROUP_PREPARING_REBALANCE,  /* waits for its members to join */
    KS_GROUP_COMPLETING_REBALANCE, /* waits for the leader's assignment */
    KS_GROUP_STABLE,
    KS_GROUP_DEAD, /* ended: everything is answered NOT_AVAILABLE */
    KS_GROUP_STATE_COUNT
};

/* Kafka's spelling, which clients parse: "Empty", "PreparingRebalance", ... */
const char *ks_group_state_name(enum ks_group_state state);

enum ks_group_error {
    KS_GROUP_OK,
    KS_GROUP_UNKNOWN_MEMBER,        /* 25 */
    KS_GROUP_ILLEGAL_GENERATION,    /* 22 */
    KS_GROUP_REBALANCE_IN_PROGRESS, /* 27 */
    KS_GROUP_FENCED_INSTANCE,       /* 82: the static member has another member id by now */
    KS_GROUP_MEMBER_ID_REQUIRED,    /* 79: join again with the id in the answer (KIP-394) */
    KS_GROUP_INCONSISTENT_PROTOCOL, /* 23 */
    KS_GROUP_FULL,                  /* 81: group.max.size */
    KS_GROUP_NOT_AVAILABLE,         /* 15: the group has ended, or memory is short */
    /* Of the coordinator alone, which answers with the same words. */
    KS_GROUP_NOT_COORDINATOR, /* 16 */
    KS_GROUP_LOADING,         /* 14 */
    KS_GROUP_NOT_FOUND,       /* 69 */
    KS_GROUP_NOT_EMPTY,       /* 68 */
    KS_GROUP_SUBSCRIBED,      /* 86: a member has subscribed to the topic */
    KS_GROUP_ERROR_COUNT
};

struct ks_group_protocol {
    struct kafscale_slice name;
    struct kafscale_slice metadata;
};

/* One JoinGroup. */
struct ks_group_join {
    void *waiter;                        /* comes back with the answer; unique while it waits */
    struct kafscale_slice member_id;     /* empty: a new member */
    struct kafscale_slice instance_id;   /* data NULL: a dynamic member */
    struct kafscale_slice new_member_id; /* random; taken when it gets one */
    struct kafscale_slice client_id;
    struct kafscale_slice client_host;
    struct kafscale_slice protocol_type;
    const struct ks_group_protocol *protocols; /* in the member's order of preference */
    size_t protocol_count;
    int32_t session_timeout_ms; /* checked against the broker's limits by the caller */
    int32_t rebalance_timeout_ms;
    bool must_know_member_id; /* version 4 on: a new dynamic member is told its id first */
    bool can_skip_assignment; /* version 9 on (KIP-814) */
};

struct ks_group_answer_member {
    struct kafscale_slice member_id;
    struct kafscale_slice instance_id; /* data NULL: none */
    struct kafscale_slice metadata;    /* for the chosen protocol */
};

/* Borrowed for the call of the event. */
struct ks_group_join_answer {
    enum ks_group_error error;
    struct kafscale_slice member_id;     /* also with MEMBER_ID_REQUIRED */
    int32_t generation;                  /* -1 with an error */
    struct kafscale_slice protocol_type; /* data NULL: none */
    struct kafscale_slice protocol;      /* data NULL: none */
    struct kafscale_slice leader_id;
    bool is_assignment_skipped;
    const struct ks_group_answer_member *members; /* for the leader; empty for others */
    size_t member_count;
};

/* Who a request says it comes from. */
struct ks_group_claim {
    struct kafscale_slice member_id;
    struct kafscale_slice instance_id; /* data NULL: none */
    int32_t generation;
};

struct ks_group_assignment {
    struct kafscale_slice member_id;
    struct kafscale_slice assignment;
};

/* One SyncGroup. */
struct ks_group_sync {
    void *waiter;
    struct ks_group_claim claim;
    struct kafscale_slice protocol_type;           /* data NULL: not said (before version 5) */
    struct kafscale_slice protocol;                /* the same */
    const struct ks_group_assignment *assignments; /* the leader's */
    size_t assignment_count;
};

struct ks_group_sync_answer {
    enum ks_group_error error;
    struct kafscale_slice protocol_type;
    struct kafscale_slice protocol;
    struct kafscale_slice assignment; /* empty with an error */
};

/* Why a member is put out of its group. */
enum ks_group_expulsion {
    KS_GROUP_NO_SIGN_OF_LIFE, /* for its session timeout */
    KS_GROUP_NOT_JOINED,      /* in the time that a rebalance has */
    KS_GROUP_NOT_SYNCED,      /* in the same time, behind its join */
    KS_GROUP_EXPULSION_COUNT
};

/* For logs, as "no sign of life". */
const char *ks_group_expulsion_text(enum ks_group_expulsion why);

/*
 * What a group tells its owner. Called from inside the calls below, when the group is consistent
 * again (expelled: before); must not call back into the group.
 */
struct ks_group_events {
    void *arg;
    void (*joined)(void *arg, void *waiter, const struct ks_group_join_answer *answer);
    void (*synced)(void *arg, void *waiter, const struct ks_group_sync_answer *answer);
    /*
     * The group is to be stored as it is now (ks_group_describe). When that is durable, or can't
     * be, the owner calls ks_group_stored with `number`, later. A state stands for those before
     * it: of several that are stored together the last number is enough.
     */
    void (*store)(void *arg, struct ks_group *group, uint64_t number);
    /* For those who look after it: a member goes that did not leave. */
    void (*expelled)(void *arg, const struct ks_group *group, struct kafscale_slice member_id,
                     enum ks_group_expulsion why);
};

struct ks_group_options {
    int64_t initial_delay_ms; /* group.initial.rebalance.delay.ms */
    size_t size_max;          /* group.max.size */
    uint64_t seed;            /* random: of tables whose keys come from clients */
};

/* Borrows options and events, copies the id. NULL when memory is short. */
struct ks_group *ks_group_new(struct kafscale_slice id, const struct ks_group_options *options,
                              const struct ks_group_events *events);

/* Nobody may wait any more (ks_group_end). Accepts NULL. */
void ks_group_free(struct ks_group *group);

/*
 * Takes over what was stored, into a group that is new: with members it is STABLE, and each has a
 * whole session timeout from now on. CORRUPT: what was stored contradicts itself. NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_group_restore(struct ks_group *group,
                                                          const struct ks_group_value *value,
                                                          int64_t now_ms);

/*
 * What is to be stored of it, or shown: borrows from the group until its next change. The members
 * are written to `members`, room for ks_group_member_count of them. since_ms is -1: the group knows
 * no wall time.
 */
void ks_group_describe(const struct ks_group *group, struct ks_group_value *value_out,
                       struct ks_group_value_member *members);

/* --- What happens ----------------------------------------------------------------------------- */

/* Both are answered exactly once: in the call, or in a later one. */
void ks_group_join(struct ks_group *group, const struct ks_group_join *join, int64_t now_ms);
void ks_group_sync(struct ks_group *group, const struct ks_group_sync *sync, int64_t now_ms);

enum ks_group_error ks_group_heartbeat(struct ks_group *group, const struct ks_group_claim *claim,
                                       int64_t now_ms);

/* One member of a LeaveGroup: by its id, or by its instance id with or without a member id. */
enum ks_group_error ks_group_leave(struct ks_group *group, struct kafscale_slice member_id,
                                   struct kafscale_slice instance_id, int64_t now_ms);

/*
 * Whether an OffsetCommit may be taken; counts as a sign of life. A claim without generation
 * (-1), member and instance is that of a "simple" group, or of an administrator.
 */
enum ks_group_error ks_group_check_commit(struct ks_group *group,
                                          const struct ks_group_claim *claim, int64_t now_ms);

/*
 * Answers who waits for what was to be stored, under this number or one before. The numbers come
 * in their order.
 */
void ks_group_stored(struct ks_group *group, uint64_t number, bool is_stored, int64_t now_ms);

/*
 * The asker has gone: its answer will not be given to anybody. A member that was never told its id
 * goes at once; the others have their session timeout to join again.
 */
void ks_group_waiter_gone(struct ks_group *group, void *waiter, int64_t now_ms);

/* When ks_group_tick is to be called next; INT64_MAX: never. It may have moved after any call. */
int64_t ks_group_due_ms(const struct ks_group *group);

/* Lets the members go whose session is over, and ends rebalances that took their time. */
void ks_group_tick(struct ks_group *group, int64_t now_ms);

/* For so long nobody was listened to: every deadline moves by it. */
void ks_group_extend(struct ks_group *group, int64_t ms);

/*
 * It is deleted, or its owner stops: DEAD, and who waits is answered with `error`. May come
 * again.
 */
void ks_group_end(struct ks_group *group, enum ks_group_error error);

/* --- Looking ---------------------------------------------------------------------------------- */

struct kafscale_slice ks_group_id(const struct ks_group *group);
enum ks_group_state ks_group_state(const struct ks_group *group);
size_t ks_group_member_count(const struct ks_group *group);

/* What its members call their kind, as "consumer"; empty, not NULL, if it never had any. */
struct kafscale_slice ks_group_protocol_type(const struct ks_group *group);

/* EMPTY, and nobody is about to join: it may be deleted, and its offsets expire. */
bool ks_group_is_unused(const struct ks_group *group);

/*
 * Whether a member has subscribed to the topic, as far as that can be told: true if a member's
 * protocol type is not "consumer" or its subscription can't be read.
 */
bool ks_group_is_subscribed(const struct ks_group *group, struct kafscale_slice topic);

/* Roughly what it takes in memory, for the limit of the whole. */
size_t ks_group_bytes(const struct ks_group *group);

#endif
