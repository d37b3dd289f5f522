/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits, and the answers. A member has one request that waits at most; its session stands still
 * meanwhile and begins anew with the answer. Nothing here needs memory.
 */
#include "group/group_internal.h"

#include <assert.h>

/* --- Waiting ---------------------------------------------------------------------------------- */

static void
count_joined(struct ks_group *group, enum ks_member_wait before, enum ks_member_wait after)
{
    if (before == KS_MEMBER_WAITS_FOR_JOIN) {
        group->joined_count--;
    }
    if (after == KS_MEMBER_WAITS_FOR_JOIN) {
        group->joined_count++;
    }
}

void
ks_group_park_as(struct ks_group *group, struct ks_group_member *member, enum ks_member_wait wait)
{
    assert(member->wait != KS_MEMBER_ACTS);

    count_joined(group, member->wait, wait);
    member->wait = wait;
}

void
ks_group_park(struct ks_group *group, struct ks_group_member *member, enum ks_member_wait wait,
              void *waiter, int64_t now_ms)
{
    enum kafscale_status status;

    assert(wait != KS_MEMBER_ACTS);

    ks_group_refuse(group, member, KS_GROUP_REBALANCE_IN_PROGRESS, now_ms);
    member->waiter = waiter;
    member->wait = wait;
    count_joined(group, KS_MEMBER_ACTS, wait);
    status = ks_table_insert(&group->by_waiter, &member->by_waiter,
                             ks_slice(&member->waiter, sizeof member->waiter));
    assert(status == KAFSCALE_OK);
    (void) status;
}

/* Returns the waiter, who is to be answered now. */
static void *
unpark(struct ks_group *group, struct ks_group_member *member, int64_t now_ms)
{
    void *waiter = member->waiter;

    assert(member->wait != KS_MEMBER_ACTS);

    ks_table_remove(&group->by_waiter, &member->by_waiter);
    count_joined(group, member->wait, KS_MEMBER_ACTS);
    member->wait = KS_MEMBER_ACTS;
    member->waiter = NULL;
    ks_group_touch(group, member, now_ms);
    return waiter;
}

void
ks_group_waiter_gone(struct ks_group *group, void *waiter, int64_t now_ms)
{
    struct ks_table_node *node = ks_table_find(&group->by_waiter, ks_slice(&waiter, sizeof waiter));
    struct ks_group_member *member;

    if (node == NULL) {
        return;
    }
    member = KS_CONTAINER(node, struct ks_group_member, by_waiter);
    unpark(group, member, now_ms);
    ks_group_forget_former(group, member);
    if (!member->knows_its_id) {
        ks_group_remove_member(group, member);
        ks_group_rebalance(group, now_ms);
    }
}

/* --- Errors ----------------------------------------------------------------------------------- */

void
ks_group_answer_join_error(const struct ks_group *group, void *waiter,
                           struct kafscale_slice member_id, enum ks_group_error error)
{
    struct ks_group_join_answer answer = { .error = error,
                                           .member_id = member_id,
                                           .generation = -1 };

    assert(error != KS_GROUP_OK);

    group->events->joined(group->events->arg, waiter, &answer);
}

void
ks_group_answer_sync_error(const struct ks_group *group, void *waiter, enum ks_group_error error)
{
    struct ks_group_sync_answer answer = { .error = error };

    assert(error != KS_GROUP_OK);

    group->events->synced(group->events->arg, waiter, &answer);
}

void
ks_group_refuse(struct ks_group *group, struct ks_group_member *member, enum ks_group_error error,
                int64_t now_ms)
{
    bool is_sync = member->wait == KS_MEMBER_WAITS_FOR_SYNC;
    void *waiter;

    if (member->wait == KS_MEMBER_ACTS) {
        return;
    }
    waiter = unpark(group, member, now_ms);
    ks_group_forget_former(group, member);
    if (is_sync) {
        ks_group_answer_sync_error(group, waiter, error);
    } else {
        ks_group_answer_join_error(group, waiter, member->identity->member_id, error);
    }
}

void
ks_group_refuse_all(struct ks_group *group, enum ks_member_wait wait, enum ks_group_error error,
                    int64_t now_ms)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait == wait) {
            ks_group_refuse(group, member, error, now_ms);
        }
    }
}

/* --- Joins ------------------------------------------------------------------------------------ */

static void
list_members(const struct ks_group *group, struct ks_group_join_answer *answer)
{
    size_t count = 0;

    assert(group->answer_capacity >= group->member_count);

    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        group->answer_members[count++] = (struct ks_group_answer_member){
            .member_id = member->identity->member_id,
            .instance_id = member->identity->instance_id,
            .metadata = ks_group_protocols_metadata(member->protocols, group->protocol),
        };
    }
    answer->members = group->answer_members;
    answer->member_count = count;
}

/*
 * A static member that comes back while nothing else changes must not assign anything anew, though
 * it leads: nobody would ask for that. It is told so, or, if it doesn't know of such a thing, given
 * for leader the id that it had before, which makes it a follower in its own eyes.
 */
static void
name_leader(const struct ks_group *group, const struct ks_group_member *member,
            struct ks_group_join_answer *answer)
{
    answer->leader_id = group->leader->identity->member_id;
    if (group->leader != member) {
        return;
    }
    if (member->former != NULL && !member->can_skip_assignment) {
        answer->leader_id = member->former->member_id;
        return;
    }
    answer->is_assignment_skipped = member->former != NULL;
    list_members(group, answer);
}

void
ks_group_answer_join(struct ks_group *group, struct ks_group_member *member, void *waiter)
{
    struct ks_group_join_answer answer = {
        .member_id = member->identity->member_id,
        .generation = group->generation,
        .protocol_type = ks_slice(group->protocol_type, group->protocol_type_bytes),
        .protocol = ks_group_candidate_name(group->protocol),
    };

    name_leader(group, member, &answer);
    member->knows_its_id = true;
    group->events->joined(group->events->arg, waiter, &answer);
}

void
ks_group_finish_join(struct ks_group *group, struct ks_group_member *member, int64_t now_ms)
{
    assert(member->wait != KS_MEMBER_WAITS_FOR_SYNC);

    ks_group_answer_join(group, member, unpark(group, member, now_ms));
    ks_group_forget_former(group, member);
}

/* --- Syncs ------------------------------------------------------------------------------------ */

void
ks_group_answer_sync(struct ks_group *group, const struct ks_group_member *member, void *waiter)
{
    struct ks_group_sync_answer answer = {
        .protocol_type = ks_slice(group->protocol_type, group->protocol_type_bytes),
        .protocol = ks_group_candidate_name(group->protocol),
        .assignment = member->assignment,
    };

    group->events->synced(group->events->arg, waiter, &answer);
}

void
ks_group_finish_sync(struct ks_group *group, struct ks_group_member *member, int64_t now_ms)
{
    assert(member->wait == KS_MEMBER_WAITS_FOR_SYNC);

    ks_group_answer_sync(group, member, unpark(group, member, now_ms));
}
