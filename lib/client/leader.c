/* SPDX-License-Identifier: Apache-2.0 */
#include "client/leader.h"

#include <stdlib.h>
#include <string.h>

#define ASSIGNMENT_BYTES_MAX ((size_t) 64 << 20)

static int
compare(struct kafscale_slice left, struct kafscale_slice right)
{
    size_t common = left.size < right.size ? left.size : right.size;
    int order = common == 0 ? 0 : memcmp(left.data, right.data, common);

    return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}

/* --- Who there is ----------------------------------------------------------------------------- */

/* A topic that a member has subscribed to. */
struct subscription {
    struct kafscale_slice topic;
    uint32_t member;
};

static int
compare_members(const void *left, const void *right)
{
    const struct kafka_join_group_response_member *const *one = left;
    const struct kafka_join_group_response_member *const *two = right;

    return compare((*one)->member_id, (*two)->member_id);
}

static int
compare_subscriptions(const void *left, const void *right)
{
    const struct subscription *one = left;
    const struct subscription *two = right;
    int order = compare(one->topic, two->topic);

    return order != 0 ? order : (one->member > two->member) - (one->member < two->member);
}

/* In the order of their ids. */
static const struct kafka_join_group_response_member **
sort_members(struct ks_arena *arena, const struct kafka_join_group_response *response)
{
    size_t count = (size_t) response->members_count;
    const struct kafka_join_group_response_member **members =
        ks_arena_alloc_array(arena, count, sizeof *members);

    for (size_t i = 0; members != NULL && i < count; i++) {
        members[i] = &response->members[i];
    }
    if (members != NULL) {
        qsort(members, count, sizeof *members, compare_members);
    }
    return members;
}

/* Who can't be read, or comes with too many, has none. False without memory. */
static bool
take_subscription(struct ks_arena *arena, struct kafscale_slice metadata, uint32_t member,
                  struct subscription **all, size_t *capacity, size_t *count)
{
    struct kafscale_slice *topics;
    size_t topic_count;
    enum kafscale_status status =
        ks_subscription_decode(ks_arena_copy_slice(arena, metadata), arena, &topics, &topic_count);

    if (status == KAFSCALE_NO_MEMORY) {
        return false;
    }
    if (topic_count > KS_LEADER_SUBSCRIPTIONS_MAX - *count) {
        return true;
    }
    if (!KS_ARENA_RESERVE(arena, *all, *capacity, *count + topic_count)) {
        return false;
    }
    for (size_t i = 0; i < topic_count; i++) {
        (*all)[(*count)++] = (struct subscription){ .topic = topics[i], .member = member };
    }
    return true;
}

/* From subscriptions in order, of which some may come twice. False without memory. */
static bool
group_by_topic(struct ks_leader *leader, struct ks_arena *arena, const struct subscription *all,
               size_t count)
{
    uint32_t *members = ks_arena_alloc_array(arena, count + 1, sizeof *members);
    struct ks_assign_topic *topic = NULL;

    leader->topics = ks_arena_alloc_array(arena, count + 1, sizeof *leader->topics);
    if (members == NULL || leader->topics == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (topic == NULL || !ks_slice_equals(topic->name, all[i].topic)) {
            topic = &leader->topics[leader->topic_count++];
            topic->name = all[i].topic;
            topic->subscribers = members;
        } else if (members[-1] == all[i].member) {
            continue;
        }
        *members++ = all[i].member;
        topic->subscriber_count++;
    }
    return true;
}

