/* SPDX-License-Identifier: Apache-2.0 */
/* Built batches: gaps as compaction leaves them, limits, short memory, and transaction markers. */
#include "support/batches.h"
#include "support/main.h"

#include "base/base.h"

static const struct ks_batch_options plain_options = { .producer_id = KS_NO_PRODUCER_ID };

START_TEST(skipped_offsets_stay_empty)
{
    struct ks_batch_options options = { .codec = _i, .base_offset = 50, .producer_id = -1 };
    struct ks_record record = text_record(1, "k", "v");
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_records records;
    struct ks_buffer bytes;
    struct ks_batch batch;

    ks_buffer_init(&bytes, 4096);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_skip(&builder, 2);
    ks_batch_builder_append(&builder, &record);
    ks_batch_builder_skip(&builder, 3);
    ks_batch_builder_append(&builder, &record);
    ks_batch_builder_skip(&builder, 4);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);

    batch = get_batch(&bytes);
    ck_assert_int_eq(ks_batch_last_offset(&batch), 60);
    ck_assert_int_eq(batch.record_count, 2);
    ck_assert_int_eq(ks_records_init(&records, &batch, 1000, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_OK);
    ck_assert_int_eq(record.offset, 52);
    ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_OK);
    ck_assert_int_eq(record.offset, 56);
    ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_NOT_FOUND);
    ks_records_deinit(&records);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* Compaction keeps a batch without records for its producer's last sequence. */
START_TEST(batch_without_records_keeps_its_header)
{
    struct ks_batch_options options = {
        .codec = _i, .producer_id = 9, .producer_epoch = 2, .base_sequence = 30
    };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_records records;
    struct ks_record record;
    struct ks_buffer bytes;
    struct ks_batch batch;

    ks_buffer_init(&bytes, 4096);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_skip(&builder, 5);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);

    batch = get_batch(&bytes);
    ck_assert_uint_eq(batch.bytes.size, KS_BATCH_HEADER_BYTES);
    ck_assert_int_eq(ks_batch_last_sequence(&batch), 34);
    ck_assert_int_eq(ks_records_init(&records, &batch, 1000, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_NOT_FOUND);
    ks_records_deinit(&records);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(a_failed_append_is_told_at_the_end)
{
    struct ks_record early = text_record(INT64_MIN, NULL, "v");
    struct ks_record late = text_record(INT64_MAX, NULL, "v");
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 4096);
    ks_batch_builder_init(&builder, &plain_options);
    ks_batch_builder_append(&builder, &early);
    ks_batch_builder_append(&builder, &late);
    ks_batch_builder_append(&builder, &early);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_TOO_LARGE);
    ck_assert_uint_eq(bytes.size, 0);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(offsets_end_at_31_bits)
{
    struct ks_record record = text_record(1, NULL, NULL);
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 4096);
    ks_batch_builder_init(&builder, &plain_options);
    ks_batch_builder_skip(&builder, INT32_MAX);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_OK);
    ck_assert_int_eq(get_batch(&bytes).last_offset_delta, INT32_MAX);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_TOO_LARGE);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(skipping_ends_at_31_bits_too)
{
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 4096);
    ks_batch_builder_init(&builder, &plain_options);
    ks_batch_builder_skip(&builder, INT32_MAX);
    ks_batch_builder_skip(&builder, 2);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_TOO_LARGE);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(cap_of_the_output_holds)
{
    struct ks_record record = text_record(1, "key", "value");
    struct ks_batch_options options = { .codec = _i, .producer_id = -1 };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, KS_BATCH_HEADER_BYTES + 4);
    ks_buffer_append(&bytes, "x", 1);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_TOO_LARGE);
    ck_assert_uint_eq(bytes.size, 1);
    ck_assert(!ks_buffer_failed(&bytes));
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&bytes);
}
END_TEST

static enum kafscale_status
build_one(int codec, struct ks_buffer *bytes)
{
    struct ks_record record = text_record(1, "key", "value");
    struct ks_batch_options options = { .codec = codec, .producer_id = -1 };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    enum kafscale_status status;

    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    status = ks_batch_builder_finish(&builder, bytes, &error);
    ks_batch_builder_deinit(&builder);
    return status;
}

START_TEST(short_memory_is_told_wherever_it_strikes)
{
    enum kafscale_status status = KAFSCALE_NO_MEMORY;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 4096);
    for (uint64_t count = 0; status != KAFSCALE_OK; count++) {
        ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
        ck_assert_uint_eq(bytes.size, 0);
        ck_assert_uint_lt(count, 100);
        ks_alloc_fail_after(count);
        status = build_one(_i, &bytes);
    }
    ks_alloc_fail_after(UINT64_MAX);
    ck_assert_int_eq(get_batch(&bytes).record_count, 1);
    ks_buffer_deinit(&bytes);
}
END_TEST

