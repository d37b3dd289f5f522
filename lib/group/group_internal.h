/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group and its members, for the files of this module. Each of them has one part of a group's
 * life: what a member is (member.c), the protocols they offer (protocols.c), who waits for an
 * answer (waiting.c), joining (join.c), the two phases of a rebalance (rebalance.c, sync.c),
 * sessions (session.c), and what was stored (restore.c).
 */
#ifndef KS_GROUP_GROUP_INTERNAL_H
#define KS_GROUP_GROUP_INTERNAL_H

#include "group/group.h"
#include "group/member.h"
#include "group/protocols.h"

#define KS_GROUP_NEVER INT64_MAX

struct ks_group {
    const struct ks_group_options *options;
    const struct ks_group_events *events;
    enum ks_group_state state;
    int32_t generation;

    struct ks_table by_id;       /* members */
    struct ks_table by_instance; /* static members */
    struct ks_table by_waiter;   /* members that wait for an answer */
    struct ks_list members;      /* in the order in which they came */
    size_t member_count;
    size_t joined_count; /* of them wait for the end of the join phase */
    size_t silent_count; /* of them have not synced this generation */
    struct ks_group_member *leader;

    struct ks_table pending; /* ids that were given to who has not joined with them yet */

    struct ks_table candidates; /* every protocol that a member offers */
    uint64_t list_number;       /* of the newest list of protocols */
    char *protocol_type;        /* that of the last member that was the first one; NULL: none yet */
    size_t protocol_type_bytes;
    struct ks_group_candidate *protocol; /* of this generation; with a reference; NULL: none */

    uint8_t *assignments; /* of this generation; members point into it */
    size_t assignments_bytes;
    uint64_t store_number; /* the last one that was asked for */
    uint64_t sync_number;  /* with it the assignment gets durable; 0: there is none yet */

    bool is_initial;        /* the join phase waits for newcomers, whoever has joined */
    bool has_newcomer;      /* since this round of waiting began */
    int64_t initial_end_ms; /* longer newcomers are not waited for */
    int64_t join_due_ms;    /* of the join phase */
    int64_t sync_due_ms;    /* until then each member must have synced */
    int64_t due_ms;         /* nothing is due earlier; often nothing is due then, either */
    size_t bytes;           /* of members, protocols and pending ids, roughly */
    struct ks_group_answer_member *answer_members; /* room for all: answers can't fail */
    size_t answer_capacity;

    size_t id_bytes;
    char id[];
};

/* Without a word to anybody: nobody waits. */
void ks_group_remove_all(struct ks_group *group);

/* --- States (state.c) ------------------------------------------------------------------------- */

bool ks_group_can_move(enum ks_group_state from, enum ks_group_state to);
void ks_group_move(struct ks_group *group, enum ks_group_state to);

static inline bool
ks_group_is_rebalancing(const struct ks_group *group)
{
    return group->state == KS_GROUP_PREPARING_REBALANCE;
}

/* --- Answers (waiting.c) ---------------------------------------------------------------------- */

/* The member's request waits from now on. An earlier one is told that a rebalance is on. */
void ks_group_park(struct ks_group *group, struct ks_group_member *member, enum ks_member_wait wait,
                   void *waiter, int64_t now_ms);

/* It waits for another thing by now. */
void ks_group_park_as(struct ks_group *group, struct ks_group_member *member,
                      enum ks_member_wait wait);

/* Answers the member's request, if one waits, with an error. */
void ks_group_refuse(struct ks_group *group, struct ks_group_member *member,
                     enum ks_group_error error, int64_t now_ms);

/* Answers every request that waits for `wait` with an error. */
void ks_group_refuse_all(struct ks_group *group, enum ks_member_wait wait,
                         enum ks_group_error error, int64_t now_ms);

/* Answers the member's join, or sync, which waits. */
void ks_group_finish_join(struct ks_group *group, struct ks_group_member *member, int64_t now_ms);
void ks_group_finish_sync(struct ks_group *group, struct ks_group_member *member, int64_t now_ms);

/* Answers a request that doesn't wait, for a member in this generation. */
void ks_group_answer_join(struct ks_group *group, struct ks_group_member *member, void *waiter);
void ks_group_answer_sync(struct ks_group *group, const struct ks_group_member *member,
                          void *waiter);

/* Answers a request with an error. */
void ks_group_answer_join_error(const struct ks_group *group, void *waiter,
                                struct kafscale_slice member_id, enum ks_group_error error);
void ks_group_answer_sync_error(const struct ks_group *group, void *waiter,
                                enum ks_group_error error);

/* --- Rebalances (rebalance.c) ----------------------------------------------------------------- */

/* Members have come, gone or changed: begins a rebalance, or looks whether all have joined. */
void ks_group_rebalance(struct ks_group *group, int64_t now_ms);

/* Ends the join phase if it is over; nothing in other states. */
void ks_group_try_complete(struct ks_group *group, int64_t now_ms);

/* Removes a member, whose request is answered; what follows from it is the caller's. */
void ks_group_drop(struct ks_group *group, struct ks_group_member *member, int64_t now_ms);

/* The same for one that has not asked for it: the owner is told. */
void ks_group_expel(struct ks_group *group, struct ks_group_member *member,
                    enum ks_group_expulsion why, int64_t now_ms);

/* --- Syncing (sync.c) ------------------------------------------------------------------------- */

/* Asks for it to be stored; the number of that. */
uint64_t ks_group_store(struct ks_group *group);

/* The generation begins without assignments, and with nobody having synced. */
void ks_group_expect_syncs(struct ks_group *group, int64_t now_ms);
void ks_group_forget_assignments(struct ks_group *group);
void ks_group_note_synced(struct ks_group *group, struct ks_group_member *member);

/* All copied at once; ids that are no member's are passed over. */
KAFSCALE_MUST_CHECK bool ks_group_take_assignments(struct ks_group *group,
                                                   const struct ks_group_assignment *assignments,
                                                   size_t count);

/* Who has not synced in time goes. */
void ks_group_end_sync_phase(struct ks_group *group, int64_t now_ms);

/* --- Sessions (session.c) --------------------------------------------------------------------- */

/* Something is due then. */
void ks_group_note_due(struct ks_group *group, int64_t due_ms);

/* A sign of life. */
void ks_group_touch(struct ks_group *group, struct ks_group_member *member, int64_t now_ms);

/* --- Pending ids (pending.c) ------------------------------------------------------------------ */

struct ks_group_pending {
    struct ks_table_node node;
    int64_t due_ms;
    size_t id_bytes;
    char id[];
};

KAFSCALE_MUST_CHECK bool ks_group_add_pending(struct ks_group *group,
                                              struct kafscale_slice member_id, int64_t due_ms);
bool ks_group_is_pending(const struct ks_group *group, struct kafscale_slice member_id);

/* False: it was not there. */
bool ks_group_remove_pending(struct ks_group *group, struct kafscale_slice member_id);

/* When the first of those that are left is due. */
int64_t ks_group_expire_pending(struct ks_group *group, int64_t now_ms);
void ks_group_extend_pending(struct ks_group *group, int64_t ms);

#endif
