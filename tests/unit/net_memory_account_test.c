/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets memory, in which order, and who has to wait. */
#include "net/memory_account.h"
#include "support/main.h"

#define KIB ((size_t) 1024)
#define MIB (1024 * KIB)
#define LARGE (100 * KIB)
#define SMALL KS_MEMORY_SMALL_BYTES_MAX

struct fixture {
    struct ks_memory_account account;
    char granted[32]; /* letters in the order of late grants */
    size_t granted_count;
};

struct asker {
    struct fixture *f;
    char letter;
    struct ks_reservation reservation;
};

static void
on_granted(void *arg)
{
    struct asker *asker = arg;

    asker->f->granted[asker->f->granted_count++] = asker->letter;
}

static void
fixture_init(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    ks_memory_account_init(&f->account, 2 * LARGE, 2 * SMALL);
}

static bool
ask(struct fixture *f, struct asker *asker, char letter, size_t bytes)
{
    *asker = (struct asker){ .f = f, .letter = letter };
    asker->reservation.on_granted = on_granted;
    asker->reservation.arg = asker;
    return ks_memory_account_reserve(&f->account, &asker->reservation, bytes);
}

static void
release(struct fixture *f, struct asker *asker)
{
    ks_memory_account_release(&f->account, &asker->reservation);
}

static void
expect_empty(const struct fixture *f)
{
    ck_assert_uint_eq(f->account.bytes, 0);
    ck_assert_uint_eq(f->account.reserve_bytes, 0);
}

START_TEST(full_account_serves_first_come_first)
{
    struct fixture f;
    struct asker a, b, c, d;

    fixture_init(&f);
    ck_assert(ask(&f, &a, 'a', LARGE));
    ck_assert(!ask(&f, &b, 'b', 2 * LARGE));
    ck_assert(!ask(&f, &c, 'c', LARGE)); /* would fit, but b came first */
    ck_assert(!ask(&f, &d, 'd', LARGE));
    release(&f, &a);
    ck_assert_str_eq(f.granted, "b");
    release(&f, &b);
    ck_assert_str_eq(f.granted, "bcd");
    release(&f, &c);
    release(&f, &d);
    expect_empty(&f);
}
END_TEST

START_TEST(reserve_serves_small_ones_when_the_account_is_full)
{
    struct fixture f;
    struct asker a, b, c, d, e;

    fixture_init(&f);
    ck_assert(ask(&f, &a, 'a', 2 * LARGE));
    ck_assert(ask(&f, &b, 'b', SMALL));
    ck_assert(ask(&f, &c, 'c', SMALL));
    ck_assert(!ask(&f, &d, 'd', SMALL)); /* the reserve is used up too */
    ck_assert(!ask(&f, &e, 'e', SMALL + 1));
    release(&f, &b);
    ck_assert_str_eq(f.granted, "d");
    release(&f, &a);
    ck_assert_str_eq(f.granted, "de");
    release(&f, &c);
    release(&f, &d);
    release(&f, &e);
    expect_empty(&f);
}
END_TEST

/* A stream of small requests must not keep a large one waiting for ever. */
START_TEST(small_ones_leave_the_account_to_a_waiting_large_one)
{
    struct fixture f;
    struct asker a, b, small;

    fixture_init(&f);
    ck_assert(ask(&f, &a, 'a', LARGE));
    ck_assert(!ask(&f, &b, 'b', 2 * LARGE));
    ck_assert(ask(&f, &small, 's', SMALL));
    ck_assert_int_eq(small.reservation.state, KS_RESERVATION_RESERVE);
    release(&f, &a);
    ck_assert_str_eq(f.granted, "b");
    release(&f, &small);
    release(&f, &b);
    expect_empty(&f);
}
END_TEST

START_TEST(who_gives_up_lets_the_next_one_in)
{
    struct fixture f;
    struct asker a, b, c;

    fixture_init(&f);
    ck_assert(ask(&f, &a, 'a', LARGE));
    ck_assert(!ask(&f, &b, 'b', 2 * LARGE));
    ck_assert(!ask(&f, &c, 'c', LARGE));
    release(&f, &b);
    ck_assert_str_eq(f.granted, "c");
    release(&f, &b);
    release(&f, &a);
    release(&f, &c);
    expect_empty(&f);
}
END_TEST

START_TEST(charges_go_past_the_limit_and_make_others_wait)
{
    struct fixture f;
    struct asker a;

    fixture_init(&f);
    ks_memory_account_charge(&f.account, 3 * LARGE);
    ck_assert(!ask(&f, &a, 'a', LARGE));
    ks_memory_account_discharge(&f.account, LARGE);
    ck_assert_uint_eq(f.granted_count, 0);
    ks_memory_account_discharge(&f.account, LARGE);
    ck_assert_str_eq(f.granted, "a");
    ks_memory_account_discharge(&f.account, LARGE);
    release(&f, &a);
    expect_empty(&f);
}
END_TEST

START_TEST(granted_reservation_may_move)
{
    struct fixture f;
    struct asker a;
    struct ks_reservation moved;

    fixture_init(&f);
    ck_assert(ask(&f, &a, 'a', LARGE));
    moved = a.reservation;
    ks_memory_account_release(&f.account, &moved);
    expect_empty(&f);
}
END_TEST

