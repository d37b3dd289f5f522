/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs of life, and what happens when there are none. A sign moves a deadline later, so the time
 * of the next look is a lower bound that costs nothing to keep: a look that comes too early finds
 * the right one.
 */
#include "group/group_internal.h"

void
ks_group_note_due(struct ks_group *group, int64_t due_ms)
{
    if (due_ms < group->due_ms) {
        group->due_ms = due_ms;
    }
}

void
ks_group_touch(struct ks_group *group, struct ks_group_member *member, int64_t now_ms)
{
    member->session_due_ms = now_ms + member->session_timeout_ms;
    ks_group_note_due(group, member->session_due_ms);
}

/* --- Requests --------------------------------------------------------------------------------- */

/* A member of this generation. */
static enum ks_group_error
find_current(struct ks_group *group, const struct ks_group_claim *claim,
             struct ks_group_member **member_out)
{
    enum ks_group_error error;

    if (group->state == KS_GROUP_DEAD) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    error = ks_group_find_claimed(group, claim->member_id, claim->instance_id, member_out);
    if (error == KS_GROUP_OK && claim->generation != group->generation) {
        return KS_GROUP_ILLEGAL_GENERATION;
    }
    return error;
}

enum ks_group_error
ks_group_heartbeat(struct ks_group *group, const struct ks_group_claim *claim, int64_t now_ms)
{
    struct ks_group_member *member;
    enum ks_group_error error = find_current(group, claim, &member);

    if (error != KS_GROUP_OK) {
        return error;
    }
    ks_group_touch(group, member, now_ms);
    return ks_group_is_rebalancing(group) ? KS_GROUP_REBALANCE_IN_PROGRESS : KS_GROUP_OK;
}

/*
 * While members are revoked what they had, they still commit: that is how a rebalance loses
 * nothing. Between the phases they have nothing to commit for.
 */
enum ks_group_error
ks_group_check_commit(struct ks_group *group, const struct ks_group_claim *claim, int64_t now_ms)
{
    struct ks_group_member *member;
    enum ks_group_error error;

    if (claim->generation < 0 && group->state == KS_GROUP_EMPTY) {
        return KS_GROUP_OK;
    }
    error = find_current(group, claim, &member);
    if (error != KS_GROUP_OK) {
        return error;
    }
    if (group->state == KS_GROUP_COMPLETING_REBALANCE) {
        return KS_GROUP_REBALANCE_IN_PROGRESS;
    }
    ks_group_touch(group, member, now_ms);
    return KS_GROUP_OK;
}

/* An instance id alone is how an administrator lets a static member go. */
static enum ks_group_error
find_leaving(struct ks_group *group, struct kafscale_slice member_id,
             struct kafscale_slice instance_id, struct ks_group_member **member_out)
{
    if (member_id.size == 0 && instance_id.data != NULL) {
        *member_out = ks_group_find_instance(group, instance_id);
        return *member_out == NULL ? KS_GROUP_UNKNOWN_MEMBER : KS_GROUP_OK;
    }
    return ks_group_find_claimed(group, member_id, instance_id, member_out);
}

enum ks_group_error
ks_group_leave(struct ks_group *group, struct kafscale_slice member_id,
               struct kafscale_slice instance_id, int64_t now_ms)
{
    struct ks_group_member *member;
    enum ks_group_error error;

    if (group->state == KS_GROUP_DEAD) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    if (ks_group_remove_pending(group, member_id)) {
        ks_group_try_complete(group, now_ms);
        return KS_GROUP_OK;
    }
    error = find_leaving(group, member_id, instance_id, &member);
    if (error == KS_GROUP_OK) {
        ks_group_drop(group, member, now_ms);
        ks_group_rebalance(group, now_ms);
    }
    return error;
}

/* --- Time ------------------------------------------------------------------------------------- */

int64_t
ks_group_due_ms(const struct ks_group *group)
{
    return group->due_ms;
}

static void
expire_members(struct ks_group *group, int64_t now_ms)
{
    struct ks_group_member *member = ks_group_next_member(group, NULL);
    bool has_dropped = false;

    while (member != NULL) {
        struct ks_group_member *next = ks_group_next_member(group, member);

        if (member->wait == KS_MEMBER_ACTS && now_ms >= member->session_due_ms) {
            ks_group_expel(group, member, KS_GROUP_NO_SIGN_OF_LIFE, now_ms);
            has_dropped = true;
        }
        member = next;
    }
    if (has_dropped) {
        ks_group_rebalance(group, now_ms);
    }
}

static void
note_sessions(struct ks_group *group)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait == KS_MEMBER_ACTS) {
            ks_group_note_due(group, member->session_due_ms);
        }
    }
}

void
ks_group_tick(struct ks_group *group, int64_t now_ms)
{
    int64_t pending_due_ms;

    if (now_ms < group->due_ms) {
        return;
    }
    pending_due_ms = ks_group_expire_pending(group, now_ms);
    expire_members(group, now_ms);
    ks_group_end_sync_phase(group, now_ms);
    ks_group_try_complete(group, now_ms);

    group->due_ms = pending_due_ms;
    ks_group_note_due(group, group->join_due_ms);
    ks_group_note_due(group, group->sync_due_ms);
    note_sessions(group);
}

static void
extend(int64_t *due_ms, int64_t ms)
{
    if (*due_ms != KS_GROUP_NEVER) {
        *due_ms += ms;
    }
}

void
ks_group_extend(struct ks_group *group, int64_t ms)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        extend(&member->session_due_ms, ms);
    }
    ks_group_extend_pending(group, ms);
    extend(&group->initial_end_ms, ms);
    extend(&group->join_due_ms, ms);
    extend(&group->sync_due_ms, ms);
    extend(&group->due_ms, ms);
}
