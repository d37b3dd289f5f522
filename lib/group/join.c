/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a JoinGroup does, by who asks: somebody new, somebody with an id that it was given a moment
 * ago (KIP-394), a member again, or a static member under a new id (KIP-345).
 */
#include "group/group_internal.h"

#include <assert.h>

/* A join on its way, with its list of protocols until a member takes that. */
struct arrival {
    const struct ks_group_join *join;
    struct ks_group_protocols *protocols;
    int64_t now_ms;
};

static struct ks_group_protocols *
take_protocols(struct arrival *arrival)
{
    struct ks_group_protocols *protocols = arrival->protocols;

    arrival->protocols = NULL;
    return protocols;
}

static void
wait_for_all(struct ks_group *group, struct ks_group_member *member, const struct arrival *arrival)
{
    ks_group_park(group, member, KS_MEMBER_WAITS_FOR_JOIN, arrival->join->waiter, arrival->now_ms);
    ks_group_rebalance(group, arrival->now_ms);
}

/* --- Newcomers -------------------------------------------------------------------------------- */

static bool
is_full(const struct ks_group *group)
{
    return group->member_count >= group->options->size_max;
}

static enum ks_group_error
add_newcomer(struct ks_group *group, struct arrival *arrival, struct kafscale_slice member_id,
             bool knows_its_id)
{
    struct ks_group_member *member =
        ks_group_add_member(group, arrival->join, member_id, arrival->protocols);

    if (member == NULL) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    take_protocols(arrival);
    ks_group_remove_pending(group, member_id);
    member->knows_its_id = knows_its_id;
    group->has_newcomer = true;
    wait_for_all(group, member, arrival);
    return KS_GROUP_OK;
}

/* The id is for whoever asks again with it: so joins that nobody waits for leave no members. */
static enum ks_group_error
give_id(struct ks_group *group, const struct arrival *arrival)
{
    const struct ks_group_join *join = arrival->join;
    int64_t due_ms = arrival->now_ms + join->session_timeout_ms;

    return ks_group_add_pending(group, join->new_member_id, due_ms) ? KS_GROUP_MEMBER_ID_REQUIRED
                                                                    : KS_GROUP_NOT_AVAILABLE;
}

static enum ks_group_error
join_pending(struct ks_group *group, struct arrival *arrival)
{
    struct kafscale_slice member_id = arrival->join->member_id;

    if (is_full(group)) {
        ks_group_remove_pending(group, member_id);
        ks_group_try_complete(group, arrival->now_ms);
        return KS_GROUP_FULL;
    }
    return add_newcomer(group, arrival, member_id, true);
}

/* --- Static members --------------------------------------------------------------------------- */

/* Nothing changes for the others: it is answered when its new id is durable. */
static void
wait_for_store(struct ks_group *group, struct ks_group_member *member,
               const struct arrival *arrival)
{
    ks_group_park(group, member, KS_MEMBER_WAITS_FOR_STORE, arrival->join->waiter, arrival->now_ms);
    member->store_number = ks_group_store(group);
}

static enum ks_group_error
replace_static(struct ks_group *group, struct ks_group_member *member, struct arrival *arrival)
{
    struct ks_group_identity *identity =
        ks_group_identity_new(arrival->join, arrival->join->new_member_id);

    if (identity == NULL) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    ks_group_refuse(group, member, KS_GROUP_FENCED_INSTANCE, arrival->now_ms);
    ks_group_replace_identity(group, member, identity);
    ks_group_update_member(group, member, arrival->join, take_protocols(arrival));
    if (group->state == KS_GROUP_STABLE && ks_group_vote(group) == group->protocol) {
        wait_for_store(group, member, arrival);
        return KS_GROUP_OK;
    }
    ks_group_forget_former(group, member);
    wait_for_all(group, member, arrival);
    return KS_GROUP_OK;
}

static enum ks_group_error
join_new(struct ks_group *group, struct arrival *arrival)
{
    const struct ks_group_join *join = arrival->join;
    struct ks_group_member *member = NULL;

    if (join->instance_id.data != NULL) {
        member = ks_group_find_instance(group, join->instance_id);
    }
    if (member != NULL) {
        return replace_static(group, member, arrival);
    }
    if (is_full(group)) {
        return KS_GROUP_FULL;
    }
    if (join->instance_id.data == NULL && join->must_know_member_id) {
        return give_id(group, arrival);
    }
    return add_newcomer(group, arrival, join->new_member_id, false);
}

/* --- Members ---------------------------------------------------------------------------------- */

/*
 * Whether it asks for what it was told before: its answer was lost. Followers may do so at any
 * time; a leader that joins a stable group wants a rebalance.
 */
static bool
is_repeated(const struct ks_group *group, const struct ks_group_member *member,
            const struct arrival *arrival)
{
    bool is_told = group->state == KS_GROUP_COMPLETING_REBALANCE ||
                   (group->state == KS_GROUP_STABLE && group->leader != member) ||
                   ks_is_planted(KS_PLANTED_GROUP_SHORTCUT);

    return is_told && ks_group_protocols_equal(member->protocols, arrival->protocols);
}

static enum ks_group_error
join_again(struct ks_group *group, struct arrival *arrival)
{
    struct ks_group_member *member;
    enum ks_group_error error =
        ks_group_find_claimed(group, arrival->join->member_id, arrival->join->instance_id, &member);

    if (error != KS_GROUP_OK) {
        return error;
    }
    if (is_repeated(group, member, arrival)) {
        ks_group_touch(group, member, arrival->now_ms);
        ks_group_answer_join(group, member, arrival->join->waiter);
        return KS_GROUP_OK;
    }
    ks_group_update_member(group, member, arrival->join, take_protocols(arrival));
    wait_for_all(group, member, arrival);
    return KS_GROUP_OK;
}

/* --- Joining ---------------------------------------------------------------------------------- */

/* OK: it was answered, or waits. */
static enum ks_group_error
admit(struct ks_group *group, struct arrival *arrival)
{
    const struct ks_group_join *join = arrival->join;

    if (!ks_group_protocols_fit(group, join->protocol_type, arrival->protocols)) {
        return KS_GROUP_INCONSISTENT_PROTOCOL;
    }
    if (join->member_id.size == 0) {
        return join_new(group, arrival);
    }
    if (join->instance_id.data == NULL && ks_group_is_pending(group, join->member_id)) {
        return join_pending(group, arrival);
    }
    return join_again(group, arrival);
}

static enum ks_group_error
arrive(struct ks_group *group, const struct ks_group_join *join, int64_t now_ms)
{
    struct arrival arrival = { .join = join, .now_ms = now_ms };
    enum ks_group_error error;

    if (group->state == KS_GROUP_DEAD) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    arrival.protocols = ks_group_protocols_new(group, join->protocols, join->protocol_count);
    if (arrival.protocols == NULL) {
        return KS_GROUP_NOT_AVAILABLE;
    }
    error = admit(group, &arrival);
    ks_group_protocols_free(group, arrival.protocols);
    return error;
}

void
ks_group_join(struct ks_group *group, const struct ks_group_join *join, int64_t now_ms)
{
    enum ks_group_error error;

    assert(join->waiter != NULL);

    error = arrive(group, join, now_ms);
    if (error != KS_GROUP_OK) {
        ks_group_answer_join_error(
            group, join->waiter,
            error == KS_GROUP_MEMBER_ID_REQUIRED ? join->new_member_id : join->member_id, error);
    }
}
