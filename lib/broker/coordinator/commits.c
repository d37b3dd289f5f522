/* SPDX-License-Identifier: Apache-2.0 */
/* Committed offsets: taking them, taking them back, and deleting groups. */
#include "broker/coordinator/coordinator_internal.h"

enum ks_group_error
ks_coordinator_check_commit(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                            const struct ks_group_claim *claim)
{
    struct ks_coordinated_group *group;
    enum ks_group_error error = ks_coordinator_find(coordinator, group_id, &group);
    bool is_simple =
        claim->generation < 0 && claim->member_id.size == 0 && claim->instance_id.data == NULL;

    if (error == KS_GROUP_NOT_FOUND && is_simple) {
        return KS_GROUP_OK;
    }
    if (error != KS_GROUP_OK) {
        return error;
    }
    error = ks_group_check_commit(group->group, claim, ks_env_now_ms(coordinator->env));
    ks_coordinated_touch(group);
    return error;
}

static bool
is_overloaded(const struct ks_coordinator *coordinator)
{
    return coordinator->pending_bytes > coordinator->options.pending_bytes_max ||
           coordinator->state_bytes > coordinator->options.state_bytes_max;
}

/*
 * One offset, in memory and as a record. A new life of a topic takes the place of all that is known
 * of the earlier one.
 */
static void
set_offset(struct ks_coordinated_group *group, const struct ks_group_offset *offset)
{
    const struct ks_offsets_topic *topic = ks_offsets_find_topic(&group->offsets, offset->topic);
    struct ks_offset_value value = offset->value;
    struct ks_shard *shard = group->shard;

    if (topic != NULL && !ks_id_equals(&topic->id, &value.topic_id)) {
        ks_checkpoint_pass_topic(shard, topic);
    }
    value.committed_ms = ks_env_wall_ms(shard->coordinator->env);
    ks_coordinated_write_offset(group, offset->topic, offset->partition, &value);
    if (ks_offsets_set(&group->offsets, offset->topic, offset->partition, &value) != KAFSCALE_OK) {
        shard->is_damaged = true;
    }
}

void
ks_coordinator_commit(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                      const struct ks_group_offset *offsets, size_t offset_count,
                      struct ks_group_wait *wait)
{
    enum ks_group_error error;
    struct ks_shard *shard = ks_shard_of(coordinator, group_id, &error);
    struct ks_coordinated_group *group = NULL;

    if (shard != NULL && !is_overloaded(coordinator)) {
        group = ks_shard_make(shard, group_id);
    }
    if (group == NULL) {
        ks_coordinator_tell(coordinator, wait, shard == NULL ? error : KS_GROUP_NOT_AVAILABLE);
        return;
    }
    for (size_t i = 0; i < offset_count; i++) {
        set_offset(group, &offsets[i]);
    }
    ks_shard_await(shard, wait);
    ks_coordinated_touch(group);
}

/* --- Taking back ------------------------------------------------------------------------------ */

bool
ks_coordinated_remove_offset(struct ks_coordinated_group *group, struct ks_offsets_topic *topic,
                             int32_t partition)
{
    bool is_last = topic->partition_count == 1;

    ks_coordinated_write_offset(group, ks_offsets_topic_name(topic), partition, NULL);
    if (is_last) {
        ks_checkpoint_pass_topic(group->shard, topic);
        ks_lag_pass_topic(group->shard->coordinator, topic);
    }
    ks_offsets_remove(&group->offsets, ks_offsets_topic_name(topic), partition);
    return is_last;
}

static void
delete_offset(struct ks_coordinated_group *group, const struct ks_group_offset_name *name)
{
    struct ks_offsets_topic *topic = ks_offsets_find_topic(&group->offsets, name->topic);

    if (topic != NULL && ks_offsets_find(topic, name->partition) != NULL) {
        ks_coordinated_remove_offset(group, topic, name->partition);
    }
}

void
ks_coordinator_delete_offsets(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                              const struct ks_group_offset_name *names, size_t name_count,
                              struct ks_group_wait *wait)
{
    struct ks_coordinated_group *group;
    enum ks_group_error error = ks_coordinator_find(coordinator, group_id, &group);

    if (error != KS_GROUP_OK) {
        ks_coordinator_tell(coordinator, wait, error);
        return;
    }
    for (size_t i = 0; i < name_count; i++) {
        delete_offset(group, &names[i]);
    }
    ks_shard_await(group->shard, wait);
    ks_coordinated_touch(group);
}

void
ks_coordinator_delete(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                      struct ks_group_wait *wait)
{
    struct ks_coordinated_group *group;
    enum ks_group_error error = ks_coordinator_find(coordinator, group_id, &group);
    struct ks_shard *shard;

    if (error == KS_GROUP_OK && !ks_group_is_unused(group->group)) {
        error = KS_GROUP_NOT_EMPTY;
    }
    if (error != KS_GROUP_OK) {
        ks_coordinator_tell(coordinator, wait, error);
        return;
    }
    shard = group->shard;
    ks_coordinated_write_end(group);
    ks_shard_drop(group, KS_GROUP_NOT_AVAILABLE);
    ks_shard_await(shard, wait);
}

/* --- What is durable -------------------------------------------------------------------------- */

bool
ks_coordinator_is_durable(const struct ks_coordinated_group *group)
{
    return group->changed <= group->shard->durable;
}

void
ks_coordinator_await_durable(struct ks_coordinated_group *group, struct ks_group_wait *wait)
{
    struct ks_shard *shard = group->shard;

    for (struct ks_list *node = shard->writes.next; node != &shard->writes; node = node->next) {
        struct ks_shard_write *write = KS_CONTAINER(node, struct ks_shard_write, link);

        if (write->number == group->changed) {
            wait->link = (struct ks_list){ 0 };
            ks_list_append(&write->waits, &wait->link);
            return;
        }
    }
    ks_shard_await(shard, wait);
}
