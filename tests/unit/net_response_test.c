/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses: what is copied, what is referenced, and that every reference comes back exactly
 * once.
 */
#include "net/response.h"

#include "kafscale/store.h"
#include "support/main.h"

#define PARTS 200
#define PART_BYTES 10

static uint8_t
byte_at(size_t position)
{
    return (uint8_t) (position * 7 + position / 251);
}

/*
 * Every third part has no owner. What is copied is overwritten afterwards: nobody may look at
 * it again.
 */
static void
make(struct ks_response *response, struct kafscale_blob *blob, enum kafscale_status expected)
{
    struct kafscale_part parts[PARTS];
    uint8_t copied[PARTS * PART_BYTES];
    struct ks_answer answer = { .kind = KS_ANSWER_SEND, .parts = parts, .part_count = PARTS };

    for (size_t i = 0; i < sizeof copied; i++) {
        copied[i] = byte_at(i);
        kafscale_blob_data(blob)[i] = byte_at(i);
    }
    for (size_t i = 0; i < PARTS; i++) {
        bool is_owned = i % 3 != 0;
        const uint8_t *bytes = is_owned ? kafscale_blob_data(blob) : copied;

        parts[i] = (struct kafscale_part){ .bytes = ks_slice(bytes + i * PART_BYTES, PART_BYTES),
                                           .owner = is_owned ? blob : NULL };
    }
    ck_assert_int_eq(ks_response_init(response, &answer), expected);
    memset(copied, 0xee, sizeof copied);
}

/* Sends `step` bytes at a time, gathering at most `count_max` pieces, and checks every byte. */
static void
drain(struct ks_response *response, size_t step, size_t count_max)
{
    size_t position = 0;

    while (response->left_bytes > 0) {
        struct iovec pieces[64];
        size_t count = ks_response_gather(response, pieces, count_max);
        size_t budget = step;

        ck_assert_uint_gt(count, 0);
        for (size_t i = 0; i < count; i++) {
            const uint8_t *bytes = pieces[i].iov_base;

            for (size_t j = 0; j < pieces[i].iov_len && budget > 0; j++, budget--, position++) {
                if (position >= 4) {
                    ck_assert_uint_eq(bytes[j], byte_at(position - 4));
                }
            }
        }
        ck_assert_uint_eq(ks_response_advance(response, step - budget), step - budget);
    }
    ck_assert_uint_eq(position, 4 + PARTS * PART_BYTES);
}

START_TEST(bytes_leave_whole_however_they_are_sent)
{
    static const size_t steps[] = { 1, 3, 10, 11, 64, 5000 };

    for (size_t i = 0; i < 6; i++) {
        for (size_t count_max = 1; count_max <= 64; count_max *= 4) {
            struct kafscale_blob *blob = kafscale_blob_new(PARTS * PART_BYTES);
            struct ks_response response = { 0 };

            make(&response, blob, KAFSCALE_OK);
            kafscale_blob_unref(blob);
            drain(&response, steps[i], count_max);
            ks_response_deinit(&response);
        }
    }
}
END_TEST

/* Cut off anywhere: what was sent gave its references back, deinit gives back the others. */
START_TEST(unsent_rest_gives_its_references_back)
{
    for (size_t sent = 0; sent <= 4 + PARTS * PART_BYTES; sent += 7) {
        struct kafscale_blob *blob = kafscale_blob_new(PARTS * PART_BYTES);
        struct ks_response response = { 0 };

        make(&response, blob, KAFSCALE_OK);
        kafscale_blob_unref(blob);
        ck_assert_uint_eq(ks_response_advance(&response, sent), sent);
        ks_response_deinit(&response);
        ks_response_deinit(&response);
    }
}
END_TEST

static struct kafscale_part
part_of(struct kafscale_blob *blob, size_t begin, size_t size)
{
    const uint8_t *bytes = blob == NULL ? (const uint8_t *) "" : kafscale_blob_data(blob) + begin;

    return (struct kafscale_part){ .bytes = ks_slice(bytes, size), .owner = blob };
}

