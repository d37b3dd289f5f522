/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: the published check value, and that pieces give what the whole gives. */
#include "support/main.h"

#include "base/base.h"

#define TEXT_BYTES 4096

static void
fill(uint8_t *bytes, size_t size)
{
    uint32_t state = 1;

    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t) (state >> 24);
    }
}

START_TEST(the_published_check_value_comes_out)
{
    ck_assert_uint_eq(ks_crc32c(0, "123456789", 9), 0xe3069283u);
}
END_TEST

START_TEST(going_on_gives_the_checksum_of_the_whole)
{
    uint32_t crc = ks_crc32c(0, "1234", 4);

    ck_assert_uint_eq(ks_crc32c(crc, "56789", 5), 0xe3069283u);
}
END_TEST

START_TEST(joining_gives_the_checksum_of_the_whole_wherever_it_was_cut)
{
    uint8_t bytes[TEXT_BYTES];

    fill(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = ks_crc32c(0, bytes, cut);
        uint32_t second = ks_crc32c(0, bytes + cut, sizeof bytes - cut);

        ck_assert_uint_eq(ks_crc32c_join(first, second, sizeof bytes - cut),
                          ks_crc32c(0, bytes, sizeof bytes));
    }
}
END_TEST

/* Sizes beyond the table of powers: its cycle must close where the polynomial's does. */
START_TEST(joining_many_zeros_agrees_with_joining_them_step_by_step)
{
    uint32_t whole = ks_crc32c_join(0x12345678u, 0, (size_t) 3 << 33);
    uint32_t steps = 0x12345678u;

    for (int i = 0; i < 3 << 5; i++) {
        steps = ks_crc32c_join(steps, 0, (size_t) 1 << 28);
    }
    ck_assert_uint_eq(whole, steps);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("base crc32c");
    TCase *tcase = tcase_create("crc32c");

    tcase_add_test(tcase, the_published_check_value_comes_out);
    tcase_add_test(tcase, going_on_gives_the_checksum_of_the_whole);
    tcase_add_test(tcase, joining_gives_the_checksum_of_the_whole_wherever_it_was_cut);
    tcase_add_test(tcase, joining_many_zeros_agrees_with_joining_them_step_by_step);
    suite_add_tcase(suite, tcase);
    return suite;
}
