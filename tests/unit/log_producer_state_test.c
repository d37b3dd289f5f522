/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's checks on the sequence numbers of idempotent producers (KIP-98). */
#include "log/format/producer_state.h"
#include "support/main.h"

#define EXPIRATION_MS 86400000

static enum ks_sequence_check
check(struct ks_producer_table *producers, int64_t id, int16_t epoch, int32_t first, int32_t last,
      struct ks_producer_batch *original)
{
    return ks_producer_check(producers, id, epoch, first, last, 0, original);
}

static void
note(struct ks_producer_table *producers, int64_t id, int16_t epoch, int32_t first, int32_t last,
     int64_t offset)
{
    struct ks_producer_batch batch = { .first_sequence = first,
                                       .last_sequence = last,
                                       .base_offset = offset,
                                       .last_offset = offset + last - first };

    ck_assert_int_eq(ks_producer_note(producers, id, epoch, &batch, 0), KAFSCALE_OK);
}

START_TEST(sequences_must_join)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 10, EXPIRATION_MS);
    ck_assert_int_eq(check(&producers, 1, 0, 50, 59, &original), KS_SEQUENCE_NEXT);
    note(&producers, 1, 0, 50, 59, 0);
    ck_assert_int_eq(check(&producers, 1, 0, 60, 60, &original), KS_SEQUENCE_NEXT);
    ck_assert_int_eq(check(&producers, 1, 0, 61, 61, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 1, 0, 55, 59, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ks_producer_table_deinit(&producers);
}
END_TEST

START_TEST(the_last_five_batches_are_recognised)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 10, EXPIRATION_MS);
    for (int32_t i = 0; i < 7; i++) {
        note(&producers, 1, 0, i, i, 100 + i);
    }
    for (int32_t i = 2; i < 7; i++) {
        ck_assert_int_eq(check(&producers, 1, 0, i, i, &original), KS_SEQUENCE_DUPLICATE);
        ck_assert_int_eq(original.base_offset, 100 + i);
    }
    ck_assert_int_eq(check(&producers, 1, 0, 1, 1, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ks_producer_table_deinit(&producers);
}
END_TEST

START_TEST(a_new_epoch_begins_at_zero_and_fences_the_old_one)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 10, EXPIRATION_MS);
    note(&producers, 1, 3, 0, 9, 0);
    ck_assert_int_eq(check(&producers, 1, 4, 10, 10, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 1, 4, 0, 0, &original), KS_SEQUENCE_NEXT);
    note(&producers, 1, 4, 0, 0, 10);
    ck_assert_int_eq(check(&producers, 1, 3, 10, 10, &original), KS_SEQUENCE_OLD_EPOCH);
    ck_assert_int_eq(check(&producers, 1, 4, 1, 1, &original), KS_SEQUENCE_NEXT);
    ks_producer_table_deinit(&producers);
}
END_TEST

START_TEST(after_the_greatest_sequence_comes_zero)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 10, EXPIRATION_MS);
    note(&producers, 1, 0, INT32_MAX - 1, INT32_MAX, 0);
    ck_assert_int_eq(check(&producers, 1, 0, 0, 3, &original), KS_SEQUENCE_NEXT);
    ks_producer_table_deinit(&producers);
}
END_TEST

START_TEST(a_producer_in_use_is_not_dropped_for_another)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 2, EXPIRATION_MS);
    note(&producers, 1, 0, 0, 0, 0);
    note(&producers, 2, 0, 0, 0, 1);
    ck_assert_int_eq(ks_producer_check(&producers, 3, 0, 0, 0, 599999, &original),
                     KS_SEQUENCE_TOO_MANY);
    ck_assert_int_eq(ks_producer_check(&producers, 3, 0, 0, 0, 600000, &original),
                     KS_SEQUENCE_NEXT);
    ck_assert_int_eq(ks_producer_check(&producers, 2, 0, 0, 0, 600000, &original),
                     KS_SEQUENCE_DUPLICATE);
    ks_producer_table_deinit(&producers);
}
END_TEST

/* Room may come between a refused first batch and the one behind it. */
START_TEST(nothing_overtakes_a_producer_that_found_no_room)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;
    int64_t later_ms = 600000;

    ks_producer_table_init(&producers, 1, 1, EXPIRATION_MS);
    note(&producers, 1, 0, 0, 0, 0);
    ck_assert_int_eq(check(&producers, 2, 0, 0, 0, &original), KS_SEQUENCE_TOO_MANY);
    ks_producer_note_refused(&producers, 2, 0, 0, 0);
    ck_assert_int_eq(check(&producers, 2, 0, 1, 1, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 2, 0, 0, 0, &original), KS_SEQUENCE_TOO_MANY);
    ck_assert_int_eq(ks_producer_check(&producers, 2, 0, 1, 1, later_ms, &original),
                     KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(ks_producer_check(&producers, 2, 0, 0, 0, later_ms, &original),
                     KS_SEQUENCE_NEXT);
    note(&producers, 2, 0, 0, 0, 1);
    ck_assert_int_eq(ks_producer_check(&producers, 2, 0, 1, 1, later_ms, &original),
                     KS_SEQUENCE_NEXT);
    ks_producer_table_deinit(&producers);
}
END_TEST

