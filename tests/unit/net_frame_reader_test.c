/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out of a stream of bytes, however the stream is cut, and what liars get for their
 * announcements.
 */
#include "net/frame_reader.h"
#include "support/main.h"

#include <string.h>

#define KIB ((size_t) 1024)
#define FRAME_BYTES_MAX (1024 * KIB)

struct fixture {
    struct ks_memory_account account;
    struct ks_frame_reader reader;
    unsigned granted_count;
};

static void
on_granted(void *arg)
{
    ((struct fixture *) arg)->granted_count++;
}

static void
fixture_init(struct fixture *f, size_t memory_bytes_max)
{
    f->granted_count = 0;
    ks_memory_account_init(&f->account, memory_bytes_max, KS_MEMORY_SMALL_BYTES_MAX);
    ks_frame_reader_init(&f->reader, &f->account, FRAME_BYTES_MAX, on_granted, f);
}

static void
fixture_deinit(struct fixture *f)
{
    ks_frame_reader_deinit(&f->reader);
    ck_assert_uint_eq(f->account.bytes, 0);
    ck_assert_uint_eq(f->account.reserve_bytes, 0);
}

static uint8_t
pattern(size_t frame_bytes, size_t position)
{
    return (uint8_t) (frame_bytes * 31 + position * 7 + position / 251);
}

static size_t
put_frame(uint8_t *out, size_t frame_bytes)
{
    ks_put_u32(out, (uint32_t) frame_bytes);
    for (size_t i = 0; i < frame_bytes; i++) {
        out[4 + i] = pattern(frame_bytes, i);
    }
    return 4 + frame_bytes;
}

static void
expect_frame(struct fixture *f, struct kafscale_blob *frame, struct ks_reservation *reservation,
             size_t frame_bytes)
{
    ck_assert_uint_eq(kafscale_blob_size(frame), frame_bytes);
    for (size_t i = 0; i < frame_bytes; i++) {
        if (kafscale_blob_data(frame)[i] != pattern(frame_bytes, i)) {
            ck_abort_msg("byte %zu of a frame of %zu is wrong", i, frame_bytes);
        }
    }
    ck_assert(ks_reservation_is_granted(reservation));
    kafscale_blob_unref(frame);
    ks_memory_account_release(&f->account, reservation);
}

/*
 * Feeds one piece, straight into the frame's memory where there is some; returns how many
 * frames came out.
 */
static size_t
feed(struct fixture *f, const uint8_t *bytes, size_t size, const size_t *expected)
{
    struct kafscale_slice input = ks_slice(bytes, size);
    size_t count = 0;

    for (;;) {
        struct kafscale_blob *frame;
        struct ks_reservation reservation;
        size_t space_bytes = 0;
        uint8_t *space = ks_frame_reader_space(&f->reader, &space_bytes);

        if (space != NULL && input.size > 0) {
            size_t direct = space_bytes < input.size ? space_bytes : input.size;

            memcpy(space, input.data, direct);
            ks_frame_reader_filled(&f->reader, direct);
            input = ks_slice(input.data + direct, input.size - direct);
        }
        if (ks_frame_reader_next(&f->reader, &input, &frame, &reservation) != KS_FRAME_READY) {
            ck_assert_uint_eq(input.size, 0);
            return count;
        }
        expect_frame(f, frame, &reservation, expected[count++]);
    }
}

START_TEST(stream_cut_at_every_byte_gives_the_same_frames)
{
    static const size_t sizes[] = { 8, 100, 9, 4097, 20 };
    static uint8_t stream[64 * 1024];
    size_t size = 0;
    struct fixture f;

    for (size_t i = 0; i < 5; i++) {
        size += put_frame(stream + size, sizes[i]);
    }
    fixture_init(&f, FRAME_BYTES_MAX);
    for (size_t cut = 0; cut <= size; cut++) {
        size_t count = feed(&f, stream, cut, sizes);

        count += feed(&f, stream + cut, size - cut, sizes + count);
        ck_assert_uint_eq(count, 5);
    }
    fixture_deinit(&f);
}
END_TEST

START_TEST(stream_of_single_bytes_gives_the_same_frames)
{
    static const size_t sizes[] = { 8, 300, 70000, 64 * KIB, 64 * KIB + 1, 12 };
    static uint8_t stream[300 * 1024];
    size_t size = 0;
    size_t count = 0;
    struct fixture f;

    for (size_t i = 0; i < 6; i++) {
        size += put_frame(stream + size, sizes[i]);
    }
    fixture_init(&f, FRAME_BYTES_MAX);
    for (size_t i = 0; i < size; i++) {
        count += feed(&f, stream + i, 1, sizes + count);
    }
    ck_assert_uint_eq(count, 6);
    fixture_deinit(&f);
}
END_TEST

static enum ks_frame_step
next(struct fixture *f, struct kafscale_slice *input)
{
    struct kafscale_blob *frame = NULL;
    struct ks_reservation reservation;
    enum ks_frame_step step = ks_frame_reader_next(&f->reader, input, &frame, &reservation);

    if (step == KS_FRAME_READY) {
        kafscale_blob_unref(frame);
        ks_memory_account_release(&f->account, &reservation);
    }
    return step;
}

