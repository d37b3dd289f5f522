/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second phase: the leader brings what each member is assigned, that is stored, and then
 * everybody is told. Whoever has not asked for its assignment in time is taken for gone.
 */
#include "group/group_internal.h"

#include <assert.h>

uint64_t
ks_group_store(struct ks_group *group)
{
    group->store_number++;
    group->events->store(group->events->arg, group, group->store_number);
    return group->store_number;
}

/* --- Assignments ------------------------------------------------------------------------------ */

void
ks_group_forget_assignments(struct ks_group *group)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        member->assignment = ks_slice(NULL, 0);
    }
    ks_free(group->assignments);
    group->assignments = NULL;
    group->assignments_bytes = 0;
}

static size_t
assigned_bytes(const struct ks_group_assignment *assignments, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += assignments[i].assignment.size;
    }
    return bytes;
}

bool
ks_group_take_assignments(struct ks_group *group, const struct ks_group_assignment *assignments,
                          size_t count)
{
    size_t bytes = assigned_bytes(assignments, count);
    uint8_t *copy = ks_alloc(bytes + 1);

    if (copy == NULL) {
        return false;
    }
    ks_group_forget_assignments(group);
    group->assignments = copy;
    group->assignments_bytes = bytes + 1;
    for (size_t i = 0; i < count; i++) {
        struct kafscale_slice assignment = assignments[i].assignment;
        struct ks_group_member *member = ks_group_find_member(group, assignments[i].member_id);

        if (member != NULL && assignment.size > 0) {
            memcpy(copy, assignment.data, assignment.size);
            member->assignment = ks_slice(copy, assignment.size);
            copy += assignment.size;
        }
    }
    return true;
}

/* --- Who has synced --------------------------------------------------------------------------- */

void
ks_group_expect_syncs(struct ks_group *group, int64_t now_ms)
{
    ks_group_forget_assignments(group);
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        member->has_synced = false;
    }
    group->silent_count = group->member_count;
    if (group->member_count > 0) {
        group->sync_due_ms = now_ms + ks_group_rebalance_timeout_ms(group);
        ks_group_note_due(group, group->sync_due_ms);
    }
}

void
ks_group_note_synced(struct ks_group *group, struct ks_group_member *member)
{
    if (member->has_synced) {
        return;
    }
    member->has_synced = true;
    group->silent_count--;
    if (group->silent_count == 0) {
        group->sync_due_ms = KS_GROUP_NEVER;
    }
}

/* A static member that came back just now and waits for an answer isn't silent. */
void
ks_group_end_sync_phase(struct ks_group *group, int64_t now_ms)
{
    struct ks_group_member *member = ks_group_next_member(group, NULL);
    bool has_dropped = false;

    if (now_ms < group->sync_due_ms) {
        return;
    }
    group->sync_due_ms = KS_GROUP_NEVER;
    while (member != NULL) {
        struct ks_group_member *next = ks_group_next_member(group, member);

        if (!member->has_synced && member->wait == KS_MEMBER_ACTS) {
            ks_group_expel(group, member, KS_GROUP_NOT_SYNCED, now_ms);
            has_dropped = true;
        }
        member = next;
    }
    if (has_dropped) {
        ks_group_rebalance(group, now_ms);
    }
}

/* --- SyncGroup -------------------------------------------------------------------------------- */

static bool
is_said_wrong(struct kafscale_slice said, struct kafscale_slice is)
{
    return said.data != NULL && !ks_slice_equals(said, is);
}

static enum ks_group_error
judge_sync(struct ks_group *group, const struct ks_group_sync *sync,
           struct ks_group_member **member_out)
{
    const struct ks_group_claim *claim = &sync->claim;
    enum ks_group_error error;

    if (group->state == KS_GROUP_DEAD) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    error = ks_group_find_claimed(group, claim->member_id, claim->instance_id, member_out);
    if (error != KS_GROUP_OK) {
        return error;
    }
    if (claim->generation != group->generation) {
        return KS_GROUP_ILLEGAL_GENERATION;
    }
    if (ks_group_is_rebalancing(group)) {
        return KS_GROUP_REBALANCE_IN_PROGRESS;
    }
    if (is_said_wrong(sync->protocol_type,
                      ks_slice(group->protocol_type, group->protocol_type_bytes)) ||
        is_said_wrong(sync->protocol, ks_group_candidate_name(group->protocol))) {
        return KS_GROUP_INCONSISTENT_PROTOCOL;
    }
    return KS_GROUP_OK;
}

/* Waits until what the leader has brought, or will bring, is durable. */
static enum ks_group_error
wait_for_assignment(struct ks_group *group, struct ks_group_member *member,
                    const struct ks_group_sync *sync, int64_t now_ms)
{
    bool brings_it = group->leader == member && group->sync_number == 0;

    if (brings_it && !ks_group_take_assignments(group, sync->assignments, sync->assignment_count)) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    ks_group_note_synced(group, member);
    ks_group_park(group, member, KS_MEMBER_WAITS_FOR_SYNC, sync->waiter, now_ms);
    if (brings_it) {
        group->sync_number = ks_group_store(group);
    }
    return KS_GROUP_OK;
}

void
ks_group_sync(struct ks_group *group, const struct ks_group_sync *sync, int64_t now_ms)
{
    struct ks_group_member *member = NULL;
    enum ks_group_error error;

    assert(sync->waiter != NULL);

    error = judge_sync(group, sync, &member);
    if (error == KS_GROUP_OK && group->state == KS_GROUP_COMPLETING_REBALANCE) {
        error = wait_for_assignment(group, member, sync, now_ms);
    } else if (error == KS_GROUP_OK) {
        ks_group_note_synced(group, member);
        ks_group_touch(group, member, now_ms);
        ks_group_answer_sync(group, member, sync->waiter);
    }
    if (error != KS_GROUP_OK) {
        ks_group_answer_sync_error(group, sync->waiter, error);
    }
}

/* --- What was stored -------------------------------------------------------------------------- */

static void
end_sync(struct ks_group *group, bool is_stored, int64_t now_ms)
{
    group->sync_number = 0;
    if (!is_stored) {
        ks_group_forget_assignments(group);
        ks_group_refuse_all(group, KS_MEMBER_WAITS_FOR_SYNC, KS_GROUP_NOT_AVAILABLE, now_ms);
        ks_group_rebalance(group, now_ms);
        return;
    }
    ks_group_move(group, KS_GROUP_STABLE);
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait == KS_MEMBER_WAITS_FOR_SYNC) {
            ks_group_finish_sync(group, member, now_ms);
        }
    }
}

/* A static member whose new id was not stored comes again, and gets another one. */
static void
end_replacements(struct ks_group *group, uint64_t number, bool is_stored, int64_t now_ms)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait != KS_MEMBER_WAITS_FOR_STORE || member->store_number > number) {
            continue;
        }
        if (is_stored) {
            ks_group_finish_join(group, member, now_ms);
        } else {
            ks_group_refuse(group, member, KS_GROUP_NOT_AVAILABLE, now_ms);
        }
    }
}

void
ks_group_stored(struct ks_group *group, uint64_t number, bool is_stored, int64_t now_ms)
{
    if (group->sync_number != 0 && group->sync_number <= number) {
        end_sync(group, is_stored, now_ms);
    }
    end_replacements(group, number, is_stored, now_ms);
}