static void
put_marker(struct ks_buffer *bytes, int16_t type, int32_t coordinator_epoch)
{
    struct ks_control_batch_options options = {
        .base_offset = 77, .leader_epoch = 1, .producer_id = 4711, .producer_epoch = 6, .wall_ms = 8
    };
    struct ks_control_marker marker = { type, coordinator_epoch };
    struct kafscale_error error = { 0 };

    ks_buffer_init(bytes, 4096);
    ck_assert_int_eq(ks_control_batch_build(&options, &marker, bytes, &error), KAFSCALE_OK);
}

START_TEST(marker_is_read_as_it_was_written)
{
    struct ks_control_marker marker;
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;
    struct ks_batch batch;

    put_marker(&bytes, KS_MARKER_COMMIT, 12);
    batch = get_batch(&bytes);
    ck_assert(ks_batch_is_control(&batch));
    ck_assert(ks_batch_is_transactional(&batch));
    ck_assert(ks_batch_crc_is_right(&batch));
    ck_assert_int_eq(batch.base_offset, 77);
    ck_assert_int_eq(ks_batch_last_offset(&batch), 77);
    ck_assert_int_eq(batch.producer_id, 4711);
    ck_assert_int_eq(batch.producer_epoch, 6);
    ck_assert_int_eq(batch.base_sequence, -1);
    ck_assert_int_eq(batch.max_timestamp, 8);
    ck_assert_int_eq(ks_control_batch_parse(&batch, &marker, &error), KAFSCALE_OK);
    ck_assert_int_eq(marker.type, KS_MARKER_COMMIT);
    ck_assert_int_eq(marker.coordinator_epoch, 12);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* {key, value} of a control record that is too short, of a negative version, or missing. */
static const struct {
    size_t key_bytes;
    size_t value_bytes;
    uint8_t version_byte;
    bool good;
} markers[] = {
    { 4, 6, 0, true },  { 9, 12, 0, true }, { 3, 6, 0, false },
    { 4, 5, 0, false }, { 0, 0, 0, false }, { 4, 6, 0x80, false },
};

START_TEST(control_batch_without_marker_is_corrupt)
{
    uint8_t bytes_of[16] = { markers[_i].version_byte };
    struct ks_batch_options options = { .attributes = KS_BATCH_CONTROL, .producer_id = 1 };
    struct ks_record record = {
        .key = ks_slice(bytes_of, markers[_i].key_bytes),
        .value = ks_slice(bytes_of, markers[_i].value_bytes),
    };
    struct ks_control_marker marker;
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;
    struct ks_batch batch;

    ks_buffer_init(&bytes, 4096);
    put_batch(&bytes, &options, &record, 1);
    batch = get_batch(&bytes);
    ck_assert_int_eq(ks_control_batch_parse(&batch, &marker, &error),
                     markers[_i].good ? KAFSCALE_OK : KAFSCALE_CORRUPT);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(two_markers_in_a_batch_are_corrupt)
{
    struct ks_batch_options options = { .attributes = KS_BATCH_CONTROL, .producer_id = 1 };
    struct ks_record records[] = { text_record(1, "abcd", "abcdef"),
                                   text_record(1, "abcd", "abcdef") };
    struct ks_control_marker marker;
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;
    struct ks_batch batch;

    ks_buffer_init(&bytes, 4096);
    put_batch(&bytes, &options, records, 2);
    batch = get_batch(&bytes);
    ck_assert_int_eq(ks_control_batch_parse(&batch, &marker, &error), KAFSCALE_CORRUPT);
    ks_buffer_deinit(&bytes);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("record batch builder");
    TCase *building = tcase_create("building");
    TCase *control = tcase_create("markers");

    tcase_add_loop_test(building, skipped_offsets_stay_empty, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(building, batch_without_records_keeps_its_header, 0, KS_CODEC_COUNT);
    tcase_add_test(building, a_failed_append_is_told_at_the_end);
    tcase_add_test(building, offsets_end_at_31_bits);
    tcase_add_test(building, skipping_ends_at_31_bits_too);
    tcase_add_loop_test(building, cap_of_the_output_holds, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(building, short_memory_is_told_wherever_it_strikes, 0, KS_CODEC_COUNT);
    suite_add_tcase(suite, building);

    tcase_add_test(control, marker_is_read_as_it_was_written);
    tcase_add_loop_test(control, control_batch_without_marker_is_corrupt, 0,
                        sizeof markers / sizeof markers[0]);
    tcase_add_test(control, two_markers_in_a_batch_are_corrupt);
    suite_add_tcase(suite, control);
    return suite;
}