/* A few frames of the largest size, never finished, must not stop ordinary producers. */
START_TEST(huge_ones_leave_half_of_the_account_to_others)
{
    struct fixture f;
    struct asker huge[3], a, b, small;

    f = (struct fixture){ 0 };
    ks_memory_account_init(&f.account, 100 * MIB, 2 * SMALL);
    ck_assert(ask(&f, &huge[0], 'x', 30 * MIB));
    ck_assert(!ask(&f, &huge[1], 'y', 30 * MIB));
    ck_assert(!ask(&f, &huge[2], 'z', 10 * MIB));
    ck_assert(ask(&f, &a, 'a', MIB));
    ck_assert(ks_memory_account_is_contended(&f.account));
    ks_memory_account_charge(&f.account, 49 * MIB);
    ck_assert(!ask(&f, &b, 'b', MIB)); /* the others' half is full */
    ck_assert(ask(&f, &small, 's', SMALL));
    release(&f, &huge[0]);
    ck_assert_str_eq(f.granted, "yz");
    ks_memory_account_discharge(&f.account, 49 * MIB);
    ck_assert_str_eq(f.granted, "yzb");
    release(&f, &huge[1]);
    release(&f, &huge[2]);
    release(&f, &a);
    release(&f, &b);
    release(&f, &small);
    expect_empty(&f);
    ck_assert_uint_eq(f.account.huge_bytes, 0);
}
END_TEST

START_TEST(frame_larger_than_half_of_the_account_is_served_in_the_end)
{
    struct fixture f;
    struct asker a, huge, late;

    f = (struct fixture){ 0 };
    ks_memory_account_init(&f.account, 100 * MIB, 2 * SMALL);
    ks_memory_account_charge(&f.account, 9 * MIB);
    ck_assert(ask(&f, &a, 'a', MIB));
    ck_assert(!ask(&f, &huge, 'h', 95 * MIB));
    ck_assert(!ask(&f, &late, 'l', MIB)); /* or a stream of them would keep the huge one waiting */
    ks_memory_account_discharge(&f.account, 9 * MIB);
    release(&f, &a);
    ck_assert_str_eq(f.granted, "lh");
    release(&f, &huge);
    release(&f, &late);
    expect_empty(&f);
}
END_TEST

START_TEST(claims_share_what_is_left_and_small_ones_have_the_reserve)
{
    struct fixture f;
    struct ks_memory_claim a = { 0 }, b = { 0 }, c = { 0 };

    f = (struct fixture){ 0 };
    ks_memory_account_init(&f.account, 100 * MIB, 2 * SMALL);
    ck_assert_uint_eq(ks_memory_account_claim(&f.account, &a, 1, 50 * MIB), 25 * MIB);
    ck_assert_uint_eq(ks_memory_account_claim(&f.account, &b, 2 * MIB, 2 * MIB), 2 * MIB);
    ks_memory_account_release_claim(&f.account, &b);
    ks_memory_account_charge(&f.account, 75 * MIB);
    ck_assert_uint_eq(ks_memory_account_claim(&f.account, &b, SMALL + 1, 2 * MIB), 0);
    ck_assert_uint_eq(ks_memory_account_claim(&f.account, &b, 1, 2 * MIB), SMALL);
    ck_assert_uint_eq(ks_memory_account_claim(&f.account, &c, SMALL, SMALL), SMALL);
    ks_memory_account_release_claim(&f.account, &b);
    ks_memory_account_release_claim(&f.account, &c);
    ks_memory_account_release_claim(&f.account, &c);
    ks_memory_account_release_claim(&f.account, &a);
    ks_memory_account_discharge(&f.account, 75 * MIB);
    expect_empty(&f);
}
END_TEST

/* Who waits for all of it waits for all that there is now. */
START_TEST(another_limit_lets_in_who_waits_and_keeps_nobody_waiting_for_ever)
{
    struct fixture f = { 0 };
    struct asker first;
    struct asker second;
    struct asker huge;

    ks_memory_account_init(&f.account, 2 * MIB, 2 * SMALL);
    ck_assert(ask(&f, &first, 'a', 1 * MIB));
    ck_assert(!ask(&f, &huge, 'h', 2 * MIB));
    ck_assert(!ask(&f, &second, 'b', 1 * MIB));
    ks_memory_account_resize(&f.account, 2 * MIB - 100 * KIB);
    ck_assert_str_eq(f.granted, "");
    ck_assert_uint_eq(huge.reservation.bytes, 2 * MIB - 100 * KIB);
    ks_memory_account_resize(&f.account, 5 * MIB);
    ck_assert_str_eq(f.granted, "bh");
    release(&f, &first);
    release(&f, &second);
    release(&f, &huge);
    expect_empty(&f);
    ck_assert(ask(&f, &huge, 'h', 5 * MIB));
    ks_memory_account_resize(&f.account, 2 * MIB);
    ck_assert(!ask(&f, &first, 'a', 1 * MIB));
    release(&f, &huge);
    ck_assert_str_eq(f.granted, "bha");
    release(&f, &first);
    expect_empty(&f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net memory account");
    TCase *cases = tcase_create("account");

    tcase_add_test(cases, full_account_serves_first_come_first);
    tcase_add_test(cases, reserve_serves_small_ones_when_the_account_is_full);
    tcase_add_test(cases, small_ones_leave_the_account_to_a_waiting_large_one);
    tcase_add_test(cases, who_gives_up_lets_the_next_one_in);
    tcase_add_test(cases, charges_go_past_the_limit_and_make_others_wait);
    tcase_add_test(cases, granted_reservation_may_move);
    tcase_add_test(cases, huge_ones_leave_half_of_the_account_to_others);
    tcase_add_test(cases, frame_larger_than_half_of_the_account_is_served_in_the_end);
    tcase_add_test(cases, claims_share_what_is_left_and_small_ones_have_the_reserve);
    tcase_add_test(cases, another_limit_lets_in_who_waits_and_keeps_nobody_waiting_for_ever);
    suite_add_tcase(suite, cases);
    return suite;
}
