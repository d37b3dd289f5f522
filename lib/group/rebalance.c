/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The join phase. It ends when all members have joined and nobody is about to, or when its time is
 * over; a group that was empty waits for newcomers for a while instead.
 */
#include "group/group_internal.h"

#include <assert.h>

void
ks_group_drop(struct ks_group *group, struct ks_group_member *member, int64_t now_ms)
{
    ks_group_refuse(group, member, KS_GROUP_UNKNOWN_MEMBER, now_ms);
    ks_group_remove_member(group, member);
}

const char *
ks_group_expulsion_text(enum ks_group_expulsion why)
{
    static const char *const texts[KS_GROUP_EXPULSION_COUNT] = {
        [KS_GROUP_NO_SIGN_OF_LIFE] = "no sign of life",
        [KS_GROUP_NOT_JOINED] = "not joined in time",
        [KS_GROUP_NOT_SYNCED] = "not synced in time",
    };

    assert(why < KS_GROUP_EXPULSION_COUNT);
    return texts[why];
}

void
ks_group_expel(struct ks_group *group, struct ks_group_member *member, enum ks_group_expulsion why,
               int64_t now_ms)
{
    group->events->expelled(group->events->arg, group, member->identity->member_id, why);
    ks_group_drop(group, member, now_ms);
}

/* --- Its end ---------------------------------------------------------------------------------- */

static void
set_join_due(struct ks_group *group, int64_t due_ms)
{
    group->join_due_ms = due_ms;
    ks_group_note_due(group, due_ms);
}

/* Static members have their session timeout to come back, whatever happens meanwhile. */
static void
drop_absent(struct ks_group *group, int64_t now_ms)
{
    struct ks_group_member *member = ks_group_next_member(group, NULL);

    while (member != NULL) {
        struct ks_group_member *next = ks_group_next_member(group, member);

        if (member->wait != KS_MEMBER_WAITS_FOR_JOIN && !ks_member_is_static(member)) {
            ks_group_expel(group, member, KS_GROUP_NOT_JOINED, now_ms);
        }
        member = next;
    }
}

static void
elect_leader(struct ks_group *group)
{
    struct ks_group_member *member = ks_group_next_member(group, NULL);

    if (group->leader->wait == KS_MEMBER_WAITS_FOR_JOIN || ks_is_planted(KS_PLANTED_GROUP_LEADER)) {
        return;
    }
    while (member->wait != KS_MEMBER_WAITS_FOR_JOIN) {
        member = ks_group_next_member(group, member);
        assert(member != NULL);
    }
    group->leader = member;
}

static void
answer_joined(struct ks_group *group, int64_t now_ms)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait == KS_MEMBER_WAITS_FOR_JOIN) {
            ks_group_finish_join(group, member, now_ms);
        }
    }
}

static void
count_generation(struct ks_group *group)
{
    if (ks_is_planted(KS_PLANTED_GROUP_GENERATION)) {
        return;
    }
    group->generation = group->generation < INT32_MAX ? group->generation + 1 : 1;
}

static void
begin_generation(struct ks_group *group, int64_t now_ms)
{
    group->join_due_ms = KS_GROUP_NEVER;
    count_generation(group);
    ks_group_expect_syncs(group, now_ms);
    if (group->member_count == 0) {
        ks_group_choose(group, NULL);
        ks_group_move(group, KS_GROUP_EMPTY);
        ks_group_store(group);
        return;
    }
    elect_leader(group);
    ks_group_choose(group, ks_group_vote(group));
    ks_group_move(group, KS_GROUP_COMPLETING_REBALANCE);
    answer_joined(group, now_ms);
}

static void
complete(struct ks_group *group, int64_t now_ms)
{
    group->is_initial = false;
    drop_absent(group, now_ms);
    if (group->joined_count == 0 && group->member_count > 0) {
        set_join_due(group, now_ms + ks_group_rebalance_timeout_ms(group));
        return;
    }
    begin_generation(group, now_ms);
}

/* --- Waiting for it --------------------------------------------------------------------------- */

static int64_t
smaller_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* As long as others keep coming, there is one more round. */
static bool
wait_for_more(struct ks_group *group, int64_t now_ms)
{
    int64_t due_ms = smaller_of(now_ms + group->options->initial_delay_ms, group->initial_end_ms);

    if (!group->has_newcomer || due_ms <= now_ms) {
        return false;
    }
    group->has_newcomer = false;
    set_join_due(group, due_ms);
    return true;
}

static bool
have_all_joined(const struct ks_group *group)
{
    return group->joined_count == group->member_count && group->pending.count == 0;
}

static bool
is_over(struct ks_group *group, int64_t now_ms)
{
    bool is_due = now_ms >= group->join_due_ms;

    if (group->member_count == 0) {
        return true;
    }
    if (group->is_initial) {
        return is_due && !wait_for_more(group, now_ms);
    }
    return is_due || have_all_joined(group);
}

void
ks_group_try_complete(struct ks_group *group, int64_t now_ms)
{
    if (ks_group_is_rebalancing(group) && is_over(group, now_ms)) {
        complete(group, now_ms);
    }
}

/* --- Its beginning ---------------------------------------------------------------------------- */

/* A request that waits to hear of a new id is a join like any other now. */
static void
count_in_replaced(struct ks_group *group)
{
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait == KS_MEMBER_WAITS_FOR_STORE) {
            ks_group_forget_former(group, member);
            ks_group_park_as(group, member, KS_MEMBER_WAITS_FOR_JOIN);
        }
    }
}

static void
prepare_first(struct ks_group *group, int64_t now_ms)
{
    group->is_initial = true;
    group->has_newcomer = false;
    group->initial_end_ms = now_ms + ks_group_rebalance_timeout_ms(group);
    set_join_due(group, now_ms + group->options->initial_delay_ms);
}

static void
prepare(struct ks_group *group, int64_t now_ms)
{
    enum ks_group_state before = group->state;

    ks_group_move(group, KS_GROUP_PREPARING_REBALANCE);
    if (!ks_is_planted(KS_PLANTED_GROUP_LATE_STORED)) {
        group->sync_number = 0;
    }
    group->sync_due_ms = KS_GROUP_NEVER;
    if (before == KS_GROUP_EMPTY) {
        prepare_first(group, now_ms);
        return;
    }
    set_join_due(group, now_ms + ks_group_rebalance_timeout_ms(group));
    count_in_replaced(group);
    ks_group_refuse_all(group, KS_MEMBER_WAITS_FOR_SYNC, KS_GROUP_REBALANCE_IN_PROGRESS, now_ms);
}

void
ks_group_rebalance(struct ks_group *group, int64_t now_ms)
{
    if (!ks_group_is_rebalancing(group)) {
        prepare(group, now_ms);
    }
    ks_group_try_complete(group, now_ms);
}
