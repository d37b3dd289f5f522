/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in names of objects, which come from a bucket that others write to as well. */
#include "support/main.h"

#include "base/base.h"

static uint64_t
parse(const char *text)
{
    uint64_t number = 7;

    ck_assert_msg(ks_decimal_parse(text, KS_DECIMAL_DIGITS, &number), "%s", text);
    return number;
}

static void
refuse(const char *text)
{
    uint64_t number = 7;

    ck_assert_msg(!ks_decimal_parse(text, KS_DECIMAL_DIGITS, &number), "%s", text);
    ck_assert_uint_eq(number, 7);
}

START_TEST(leading_zeros_count_for_nothing)
{
    ck_assert_uint_eq(parse("00000000000000000000"), 0);
    ck_assert_uint_eq(parse("00000000000000001234"), 1234);
}
END_TEST

START_TEST(the_largest_number_is_taken_and_the_next_is_refused)
{
    ck_assert_uint_eq(parse("18446744073709551615"), UINT64_MAX);
    refuse("18446744073709551616");
    refuse("99999999999999999999");
}
END_TEST

START_TEST(what_follows_the_digits_is_not_looked_at)
{
    uint64_t number;

    ck_assert_uint_eq(parse("00000000000000001234.kfs"), 1234);
    ck_assert(ks_decimal_parse("1234", 2, &number));
    ck_assert_uint_eq(number, 12);
}
END_TEST

START_TEST(anything_but_a_digit_is_refused)
{
    refuse("");
    refuse("0000000000000000123");
    refuse("0000000000000000123 ");
    refuse(" 0000000000000001234");
    refuse("+0000000000000001234");
    refuse("-0000000000000001234");
    refuse("0x000000000000001234");
    refuse("0000000000000000\xff"
           "234");
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base decimal");
    TCase *tests = tcase_create("decimal");

    tcase_add_test(tests, leading_zeros_count_for_nothing);
    tcase_add_test(tests, the_largest_number_is_taken_and_the_next_is_refused);
    tcase_add_test(tests, what_follows_the_digits_is_not_looked_at);
    tcase_add_test(tests, anything_but_a_digit_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
