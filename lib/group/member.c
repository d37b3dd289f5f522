/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a member will need room for is there before it is one: it can't fail later. */
#include "group/member.h"

#include "group/group_internal.h"

#include <assert.h>

/* --- Identities ------------------------------------------------------------------------------- */

/* Copies a text to *place and moves that on; no data stays no data. */
static struct kafscale_slice
keep(char **place, struct kafscale_slice text)
{
    struct kafscale_slice kept = ks_slice(*place, text.size);

    if (text.data == NULL) {
        return ks_slice(NULL, 0);
    }
    if (text.size > 0) {
        memcpy(*place, text.data, text.size);
    }
    *place += text.size;
    return kept;
}

struct ks_group_identity *
ks_group_identity_new(const struct ks_group_join *join, struct kafscale_slice member_id)
{
    size_t text_bytes =
        member_id.size + join->instance_id.size + join->client_id.size + join->client_host.size;
    /* One byte more: the place of an empty text at the end is a place, too. */
    struct ks_group_identity *identity = ks_alloc(sizeof *identity + text_bytes + 1);
    char *place;

    if (identity == NULL) {
        return NULL;
    }
    place = identity->text;
    identity->bytes = sizeof *identity + text_bytes + 1;
    identity->member_id = keep(&place, member_id);
    identity->instance_id = keep(&place, join->instance_id);
    identity->client_id = keep(&place, join->client_id);
    identity->client_host = keep(&place, join->client_host);
    return identity;
}

static void
enter_identity(struct ks_group *group, struct ks_group_member *member)
{
    const struct ks_group_identity *identity = member->identity;
    enum kafscale_status status =
        ks_table_insert(&group->by_id, &member->by_id, identity->member_id);

    assert(status == KAFSCALE_OK);
    if (ks_member_is_static(member)) {
        status = ks_table_insert(&group->by_instance, &member->by_instance, identity->instance_id);
        assert(status == KAFSCALE_OK);
    }
    (void) status;
}

static void
leave_identity(struct ks_group *group, struct ks_group_member *member)
{
    ks_table_remove(&group->by_id, &member->by_id);
    if (ks_member_is_static(member)) {
        ks_table_remove(&group->by_instance, &member->by_instance);
    }
}

void
ks_group_replace_identity(struct ks_group *group, struct ks_group_member *member,
                          struct ks_group_identity *identity)
{
    ks_group_forget_former(group, member);
    leave_identity(group, member);
    member->former = member->identity;
    member->identity = identity;
    group->bytes += identity->bytes;
    enter_identity(group, member);
}

void
ks_group_forget_former(struct ks_group *group, struct ks_group_member *member)
{
    if (member->former == NULL) {
        return;
    }
    group->bytes -= member->former->bytes;
    ks_free(member->former);
    member->former = NULL;
}

/* --- Members ---------------------------------------------------------------------------------- */

static bool
reserve_member(struct ks_group *group)
{
    size_t count = group->member_count + 1;

    return ks_table_reserve(&group->by_id, 1) == KAFSCALE_OK &&
           ks_table_reserve(&group->by_instance, 1) == KAFSCALE_OK &&
           ks_table_reserve(&group->by_waiter, count - group->by_waiter.count) == KAFSCALE_OK &&
           KS_RESERVE(group->answer_members, group->answer_capacity, count);
}

bool
ks_group_adopt_type(struct ks_group *group, struct kafscale_slice type)
{
    char *copy = ks_alloc(type.size + 1);

    if (copy == NULL) {
        return false;
    }
    if (type.size > 0) {
        memcpy(copy, type.data, type.size);
    }
    ks_free(group->protocol_type);
    group->protocol_type = copy;
    group->protocol_type_bytes = type.size;
    return true;
}

struct ks_group_member *
ks_group_add_member(struct ks_group *group, const struct ks_group_join *join,
                    struct kafscale_slice member_id, struct ks_group_protocols *protocols)
{
    struct ks_group_member *member = ks_alloc_zero(1, sizeof *member);
    struct ks_group_identity *identity = ks_group_identity_new(join, member_id);

