/* SPDX-License-Identifier: Apache-2.0 */
/* Codecs open what they closed, and nothing that a hostile client made to eat memory. */
#include "support/main.h"

#include "base/base.h"
#include "record/record.h"

#include <stdlib.h>

#define BOMB_BYTES (60u << 20)

static struct ks_buffer
compressed(int codec, struct kafscale_slice plain)
{
    struct ks_buffer out;
    struct kafscale_error error = { 0 };

    ks_buffer_init(&out, SIZE_MAX / 2);
    ck_assert_int_eq(ks_compress(codec, plain, &out, &error), KAFSCALE_OK);
    return out;
}

static enum kafscale_status
opened(int codec, struct kafscale_slice bytes, size_t plain_bytes_max, struct ks_buffer *plain)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    *plain = (struct ks_buffer){ 0 };
    status = ks_decompress(codec, bytes, plain_bytes_max, plain, &error);
    ck_assert_int_eq(error.status, status);
    return status;
}

static void
expect_refusal(int codec, struct kafscale_slice bytes, size_t limit, enum kafscale_status status)
{
    struct ks_buffer plain;

    ck_assert_int_eq(opened(codec, bytes, limit, &plain), status);
    ck_assert_ptr_null(plain.data);
}

/* Compressible but not trivial, the same in every run. */
static void
fill(uint8_t *bytes, size_t size)
{
    uint32_t state = 1;

    for (size_t i = 0; i < size; i++) {
        state = state * 1103515245u + 12345u;
        bytes[i] = (uint8_t) ((state >> 16) % 7 + i / 100);
    }
}

static void
expect_round_trip(int codec, size_t size)
{
    uint8_t *bytes = ks_alloc(size + 1);
    struct ks_buffer packed;
    struct ks_buffer plain;

    fill(bytes, size);
    packed = compressed(codec, ks_slice(bytes, size));
    ck_assert_int_eq(opened(codec, ks_buffer_slice(&packed), SIZE_MAX, &plain), KAFSCALE_OK);
    ck_assert(ks_slice_equals(ks_buffer_slice(&plain), ks_slice(bytes, size)));
    ks_buffer_deinit(&plain);
    if (size > 0) {
        expect_refusal(codec, ks_buffer_slice(&packed), size - 1, KAFSCALE_TOO_LARGE);
    }
    ks_buffer_deinit(&packed);
    ks_free(bytes);
}

START_TEST(what_was_compressed_opens_again)
{
    static const size_t sizes[] = { 0, 1, 100, 65535, 65536, 65537, 131072, 1u << 20 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        expect_round_trip(_i, sizes[i]);
    }
}
END_TEST

START_TEST(compressing_appends_and_keeps_what_was_there)
{
    struct ks_buffer out;
    struct ks_buffer plain;
    struct kafscale_error error = { 0 };

    ks_buffer_init(&out, 4096);
    ks_buffer_append(&out, "head", 4);
    ck_assert_int_eq(ks_compress(_i, ks_slice_of_text("text"), &out, &error), KAFSCALE_OK);
    ck_assert(memcmp(out.data, "head", 4) == 0);
    ck_assert_int_eq(opened(_i, ks_slice(out.data + 4, out.size - 4), 100, &plain), KAFSCALE_OK);
    ck_assert(ks_slice_equals(ks_buffer_slice(&plain), ks_slice_of_text("text")));
    ks_buffer_deinit(&plain);
    ks_buffer_deinit(&out);
}
END_TEST

START_TEST(compressing_beyond_the_cap_changes_nothing)
{
    struct ks_buffer out;
    struct kafscale_error error = { 0 };

    ks_buffer_init(&out, 6);
    ks_buffer_append(&out, "head", 4);
    ck_assert_int_eq(ks_compress(_i, ks_slice_of_text("text"), &out, &error), KAFSCALE_TOO_LARGE);
    ck_assert_uint_eq(out.size, 4);
    ck_assert(!ks_buffer_failed(&out));
    ks_buffer_deinit(&out);
}
END_TEST

