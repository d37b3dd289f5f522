/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stored of a group, and a group of what was stored. Of each member only the metadata of
 * the protocol that was in use is kept, so that is all it offers until it joins again.
 */
#include "group/group_internal.h"

#include <assert.h>

/* --- Out -------------------------------------------------------------------------------------- */

static struct ks_group_value_member
describe_member(const struct ks_group *group, const struct ks_group_member *member)
{
    const struct ks_group_identity *identity = member->identity;

    return (struct ks_group_value_member){
        .member_id = identity->member_id,
        .instance_id = identity->instance_id,
        .client_id = identity->client_id,
        .client_host = identity->client_host,
        .rebalance_timeout_ms = member->rebalance_timeout_ms,
        .session_timeout_ms = member->session_timeout_ms,
        .subscription = ks_group_protocols_metadata(member->protocols, group->protocol),
        .assignment = member->assignment,
    };
}

void
ks_group_describe(const struct ks_group *group, struct ks_group_value *value_out,
                  struct ks_group_value_member *members)
{
    size_t count = 0;

    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        members[count++] = describe_member(group, member);
    }
    *value_out = (struct ks_group_value){
        .protocol_type = ks_slice(group->protocol_type, group->protocol_type_bytes),
        .generation = group->generation,
        .since_ms = -1,
        .members = members,
        .member_count = count,
    };
    if (group->protocol != NULL) {
        value_out->protocol = ks_group_candidate_name(group->protocol);
    }
    if (group->leader != NULL) {
        value_out->leader = group->leader->identity->member_id;
    }
}

/* --- In --------------------------------------------------------------------------------------- */

static bool
is_sound(const struct ks_group *group, const struct ks_group_value_member *member)
{
    return member->member_id.size > 0 && member->session_timeout_ms >= 0 &&
           ks_group_find_member(group, member->member_id) == NULL &&
           (member->instance_id.data == NULL ||
            ks_group_find_instance(group, member->instance_id) == NULL);
}

static enum kafscale_status
restore_member(struct ks_group *group, const struct ks_group_value *value,
               const struct ks_group_value_member *stored, int64_t now_ms)
{
    struct ks_group_protocol protocol = { .name = value->protocol,
                                          .metadata = stored->subscription };
    struct ks_group_join join = {
        .instance_id = stored->instance_id,
        .client_id = stored->client_id,
        .client_host = stored->client_host,
        .protocol_type = value->protocol_type,
        .session_timeout_ms = stored->session_timeout_ms,
        .rebalance_timeout_ms = stored->rebalance_timeout_ms,
    };
    struct ks_group_protocols *protocols;
    struct ks_group_member *member;

    if (!is_sound(group, stored)) {
        return KAFSCALE_CORRUPT;
    }
    protocols = ks_group_protocols_new(group, &protocol, 1);
    member =
        protocols == NULL ? NULL : ks_group_add_member(group, &join, stored->member_id, protocols);
    if (member == NULL) {
        ks_group_protocols_free(group, protocols);
        return KAFSCALE_NO_MEMORY;
    }
    member->knows_its_id = true;
    ks_group_note_synced(group, member);
    ks_group_touch(group, member, now_ms);
    return KAFSCALE_OK;
}

static enum kafscale_status
restore_members(struct ks_group *group, const struct ks_group_value *value, int64_t now_ms)
{
    for (size_t i = 0; i < value->member_count; i++) {
        enum kafscale_status status = restore_member(group, value, &value->members[i], now_ms);

        if (status != KAFSCALE_OK) {
            return status;
        }
    }
    group->leader = ks_group_find_member(group, value->leader);
    return group->leader == NULL ? KAFSCALE_CORRUPT : KAFSCALE_OK;
}

static bool
restore_assignments(struct ks_group *group, const struct ks_group_value *value)
{
    struct ks_group_assignment *assignments =
        ks_alloc_zero(value->member_count, sizeof *assignments);
    bool is_done;

    if (assignments == NULL) {
        return false;
    }
    for (size_t i = 0; i < value->member_count; i++) {
        assignments[i].member_id = value->members[i].member_id;
        assignments[i].assignment = value->members[i].assignment;
    }
    is_done = ks_group_take_assignments(group, assignments, value->member_count);
    ks_free(assignments);
    return is_done;
}

static enum kafscale_status
restore_with_members(struct ks_group *group, const struct ks_group_value *value, int64_t now_ms)
{
    enum kafscale_status status;

    if (value->protocol.data == NULL || value->leader.data == NULL ||
        value->protocol_type.size == 0) {
        return KAFSCALE_CORRUPT;
    }
    status = restore_members(group, value, now_ms);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (!restore_assignments(group, value)) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_group_choose(group, ks_group_vote(group));
    ks_group_move(group, KS_GROUP_STABLE);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_group_restore(struct ks_group *group, const struct ks_group_value *value, int64_t now_ms)
{
    enum kafscale_status status;

    assert(group->state == KS_GROUP_EMPTY);
    assert(group->generation == 0);

    if (value->generation < 0) {
        return KAFSCALE_CORRUPT;
    }
    if (value->member_count == 0) {
        status =
            ks_group_adopt_type(group, value->protocol_type) ? KAFSCALE_OK : KAFSCALE_NO_MEMORY;
    } else {
        status = restore_with_members(group, value, now_ms);
    }
    if (status != KAFSCALE_OK) {
        ks_group_remove_all(group);
        return status;
    }
    group->generation = value->generation;
    return KAFSCALE_OK;
}
