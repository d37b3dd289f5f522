/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members of a group say to their leader and what it gives them, none of which a broker looks
 * into. An input is a byte that chooses, then: an assignment; or a group, of each member a length
 * and its subscription. What can be read comes back the same, and a leader gives every partition
 * to one member that has subscribed to it.
 */
#include "client/leader.h"
#include "fuzz/fuzz.h"

#define ARENA_BYTES_MAX ((size_t) 4 << 20)
#define MEMBERS_MAX 16

enum { IS_GROUP = 1, IS_RANGE = 2, KNOWN_CHOICES = 3 };

static void
read_assignment(struct kafscale_slice bytes)
{
    struct ks_assigned_topic *topics;
    struct ks_assigned_topic *again;
    size_t again_count;
    size_t used = 0;
    struct ks_buffer buffer;
    struct ks_arena arena;
    size_t count;

    ks_arena_init(&arena, ARENA_BYTES_MAX);
    ks_buffer_init(&buffer, ARENA_BYTES_MAX);
    if (ks_assignment_decode(bytes, &arena, &topics, &count) == KAFSCALE_OK) {
        ks_assignment_encode(&buffer, topics, count);
        demand(!ks_buffer_failed(&buffer));
        demand(ks_assignment_decode(ks_buffer_slice(&buffer), &arena, &again, &again_count) ==
               KAFSCALE_OK);
        for (size_t i = 0; i < count; i++) {
            if (topics[i].partition_count == 0) {
                continue;
            }
            demand(used < again_count && ks_slice_equals(again[used].name, topics[i].name));
            demand(again[used].partition_count == topics[i].partition_count);
            for (size_t j = 0; j < topics[i].partition_count; j++) {
                demand(again[used].partitions[j] == topics[i].partitions[j]);
            }
            used++;
        }
        demand(used == again_count);
    }
    ks_buffer_deinit(&buffer);
    ks_arena_deinit(&arena);
}

/* Topics have 0 to 6 partitions, and one in five isn't there. */
static size_t
count_partitions(struct ks_leader *leader, struct ks_arena *arena)
{
    struct kafka_metadata_response response = { 0 };
    struct kafka_metadata_request request;
    size_t total = 0;

    demand(ks_leader_ask(leader, arena, &request));
    demand(request.topics_count == (int32_t) leader->topic_count);
    response.topics =
        kafka_array_new(arena, &kafka_metadata_response_topic_message, leader->topic_count);
    for (size_t i = 0; response.topics != NULL && i < leader->topic_count; i++) {
        struct kafka_metadata_response_topic *topic = &response.topics[i];

        topic->name = request.topics[i].name;
        topic->partitions_count = (int32_t) ((i + topic->name.size) % 7);
        topic->error_code = i % 5 == 4 ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION : 0;
        total += topic->error_code == 0 ? (size_t) topic->partitions_count : 0;
        response.topics_count++;
    }
    demand(ks_leader_count(leader, &response) == (total > 0));
    demand(!ks_leader_count(leader, &response));
    return total;
}

static bool
is_subscribed(const struct ks_leader *leader, uint32_t member, struct kafscale_slice topic)
{
    for (size_t i = 0; i < leader->topic_count; i++) {
        for (size_t j = 0; j < leader->topics[i].subscriber_count; j++) {
            if (ks_slice_equals(leader->topics[i].name, topic) &&
                leader->topics[i].subscribers[j] == member) {
                return true;
            }
        }
    }
    return false;
}

/* How many partitions a member was given. */
static size_t
check_given(const struct ks_leader *leader, uint32_t member,
            const struct kafka_sync_group_request_assignment *given, struct ks_arena *arena)
{
    struct ks_assigned_topic *topics;
    size_t total = 0;
    size_t count;

    demand(ks_slice_equals(given->member_id, leader->members[member]));
    demand(ks_assignment_decode(given->assignment, arena, &topics, &count) == KAFSCALE_OK);
    for (size_t i = 0; i < count; i++) {
        demand(is_subscribed(leader, member, topics[i].name));
        total += topics[i].partition_count;
        for (size_t j = 1; j < topics[i].partition_count; j++) {
            demand(topics[i].partitions[j] > topics[i].partitions[j - 1]);
        }
    }
    return total;
}

static void
lead(struct kafscale_slice bytes, bool is_range)
{
    static const char *const ids[MEMBERS_MAX] = { "c", "a", "b", "p", "d", "n", "e", "m",
                                                  "f", "g", "o", "h", "l", "i", "k", "j" };
    struct kafka_join_group_response_member members[MEMBERS_MAX] = { 0 };
    struct kafka_join_group_response response = { .members = members };
    struct kafka_sync_group_request request = { 0 };
    struct ks_leader leader = { 0 };
    struct ks_arena arena;
    size_t given = 0;
    size_t total;

    while (bytes.size > 0 && response.members_count < MEMBERS_MAX) {
        size_t size = bytes.data[0] < bytes.size ? bytes.data[0] : bytes.size - 1;

        members[response.members_count].member_id = ks_slice_of_text(ids[response.members_count]);
        members[response.members_count++].metadata = ks_slice(bytes.data + 1, size);
        bytes = ks_slice(bytes.data + 1 + size, bytes.size - 1 - size);
    }
    if (response.members_count == 0) {
        return;
    }
    ks_arena_init(&arena, ARENA_BYTES_MAX);
    demand(ks_leader_collect(&leader, &arena, &response));
    demand(leader.member_count == (size_t) response.members_count);
    total = count_partitions(&leader, &arena);
    demand(ks_leader_share(&leader, is_range, &arena, &request));
    demand(request.assignments_count == response.members_count);
    for (size_t i = 0; i < leader.member_count; i++) {
        given += check_given(&leader, (uint32_t) i, &request.assignments[i], &arena);
    }
    demand(given == total);
    ks_arena_deinit(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || (data[0] & ~KNOWN_CHOICES) != 0) {
        return -1;
    }
    if ((data[0] & IS_GROUP) != 0) {
        lead(ks_slice(data + 1, size - 1), (data[0] & IS_RANGE) != 0);
    } else {
        read_assignment(ks_slice(data + 1, size - 1));
    }
    return 0;
}