START_TEST(limits_combine)
{
    ck_assert_uint_eq(ks_plain_bytes_limit(10, 100), 100);
    ck_assert_uint_eq(ks_plain_bytes_limit(10, SIZE_MAX), 1u << 20);
    ck_assert_uint_eq(ks_plain_bytes_limit(2000, SIZE_MAX), 2000000);
    ck_assert_uint_eq(ks_plain_bytes_limit(1u << 20, SIZE_MAX), 64u << 20);
    ck_assert_uint_eq(ks_plain_bytes_limit(SIZE_MAX, SIZE_MAX), 64u << 20);
}
END_TEST

/*
 * Zeros compress best. zstd passes the ratio; the others' formats can't, so they meet the
 * absolute cap.
 */
START_TEST(bombs_are_refused)
{
    uint8_t *zeros = calloc(1, BOMB_BYTES);
    struct ks_buffer bomb;
    struct ks_buffer twice;

    ck_assert_ptr_nonnull(zeros);
    bomb = compressed(_i, ks_slice(zeros, BOMB_BYTES));
    if (_i == KS_CODEC_ZSTD || _i == KS_CODEC_GZIP) {
        expect_refusal(_i, ks_buffer_slice(&bomb), SIZE_MAX, KAFSCALE_TOO_LARGE);
    }
    expect_refusal(_i, ks_buffer_slice(&bomb), 1u << 20, KAFSCALE_TOO_LARGE);

    /* Frames and members may follow each other; together they stay under the same cap. */
    if (_i != KS_CODEC_SNAPPY) {
        ks_buffer_init(&twice, SIZE_MAX / 2);
        ks_buffer_append(&twice, bomb.data, bomb.size);
        ks_buffer_append(&twice, bomb.data, bomb.size);
        expect_refusal(_i, ks_buffer_slice(&twice), SIZE_MAX, KAFSCALE_TOO_LARGE);
        ks_buffer_deinit(&twice);
    }
    ks_buffer_deinit(&bomb);
    free(zeros);
}
END_TEST

START_TEST(snappy_that_announces_too_much_is_refused_before_memory_is_asked_for)
{
    static const uint8_t four_gib[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a' };
    static const uint8_t one_mib[] = { 0x80, 0x80, 0x40, 0, 'a' };

    ks_alloc_fail_after(0);
    expect_refusal(KS_CODEC_SNAPPY, ks_slice(four_gib, sizeof four_gib), SIZE_MAX,
                   KAFSCALE_CORRUPT);
    expect_refusal(KS_CODEC_SNAPPY, ks_slice(one_mib, sizeof one_mib), SIZE_MAX, KAFSCALE_CORRUPT);
    ks_alloc_fail_after(UINT64_MAX);
}
END_TEST

static void
xerial_begin(struct ks_buffer *out)
{
    static const uint8_t header[16] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                        0,    0,   0,   1,   0,   0,   0,   1 };

    ks_buffer_init(out, SIZE_MAX / 2);
    ks_buffer_append(out, header, sizeof header);
}

static void
xerial_append(struct ks_buffer *out, struct kafscale_slice plain)
{
    struct ks_buffer block = compressed(KS_CODEC_SNAPPY, plain);

    ks_buffer_append_u32(out, (uint32_t) block.size);
    ks_buffer_append(out, block.data, block.size);
    ks_buffer_deinit(&block);
}

START_TEST(xerial_blocks_are_joined)
{
    struct ks_buffer framed;
    struct ks_buffer plain;

    xerial_begin(&framed);
    xerial_append(&framed, ks_slice_of_text("one, "));
    xerial_append(&framed, ks_slice(NULL, 0));
    xerial_append(&framed, ks_slice_of_text("two"));
    ck_assert_int_eq(opened(KS_CODEC_SNAPPY, ks_buffer_slice(&framed), 8, &plain), KAFSCALE_OK);
    ck_assert(ks_slice_equals(ks_buffer_slice(&plain), ks_slice_of_text("one, two")));
    ks_buffer_deinit(&plain);
    expect_refusal(KS_CODEC_SNAPPY, ks_buffer_slice(&framed), 7, KAFSCALE_TOO_LARGE);
    ks_buffer_deinit(&framed);
}
END_TEST