    if (member == NULL || identity == NULL || !reserve_member(group) ||
        (group->member_count == 0 && !ks_group_adopt_type(group, join->protocol_type))) {
        ks_free(identity);
        ks_free(member);
        return NULL;
    }
    member->identity = identity;
    enter_identity(group, member);
    ks_list_append(&group->members, &member->link);
    group->bytes += sizeof *member + identity->bytes;
    group->member_count++;
    group->silent_count++;
    if (group->leader == NULL) {
        group->leader = member;
    }
    ks_group_update_member(group, member, join, protocols);
    return member;
}

/* Without any time no member could ever sync. */
static int32_t
rebalance_timeout_of(const struct ks_group_join *join)
{
    if (join->rebalance_timeout_ms > 0) {
        return join->rebalance_timeout_ms;
    }
    return join->session_timeout_ms > 0 ? join->session_timeout_ms : 1;
}

void
ks_group_update_member(struct ks_group *group, struct ks_group_member *member,
                       const struct ks_group_join *join, struct ks_group_protocols *protocols)
{
    if (member->protocols != NULL) {
        ks_group_protocols_withdraw(member->protocols);
        ks_group_protocols_free(group, member->protocols);
    }
    member->protocols = protocols;
    ks_group_protocols_support(protocols);
    member->session_timeout_ms = join->session_timeout_ms;
    member->rebalance_timeout_ms = rebalance_timeout_of(join);
    member->can_skip_assignment = join->can_skip_assignment;
}

void
ks_group_remove_member(struct ks_group *group, struct ks_group_member *member)
{
    assert(member->wait == KS_MEMBER_ACTS);

    ks_group_note_synced(group, member);
    ks_list_remove(&member->link);
    leave_identity(group, member);
    group->member_count--;
    if (group->leader == member) {
        group->leader = ks_group_next_member(group, NULL);
    }
    ks_group_protocols_withdraw(member->protocols);
    ks_group_protocols_free(group, member->protocols);
    ks_group_forget_former(group, member);
    group->bytes -= sizeof *member + member->identity->bytes;
    ks_free(member->identity);
    ks_free(member);
}

/* --- Finding ---------------------------------------------------------------------------------- */

struct ks_group_member *
ks_group_find_member(const struct ks_group *group, struct kafscale_slice member_id)
{
    struct ks_table_node *node = ks_table_find(&group->by_id, member_id);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_group_member, by_id);
}

struct ks_group_member *
ks_group_find_instance(const struct ks_group *group, struct kafscale_slice instance_id)
{
    struct ks_table_node *node = ks_table_find(&group->by_instance, instance_id);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_group_member, by_instance);
}

enum ks_group_error
ks_group_find_claimed(const struct ks_group *group, struct kafscale_slice member_id,
                      struct kafscale_slice instance_id, struct ks_group_member **member_out)
{
    struct ks_group_member *member;

    if (instance_id.data == NULL) {
        member = ks_group_find_member(group, member_id);
    } else {
        member = ks_group_find_instance(group, instance_id);
        if (member != NULL && !ks_slice_equals(member->identity->member_id, member_id)) {
            return KS_GROUP_FENCED_INSTANCE;
        }
    }
    if (member == NULL) {
        return KS_GROUP_UNKNOWN_MEMBER;
    }
    *member_out = member;
    return KS_GROUP_OK;
}

struct ks_group_member *
ks_group_next_member(const struct ks_group *group, const struct ks_group_member *member)
{
    struct ks_list *next = member == NULL ? group->members.next : member->link.next;

    return next == &group->members ? NULL : KS_CONTAINER(next, struct ks_group_member, link);
}

int64_t
ks_group_rebalance_timeout_ms(const struct ks_group *group)
{
    int64_t greatest_ms = 0;

    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->rebalance_timeout_ms > greatest_ms) {
            greatest_ms = member->rebalance_timeout_ms;
        }
    }
    return greatest_ms;
}
