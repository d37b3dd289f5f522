/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions: what is not text becomes printable, and long things are cut. */
#include "base/base.h"
#include "support/main.h"

#include <stdio.h>

static char seen[4096];

static void
see(void *arg, const char *name, const char *value)
{
    (void) arg;
    snprintf(seen, sizeof seen, "%s=%s", name, value);
}

static void
see_number(void *arg, const char *name, int64_t value)
{
    (void) arg;
    snprintf(seen, sizeof seen, "%s=%lld", name, (long long) value);
}

static const struct kafscale_describe describe = { .text = see, .number = see_number };

static void
expect_time(int64_t time_ms, const char *text)
{
    char expected[64];

    snprintf(expected, sizeof expected, "t=%s", text);
    ks_describe_time(&describe, "t", time_ms);
    ck_assert_str_eq(seen, expected);
}

START_TEST(times_are_those_of_the_calendar)
{
    expect_time(0, "1970-01-01T00:00:00.000Z");
    expect_time(951782399999, "2000-02-28T23:59:59.999Z");
    expect_time(951782400000, "2000-02-29T00:00:00.000Z");
    expect_time(1735689599123, "2024-12-31T23:59:59.123Z");
    expect_time(4107542400000, "2100-03-01T00:00:00.000Z");
    expect_time(253402300799999, "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(numbers_that_are_no_time_stay_numbers)
{
    expect_time(-1, "-1");
    expect_time(253402300800000, "253402300800000");
    expect_time(INT64_MAX, "9223372036854775807");
}
END_TEST

START_TEST(bytes_that_speak_to_terminals_become_printable)
{
    ks_describe_bytes_as_text(&describe, "v", ks_slice("a\x1b[2J\\\xff\n", 8));
    ck_assert_str_eq(seen, "v=a\\x1b[2J\\x5c\\xff\\x0a");
}
END_TEST

START_TEST(what_is_long_is_cut)
{
    uint8_t bytes[5000] = { 0 };

    ks_describe_bytes_as_text(&describe, "v", ks_slice(bytes, sizeof bytes));
    ck_assert_uint_lt(strlen(seen), 1100);
    ck_assert_str_eq(seen + strlen(seen) - 3, "...");
    ks_describe_hex(&describe, "v", ks_slice(bytes, 65));
    ck_assert_uint_eq(strlen(seen), 2 + 128 + 3);
    ks_describe_hex(&describe, "v", ks_slice("\xab\x01", 2));
    ck_assert_str_eq(seen, "v=ab01");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base describe");
    TCase *tcase = tcase_create("describe");

    tcase_add_test(tcase, times_are_those_of_the_calendar);
    tcase_add_test(tcase, numbers_that_are_no_time_stay_numbers);
    tcase_add_test(tcase, bytes_that_speak_to_terminals_become_printable);
    tcase_add_test(tcase, what_is_long_is_cut);
    suite_add_tcase(suite, tcase);
    return suite;
}