START_TEST(xerial_block_lengths_are_checked)
{
    static const uint32_t lengths[] = { 0, 1, 6, 8, 0x7fffffff, 0x80000000, 0xffffffff };
    struct ks_buffer framed;

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        xerial_begin(&framed);
        xerial_append(&framed, ks_slice_of_text("abcde"));
        ck_assert_uint_eq(framed.size, 16 + 4 + 7);
        ks_put_u32(framed.data + 16, lengths[i]);
        expect_refusal(KS_CODEC_SNAPPY, ks_buffer_slice(&framed), SIZE_MAX, KAFSCALE_CORRUPT);
        ks_buffer_deinit(&framed);
    }
}
END_TEST

START_TEST(zstd_window_beyond_eight_mebibytes_is_refused)
{
    /* A frame header that asks for a window of 2^27 bytes, then one raw block. */
    static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x09, 0x00, 0x00, 'a' };

    expect_refusal(KS_CODEC_ZSTD, ks_slice(frame, sizeof frame), SIZE_MAX, KAFSCALE_TOO_LARGE);
}
END_TEST

START_TEST(truncated_bytes_are_corrupt)
{
    uint8_t bytes[3000];
    struct ks_buffer packed;

    fill(bytes, sizeof bytes);
    packed = compressed(_i, ks_slice(bytes, sizeof bytes));
    for (size_t size = 0; size < packed.size; size++) {
        uint8_t *copy = ks_alloc(size + 1);

        memcpy(copy + 1, packed.data, size);
        expect_refusal(_i, ks_slice(copy + 1, size), SIZE_MAX, KAFSCALE_CORRUPT);
        ks_free(copy);
    }
    ks_buffer_deinit(&packed);
}
END_TEST

