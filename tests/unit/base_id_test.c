/* SPDX-License-Identifier: Apache-2.0 */
/* Ids in names of objects, which come from a bucket that others write to as well. */
#include "support/main.h"

#include "base/base.h"

#define HEX "000102030405060708090a0b0c0d0eff"

START_TEST(an_id_is_read_as_it_was_written)
{
    struct ks_id id;
    char hex[KS_ID_HEX_BYTES];

    ck_assert(ks_id_from_hex(HEX, &id));
    ck_assert_uint_eq(id.bytes[1], 1);
    ck_assert_uint_eq(id.bytes[15], 255);
    ks_id_to_hex(&id, hex);
    ck_assert_str_eq(hex, HEX);
}
END_TEST

static const char *const others[] = {
    "",
    "00010203040506070809",
    "000102030405060708090a0b0c0d0ef",
    "000102030405060708090A0B0C0D0EFF",
    "000102030405060708090a0b0c0d0e f",
};

START_TEST(anything_else_is_no_id)
{
    struct ks_id id = { { 7 } };

    ck_assert(!ks_id_from_hex(others[_i], &id));
    ck_assert_ptr_null(ks_id_from_path(others[_i], &id));
    ck_assert_uint_eq(id.bytes[0], 7);
}
END_TEST

START_TEST(a_path_goes_on_after_its_id)
{
    const char *rest;
    struct ks_id id = { { 7 } };

    rest = ks_id_from_path(HEX "/rest", &id);
    ck_assert_ptr_nonnull(rest);
    ck_assert_str_eq(rest, "rest");
    ck_assert_uint_eq(id.bytes[0], 0);
    ck_assert_str_eq(ks_id_from_path(HEX "/", &id), "");
}
END_TEST

START_TEST(an_id_that_is_no_whole_step_begins_no_path)
{
    struct ks_id id = { { 7 } };

    ck_assert_ptr_null(ks_id_from_path(HEX, &id));
    ck_assert_ptr_null(ks_id_from_path(HEX "0/rest", &id));
    ck_assert_uint_eq(id.bytes[0], 7);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base id");
    TCase *tests = tcase_create("id");

    tcase_add_test(tests, an_id_is_read_as_it_was_written);
    tcase_add_loop_test(tests, anything_else_is_no_id, 0, (int) (sizeof others / sizeof others[0]));
    tcase_add_test(tests, a_path_goes_on_after_its_id);
    tcase_add_test(tests, an_id_that_is_no_whole_step_begins_no_path);
    suite_add_tcase(suite, tests);
    return suite;
}
