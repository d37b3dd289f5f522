/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups of a shard: finding and making them, their timers, their share of memory, and what the
 * state machine of each has to say.
 */
#include "broker/coordinator/coordinator_internal.h"

#include <assert.h>

/* A timer that comes so late shows that nobody was listened to for a while. */
#define LATE_MS 1000

/* --- Finding ---------------------------------------------------------------------------------- */

static enum ks_group_error
shard_error(const struct ks_shard *shard)
{
    switch (shard->state) {
    case KS_SHARD_SERVED:
        return KS_GROUP_OK;
    case KS_SHARD_FAILED:
        return KS_GROUP_NOT_AVAILABLE;
    default:
        return KS_GROUP_LOADING;
    }
}

struct ks_shard *
ks_shard_of(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
            enum ks_group_error *error_out)
{
    struct ks_shard *shard;

    if (coordinator->is_ended) {
        *error_out = KS_GROUP_NOT_COORDINATOR;
        return NULL;
    }
    if (coordinator->shard_count == 0) {
        *error_out = KS_GROUP_NOT_AVAILABLE;
        return NULL;
    }
    shard = &coordinator->shards[ks_group_partition(group_id, coordinator->shard_count)];
    *error_out = shard_error(shard);
    return *error_out == KS_GROUP_OK ? shard : NULL;
}

struct ks_coordinated_group *
ks_shard_find(const struct ks_shard *shard, struct kafscale_slice id)
{
    struct ks_table_node *node = ks_table_find(&shard->by_id, id);

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_coordinated_group, node);
}

enum ks_group_error
ks_coordinator_find(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                    struct ks_coordinated_group **group_out)
{
    enum ks_group_error error;
    struct ks_shard *shard = ks_shard_of(coordinator, group_id, &error);

    *group_out = shard == NULL ? NULL : ks_shard_find(shard, group_id);
    if (shard != NULL && *group_out == NULL) {
        error = KS_GROUP_NOT_FOUND;
    }
    return error;
}

/* The first group of the shards from `index` on that are served. */
static struct ks_coordinated_group *
first_from(const struct ks_coordinator *coordinator, int32_t index)
{
    for (; index < coordinator->shard_count; index++) {
        const struct ks_shard *shard = &coordinator->shards[index];

        if (shard->state == KS_SHARD_SERVED && !ks_list_is_empty(&shard->groups)) {
            return KS_CONTAINER(shard->groups.next, struct ks_coordinated_group, link);
        }
    }
    return NULL;
}

struct ks_coordinated_group *
ks_coordinator_next(const struct ks_coordinator *coordinator,
                    const struct ks_coordinated_group *group)
{
    if (group == NULL) {
        return first_from(coordinator, 0);
    }
    if (group->link.next != &group->shard->groups) {
        return KS_CONTAINER(group->link.next, struct ks_coordinated_group, link);
    }
    return first_from(coordinator, (int32_t) (group->shard - coordinator->shards) + 1);
}

int32_t
ks_coordinator_unserved(const struct ks_coordinator *coordinator)
{
    int32_t count = 0;

    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        count += coordinator->shards[i].state != KS_SHARD_SERVED;
    }
    return count;
}

enum ks_group_error
ks_coordinator_is_complete(const struct ks_coordinator *coordinator)
{
    if (coordinator->is_ended) {
        return KS_GROUP_NOT_COORDINATOR;
    }
    for (int32_t i = 0; i < coordinator->shard_count; i++) {
        enum ks_group_error error = shard_error(&coordinator->shards[i]);

        if (error != KS_GROUP_OK) {
            return error;
        }
    }
    return KS_GROUP_OK;
}

bool
ks_coordinator_is_current(const struct ks_coordinator *coordinator,
                          const struct ks_offsets_topic *topic)
{
    const struct ks_topic *living =
        ks_topics_find(coordinator->topics, ks_offsets_topic_name(topic));

    return living != NULL &&
           (ks_id_is_zero(&topic->id) || ks_id_equals(&topic->id, &living->record.id));
}

/* --- What a group says ------------------------------------------------------------------------ */

static void
on_joined(void *arg, void *waiter, const struct ks_group_join_answer *answer)
{
    struct ks_group_waiter *asked = waiter;

    (void) arg;
    asked->group = NULL;
    asked->joined(asked, answer);
}

static void
on_synced(void *arg, void *waiter, const struct ks_group_sync_answer *answer)
{
    struct ks_group_waiter *asked = waiter;

    (void) arg;
    asked->group = NULL;
    asked->synced(asked, answer);
}

/*
 * Of several states on their way only the last counts: the record takes the place of the earlier.
 */
static void
on_store(void *arg, struct ks_group *state, uint64_t number)
{
    struct ks_coordinated_group *group = arg;

    (void) state;
    group->store_number = number;
    if (ks_list_is_linked(&group->store_link)) {
        ks_list_remove(&group->store_link);
    }
    ks_list_append(&group->shard->open_stores, &group->store_link);
    ks_coordinated_write(group);
}