/* A flip may go unnoticed where a format has no checksum; it must not do harm. */
START_TEST(flipped_bits_do_no_harm)
{
    uint8_t bytes[600];
    struct ks_buffer packed;

    fill(bytes, sizeof bytes);
    packed = compressed(_i, ks_slice(bytes, sizeof bytes));
    for (size_t bit = 0; bit < packed.size * 8; bit++) {
        struct ks_buffer plain;

        packed.data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        (void) opened(_i, ks_buffer_slice(&packed), 100000, &plain);
        ck_assert_uint_le(plain.size, 100000);
        ks_buffer_deinit(&plain);
        packed.data[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    ks_buffer_deinit(&packed);
}
END_TEST

START_TEST(bytes_after_the_end_are_corrupt)
{
    struct ks_buffer packed = compressed(_i, ks_slice_of_text("text"));

    ks_buffer_append(&packed, "more", 4);
    expect_refusal(_i, ks_buffer_slice(&packed), SIZE_MAX, KAFSCALE_CORRUPT);
    ks_buffer_deinit(&packed);
}
END_TEST

START_TEST(short_memory_is_not_taken_for_corruption)
{
    uint8_t bytes[3000];
    struct ks_buffer packed;
    struct ks_buffer plain = { 0 };
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    fill(bytes, sizeof bytes);
    packed = compressed(_i, ks_slice(bytes, sizeof bytes));
    for (uint64_t count = 0; status != KAFSCALE_OK; count++) {
        ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
        ck_assert_uint_lt(count, 100);
        ks_alloc_fail_after(count);
        status = opened(_i, ks_buffer_slice(&packed), SIZE_MAX, &plain);
    }
    ks_alloc_fail_after(UINT64_MAX);
    ks_buffer_deinit(&plain);
    ks_buffer_deinit(&packed);
}
END_TEST

/* As logs and JSON are: few words, in an order that repeats itself now and then. */
static void
fill_with_words(uint8_t *bytes, size_t size)
{
    static const char *const words[] = { "temperature=", "pressure=",   "\"status\":",
                                         "warning;",     "\"sensor\":", "0x1f, " };
    uint32_t state = 1;
    size_t used = 0;

    while (used < size) {
        const char *word;
        size_t length;

        state = state * 1103515245u + 12345u;
        word = words[(state >> 16) % 6];
        length = strlen(word) < size - used ? strlen(word) : size - used;
        memcpy(bytes + used, word, length);
        used += length;
        if (used < size) {
            bytes[used++] = (uint8_t) ('0' + (state >> 20) % 10);
        }
    }
}

static size_t
bytes_at_level(int codec, int level, struct kafscale_slice text)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer out;
    struct ks_buffer plain;
    size_t size;

    ck_assert(ks_codec_has_level(codec, level));
    ks_buffer_init(&out, SIZE_MAX / 2);
    ck_assert_int_eq(ks_compress_at(codec, level, text, &out, &error), KAFSCALE_OK);
    size = out.size;
    ck_assert_int_eq(opened(codec, ks_buffer_slice(&out), SIZE_MAX, &plain), KAFSCALE_OK);
    ck_assert(ks_slice_equals(ks_buffer_slice(&plain), text));
    ks_buffer_deinit(&plain);
    ks_buffer_deinit(&out);
    return size;
}

#define WORDS_BYTES (256u << 10)

static struct kafscale_slice
words_text(void)
{
    static uint8_t bytes[WORDS_BYTES];

    fill_with_words(bytes, sizeof bytes);
    return ks_slice(bytes, sizeof bytes);
}

START_TEST(a_higher_level_makes_fewer_bytes)
{
    struct kafscale_slice text = words_text();

    ck_assert_uint_gt(bytes_at_level(KS_CODEC_GZIP, 1, text),
                      bytes_at_level(KS_CODEC_GZIP, 9, text));
    ck_assert_uint_gt(bytes_at_level(KS_CODEC_ZSTD, -131072, text),
                      bytes_at_level(KS_CODEC_ZSTD, 1, text));
    ck_assert_uint_gt(bytes_at_level(KS_CODEC_ZSTD, 1, text),
                      bytes_at_level(KS_CODEC_ZSTD, 22, text));
    ck_assert_uint_gt(bytes_at_level(KS_CODEC_LZ4, 3, text),
                      bytes_at_level(KS_CODEC_LZ4, 17, text));
}
END_TEST

/* 9 is the default, which has always been the fast form; all others take more trouble. */
START_TEST(level_nine_of_lz4_is_its_fast_form)
{
    struct kafscale_slice text = words_text();
    size_t fast = bytes_at_level(KS_CODEC_LZ4, 9, text);

    ck_assert_uint_eq(fast, bytes_at_level(KS_CODEC_LZ4, KS_LEVEL_DEFAULT, text));
    for (int level = 1; level <= 17; level++) {
        if (level != 9) {
            ck_assert_uint_gt(fast, bytes_at_level(KS_CODEC_LZ4, level, text));
        }
    }
}
END_TEST

START_TEST(the_default_has_a_number)
{
    struct kafscale_slice text = words_text();

    ck_assert_uint_eq(bytes_at_level(KS_CODEC_GZIP, -1, text),
                      bytes_at_level(KS_CODEC_GZIP, KS_LEVEL_DEFAULT, text));
    ck_assert_uint_eq(bytes_at_level(KS_CODEC_GZIP, -1, text),
                      bytes_at_level(KS_CODEC_GZIP, 6, text));
    ck_assert_uint_eq(bytes_at_level(KS_CODEC_ZSTD, 3, text),
                      bytes_at_level(KS_CODEC_ZSTD, KS_LEVEL_DEFAULT, text));
    ck_assert_uint_eq(bytes_at_level(KS_CODEC_ZSTD, 0, text),
                      bytes_at_level(KS_CODEC_ZSTD, 3, text));
}
END_TEST

START_TEST(levels_beyond_the_ends_are_none)
{
    ck_assert(!ks_codec_has_level(KS_CODEC_GZIP, -2));
    ck_assert(!ks_codec_has_level(KS_CODEC_GZIP, 0));
    ck_assert(!ks_codec_has_level(KS_CODEC_GZIP, 10));
    ck_assert(!ks_codec_has_level(KS_CODEC_LZ4, 0));
    ck_assert(!ks_codec_has_level(KS_CODEC_LZ4, 18));
    ck_assert(!ks_codec_has_level(KS_CODEC_ZSTD, -131073));
    ck_assert(!ks_codec_has_level(KS_CODEC_ZSTD, 23));
    ck_assert(!ks_codec_has_level(KS_CODEC_SNAPPY, 1));
    ck_assert(ks_codec_has_level(KS_CODEC_SNAPPY, KS_LEVEL_DEFAULT));
    ck_assert(!ks_codec_has_level(KS_CODEC_COUNT, KS_LEVEL_DEFAULT));
}
END_TEST

/* The highest levels look back further than anybody opens. */
START_TEST(every_level_of_zstd_opens_however_much_there_is)
{
    size_t size = 9u << 20;
    uint8_t *bytes = ks_alloc(size);
    uint32_t state = 1;

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'x', size);
    for (size_t at = 0; at < size; at += 4096) {
        for (size_t i = 0; i < 64; i++) {
            state = state * 1103515245u + 12345u;
            bytes[at + i] = (uint8_t) (state >> 16);
        }
    }
    for (int level = 19; level <= 22; level++) {
        ck_assert_uint_lt(bytes_at_level(KS_CODEC_ZSTD, level, ks_slice(bytes, size)), size / 20);
    }
    ks_free(bytes);
}
END_TEST

