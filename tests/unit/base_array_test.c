/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow keep what is in them, and say so when they can't grow. */
#include "support/main.h"

#include "base/base.h"

/* An odd size, so that a slip in units shows. */
struct element {
    uint8_t bytes[13];
};

struct array {
    struct element *elements;
    size_t capacity;
};

static void
fill(struct array *a, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        memset(&a->elements[i], (int) (i % 251), sizeof a->elements[i]);
    }
}

static void
expect_filled(const struct array *a, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(a->elements[i].bytes[0], i % 251);
        ck_assert_uint_eq(a->elements[i].bytes[12], i % 251);
    }
}

START_TEST(what_is_in_an_array_is_there_after_it_has_grown)
{
    struct array a = { 0 };

    for (size_t i = 0; i < 1000; i++) {
        ck_assert(KS_RESERVE(a.elements, a.capacity, i + 1));
        ck_assert_uint_gt(a.capacity, i);
        fill(&a, i, i + 1);
    }
    expect_filled(&a, 1000);
    ks_free(a.elements);
}
END_TEST

START_TEST(elements_added_one_by_one_make_it_grow_a_few_times)
{
    struct array a = { 0 };
    size_t moves = 0;

    for (size_t i = 0; i < 100000; i++) {
        size_t before = a.capacity;

        ck_assert(KS_RESERVE(a.elements, a.capacity, i + 1));
        moves += a.capacity != before;
    }
    ck_assert_uint_le(moves, 17);
    ks_free(a.elements);
}
END_TEST

START_TEST(room_for_many_comes_at_once)
{
    struct array a = { 0 };

    ck_assert(KS_RESERVE(a.elements, a.capacity, 5000));
    ck_assert_uint_eq(a.capacity, 5000);
    fill(&a, 0, 5000);
    ck_assert(KS_RESERVE(a.elements, a.capacity, 3));
    ck_assert_uint_eq(a.capacity, 5000);
    ks_free(a.elements);
}
END_TEST

START_TEST(an_array_that_cannot_grow_stays_as_it_is)
{
    struct array a = { 0 };
    struct element *before;

    ck_assert(KS_RESERVE(a.elements, a.capacity, 4));
    fill(&a, 0, 4);
    before = a.elements;
    ks_alloc_fail_once_after(0);
    ck_assert(!KS_RESERVE(a.elements, a.capacity, 5));
    ck_assert_ptr_eq(a.elements, before);
    ck_assert_uint_eq(a.capacity, 4);
    expect_filled(&a, 4);
    ck_assert(KS_RESERVE(a.elements, a.capacity, 5));
    expect_filled(&a, 4);
    ks_free(a.elements);
}
END_TEST

/* Nothing is allocated: the size of so many would come out small. */
START_TEST(more_than_any_memory_holds_is_refused)
{
    struct array a = { 0 };

    ck_assert(!KS_RESERVE(a.elements, a.capacity, SIZE_MAX));
    ck_assert(!KS_RESERVE(a.elements, a.capacity, SIZE_MAX / sizeof *a.elements + 1));
    ck_assert_ptr_null(a.elements);
    ck_assert_uint_eq(a.capacity, 0);
}
END_TEST

START_TEST(an_array_in_an_arena_grows_with_zeroes)
{
    struct ks_arena arena;
    struct array a = { 0 };

    ks_arena_init(&arena, 4 << 20);
    for (size_t i = 0; i < 1000; i++) {
        ck_assert(KS_ARENA_RESERVE(&arena, a.elements, a.capacity, i + 1));
        ck_assert_uint_eq(a.elements[i].bytes[0], 0);
        ck_assert_uint_eq(a.elements[i].bytes[12], 0);
        fill(&a, i, i + 1);
    }
    expect_filled(&a, 1000);
    ks_arena_deinit(&arena);
}
END_TEST

START_TEST(an_array_in_a_full_arena_stays_as_it_is)
{
    struct ks_arena arena;
    struct array a = { 0 };
    size_t capacity;

    ks_arena_init(&arena, 64 << 10);
    ck_assert(KS_ARENA_RESERVE(&arena, a.elements, a.capacity, 2000));
    fill(&a, 0, 2000);
    capacity = a.capacity;
    ck_assert(!KS_ARENA_RESERVE(&arena, a.elements, a.capacity, capacity * 10));
    ck_assert(!KS_ARENA_RESERVE(&arena, a.elements, a.capacity, SIZE_MAX));
    ck_assert_uint_eq(a.capacity, capacity);
    expect_filled(&a, 2000);
    ks_arena_deinit(&arena);
}
END_TEST

/* Tools have arenas without a cap, and numbers from a bucket. */
START_TEST(an_arena_without_a_cap_has_no_room_for_all_there_is)
{
    struct ks_arena arena;

    ks_arena_init(&arena, SIZE_MAX);
    ck_assert_ptr_null(ks_arena_alloc(&arena, SIZE_MAX - 20));
    ck_assert(ks_arena_failed(&arena));
    ks_arena_deinit(&arena);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base array");
    TCase *tests = tcase_create("array");

    tcase_add_test(tests, what_is_in_an_array_is_there_after_it_has_grown);
    tcase_add_test(tests, elements_added_one_by_one_make_it_grow_a_few_times);
    tcase_add_test(tests, room_for_many_comes_at_once);
    tcase_add_test(tests, an_array_that_cannot_grow_stays_as_it_is);
    tcase_add_test(tests, more_than_any_memory_holds_is_refused);
    tcase_add_test(tests, an_array_in_an_arena_grows_with_zeroes);
    tcase_add_test(tests, an_array_in_a_full_arena_stays_as_it_is);
    tcase_add_test(tests, an_arena_without_a_cap_has_no_room_for_all_there_is);
    suite_add_tcase(suite, tests);
    return suite;
}