START_TEST(refused_producers_take_no_room_and_are_limited)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 2, EXPIRATION_MS);
    for (int64_t id = 1; id <= 3; id++) {
        ks_producer_note_refused(&producers, id, 0, 5, 0);
    }
    ck_assert_uint_eq(producers.table.count, 2);
    ck_assert_int_eq(check(&producers, 2, 0, 6, 6, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 3, 0, 6, 6, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 4, 0, 0, 0, &original), KS_SEQUENCE_NEXT);
    note(&producers, 4, 0, 0, 0, 0);
    ck_assert_int_eq(check(&producers, 2, 0, 5, 5, &original), KS_SEQUENCE_NEXT);
    note(&producers, 2, 0, 5, 5, 1);
    ck_assert_int_eq(check(&producers, 3, 0, 5, 5, &original), KS_SEQUENCE_TOO_MANY);
    ck_assert_int_eq(ks_producer_check(&producers, 3, 0, 9, 9, EXPIRATION_MS, &original),
                     KS_SEQUENCE_NEXT);
    ks_producer_table_deinit(&producers);
}
END_TEST

/* A batch is refused for want of memory, and so there may be none to remember that. */
START_TEST(nothing_overtakes_a_producer_refused_without_memory)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;
    const int64_t count = KS_PRODUCER_REFUSALS + 1;

    ks_producer_table_init(&producers, 1, 100, EXPIRATION_MS);
    ks_alloc_fail_after(0);
    for (int64_t id = 0; id < count; id++) {
        ks_producer_note_refused(&producers, id, 3, 5, id);
    }
    ks_producer_note_refused(&producers, 1, 3, 9, 0);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_uint_eq(producers.table.count, 0);
    for (int64_t id = 1; id < count; id++) {
        ck_assert_int_eq(check(&producers, id, 3, 6, 6, &original), KS_SEQUENCE_OUT_OF_ORDER);
        ck_assert_int_eq(check(&producers, id, 2, 5, 5, &original), KS_SEQUENCE_OLD_EPOCH);
        ck_assert_int_eq(check(&producers, id, 4, 5, 5, &original), KS_SEQUENCE_OUT_OF_ORDER);
        ck_assert_int_eq(check(&producers, id, 3, 5, 5, &original), KS_SEQUENCE_NEXT);
    }
    /* The oldest gave its place to another. */
    ck_assert_int_eq(check(&producers, 0, 3, 6, 6, &original), KS_SEQUENCE_NEXT);
    note(&producers, 2, 3, 5, 5, 0);
    ck_assert_uint_eq(producers.refusal_count, KS_PRODUCER_REFUSALS - 1);
    ck_assert_int_eq(check(&producers, 2, 3, 6, 6, &original), KS_SEQUENCE_NEXT);
    ck_assert_int_eq(check(&producers, 3, 3, 6, 6, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(ks_producer_check(&producers, 1, 3, 6, 6, EXPIRATION_MS + 1, &original),
                     KS_SEQUENCE_NEXT);
    ck_assert_uint_eq(producers.refusal_count, KS_PRODUCER_REFUSALS - 2);
    ks_producer_table_deinit(&producers);
}
END_TEST

/* They come from stores, and are compared with each other. */
START_TEST(times_may_be_any)
{
    const int64_t times[] = { INT64_MIN, -1, INT64_MAX, 1000, INT64_MIN };
    struct ks_producer_batch batch = { 0 };
    struct ks_producer_batch original;
    struct ks_producer_table producers;

    ks_producer_table_init(&producers, 1, 1, EXPIRATION_MS);
    for (int i = 0; i < 5; i++) {
        batch.first_sequence = batch.last_sequence = i;
        ck_assert_int_eq(ks_producer_note(&producers, 1 + i % 2, 0, &batch, times[i]), KAFSCALE_OK);
        ck_assert_int_eq(ks_producer_check(&producers, 1 + i % 2, 0, i, i, 1000, &original),
                         KS_SEQUENCE_DUPLICATE);
        ks_producer_table_prune(&producers);
    }
    ks_producer_table_deinit(&producers);
}
END_TEST

/* A batch too far ahead changes nothing: the one that is missing is still next. */
START_TEST(a_batch_out_of_order_leaves_what_is_next)
{
    struct ks_producer_table producers;
    struct ks_producer_batch original;

    ks_producer_table_init(&producers, 1, 10, EXPIRATION_MS);
    note(&producers, 1, 0, 0, 0, 0);
    ck_assert_int_eq(check(&producers, 1, 0, 2, 2, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 1, 0, 3, 3, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(check(&producers, 1, 0, 1, 1, &original), KS_SEQUENCE_NEXT);
    ck_assert_int_eq(check(&producers, 1, 1, 0, 0, &original), KS_SEQUENCE_NEXT);
    ks_producer_note_refused(&producers, 1, 1, 0, 0);
    ck_assert_int_eq(check(&producers, 1, 1, 1, 1, &original), KS_SEQUENCE_OUT_OF_ORDER);
    ks_producer_table_deinit(&producers);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_producer_state");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, sequences_must_join);
    tcase_add_test(tests, the_last_five_batches_are_recognised);
    tcase_add_test(tests, a_new_epoch_begins_at_zero_and_fences_the_old_one);
    tcase_add_test(tests, after_the_greatest_sequence_comes_zero);
    tcase_add_test(tests, a_producer_in_use_is_not_dropped_for_another);
    tcase_add_test(tests, nothing_overtakes_a_producer_that_found_no_room);
    tcase_add_test(tests, refused_producers_take_no_room_and_are_limited);
    tcase_add_test(tests, nothing_overtakes_a_producer_refused_without_memory);
    tcase_add_test(tests, times_may_be_any);
    tcase_add_test(tests, a_batch_out_of_order_leaves_what_is_next);
    suite_add_tcase(suite, tests);
    return suite;
}
