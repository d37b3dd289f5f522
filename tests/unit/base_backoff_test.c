/* SPDX-License-Identifier: Apache-2.0 */
/* Waits grow and stay within their limits, however often something has failed. */
#include "support/main.h"

#include "base/base.h"
#include "support/virtual_env.h"

START_TEST(a_wait_doubles_up_to_its_limit)
{
    ck_assert_int_eq(ks_backoff_ms(50, 5000, 0), 50);
    ck_assert_int_eq(ks_backoff_ms(50, 5000, 1), 100);
    ck_assert_int_eq(ks_backoff_ms(50, 5000, 6), 3200);
    ck_assert_int_eq(ks_backoff_ms(50, 5000, 7), 5000);
    ck_assert_int_eq(ks_backoff_ms(50, 5000, UINT32_MAX), 5000);
    ck_assert_int_eq(ks_backoff_ms(50, 20, 0), 20);
}
END_TEST

START_TEST(no_limit_is_too_high_to_be_reached)
{
    ck_assert_int_eq(ks_backoff_ms(1, INT64_MAX, 62), INT64_C(1) << 62);
    ck_assert_int_eq(ks_backoff_ms(1, INT64_MAX, 63), INT64_MAX);
    ck_assert_int_eq(ks_backoff_ms(3, INT64_MAX, UINT32_MAX), INT64_MAX);
}
END_TEST

START_TEST(a_random_wait_is_between_half_and_whole)
{
    struct virtual_env v;
    int64_t least_ms = INT64_MAX;
    int64_t most_ms = 0;

    virtual_env_init(&v, 1);
    for (int i = 0; i < 10000; i++) {
        int64_t wait_ms = ks_backoff_random_ms(&v.env, 50, 5000, 1);

        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
        most_ms = wait_ms > most_ms ? wait_ms : most_ms;
    }
    ck_assert_int_eq(least_ms, 50);
    ck_assert_int_eq(most_ms, 100);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base backoff");
    TCase *cases = tcase_create("backoff");

    tcase_add_test(cases, a_wait_doubles_up_to_its_limit);
    tcase_add_test(cases, no_limit_is_too_high_to_be_reached);
    tcase_add_test(cases, a_random_wait_is_between_half_and_whole);
    suite_add_tcase(suite, cases);
    return suite;
}