/* Not a warning: it is what happens to a client that was killed. */
static void
on_expelled(void *arg, const struct ks_group *state, struct kafscale_slice member_id,
            enum ks_group_expulsion why)
{
    const struct ks_coordinated_group *group = arg;
    struct kafscale_slice id = ks_group_id(state);

    ks_log_some(group->shard->coordinator->env, &group->shard->coordinator->expulsions,
                KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_INFO,
                "member put out of its group group=%.*s member=%.*s reason=%s", (int) id.size,
                (const char *) id.data, (int) member_id.size, (const char *) member_id.data,
                ks_group_expulsion_text(why));
}

/* --- Timers ----------------------------------------------------------------------------------- */

static void
set_timer(struct ks_coordinated_group *group)
{
    struct ks_env *env = group->shard->coordinator->env;
    int64_t due_ms = ks_group_due_ms(group->group);

    if (due_ms == INT64_MAX) {
        ks_env_cancel_timer(env, &group->timer);
    } else if (!ks_env_timer_is_set(&group->timer) || due_ms != group->timer_due_ms) {
        group->timer_due_ms = due_ms;
        ks_env_set_timer(env, &group->timer, due_ms);
    }
}

static void
on_timer(void *arg)
{
    struct ks_coordinated_group *group = arg;
    int64_t now_ms = ks_env_now_ms(group->shard->coordinator->env);
    int64_t late_ms = now_ms - group->timer_due_ms;

    if (late_ms > LATE_MS) {
        ks_group_extend(group->group, late_ms);
    }
    ks_group_tick(group->group, now_ms);
    ks_coordinated_touch(group);
}

/* --- Making and dropping ---------------------------------------------------------------------- */

/* Its share of what all groups have, which is never walked through for it. */
static void
count(struct ks_coordinated_group *group)
{
    struct ks_coordinator *coordinator = group->shard->coordinator;
    enum ks_group_state state = ks_group_state(group->group);
    size_t members = ks_group_member_count(group->group);
    size_t bytes =
        sizeof *group + ks_group_bytes(group->group) + group->offsets.bytes + group->stored.size;

    coordinator->state_bytes += bytes - group->counted_bytes;
    group->counted_bytes = bytes;
    coordinator->states[group->counted_state]--;
    coordinator->states[state]++;
    group->counted_state = state;
    coordinator->member_count += members - group->counted_members;
    group->counted_members = members;
}

struct ks_coordinated_group *
ks_shard_make(struct ks_shard *shard, struct kafscale_slice id)
{
    struct ks_coordinator *coordinator = shard->coordinator;
    struct ks_coordinated_group *group = ks_shard_find(shard, id);

    if (group != NULL) {
        return group;
    }
    group = ks_alloc_zero(1, sizeof *group);
    if (group == NULL) {
        return NULL;
    }
    group->shard = shard;
    group->events = (struct ks_group_events){ .arg = group,
                                              .joined = on_joined,
                                              .synced = on_synced,
                                              .store = on_store,
                                              .expelled = on_expelled };
    group->timer.on_due = on_timer;
    group->timer.arg = group;
    group->unused_since_ms = ks_env_wall_ms(coordinator->env);
    ks_offsets_init(&group->offsets, ks_env_random_u64(coordinator->env));
    group->group = ks_group_new(id, &coordinator->group_options, &group->events);
    if (group->group == NULL ||
        ks_table_insert(&shard->by_id, &group->node, ks_group_id(group->group)) != KAFSCALE_OK) {
        ks_group_free(group->group);
        ks_offsets_deinit(&group->offsets);
        ks_free(group);
        return NULL;
    }
    ks_list_append(&shard->groups, &group->link);
    coordinator->group_count++;
    coordinator->states[group->counted_state]++;
    count(group);
    return group;
}

void
ks_shard_drop(struct ks_coordinated_group *group, enum ks_group_error error)
{
    struct ks_shard *shard = group->shard;
    struct ks_coordinator *coordinator = shard->coordinator;

    ks_group_end(group->group, error);
    ks_checkpoint_pass(shard, group);
    ks_lag_pass(coordinator, group);
    ks_env_cancel_timer(coordinator->env, &group->timer);
    if (ks_list_is_linked(&group->store_link)) {
        ks_list_remove(&group->store_link);
    }
    if (shard->last == group) {
        shard->last = NULL;
    }
    ks_table_remove(&shard->by_id, &group->node);
    ks_list_remove(&group->link);
    coordinator->group_count--;
    coordinator->states[group->counted_state]--;
    coordinator->member_count -= group->counted_members;
    coordinator->state_bytes -= group->counted_bytes;
    ks_group_free(group->group);
    ks_offsets_deinit(&group->offsets);
    ks_free((void *) (uintptr_t) group->stored.data);
    ks_free(group);
}

void
ks_shard_clear(struct ks_shard *shard, enum ks_group_error error)
{
    ks_checkpoint_stop(shard);
    while (!ks_list_is_empty(&shard->groups)) {
        ks_shard_drop(KS_CONTAINER(shard->groups.next, struct ks_coordinated_group, link), error);
    }
}