START_TEST(announcement_alone_costs_nothing)
{
    struct fixture f;
    uint8_t prefix[4];
    struct kafscale_slice input = ks_slice(prefix, sizeof prefix);

    fixture_init(&f, FRAME_BYTES_MAX);
    ks_put_u32(prefix, FRAME_BYTES_MAX);
    ck_assert_int_eq(next(&f, &input), KS_FRAME_NEEDS_BYTES);
    ck_assert_uint_eq(f.account.bytes, 0);
    ck_assert_ptr_null(f.reader.frame);
    fixture_deinit(&f);
}
END_TEST

/* What is held for an unfinished frame is at most four times what came, and 4 KiB. */
START_TEST(memory_follows_the_bytes_that_came)
{
    static uint8_t stream[64 * 1024 + 4];
    struct fixture f;

    put_frame(stream, 64 * KIB);
    fixture_init(&f, FRAME_BYTES_MAX);
    for (size_t sent = 0; sent < 64 * KIB - 1; sent++) {
        struct kafscale_slice input = ks_slice(stream + sent, 1);

        ck_assert_int_eq(next(&f, &input), KS_FRAME_NEEDS_BYTES);
        ck_assert_uint_le(f.account.bytes, 4 * (sent + 1) + 4096 + KS_MEMORY_REQUEST_BYTES);
    }
    fixture_deinit(&f);
}
END_TEST

START_TEST(illegal_lengths_are_refused)
{
    static const uint32_t lengths[] = {
        0,          1,         KS_FRAME_BYTES_MIN - 1, FRAME_BYTES_MAX + 1, 0x7fffffff, 0x80000000,
        0xffffffff, 0x16030100
    };

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct fixture f;
        uint8_t prefix[4];
        struct kafscale_slice input = ks_slice(prefix, sizeof prefix);

        fixture_init(&f, FRAME_BYTES_MAX);
        ks_put_u32(prefix, lengths[i]);
        ck_assert_int_eq(next(&f, &input), KS_FRAME_TOO_LARGE);
        ck_assert_uint_eq(f.account.bytes, 0);
        fixture_deinit(&f);
    }
}
END_TEST

START_TEST(large_frame_waits_for_its_whole_length)
{
    static uint8_t stream[200 * 1024 + 4];
    struct fixture f;
    struct fixture other = { 0 };
    struct ks_reservation taken = { .on_granted = on_granted, .arg = &other };
    struct kafscale_slice input;
    size_t size = put_frame(stream, 200 * KIB);

    fixture_init(&f, FRAME_BYTES_MAX);
    ck_assert(ks_memory_account_reserve(&f.account, &taken, 900 * KIB));
    input = ks_slice(stream, size);
    ck_assert_int_eq(next(&f, &input), KS_FRAME_NEEDS_MEMORY);
    ck_assert_ptr_null(f.reader.frame);
    ck_assert_int_eq(next(&f, &input), KS_FRAME_NEEDS_MEMORY);

    ks_memory_account_release(&f.account, &taken);
    ck_assert_uint_eq(f.granted_count, 1);
    ck_assert_int_eq(next(&f, &input), KS_FRAME_READY);
    ck_assert_uint_eq(input.size, 0);
    fixture_deinit(&f);
}
END_TEST

START_TEST(each_failing_allocation_is_an_answer)
{
    static uint8_t stream[100 * 1024 + 4];
    size_t size = put_frame(stream, 100 * KIB);
    enum ks_frame_step step = KS_FRAME_NO_MEMORY;
    uint64_t allowed;

    for (allowed = 0; step == KS_FRAME_NO_MEMORY; allowed++) {
        struct fixture f;
        struct kafscale_slice first = ks_slice(stream, 5000);
        struct kafscale_slice rest = ks_slice(stream + 5000, size - 5000);

        fixture_init(&f, FRAME_BYTES_MAX);
        ks_alloc_fail_after(allowed);
        step = next(&f, &first);
        if (step == KS_FRAME_NEEDS_BYTES) {
            step = next(&f, &rest);
        }
        ks_alloc_fail_after(UINT64_MAX);
        fixture_deinit(&f);
    }
    ck_assert_int_eq(step, KS_FRAME_READY);
    ck_assert_uint_ge(allowed, 3);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net frame reader");
    TCase *cases = tcase_create("frames");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, stream_cut_at_every_byte_gives_the_same_frames);
    tcase_add_test(cases, stream_of_single_bytes_gives_the_same_frames);
    tcase_add_test(cases, announcement_alone_costs_nothing);
    tcase_add_test(cases, memory_follows_the_bytes_that_came);
    tcase_add_test(cases, illegal_lengths_are_refused);
    tcase_add_test(cases, large_frame_waits_for_its_whole_length);
    tcase_add_test(cases, each_failing_allocation_is_an_answer);
    suite_add_tcase(suite, cases);
    return suite;
}
