/* SPDX-License-Identifier: Apache-2.0 */
/* From what presses on a broker to the time for which its clients hold back. */
#include "broker/throttle.h"

#include "support/main.h"

#define MOST_MS 1000

static struct ks_pressure pressure;

static void
set_up(void)
{
    pressure = (struct ks_pressure){ .throttle_ms_max = MOST_MS, .cold_places = 16 };
}

static void
expect_none(void)
{
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 0);
    ck_assert_int_eq(ks_throttle_cold_ms(&pressure), 0);
}

START_TEST(a_broker_that_is_well_asks_nobody_to_wait)
{
    expect_none();
    pressure.behind_ms = 400; /* an ordinary slow request */
    pressure.memory_percent = 75;
    pressure.cold_waiting = 63;
    expect_none();
}
END_TEST

START_TEST(producers_wait_for_as_long_as_the_store_is_behind)
{
    pressure.behind_ms = 1001;
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 1);
    pressure.behind_ms = 1600;
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 600);
    pressure.behind_ms = 120000;
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), MOST_MS);
    ck_assert_int_eq(ks_throttle_cold_ms(&pressure), 0);
}
END_TEST

/* Whatever the operator allows: their heartbeats come on the same connection. */
START_TEST(who_commits_offsets_waits_as_producers_do_but_not_longer_than_heartbeats_can)
{
    pressure.behind_ms = 1600;
    ck_assert_int_eq(ks_throttle_commit_ms(&pressure), 600);
    pressure.behind_ms = 120000;
    pressure.throttle_ms_max = 30000;
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 30000);
    ck_assert_int_eq(ks_throttle_commit_ms(&pressure), 1000);
    pressure.throttle_ms_max = 0;
    ck_assert_int_eq(ks_throttle_commit_ms(&pressure), 0);
}
END_TEST

START_TEST(a_store_that_asks_for_less_is_heard_at_once)
{
    pressure.is_slowed = true;
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 100);
    ck_assert_int_eq(ks_throttle_cold_ms(&pressure), 100);
    pressure.behind_ms = 700;
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 700);
}
END_TEST

START_TEST(the_wait_grows_as_memory_fills)
{
    int32_t before_ms = 0;

    for (unsigned percent = 76; percent <= 100; percent++) {
        pressure.memory_percent = percent;
        ck_assert_int_gt(ks_throttle_produce_ms(&pressure), before_ms);
        before_ms = ks_throttle_produce_ms(&pressure);
    }
    ck_assert_int_eq(before_ms, MOST_MS);
    ck_assert_int_eq(ks_throttle_starved_ms(&pressure), MOST_MS);
}
END_TEST

START_TEST(a_reader_that_got_nothing_for_want_of_memory_waits)
{
    ck_assert_int_eq(ks_throttle_starved_ms(&pressure), 100);
}
END_TEST

START_TEST(readers_of_old_records_wait_when_their_line_is_long)
{
    pressure.cold_waiting = 64;
    ck_assert_int_eq(ks_throttle_cold_ms(&pressure), 100);
    pressure.cold_waiting = 160;
    ck_assert_int_eq(ks_throttle_cold_ms(&pressure), 250);
    pressure.cold_waiting = 1000000;
    ck_assert_int_eq(ks_throttle_cold_ms(&pressure), MOST_MS);
    ck_assert_int_eq(ks_throttle_produce_ms(&pressure), 0);
}
END_TEST

START_TEST(nothing_is_asked_for_where_that_is_switched_off)
{
    pressure = (struct ks_pressure){ .behind_ms = 120000,
                                     .is_slowed = true,
                                     .memory_percent = 100,
                                     .cold_waiting = 1000,
                                     .cold_places = 1 };
    expect_none();
    ck_assert_int_eq(ks_throttle_starved_ms(&pressure), 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("broker throttle");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_broker_that_is_well_asks_nobody_to_wait);
    tcase_add_test(tests, producers_wait_for_as_long_as_the_store_is_behind);
    tcase_add_test(tests,
                   who_commits_offsets_waits_as_producers_do_but_not_longer_than_heartbeats_can);
    tcase_add_test(tests, a_store_that_asks_for_less_is_heard_at_once);
    tcase_add_test(tests, the_wait_grows_as_memory_fills);
    tcase_add_test(tests, a_reader_that_got_nothing_for_want_of_memory_waits);
    tcase_add_test(tests, readers_of_old_records_wait_when_their_line_is_long);
    tcase_add_test(tests, nothing_is_asked_for_where_that_is_switched_off);
    suite_add_tcase(suite, tests);
    return suite;
}
