/* SPDX-License-Identifier: Apache-2.0 */
/* What the members of a group tell each other, and who is given what. */
#include "client/assignor.h"
#include "client/subscription.h"
#include "support/main.h"

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

enum { NOBODY = -1 };

struct world {
    struct kafscale_slice all[2];
    struct ks_assign_member members[3];
    struct ks_assign_topic topics[3];
    size_t owners[16];
};

/* a and c read "one" and "two", b reads "two"; nobody reads "three". */
static void
world_init(struct world *world)
{
    *world = (struct world){ .all = { text("one"), text("two") } };
    world->members[0] =
        (struct ks_assign_member){ .id = text("c"), .topics = world->all, .topic_count = 2 };
    world->members[1] =
        (struct ks_assign_member){ .id = text("a"), .topics = world->all, .topic_count = 2 };
    world->members[2] =
        (struct ks_assign_member){ .id = text("b"), .topics = &world->all[1], .topic_count = 1 };
    world->topics[0] = (struct ks_assign_topic){ text("two"), 5 };
    world->topics[1] = (struct ks_assign_topic){ text("three"), 2 };
    world->topics[2] = (struct ks_assign_topic){ text("one"), 3 };
    ks_assign_sort(world->members, 3, world->topics, 3);
}

static void
expect(const struct world *world, const int *owners, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(world->owners[i],
                          owners[i] == NOBODY ? KS_ASSIGN_NOBODY : (size_t) owners[i]);
    }
}

START_TEST(range_gives_neighbours_and_the_rest_to_the_first)
{
    /* one 0-2, three 0-1, two 0-4 */
    static const int owners[] = { 0, 0, 2, NOBODY, NOBODY, 0, 0, 1, 1, 2 };
    struct world world;

    world_init(&world);
    ck_assert(ks_slice_equals(world.members[0].id, text("a")));
    ck_assert(ks_slice_equals(world.topics[0].name, text("one")));
    ks_assign_range(world.members, 3, world.topics, 3, world.owners);
    expect(&world, owners, 10);
}
END_TEST

START_TEST(round_robin_goes_on_from_topic_to_topic)
{
    static const int owners[] = { 0, 2, 0, NOBODY, NOBODY, 1, 2, 0, 1, 2 };
    struct world world;

    world_init(&world);
    ks_assign_round_robin(world.members, 3, world.topics, 3, world.owners);
    expect(&world, owners, 10);
}
END_TEST

START_TEST(nobody_is_given_anything_by_an_empty_group)
{
    static const int owners[] = { NOBODY, NOBODY, NOBODY };
    struct world world;

    world_init(&world);
    ks_assign_range(NULL, 0, world.topics, 1, world.owners);
    expect(&world, owners, 3);
    ks_assign_round_robin(NULL, 0, world.topics, 1, world.owners);
    expect(&world, owners, 3);
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
    tcase_add_test(tests, nobody_is_given_anything_by_an_empty_group);
    suite_add_tcase(suite, tests);
    return suite;
}
