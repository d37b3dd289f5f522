/* SPDX-License-Identifier: Apache-2.0 */
/* What a store counts as, by what it has done in the last while. */
#include "store/store.h"
#include "support/main.h"

#define MINUTE_MS 60000
#define SLOT_MS (MINUTE_MS / KS_WINDOW_SLOTS)

static struct ks_store_health health;
static int64_t now_ms;

static void
set_up(void)
{
    now_ms = 1000000;
    ks_store_health_init(&health, &ks_health_defaults, now_ms);
}

static void
note(int count, int64_t took_ms, bool has_failed)
{
    for (int i = 0; i < count; i++) {
        ks_store_health_note(&health, now_ms, took_ms, has_failed);
    }
}

static struct ks_health_reading
reading(void)
{
    struct ks_health_reading reading;

    ks_store_health_read(&health, now_ms, &reading);
    return reading;
}

START_TEST(a_store_that_was_asked_nothing_is_healthy)
{
    struct ks_health_reading now = reading();

    ck_assert_int_eq(now.state, KS_STORE_HEALTHY);
    ck_assert_double_eq(now.latency_ms, 0);
    ck_assert_double_eq(now.error_rate, 0);
}
END_TEST

START_TEST(few_failures_tell_nothing)
{
    note(KS_HEALTH_SAMPLES_MIN - 1, 10, true);
    ck_assert_int_eq(reading().state, KS_STORE_HEALTHY);
    ck_assert_double_eq(reading().error_rate, 1);
    note(1, 10, true);
    ck_assert_int_eq(reading().state, KS_STORE_UNAVAILABLE);
}
END_TEST

START_TEST(a_share_of_failures_degrades_it)
{
    note(81, 10, false);
    note(19, 10, true);
    ck_assert_int_eq(reading().state, KS_STORE_HEALTHY);
    note(2, 10, true);
    ck_assert_int_eq(reading().state, KS_STORE_DEGRADED);
    ck_assert_double_eq_tol(reading().error_rate, 21.0 / 102, 1e-9);
}
END_TEST

START_TEST(slowness_degrades_it_but_who_answers_is_available)
{
    note(10, 499, false);
    ck_assert_int_eq(reading().state, KS_STORE_HEALTHY);
    note(10, 502, false);
    ck_assert_int_eq(reading().state, KS_STORE_DEGRADED);
    note(100, 10000, false);
    ck_assert_int_eq(reading().state, KS_STORE_DEGRADED);
    note(1, 10000, true);
    ck_assert_int_eq(reading().state, KS_STORE_UNAVAILABLE);
}
END_TEST

START_TEST(one_success_ends_an_outage)
{
    note(100, 10, true);
    now_ms += 5000;
    ck_assert_int_eq(reading().state, KS_STORE_UNAVAILABLE);
    note(1, 10, false);
    ck_assert_int_eq(reading().state, KS_STORE_DEGRADED);
}
END_TEST

START_TEST(what_is_older_than_the_window_is_forgotten)
{
    note(100, 10, true);
    now_ms += MINUTE_MS;
    ck_assert_int_eq(reading().state, KS_STORE_UNAVAILABLE);
    now_ms += SLOT_MS;
    ck_assert_int_eq(reading().state, KS_STORE_HEALTHY);
    note(5, 10, false);
    ck_assert_double_eq(reading().error_rate, 0);
}
END_TEST

START_TEST(a_state_is_as_old_as_its_beginning)
{
    now_ms += 7000;
    ck_assert_int_eq(reading().state_ms, 7000);
    note(5, 10, true);
    now_ms += 2000;
    ck_assert_int_eq(reading().state_ms, 2000);
    note(1, 10, true);
    ck_assert_int_eq(reading().state_ms, 2000);
}
END_TEST

START_TEST(a_window_holds_what_came_in_it)
{
    static const int64_t lengths_ms[] = { 1000, MINUTE_MS, INT64_C(86400000) };
    int64_t length_ms = lengths_ms[_i];
    int64_t step_ms = length_ms / 10 + 1;
    struct ks_window window;
    int64_t sums[KS_WINDOW_VALUES];

    ks_window_init(&window, length_ms);
    for (int i = 0; i < 1000; i++) {
        const int64_t values[KS_WINDOW_VALUES] = { 1, i, -i };

        ks_window_add(&window, i * step_ms, values);
        ks_window_sum(&window, i * step_ms, sums);
        ck_assert_int_ge(sums[0], i < 10 ? i + 1 : length_ms / step_ms);
        ck_assert_int_le(sums[0] - 1, (length_ms + 2 * window.slot_ms) / step_ms);
        ck_assert_int_eq(sums[1], -sums[2]);
    }
    ks_window_sum(&window, INT64_MAX, sums);
    ck_assert_int_eq(sums[0], 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("store health");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_store_that_was_asked_nothing_is_healthy);
    tcase_add_test(tests, few_failures_tell_nothing);
    tcase_add_test(tests, a_share_of_failures_degrades_it);
    tcase_add_test(tests, slowness_degrades_it_but_who_answers_is_available);
    tcase_add_test(tests, one_success_ends_an_outage);
    tcase_add_test(tests, what_is_older_than_the_window_is_forgotten);
    tcase_add_test(tests, a_state_is_as_old_as_its_beginning);
    tcase_add_loop_test(tests, a_window_holds_what_came_in_it, 0, 3);
    suite_add_tcase(suite, tests);
    return suite;
}
