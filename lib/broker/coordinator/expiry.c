/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of groups that nobody uses go after a while (KIP-211), and those of topics that are gone;
 * a group without members goes with its last offset. One shard is looked at after the other.
 */
#include "broker/coordinator/coordinator_internal.h"

static void on_expiry(void *arg);

/* Since when an offset is of no use; -1: it is of use. */
static int64_t
unused_since(const struct ks_coordinated_group *group, const struct ks_committed *committed,
             bool is_subscribed)
{
    if (group->unused_since_ms == 0) {
        return is_subscribed ? -1 : committed->committed_ms;
    }
    if (group->stored.data == NULL) {
        return committed->committed_ms;
    }
    return group->unused_since_ms > committed->committed_ms ? group->unused_since_ms
                                                            : committed->committed_ms;
}

static bool
is_expired(const struct ks_coordinated_group *group, const struct ks_committed *committed,
           bool is_subscribed, int64_t wall_ms)
{
    int64_t retention_ms = group->shard->coordinator->options.offsets_retention_ms;
    int64_t since_ms = unused_since(group, committed, is_subscribed);

    if (since_ms < 0) {
        return false;
    }
    if (committed->expires_ms >= 0) {
        return wall_ms >= committed->expires_ms;
    }
    return retention_ms >= 0 && wall_ms - since_ms >= retention_ms;
}

/* Topics are known for certain unless they are being read again. */
static bool
is_topic_gone(const struct ks_coordinator *coordinator, const struct ks_offsets_topic *topic)
{
    return !coordinator->topics->is_reloading && !coordinator->topics->must_reload &&
           !ks_coordinator_is_current(coordinator, topic);
}

static void
expire_topic(struct ks_coordinated_group *group, struct ks_offsets_topic *topic, int64_t wall_ms)
{
    bool is_gone = is_topic_gone(group->shard->coordinator, topic);
    bool is_subscribed = group->unused_since_ms == 0 &&
                         ks_group_is_subscribed(group->group, ks_offsets_topic_name(topic));
    size_t count = topic->partition_count;

    while (count-- > 0) {
        int32_t partition = topic->partitions[count].partition;

        if ((is_gone || is_expired(group, &topic->partitions[count], is_subscribed, wall_ms)) &&
            ks_coordinated_remove_offset(group, topic, partition)) {
            return;
        }
    }
}

static void
expire_group(struct ks_coordinated_group *group, int64_t wall_ms)
{
    struct ks_list *node = group->offsets.topics.next;

    while (node != &group->offsets.topics) {
        struct ks_offsets_topic *topic = KS_CONTAINER(node, struct ks_offsets_topic, link);

        node = node->next;
        expire_topic(group, topic, wall_ms);
    }
    if (group->unused_since_ms > 0 && group->offsets.count == 0 &&
        ks_coordinator_is_durable(group)) {
        ks_coordinated_write_end(group);
        ks_shard_drop(group, KS_GROUP_NOT_AVAILABLE);
        return;
    }
    ks_coordinated_touch(group);
}

static void
expire_shard(struct ks_shard *shard)
{
    int64_t wall_ms = ks_env_wall_ms(shard->coordinator->env);
    struct ks_list *node = shard->groups.next;

    if (shard->state != KS_SHARD_SERVED) {
        return;
    }
    while (node != &shard->groups) {
        struct ks_coordinated_group *group = KS_CONTAINER(node, struct ks_coordinated_group, link);

        node = node->next;
        expire_group(group, wall_ms);
    }
    ks_checkpoint_look(shard);
    ks_chore_succeed(&shard->coordinator->expiring, ks_env_now_ms(shard->coordinator->env));
}

static bool
has_work(const struct ks_coordinator *coordinator)
{
    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        if (coordinator->shards[i].bytes_since > 0) {
            return true;
        }
    }
    return coordinator->group_count > 0;
}

void
ks_coordinator_set_expiry(struct ks_coordinator *coordinator)
{
    if (coordinator->is_ended || ks_env_timer_is_set(&coordinator->expiry) ||
        !has_work(coordinator)) {
        return;
    }
    coordinator->expiry.on_due = on_expiry;
    coordinator->expiry.arg = coordinator;
    ks_env_set_timer(coordinator->env, &coordinator->expiry,
                     ks_env_now_ms(coordinator->env) +
                         coordinator->options.expiry_check_ms / coordinator->shard_count + 1);
}

static void
on_expiry(void *arg)
{
    struct ks_coordinator *coordinator = arg;

    if (coordinator->expiry_next >= coordinator->shard_count) {
        coordinator->expiry_next = 0;
    }
    expire_shard(&coordinator->shards[coordinator->expiry_next++]);
    ks_coordinator_set_expiry(coordinator);
}
