/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning and the end of a group, and what can be seen of it. */
#include "group/group_internal.h"

#include <assert.h>

struct ks_group *
ks_group_new(struct kafscale_slice id, const struct ks_group_options *options,
             const struct ks_group_events *events)
{
    struct ks_group *group = ks_alloc_zero(1, sizeof *group + id.size);

    if (group == NULL) {
        return NULL;
    }
    group->options = options;
    group->events = events;
    ks_table_init(&group->by_id, options->seed);
    ks_table_init(&group->by_instance, options->seed);
    ks_table_init(&group->by_waiter, options->seed);
    ks_table_init(&group->pending, options->seed);
    ks_table_init(&group->candidates, options->seed);
    ks_list_init(&group->members);
    group->initial_end_ms = KS_GROUP_NEVER;
    group->join_due_ms = KS_GROUP_NEVER;
    group->sync_due_ms = KS_GROUP_NEVER;
    group->due_ms = KS_GROUP_NEVER;
    group->id_bytes = id.size;
    if (id.size > 0) {
        memcpy(group->id, id.data, id.size);
    }
    return group;
}

void
ks_group_remove_all(struct ks_group *group)
{
    struct ks_group_member *member;

    while ((member = ks_group_next_member(group, NULL)) != NULL) {
        ks_group_remove_member(group, member);
    }
    ks_group_expire_pending(group, KS_GROUP_NEVER);
    ks_group_choose(group, NULL);
    ks_group_forget_assignments(group);
    group->join_due_ms = KS_GROUP_NEVER;
    group->sync_due_ms = KS_GROUP_NEVER;
    group->due_ms = KS_GROUP_NEVER;
}

void
ks_group_end(struct ks_group *group, enum ks_group_error error)
{
    if (group->state == KS_GROUP_DEAD) {
        return;
    }
    ks_group_move(group, KS_GROUP_DEAD);
    group->sync_number = 0;
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        ks_group_refuse(group, member, error, 0);
    }
    ks_group_remove_all(group);
}

void
ks_group_free(struct ks_group *group)
{
    if (group == NULL) {
        return;
    }
    assert(group->by_waiter.count == 0);

    ks_group_remove_all(group);
    assert(group->candidates.count == 0);
    assert(group->bytes == 0);
    ks_table_deinit(&group->by_id);
    ks_table_deinit(&group->by_instance);
    ks_table_deinit(&group->by_waiter);
    ks_table_deinit(&group->pending);
    ks_table_deinit(&group->candidates);
    ks_free(group->protocol_type);
    ks_free(group->answer_members);
    ks_free(group);
}

/* --- Looking ---------------------------------------------------------------------------------- */

struct kafscale_slice
ks_group_id(const struct ks_group *group)
{
    return ks_slice(group->id, group->id_bytes);
}

struct kafscale_slice
ks_group_protocol_type(const struct ks_group *group)
{
    return group->protocol_type_bytes == 0
               ? ks_slice("", 0)
               : ks_slice(group->protocol_type, group->protocol_type_bytes);
}

enum ks_group_state
ks_group_state(const struct ks_group *group)
{
    return group->state;
}

size_t
ks_group_member_count(const struct ks_group *group)
{
    return group->member_count;
}

bool
ks_group_is_unused(const struct ks_group *group)
{
    return group->state == KS_GROUP_EMPTY && group->pending.count == 0;
}

static size_t
table_bytes(const struct ks_table *table)
{
    return table->bucket_count * sizeof *table->buckets;
}

size_t
ks_group_bytes(const struct ks_group *group)
{
    return sizeof *group + group->id_bytes + group->protocol_type_bytes + group->bytes +
           group->assignments_bytes + group->answer_capacity * sizeof *group->answer_members +
           table_bytes(&group->by_id) + table_bytes(&group->by_instance) +
           table_bytes(&group->by_waiter) + table_bytes(&group->pending) +
           table_bytes(&group->candidates);
}
