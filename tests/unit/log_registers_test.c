/* SPDX-License-Identifier: Apache-2.0 */
/* Partition registers: stored form, and what is dropped from a chain. */
#include "log/format/registers.h"
#include "support/main.h"

static struct ks_chain_element
element(int32_t epoch, bool is_activated, int64_t base_offset)
{
    return (struct ks_chain_element){ .epoch = epoch,
                                      .incarnation = { { (uint8_t) epoch } },
                                      .is_activated = is_activated,
                                      .base_offset = base_offset,
                                      .closed_end = KS_END_OPEN };
}

static void
add(struct ks_register *reg, struct ks_chain_element e)
{
    ck_assert_int_eq(ks_register_add(reg, &e), KAFSCALE_OK);
}

START_TEST(a_register_is_read_as_it_was_written)
{
    struct ks_register reg = { .epoch = 4,
                               .state = KS_REGISTER_CLAIMED,
                               .owner = { { 7 } },
                               .log_start = 1,
                               .compacted_upto = 2,
                               .imported_end = 3,
                               .cleaned_upto = 4,
                               .clean_generation = 5 };
    struct kafscale_error error = { 0 };
    struct ks_register read;
    struct ks_buffer bytes;

    add(&reg, element(1, true, 0));
    add(&reg, element(4, false, 0));
    ks_buffer_init(&bytes, 1 << 20);
    ks_register_encode(&reg, &bytes);
    ck_assert_int_eq(ks_register_decode(ks_buffer_slice(&bytes), &read, &error), KAFSCALE_OK);
    ck_assert_int_eq(read.epoch, 4);
    ck_assert_int_eq(read.clean_generation, 5);
    ck_assert_uint_eq(read.chain_count, 2);
    ck_assert(read.chain[0].is_activated);
    ck_assert(read.chain[1].closed_end == KS_END_OPEN);
    for (size_t size = 0; size < bytes.size; size++) {
        struct kafscale_error damage = { 0 };
        struct ks_register none;

        ck_assert_int_ne(ks_register_decode(ks_slice(bytes.data, size), &none, &damage),
                         KAFSCALE_OK);
    }
    ks_register_deinit(&read);
    ks_register_deinit(&reg);
    ks_buffer_deinit(&bytes);
}
END_TEST

/*
 * Elements without records go, so that a chain does not grow with each restart of an idle broker.
 */
START_TEST(a_chain_keeps_only_elements_that_hold_records)
{
    struct ks_register reg = { 0 };

    add(&reg, element(1, true, 0));
    add(&reg, element(2, true, 10));
    add(&reg, element(3, false, 0));
    add(&reg, element(4, true, 10));
    add(&reg, element(5, true, 25));
    ks_register_drop_empty(&reg);
    ck_assert_uint_eq(reg.chain_count, 3);
    ck_assert_int_eq(reg.chain[0].epoch, 1);
    ck_assert_int_eq(reg.chain[1].epoch, 4);
    ck_assert_int_eq(reg.chain[2].epoch, 5);
    ks_register_deinit(&reg);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_registers");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, a_register_is_read_as_it_was_written);
    tcase_add_test(tests, a_chain_keeps_only_elements_that_hold_records);
    suite_add_tcase(suite, tests);
    return suite;
}