void
ks_coordinated_touch(struct ks_coordinated_group *group)
{
    struct ks_coordinator *coordinator = group->shard->coordinator;
    bool is_unused = ks_group_is_unused(group->group);

    if (!is_unused) {
        group->unused_since_ms = 0;
    } else if (group->unused_since_ms == 0) {
        group->unused_since_ms = ks_env_wall_ms(coordinator->env);
    }
    if (is_unused && group->stored.data == NULL && group->offsets.count == 0 &&
        group->shard->state == KS_SHARD_SERVED) {
        ks_shard_drop(group, KS_GROUP_NOT_AVAILABLE);
        return;
    }
    set_timer(group);
    count(group);
}

bool
ks_coordinated_keep(struct ks_coordinated_group *group, struct kafscale_slice value)
{
    uint8_t *copy = NULL;

    if (value.data != NULL) {
        copy = ks_alloc(value.size + 1);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, value.data, value.size);
    }
    ks_free((void *) (uintptr_t) group->stored.data);
    group->stored = ks_slice(copy, copy == NULL ? 0 : value.size);
    return true;
}

/* --- Members ---------------------------------------------------------------------------------- */

static void
refuse_join(struct ks_group_waiter *waiter, const struct ks_group_join *join,
            enum ks_group_error error)
{
    struct ks_group_join_answer answer = { .error = error,
                                           .member_id = join->member_id,
                                           .generation = -1 };

    waiter->group = NULL;
    waiter->joined(waiter, &answer);
}

static void
refuse_sync(struct ks_group_waiter *waiter, enum ks_group_error error)
{
    struct ks_group_sync_answer answer = { .error = error };

    waiter->group = NULL;
    waiter->synced(waiter, &answer);
}

/* A member of a group that doesn't exist is as unknown as one that its group doesn't have. */
static enum ks_group_error
find_of_member(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
               struct ks_coordinated_group **group_out)
{
    enum ks_group_error error = ks_coordinator_find(coordinator, group_id, group_out);

    return error == KS_GROUP_NOT_FOUND ? KS_GROUP_UNKNOWN_MEMBER : error;
}

static bool
is_full(const struct ks_coordinator *coordinator)
{
    return coordinator->state_bytes >= coordinator->options.state_bytes_max;
}

void
ks_coordinator_join(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                    struct ks_group_join *join, struct ks_group_waiter *waiter)
{
    enum ks_group_error error;
    struct ks_shard *shard = ks_shard_of(coordinator, group_id, &error);
    struct ks_coordinated_group *group = shard == NULL ? NULL : ks_shard_find(shard, group_id);

    if (shard != NULL && group == NULL && join->member_id.size > 0) {
        error = KS_GROUP_UNKNOWN_MEMBER;
    } else if (shard != NULL && join->member_id.size == 0 && is_full(coordinator)) {
        error = KS_GROUP_FULL;
    } else if (shard != NULL && group == NULL) {
        group = ks_shard_make(shard, group_id);
        error = group == NULL ? KS_GROUP_NOT_AVAILABLE : KS_GROUP_OK;
    }
    if (error != KS_GROUP_OK) {
        refuse_join(waiter, join, error);
        return;
    }
    join->waiter = waiter;
    waiter->group = group;
    ks_group_join(group->group, join, ks_env_now_ms(coordinator->env));
    ks_coordinated_touch(group);
}

void
ks_coordinator_sync(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                    struct ks_group_sync *sync, struct ks_group_waiter *waiter)
{
    struct ks_coordinated_group *group;
    enum ks_group_error error = find_of_member(coordinator, group_id, &group);

    if (error != KS_GROUP_OK) {
        refuse_sync(waiter, error);
        return;
    }
    sync->waiter = waiter;
    waiter->group = group;
    ks_group_sync(group->group, sync, ks_env_now_ms(coordinator->env));
    ks_coordinated_touch(group);
}

void
ks_coordinator_gone(struct ks_coordinator *coordinator, struct ks_group_waiter *waiter)
{
    struct ks_coordinated_group *group = waiter->group;

    if (group != NULL) {
        waiter->group = NULL;
        ks_group_waiter_gone(group->group, waiter, ks_env_now_ms(coordinator->env));
        ks_coordinated_touch(group);
    }
}

enum ks_group_error
ks_coordinator_heartbeat(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                         const struct ks_group_claim *claim)
{
    struct ks_coordinated_group *group;
    enum ks_group_error error = find_of_member(coordinator, group_id, &group);

    if (error != KS_GROUP_OK) {
        return error;
    }
    return ks_group_heartbeat(group->group, claim, ks_env_now_ms(coordinator->env));
}

enum ks_group_error
ks_coordinator_leave(struct ks_coordinator *coordinator, struct kafscale_slice group_id,
                     struct kafscale_slice member_id, struct kafscale_slice instance_id)
{
    struct ks_coordinated_group *group;
    enum ks_group_error error = find_of_member(coordinator, group_id, &group);

    if (error != KS_GROUP_OK) {
        return error;
    }
    error = ks_group_leave(group->group, member_id, instance_id, ks_env_now_ms(coordinator->env));
    ks_coordinated_touch(group);
    return error;
}