START_TEST(unknown_codecs_are_refused)
{
    struct ks_buffer out;
    struct kafscale_error error = { 0 };

    expect_refusal(5, ks_slice_of_text("x"), SIZE_MAX, KAFSCALE_UNSUPPORTED);
    expect_refusal(-1, ks_slice_of_text("x"), SIZE_MAX, KAFSCALE_UNSUPPORTED);
    ks_buffer_init(&out, 100);
    ck_assert_int_eq(ks_compress(5, ks_slice_of_text("x"), &out, &error), KAFSCALE_UNSUPPORTED);
    ck_assert_str_eq(ks_codec_name(KS_CODEC_ZSTD), "zstd");
    ck_assert_str_eq(ks_codec_name(KS_CODEC_NONE), "none");
    ck_assert_ptr_null(ks_codec_name(5));
    ck_assert_ptr_null(ks_codec_name(-1));
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("record compression");
    TCase *codecs = tcase_create("every codec");
    TCase *levels = tcase_create("levels");
    TCase *hostile = tcase_create("hostile bytes");

    tcase_set_timeout(codecs, 60);
    tcase_add_loop_test(codecs, what_was_compressed_opens_again, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(codecs, compressing_appends_and_keeps_what_was_there, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(codecs, compressing_beyond_the_cap_changes_nothing, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(codecs, short_memory_is_not_taken_for_corruption, 0, KS_CODEC_COUNT);
    tcase_add_test(codecs, unknown_codecs_are_refused);
    suite_add_tcase(suite, codecs);

    tcase_set_timeout(levels, 60);
    tcase_add_test(levels, a_higher_level_makes_fewer_bytes);
    tcase_add_test(levels, level_nine_of_lz4_is_its_fast_form);
    tcase_add_test(levels, the_default_has_a_number);
    tcase_add_test(levels, levels_beyond_the_ends_are_none);
    tcase_add_test(levels, every_level_of_zstd_opens_however_much_there_is);
    suite_add_tcase(suite, levels);

    tcase_set_timeout(hostile, 60);
    tcase_add_test(hostile, limits_combine);
    tcase_add_loop_test(hostile, bombs_are_refused, 1, KS_CODEC_COUNT);
    tcase_add_test(hostile, snappy_that_announces_too_much_is_refused_before_memory_is_asked_for);
    tcase_add_test(hostile, xerial_blocks_are_joined);
    tcase_add_test(hostile, xerial_block_lengths_are_checked);
    tcase_add_test(hostile, zstd_window_beyond_eight_mebibytes_is_refused);
    tcase_add_loop_test(hostile, truncated_bytes_are_corrupt, 1, KS_CODEC_COUNT);
    tcase_add_loop_test(hostile, flipped_bits_do_no_harm, 1, KS_CODEC_COUNT);
    tcase_add_loop_test(hostile, bytes_after_the_end_are_corrupt, 1, KS_CODEC_COUNT);
    suite_add_tcase(suite, hostile);
    return suite;
}
