/* SPDX-License-Identifier: Apache-2.0 */
#include "client/leader.h"

#include <string.h>

#define ASSIGNMENT_BYTES_MAX ((size_t) 64 << 20)

/* --- Who there is ----------------------------------------------------------------------------- */

static bool
is_counted(const struct ks_leader *leader, struct kafscale_slice topic)
{
    for (size_t i = 0; i < leader->topic_count; i++) {
        if (ks_slice_equals(leader->topics[i].name, topic)) {
            return true;
        }
    }
    return false;
}

/* Every topic that a member has subscribed to, once. */
static bool
collect_topics(struct ks_leader *leader, struct ks_arena *arena)
{
    size_t capacity = 0;

    for (size_t i = 0; i < leader->member_count; i++) {
        const struct ks_assign_member *member = &leader->members[i];

        for (size_t j = 0; j < member->topic_count; j++) {
            if (is_counted(leader, member->topics[j])) {
                continue;
            }
            if (!KS_ARENA_RESERVE(arena, leader->topics, capacity, leader->topic_count + 1)) {
                return false;
            }
            leader->topics[leader->topic_count++] =
                (struct ks_assign_topic){ .name = member->topics[j] };
        }
    }
    return true;
}

/* A member whose subscription can't be read is given nothing. False without memory. */
bool
ks_leader_collect(struct ks_leader *leader, struct ks_arena *arena,
                  const struct kafka_join_group_response *response)
{
    size_t count = (size_t) response->members_count;

    leader->members = ks_arena_alloc(arena, count * sizeof *leader->members);
    if (leader->members == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct ks_assign_member *member = &leader->members[i];
        enum kafscale_status status;

        *member = (struct ks_assign_member){ .id = ks_arena_copy_slice(
                                                 arena, response->members[i].member_id) };
        status = ks_subscription_decode(ks_arena_copy_slice(arena, response->members[i].metadata),
                                        arena, &member->topics, &member->topic_count);
        if (status == KAFSCALE_NO_MEMORY) {
            return false;
        }
    }
    leader->member_count = count;
    if (!collect_topics(leader, arena) || ks_arena_failed(arena)) {
        return false;
    }
    ks_assign_sort(leader->members, leader->member_count, leader->topics, leader->topic_count);
    return true;
}

/* --- Partitions ------------------------------------------------------------------------------- */

bool
ks_leader_ask(const struct ks_leader *leader, struct ks_arena *arena,
              struct kafka_metadata_request *request)
{
    kafka_message_init(&kafka_metadata_request_message, request);
    request->allow_auto_topic_creation = false;
    request->topics_count = (int32_t) leader->topic_count;
    request->topics =
        kafka_array_new(arena, &kafka_metadata_request_topic_message, leader->topic_count);
    for (size_t i = 0; request->topics != NULL && i < leader->topic_count; i++) {
        request->topics[i].name = leader->topics[i].name;
    }
    return !ks_arena_failed(arena);
}

static int32_t
count_of(const struct kafka_metadata_response *response, struct kafscale_slice topic)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        if (ks_slice_equals(response->topics[i].name, topic)) {
            return response->topics[i].error_code == KAFKA_ERROR_NONE
                       ? response->topics[i].partitions_count
                       : 0;
        }
    }
    return 0;
}

bool
ks_leader_count(struct ks_leader *leader, const struct kafka_metadata_response *response)
{
    bool is_change = false;

    for (size_t i = 0; i < leader->topic_count; i++) {
        struct ks_assign_topic *topic = &leader->topics[i];
        int32_t count = count_of(response, topic->name);

        is_change |= count != topic->partition_count;
        topic->partition_count = count;
    }
    return is_change;
}

/* --- Shares ----------------------------------------------------------------------------------- */

/* What a member is given, topic by topic. False without memory. */
static bool
give(const struct ks_leader *leader, size_t member, const size_t *owners, struct ks_arena *arena,
     struct kafka_sync_group_request_assignment *out)
{
    struct ks_assigned_topic *topics =
        ks_arena_alloc(arena, (leader->topic_count + 1) * sizeof *topics);
    struct ks_buffer bytes;
    void *copy;

    if (topics == NULL) {
        return false;
    }
    for (size_t i = 0; i < leader->topic_count; i++) {
        size_t count = (size_t) leader->topics[i].partition_count;

        topics[i] = (struct ks_assigned_topic){ .name = leader->topics[i].name };
        topics[i].partitions = ks_arena_alloc(arena, (count + 1) * sizeof(int32_t));
        if (topics[i].partitions == NULL) {
            return false;
        }
        for (size_t j = 0; j < count; j++) {
            if (*owners++ == member) {
                topics[i].partitions[topics[i].partition_count++] = (int32_t) j;
            }
        }
    }
    ks_buffer_init(&bytes, ASSIGNMENT_BYTES_MAX);
    ks_assignment_encode(&bytes, topics, leader->topic_count);
    copy = ks_buffer_failed(&bytes) ? NULL : ks_arena_alloc(arena, ks_buffer_slice(&bytes).size);
    if (copy != NULL) {
        memcpy(copy, ks_buffer_slice(&bytes).data, ks_buffer_slice(&bytes).size);
        out->member_id = leader->members[member].id;
        out->assignment = ks_slice(copy, ks_buffer_slice(&bytes).size);
    }
    ks_buffer_deinit(&bytes);
    return copy != NULL;
}

bool
ks_leader_share(const struct ks_leader *leader, bool is_range, struct ks_arena *arena,
                struct kafka_sync_group_request *request)
{
    size_t total = 0;
    size_t *owners;

    for (size_t i = 0; i < leader->topic_count; i++) {
        total += (size_t) leader->topics[i].partition_count;
    }
    owners = ks_arena_alloc(arena, (total + 1) * sizeof *owners);
    request->assignments =
        kafka_array_new(arena, &kafka_sync_group_request_assignment_message, leader->member_count);
    if (owners == NULL || request->assignments == NULL) {
        return false;
    }
    request->assignments_count = (int32_t) leader->member_count;
    (is_range ? ks_assign_range : ks_assign_round_robin)(
        leader->members, leader->member_count, leader->topics, leader->topic_count, owners);
    for (size_t i = 0; i < leader->member_count; i++) {
        if (!give(leader, i, owners, arena, &request->assignments[i])) {
            return false;
        }
    }
    return true;
}
