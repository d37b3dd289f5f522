/* SPDX-License-Identifier: Apache-2.0 */
/* What the members of a group tell each other, and who is given what. */
#include "client/leader.h"
#include "support/main.h"

#include <stdio.h>
#include <string.h>

#define MANY ((size_t) 1 << 20)

/* As Kafka's Java client writes it: version 0, two topics, no user data. */
static const uint8_t subscription[] = "\0\0\0\0\0\2\0\1a\0\2bc\xff\xff\xff\xff";

/* Version 1 of librdkafka: a topic with partitions 0 and 5, user data of two bytes. */
static const uint8_t assignment[] = "\0\1\0\0\0\1\0\1t\0\0\0\2\0\0\0\0\0\0\0\5\0\0\0\2xy";

static struct kafscale_slice
text(const char *bytes)
{
    return ks_slice_of_text(bytes);
}

START_TEST(subscriptions_are_kafkas)
{
    struct kafscale_slice topics[] = { text("a"), text("bc") };
    struct kafscale_slice *found;
    struct ks_buffer buffer;
    struct ks_arena arena;
    size_t count;

    ks_arena_init(&arena, MANY);
    ks_buffer_init(&buffer, MANY);
    ks_subscription_encode(&buffer, topics, 2);
    ck_assert_uint_eq(ks_buffer_slice(&buffer).size, sizeof subscription - 1);
    ck_assert_mem_eq(ks_buffer_slice(&buffer).data, subscription, sizeof subscription - 1);
    ck_assert_int_eq(ks_subscription_decode(ks_buffer_slice(&buffer), &arena, &found, &count),
                     KAFSCALE_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(ks_slice_equals(found[0], topics[0]));
    ck_assert(ks_slice_equals(found[1], topics[1]));
    ks_buffer_deinit(&buffer);
    ks_arena_deinit(&arena);
}
END_TEST

START_TEST(assignments_are_kafkas)
{
    struct kafscale_slice bytes = ks_slice(assignment, sizeof assignment - 1);
    struct ks_assigned_topic *found;
    struct ks_assigned_topic *again;
    struct ks_buffer buffer;
    struct ks_arena arena;
    size_t count;

    ks_arena_init(&arena, MANY);
    ck_assert_int_eq(ks_assignment_decode(bytes, &arena, &found, &count), KAFSCALE_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert(ks_slice_equals(found->name, text("t")));
    ck_assert_uint_eq(found->partition_count, 2);
    ck_assert_int_eq(found->partitions[0], 0);
    ck_assert_int_eq(found->partitions[1], 5);
    ks_buffer_init(&buffer, MANY);
    ks_assignment_encode(&buffer, found, 1);
    ck_assert_int_eq(ks_assignment_decode(ks_buffer_slice(&buffer), &arena, &again, &count),
                     KAFSCALE_OK);
    ck_assert_uint_eq(again->partition_count, 2);
    ck_assert_int_eq(again->partitions[1], 5);
    ks_buffer_deinit(&buffer);
    ck_assert_int_eq(ks_assignment_decode(ks_slice(NULL, 0), &arena, &found, &count), KAFSCALE_OK);
    ck_assert_uint_eq(count, 0);
    ks_arena_deinit(&arena);
}
END_TEST

/* Every beginning of them, and counts and lengths beyond the end. */
START_TEST(what_is_cut_or_lies_is_refused)
{
    struct ks_assigned_topic *topics;
    struct kafscale_slice *names;
    uint8_t bytes[64];
    struct ks_arena arena;
    size_t count;

    ks_arena_init(&arena, MANY);
    for (size_t i = 0; i < sizeof subscription - 1 - 4; i++) {
        ck_assert_int_eq(ks_subscription_decode(ks_slice(subscription, i), &arena, &names, &count),
                         KAFSCALE_CORRUPT);
        ck_assert_uint_eq(count, 0);
    }
    for (size_t i = 1; i < sizeof assignment - 1 - 6; i++) {
        ck_assert_int_eq(ks_assignment_decode(ks_slice(assignment, i), &arena, &topics, &count),
                         KAFSCALE_CORRUPT);
        ck_assert_uint_eq(count, 0);
    }
    for (size_t i = 0; i < sizeof assignment - 1; i++) {
        memcpy(bytes, assignment, sizeof assignment - 1);
        bytes[i] ^= 0x80;
        if (ks_assignment_decode(ks_slice(bytes, sizeof assignment - 1), &arena, &topics, &count) ==
            KAFSCALE_OK) {
            ck_assert_uint_le(count, 1);
        }
    }
    ks_arena_deinit(&arena);
}
END_TEST

/* --- Shares ----------------------------------------------------------------------------------- */

/* a and c read "one" and "two", b reads "two"; nobody reads what isn't there. */
static const uint32_t a_and_c[] = { 0, 2 };
static const uint32_t all[] = { 0, 1, 2 };

static void
expect(void (*assign)(const struct ks_assign_topic *topics, size_t count, uint32_t *owners),
       const uint32_t *expected)
{
    struct ks_assign_topic topics[] = {
        { .subscribers = a_and_c, .subscriber_count = 2, .partition_count = 3 },
        { .subscribers = all, .subscriber_count = 3, .partition_count = 0 },
        { .subscribers = all, .subscriber_count = 3, .partition_count = 5 },
    };
    uint32_t owners[9] = { [8] = 77 };

    assign(topics, 3, owners);
    ck_assert_mem_eq(owners, expected, 8 * sizeof *owners);
    ck_assert_uint_eq(owners[8], 77);
}

START_TEST(range_gives_neighbours_and_the_rest_to_the_first)
{
    expect(ks_assign_range, (const uint32_t[]){ 0, 0, 2, 0, 0, 1, 1, 2 });
}
END_TEST

START_TEST(round_robin_goes_on_from_topic_to_topic)
{
    expect(ks_assign_round_robin, (const uint32_t[]){ 0, 2, 0, 1, 2, 0, 1, 2 });
}
END_TEST

/* --- The leader ------------------------------------------------------------------------------- */

/* What a hostile member sends, of so many names, of which none is like another. */
static struct kafscale_slice
subscription_of(struct ks_arena *arena, size_t count)
{
    struct kafscale_slice *topics = ks_arena_alloc_array(arena, count, sizeof *topics);
    struct ks_buffer buffer;
    struct kafscale_slice bytes;

    for (size_t i = 0; i < count; i++) {
        char name[16];

        snprintf(name, sizeof name, "%zu", i);
        topics[i] = ks_arena_copy_slice(arena, text(name));
    }
    ks_buffer_init(&buffer, MANY << 4);
    ks_subscription_encode(&buffer, topics, count);
    bytes = ks_arena_copy_slice(arena, ks_buffer_slice(&buffer));
    ks_buffer_deinit(&buffer);
    return bytes;
}

START_TEST(who_subscribes_to_too_much_is_given_nothing)
{
    struct kafka_join_group_response_member members[2] = { { .member_id = text("greedy") },
                                                           { .member_id = text("modest") } };
    struct kafka_join_group_response response = { .members = members, .members_count = 2 };
    struct kafka_metadata_request asked;
    struct kafka_sync_group_request given = { 0 };
    struct ks_leader leader = { 0 };
    struct ks_assigned_topic *topics;
    struct ks_arena arena;
    size_t count;

    ks_arena_init(&arena, MANY << 6);
    members[0].metadata = subscription_of(&arena, KS_LEADER_SUBSCRIPTIONS_MAX);
    members[1].metadata = ks_slice(subscription, sizeof subscription - 1);
    ck_assert(ks_leader_collect(&leader, &arena, &response));
    ck_assert_uint_eq(leader.topic_count, KS_LEADER_SUBSCRIPTIONS_MAX);
    members[0].metadata = subscription_of(&arena, KS_LEADER_SUBSCRIPTIONS_MAX + 1);
    leader = (struct ks_leader){ 0 };
    ck_assert(ks_leader_collect(&leader, &arena, &response));
    ck_assert_uint_eq(leader.topic_count, 2);
    ck_assert(ks_leader_ask(&leader, &arena, &asked));
    ck_assert_int_eq(asked.topics_count, 2);
    leader.topics[1].partition_count = 3;
    ck_assert(ks_leader_share(&leader, true, &arena, &given));
    ck_assert_int_eq(ks_assignment_decode(given.assignments[0].assignment, &arena, &topics, &count),
                     KAFSCALE_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(ks_assignment_decode(given.assignments[1].assignment, &arena, &topics, &count),
                     KAFSCALE_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(topics->partition_count, 3);
    ks_arena_deinit(&arena);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("client group");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, subscriptions_are_kafkas);
    tcase_add_test(tests, assignments_are_kafkas);
    tcase_add_test(tests, what_is_cut_or_lies_is_refused);
    tcase_add_test(tests, range_gives_neighbours_and_the_rest_to_the_first);
    tcase_add_test(tests, round_robin_goes_on_from_topic_to_topic);
    tcase_add_test(tests, who_subscribes_to_too_much_is_given_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