bool
ks_leader_collect(struct ks_leader *leader, struct ks_arena *arena,
                  const struct kafka_join_group_response *response)
{
    const struct kafka_join_group_response_member **members = sort_members(arena, response);
    struct subscription *all = NULL;
    size_t capacity = 0;
    size_t count = 0;

    leader->member_count = (size_t) response->members_count;
    leader->members = ks_arena_alloc_array(arena, leader->member_count, sizeof *leader->members);
    if (members == NULL || leader->members == NULL) {
        return false;
    }
    for (size_t i = 0; i < leader->member_count; i++) {
        leader->members[i] = ks_arena_copy_slice(arena, members[i]->member_id);
        if (!take_subscription(arena, members[i]->metadata, (uint32_t) i, &all, &capacity,
                               &count)) {
            return false;
        }
    }
    if (count > 0) {
        qsort(all, count, sizeof *all, compare_subscriptions);
    }
    return group_by_topic(leader, arena, all, count) && !ks_arena_failed(arena);
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

/* Of a topic, which comes in the order of the request or, if it doesn't, isn't there. */
static int32_t
count_of(const struct kafka_metadata_response *response, size_t index, struct kafscale_slice topic)
{
    const struct kafka_metadata_response_topic *found;

    if (index >= (size_t) response->topics_count) {
        return 0;
    }
    found = &response->topics[index];
    return found->error_code == KAFKA_ERROR_NONE && ks_slice_equals(found->name, topic)
               ? found->partitions_count
               : 0;
}

bool
ks_leader_count(struct ks_leader *leader, const struct kafka_metadata_response *response)
{
    bool is_change = false;

    for (size_t i = 0; i < leader->topic_count; i++) {
        struct ks_assign_topic *topic = &leader->topics[i];
        int32_t count = count_of(response, i, topic->name);

        is_change |= count != topic->partition_count;
        topic->partition_count = count;
    }
    return is_change;
}

/* --- Shares ----------------------------------------------------------------------------------- */

/* What each member has of each topic, all of it one behind the other in `partitions`. */
struct shares {
    uint32_t *owners;
    size_t *begins; /* of each member in the two below, and the end of the last one */
    uint32_t *topics;
    int32_t *partitions;
    size_t count;
};

static bool
shares_init(struct shares *shares, const struct ks_leader *leader, struct ks_arena *arena)
{
    *shares = (struct shares){ 0 };
    for (size_t i = 0; i < leader->topic_count; i++) {
        shares->count += (size_t) leader->topics[i].partition_count;
    }
    shares->owners = ks_arena_alloc_array(arena, shares->count + 1, sizeof *shares->owners);
    shares->topics = ks_arena_alloc_array(arena, shares->count + 1, sizeof *shares->topics);
    shares->partitions = ks_arena_alloc_array(arena, shares->count + 1, sizeof *shares->partitions);
    shares->begins = ks_arena_alloc_array(arena, leader->member_count + 2, sizeof *shares->begins);
    return !ks_arena_failed(arena);
}

/*
 * Sorted by member, by counting: begins[m + 2] counts what m has, then begins[m + 1] is where the
 * next one of m goes, and in the end begins[m] where its first one is.
 */
static void
sort_shares(struct shares *shares, const struct ks_leader *leader)
{
    const uint32_t *owner = shares->owners;

    for (size_t i = 0; i < shares->count; i++) {
        shares->begins[shares->owners[i] + 2]++;
    }
    for (size_t i = 2; i < leader->member_count + 2; i++) {
        shares->begins[i] += shares->begins[i - 1];
    }
    for (size_t i = 0; i < leader->topic_count; i++) {
        for (int32_t j = 0; j < leader->topics[i].partition_count; j++) {
            size_t place = shares->begins[*owner++ + 1]++;

            shares->topics[place] = (uint32_t) i;
            shares->partitions[place] = j;
        }
    }
}

/* The member's topics, with their partitions where they lie. NULL without memory. */
static struct ks_assigned_topic *
topics_of(const struct shares *shares, const struct ks_leader *leader, size_t member,
          struct ks_arena *arena, size_t *count_out)
{
    size_t begin = shares->begins[member];
    size_t end = shares->begins[member + 1];
    struct ks_assigned_topic *topics = ks_arena_alloc_array(arena, end - begin + 1, sizeof *topics);
    size_t count = 0;

    for (size_t i = begin; topics != NULL && i < end; i++) {
        if (i == begin || shares->topics[i] != shares->topics[i - 1]) {
            topics[count++] = (struct ks_assigned_topic){
                .name = leader->topics[shares->topics[i]].name,
                .partitions = &shares->partitions[i],
            };
        }
        topics[count - 1].partition_count++;
    }
    *count_out = count;
    return topics;
}

static bool
give(const struct shares *shares, const struct ks_leader *leader, size_t member,
     struct ks_arena *arena, struct kafka_sync_group_request_assignment *out)
{
    size_t count;
    struct ks_assigned_topic *topics = topics_of(shares, leader, member, arena, &count);
    struct ks_buffer bytes;

    if (topics == NULL) {
        return false;
    }
    ks_buffer_init(&bytes, ASSIGNMENT_BYTES_MAX);
    ks_assignment_encode(&bytes, topics, count);
    out->member_id = leader->members[member];
    out->assignment = ks_arena_copy_slice(arena, ks_buffer_slice(&bytes));
    count = ks_buffer_failed(&bytes);
    ks_buffer_deinit(&bytes);
    return count == 0 && !ks_arena_failed(arena);
}

bool
ks_leader_share(const struct ks_leader *leader, bool is_range, struct ks_arena *arena,
                struct kafka_sync_group_request *request)
{
    struct shares shares;

    request->assignments =
        kafka_array_new(arena, &kafka_sync_group_request_assignment_message, leader->member_count);
    if (request->assignments == NULL || !shares_init(&shares, leader, arena)) {
        return false;
    }
    request->assignments_count = (int32_t) leader->member_count;
    (is_range ? ks_assign_range : ks_assign_round_robin)(leader->topics, leader->topic_count,
                                                         shares.owners);
    sort_shares(&shares, leader);
    for (size_t i = 0; i < leader->member_count; i++) {
        if (!give(&shares, leader, i, arena, &request->assignments[i])) {
            return false;
        }
    }
    return true;
}
