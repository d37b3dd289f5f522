/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One member of a group: who it is, what it offers, and the one request of it that may wait for an
 * answer. Members belong to their group, which finds them by id, by instance and by waiter.
 */
#ifndef KS_GROUP_MEMBER_H
#define KS_GROUP_MEMBER_H

#include "group/group.h"

struct ks_group_protocols;

/* What a member waits for. */
enum ks_member_wait {
    KS_MEMBER_ACTS,            /* for nothing */
    KS_MEMBER_WAITS_FOR_JOIN,  /* the end of the join phase: it has joined */
    KS_MEMBER_WAITS_FOR_STORE, /* its new id to be durable; it waits for the answer to a join */
    KS_MEMBER_WAITS_FOR_SYNC,  /* its assignment to be durable */
};

/* The texts that say who it is, in one piece of memory. */
struct ks_group_identity {
    struct kafscale_slice member_id;
    struct kafscale_slice instance_id; /* data NULL: a dynamic member */
    struct kafscale_slice client_id;
    struct kafscale_slice client_host;
    size_t bytes;
    char text[];
};

struct ks_group_member {
    struct ks_table_node by_id;
    struct ks_table_node by_instance;
    struct ks_table_node by_waiter;
    struct ks_list link;
    struct ks_group_identity *identity;
    struct ks_group_identity *former; /* whose place it takes, until it is told so; or NULL */
    struct ks_group_protocols *protocols;
    struct kafscale_slice assignment; /* borrowed from the group's assignments */
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    int64_t session_due_ms; /* counts while it acts */
    enum ks_member_wait wait;
    void *waiter;
    uint64_t store_number;    /* that WAITS_FOR_STORE is about */
    bool knows_its_id;        /* it was told */
    bool can_skip_assignment; /* of its last join */
    bool has_synced;          /* this generation */
};

static inline bool
ks_member_is_static(const struct ks_group_member *member)
{
    return member->identity->instance_id.data != NULL;
}

/* NULL without memory. */
struct ks_group_identity *ks_group_identity_new(const struct ks_group_join *join,
                                                struct kafscale_slice member_id);

/*
 * A new member, the last in order, that waits for nothing yet. Takes the protocols; without memory
 * NULL, nothing is changed and nothing taken. Neither its id nor its instance may be a member's.
 */
struct ks_group_member *ks_group_add_member(struct ks_group *group,
                                            const struct ks_group_join *join,
                                            struct kafscale_slice member_id,
                                            struct ks_group_protocols *protocols);

/* Frees a member that waits for nothing. If it leads, the oldest of the others leads. */
void ks_group_remove_member(struct ks_group *group, struct ks_group_member *member);

/* The first member says what type of group it is. False without memory. */
KAFSCALE_MUST_CHECK bool ks_group_adopt_type(struct ks_group *group, struct kafscale_slice type);

/* What it says in a join of its own. Takes the protocols. */
void ks_group_update_member(struct ks_group *group, struct ks_group_member *member,
                            const struct ks_group_join *join, struct ks_group_protocols *protocols);

/* Takes the identity in place of the one before, which is kept as the former. */
void ks_group_replace_identity(struct ks_group *group, struct ks_group_member *member,
                               struct ks_group_identity *identity);
void ks_group_forget_former(struct ks_group *group, struct ks_group_member *member);

/* NULL: there is none. */
struct ks_group_member *ks_group_find_member(const struct ks_group *group,
                                             struct kafscale_slice member_id);
struct ks_group_member *ks_group_find_instance(const struct ks_group *group,
                                               struct kafscale_slice instance_id);

/* The member that a request says it comes from: OK, UNKNOWN_MEMBER, FENCED_INSTANCE. */
enum ks_group_error ks_group_find_claimed(const struct ks_group *group,
                                          struct kafscale_slice member_id,
                                          struct kafscale_slice instance_id,
                                          struct ks_group_member **member_out);

/* Walks the members: NULL begins, NULL ends. The one given back may be removed only later. */
struct ks_group_member *ks_group_next_member(const struct ks_group *group,
                                             const struct ks_group_member *member);

/* The greatest of their rebalance timeouts. */
int64_t ks_group_rebalance_timeout_ms(const struct ks_group *group);

#endif