/* A blob is freed as a whole, so what was sent of it still takes memory. */
START_TEST(bytes_are_held_until_the_last_of_their_owner_is_sent)
{
    struct kafscale_blob *first = kafscale_blob_new(100);
    struct kafscale_blob *second = kafscale_blob_new(50);
    const struct kafscale_part parts[] = { part_of(first, 0, 40), part_of(first, 40, 60),
                                           part_of(second, 0, 50) };
    struct ks_answer answer = { .kind = KS_ANSWER_SEND, .parts = parts, .part_count = 3 };
    struct ks_response response = { 0 };

    ck_assert_int_eq(ks_response_init(&response, &answer), KAFSCALE_OK);
    kafscale_blob_unref(first);
    kafscale_blob_unref(second);
    ck_assert_uint_eq(response.held_bytes, 4 + 150);
    ck_assert_uint_eq(ks_response_advance(&response, 4 + 99), 4 + 99);
    ck_assert_uint_eq(response.left_bytes, 51);
    ck_assert_uint_eq(response.held_bytes, 150);
    ck_assert_uint_eq(ks_response_advance(&response, 1), 1);
    ck_assert_uint_eq(response.held_bytes, 50);
    ck_assert_uint_eq(ks_response_advance(&response, 49), 49);
    ck_assert_uint_eq(response.held_bytes, 50);
    ck_assert_uint_eq(ks_response_advance(&response, 1), 1);
    ck_assert_uint_eq(response.held_bytes, 0);
    ks_response_deinit(&response);
}
END_TEST

START_TEST(empty_answer_is_a_length_of_zero)
{
    struct ks_answer answer = { .kind = KS_ANSWER_SEND };
    struct ks_response response = { 0 };
    struct iovec piece;

    ck_assert_int_eq(ks_response_init(&response, &answer), KAFSCALE_OK);
    ck_assert_uint_eq(ks_response_gather(&response, &piece, 1), 1);
    ck_assert_uint_eq(piece.iov_len, 4);
    ck_assert_uint_eq(ks_get_u32(piece.iov_base), 0);
    ck_assert_uint_eq(ks_response_advance(&response, 100), 4);
    ks_response_deinit(&response);
}
END_TEST

/* Only the sizes are looked at, so one byte may stand for gigabytes. */
START_TEST(answer_too_long_for_its_prefix_is_refused)
{
    uint8_t byte = 0;
    struct kafscale_part parts[] = { { .bytes = ks_slice(&byte, INT32_MAX) },
                                     { .bytes = ks_slice(&byte, 1) } };
    struct ks_answer answer = { .kind = KS_ANSWER_SEND, .parts = parts, .part_count = 2 };
    struct ks_response response = { 0 };

    ck_assert_int_eq(ks_response_init(&response, &answer), KAFSCALE_TOO_LARGE);
    parts[1].bytes.size = SIZE_MAX;
    ck_assert_int_eq(ks_response_init(&response, &answer), KAFSCALE_TOO_LARGE);
    ck_assert_ptr_null(response.pieces);
}
END_TEST

START_TEST(shortage_of_memory_takes_nothing)
{
    struct kafscale_blob *blob = kafscale_blob_new(PARTS * PART_BYTES);
    struct ks_response response = { 0 };

    ks_alloc_fail_after(0);
    make(&response, blob, KAFSCALE_NO_MEMORY);
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_ptr_null(response.pieces);
    kafscale_blob_unref(blob);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net response");
    TCase *cases = tcase_create("response");

    tcase_add_test(cases, bytes_leave_whole_however_they_are_sent);
    tcase_add_test(cases, unsent_rest_gives_its_references_back);
    tcase_add_test(cases, bytes_are_held_until_the_last_of_their_owner_is_sent);
    tcase_add_test(cases, empty_answer_is_a_length_of_zero);
    tcase_add_test(cases, answer_too_long_for_its_prefix_is_refused);
    tcase_add_test(cases, shortage_of_memory_takes_nothing);
    suite_add_tcase(suite, cases);
    return suite;
}
