/* SPDX-License-Identifier: Apache-2.0 */
/* A batch in another codec is the same batch. */
#include "support/batches.h"
#include "support/main.h"

#include "base/base.h"

#define RECORDS 50

static struct ks_buffer source;

static void
set_up(void)
{
    ks_buffer_init(&source, SIZE_MAX / 2);
}

static void
tear_down(void)
{
    ks_buffer_deinit(&source);
}

static void
build(int codec)
{
    struct ks_batch_options options = { .codec = codec,
                                        .attributes = KS_BATCH_APPEND_TIME,
                                        .producer_id = 7,
                                        .producer_epoch = 1,
                                        .base_sequence = 9 };
    struct ks_record records[RECORDS];

    for (int i = 0; i < RECORDS; i++) {
        records[i] = text_record(1000 + i, i % 3 == 0 ? NULL : "key", "a value, and again a value");
    }
    put_batch(&source, &options, records, RECORDS);
}

static void
expect_same_records(const struct ks_batch *one, const struct ks_batch *other)
{
    struct kafscale_error error = { 0 };
    struct ks_records first;
    struct ks_records second;

    ck_assert_int_eq(ks_records_init(&first, one, SIZE_MAX, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_records_init(&second, other, SIZE_MAX, &error), KAFSCALE_OK);
    ck_assert(ks_slice_equals(ks_records_plain(&first), ks_records_plain(&second)));
    ks_records_deinit(&first);
    ks_records_deinit(&second);
}

START_TEST(every_codec_becomes_every_other)
{
    int from = _i / KS_CODEC_COUNT;
    int to = _i % KS_CODEC_COUNT;
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct ks_batch before;
    struct ks_batch after;
    struct ks_buffer out;

    build(from);
    before = get_batch(&source);
    ks_buffer_init(&out, 100000);
    ck_assert_int_eq(ks_records_init(&records, &before, SIZE_MAX, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_batch_recode(&records, to, KS_LEVEL_DEFAULT, &out, &error), KAFSCALE_OK);
    after = get_batch(&out);
    ck_assert_uint_eq(after.bytes.size, out.size);
    ck_assert(ks_batch_crc_is_right(&after));
    ck_assert_int_eq(ks_batch_codec(&after), to);
    ck_assert_int_eq(after.attributes & ~KS_BATCH_CODEC_MASK,
                     before.attributes & ~KS_BATCH_CODEC_MASK);
    ck_assert_int_eq(after.record_count, before.record_count);
    ck_assert_int_eq(after.max_timestamp, before.max_timestamp);
    ck_assert_int_eq(after.producer_id, before.producer_id);
    ck_assert_int_eq(after.base_sequence, before.base_sequence);
    expect_same_records(&before, &after);
    ks_records_deinit(&records);
    ks_buffer_deinit(&out);
}
END_TEST

START_TEST(a_batch_that_grows_too_large_leaves_nothing)
{
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct ks_batch batch;
    struct ks_buffer out;
    size_t plain_bytes;

    build(KS_CODEC_GZIP);
    batch = get_batch(&source);
    ck_assert_int_eq(ks_records_init(&records, &batch, SIZE_MAX, &error), KAFSCALE_OK);
    plain_bytes = KS_BATCH_HEADER_BYTES + ks_records_plain(&records).size;
    for (size_t size_max = 0; size_max < plain_bytes; size_max += 7) {
        ks_buffer_init(&out, size_max);
        ck_assert_int_eq(ks_batch_recode(&records, KS_CODEC_NONE, KS_LEVEL_DEFAULT, &out, &error),
                         KAFSCALE_TOO_LARGE);
        ck_assert_uint_eq(out.size, 0);
        ck_assert(!ks_buffer_failed(&out));
        ks_buffer_deinit(&out);
    }
    ks_buffer_init(&out, plain_bytes);
    ck_assert_int_eq(ks_batch_recode(&records, KS_CODEC_NONE, KS_LEVEL_DEFAULT, &out, &error),
                     KAFSCALE_OK);
    ks_buffer_deinit(&out);
    for (int codec = KS_CODEC_GZIP; codec < KS_CODEC_COUNT; codec++) {
        ks_buffer_init(&out, KS_BATCH_HEADER_BYTES + 5);
        ck_assert_int_eq(ks_batch_recode(&records, codec, KS_LEVEL_DEFAULT, &out, &error),
                         KAFSCALE_TOO_LARGE);
        ck_assert_uint_eq(out.size, 0);
        ks_buffer_deinit(&out);
    }
    ks_records_deinit(&records);
}
END_TEST

/* What a codec may need at worst is not what it needs. */
START_TEST(a_batch_counts_as_large_as_it_becomes)
{
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct ks_batch batch;

    build(KS_CODEC_GZIP);
    batch = get_batch(&source);
    ck_assert_int_eq(ks_records_init(&records, &batch, SIZE_MAX, &error), KAFSCALE_OK);
    for (int codec = KS_CODEC_GZIP; codec < KS_CODEC_COUNT; codec++) {
        struct ks_buffer out;
        size_t size;

        ks_buffer_init(&out, 100000);
        ck_assert_int_eq(ks_batch_recode(&records, codec, KS_LEVEL_DEFAULT, &out, &error),
                         KAFSCALE_OK);
        size = out.size;
        ck_assert_uint_lt(size, ks_records_plain(&records).size);
        ks_buffer_deinit(&out);
        ks_buffer_init(&out, size);
        ck_assert_int_eq(ks_batch_recode(&records, codec, KS_LEVEL_DEFAULT, &out, &error),
                         KAFSCALE_OK);
        ks_buffer_deinit(&out);
        ks_buffer_init(&out, size - 1);
        ck_assert_int_eq(ks_batch_recode(&records, codec, KS_LEVEL_DEFAULT, &out, &error),
                         KAFSCALE_TOO_LARGE);
        ck_assert_uint_eq(out.size, 0);
        ks_buffer_deinit(&out);
    }
    ks_records_deinit(&records);
}
END_TEST

/* Nothing is stored that would be taken for a bomb when somebody opens it. */
START_TEST(a_batch_is_not_made_smaller_than_may_be_opened_again)
{
    struct ks_batch_options options = { .codec = KS_CODEC_LZ4, .producer_id = KS_NO_PRODUCER_ID };
    struct kafscale_error error = { 0 };
    size_t size = 2 * (size_t) KS_PLAIN_BYTES_FREE;
    char *zeros = ks_alloc_zero(1, size);
    struct ks_record record = { .timestamp = 1, .value = ks_slice(zeros, size) };
    struct ks_records records;
    struct ks_batch batch;
    struct ks_buffer out;

    ck_assert_ptr_nonnull(zeros);
    put_batch(&source, &options, &record, 1);
    batch = get_batch(&source);
    ck_assert_int_eq(ks_records_init(&records, &batch, SIZE_MAX, &error), KAFSCALE_OK);
    ks_buffer_init(&out, 100000);
    ck_assert_int_eq(ks_batch_recode(&records, KS_CODEC_ZSTD, KS_LEVEL_DEFAULT, &out, &error),
                     KAFSCALE_UNSUPPORTED);
    ck_assert_uint_eq(out.size, 0);
    ck_assert_int_eq(ks_batch_recode(&records, KS_CODEC_LZ4, 12, &out, &error), KAFSCALE_OK);
    ks_buffer_deinit(&out);
    ks_records_deinit(&records);
    ks_free(zeros);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("record recode");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, every_codec_becomes_every_other, 0, KS_CODEC_COUNT * KS_CODEC_COUNT);
    tcase_add_test(tests, a_batch_that_grows_too_large_leaves_nothing);
    tcase_add_test(tests, a_batch_counts_as_large_as_it_becomes);
    tcase_add_test(tests, a_batch_is_not_made_smaller_than_may_be_opened_again);
    suite_add_tcase(suite, tests);
    return suite;
}
