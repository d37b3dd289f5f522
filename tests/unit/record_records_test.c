/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of a batch: what a consumer would see, and what is refused because no producer
 * may have meant it.
 */
#include "support/batches.h"
#include "support/main.h"

#include "base/base.h"

#include <stdlib.h>

static enum kafscale_status
open_batch(struct ks_records *records, const struct ks_batch *batch)
{
    struct kafscale_error error = { 0 };

    return ks_records_init(records, batch, KS_PLAIN_BYTES_MAX, &error);
}

static enum kafscale_status
next(struct ks_records *records, struct ks_record *record)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_records_next(records, record, &error);

    ck_assert_int_eq(error.status, status == KAFSCALE_NOT_FOUND ? KAFSCALE_OK : status);
    return status;
}

/* Reads to the end and says how that was. */
static enum kafscale_status
read_all(const struct ks_batch *batch)
{
    struct ks_records records;
    struct ks_record record;
    enum kafscale_status status = open_batch(&records, batch);

    if (status != KAFSCALE_OK) {
        return status;
    }
    do {
        status = next(&records, &record);
    } while (status == KAFSCALE_OK);
    ks_records_deinit(&records);
    return status;
}

START_TEST(records_come_with_offsets_timestamps_and_headers)
{
    struct ks_batch_options options = { .codec = _i, .base_offset = 100, .producer_id = -1 };
    struct ks_record_header pair = { ks_slice_of_text("h"), ks_slice_of_text("x") };
    struct ks_record_header bare = { ks_slice_of_text(""), ks_slice(NULL, 0) };
    struct ks_record wanted[] = { text_record(50, "key", ""), text_record(40, NULL, NULL) };
    struct ks_record_header header;
    struct ks_buffer headers;
    struct ks_buffer bytes;
    struct ks_cursor cursor;
    struct ks_batch batch;
    struct ks_records records;
    struct ks_record record;

    ks_buffer_init(&headers, 100);
    ks_record_header_append(&headers, &pair);
    ks_record_header_append(&headers, &bare);
    wanted[0].header_count = 2;
    wanted[0].headers = ks_buffer_slice(&headers);
    ks_buffer_init(&bytes, 4096);
    put_batch(&bytes, &options, wanted, 2);
    batch = get_batch(&bytes);
    ck_assert_int_eq(open_batch(&records, &batch), KAFSCALE_OK);

    ck_assert_int_eq(next(&records, &record), KAFSCALE_OK);
    ck_assert_int_eq(record.offset, 100);
    ck_assert_int_eq(record.timestamp, 50);
    ck_assert(ks_slice_equals(record.key, ks_slice_of_text("key")));
    ck_assert_uint_eq(record.value.size, 0);
    ck_assert_ptr_nonnull(record.value.data);
    ck_assert_int_eq(record.header_count, 2);
    cursor = ks_cursor(record.headers);
    ck_assert(ks_record_header_next(&cursor, &header));
    ck_assert(ks_slice_equals(header.key, pair.key));
    ck_assert(ks_slice_equals(header.value, pair.value));
    ck_assert(ks_record_header_next(&cursor, &header));
    ck_assert_ptr_nonnull(header.key.data);
    ck_assert_uint_eq(header.key.size, 0);
    ck_assert_ptr_null(header.value.data);
    ck_assert(!ks_record_header_next(&cursor, &header));

    ck_assert_int_eq(next(&records, &record), KAFSCALE_OK);
    ck_assert_int_eq(record.offset, 101);
    ck_assert_int_eq(record.timestamp, 40);
    ck_assert_ptr_null(record.key.data);
    ck_assert_ptr_null(record.value.data);
    ck_assert_int_eq(record.header_count, 0);
    ck_assert_int_eq(next(&records, &record), KAFSCALE_NOT_FOUND);
    ck_assert_int_eq(next(&records, &record), KAFSCALE_NOT_FOUND);
    ks_records_deinit(&records);
    ks_buffer_deinit(&bytes);
    ks_buffer_deinit(&headers);
}
END_TEST

START_TEST(append_time_counts_for_every_record)
{
    struct ks_batch_options options = { .codec = _i, .producer_id = -1 };
    struct ks_record wanted[] = { text_record(50, "a", ""), text_record(INT64_MAX, NULL, NULL) };
    struct ks_buffer bytes;
    struct ks_batch batch;
    struct ks_records records;
    struct ks_record record;

    ks_buffer_init(&bytes, 4096);
    put_batch(&bytes, &options, wanted, 2);
    ks_batch_set_append_time(bytes.data, bytes.size, 7777);
    batch = get_batch(&bytes);
    ck_assert_int_eq(open_batch(&records, &batch), KAFSCALE_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(next(&records, &record), KAFSCALE_OK);
        ck_assert_int_eq(record.timestamp, 7777);
    }
    ks_records_deinit(&records);
    ks_buffer_deinit(&bytes);
}
END_TEST

/*
 * One record {length 6+2, attributes, timestamp delta 0, offset delta 0, key null, value "ab",
 * no headers}.
 */
static const uint8_t one_record[] = { 18, 0, 0, 0, 1, 6, 'a', 'b', 'c', 0 };

static void
put_raw(struct ks_buffer *bytes, const uint8_t *payload, size_t size, int32_t count)
{
    struct ks_record record = text_record(0, NULL, NULL);
    struct ks_batch_options options = { .producer_id = -1 };

    ks_buffer_init(bytes, 4096);
    put_batch(bytes, &options, &record, 1);
    bytes->size = KS_BATCH_HEADER_BYTES;
    ks_buffer_append(bytes, payload, size);
    ks_put_u32(bytes->data + 8, (uint32_t) (bytes->size - 12));
    ks_put_u32(bytes->data + 57, (uint32_t) count);
    ks_put_u32(bytes->data + 23, (uint32_t) (count > 0 ? count - 1 : 0));
    correct_crc(bytes);
}

static enum kafscale_status
read_raw(const uint8_t *payload, size_t size, int32_t count)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    enum kafscale_status status;

    put_raw(&bytes, payload, size, count);
    batch = get_batch(&bytes);
    status = read_all(&batch);
    ks_buffer_deinit(&bytes);
    return status;
}

START_TEST(bytes_of_one_record_are_read)
{
    ck_assert_int_eq(read_raw(one_record, sizeof one_record, 1), KAFSCALE_NOT_FOUND);
    ck_assert_int_eq(read_raw(NULL, 0, 0), KAFSCALE_NOT_FOUND);
}
END_TEST

/* Each line changes one byte of one_record to something wrong. */
static const struct {
    size_t at;
    uint8_t value;
} wrong[] = {
    { 0, 20 },                        /* longer than the batch */
    { 0, 16 },                        /* shorter than its fields */
    { 0, 1 },                         /* a negative length */
    { 0, 0 },    { 0, 10 }, { 3, 1 }, /* a negative offset delta */
    { 3, 2 },                         /* beyond the last offset */
    { 4, 3 },                         /* a key length of -2 */
    { 4, 0x80 }, { 5, 3 },  { 5, 8 }, /* a value that takes the header count with it */
    { 5, 40 },   { 9, 1 },            /* a negative header count */
    { 9, 2 },                         /* a header that isn't there */
    { 9, 0x7e },
};

START_TEST(wrong_lengths_and_deltas_are_corrupt)
{
    uint8_t payload[sizeof one_record];

    memcpy(payload, one_record, sizeof payload);
    payload[wrong[_i].at] = wrong[_i].value;
    ck_assert_int_eq(read_raw(payload, sizeof payload, 1), KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(count_must_be_that_of_the_records)
{
    uint8_t two[2 * sizeof one_record];

    memcpy(two, one_record, sizeof one_record);
    memcpy(two + sizeof one_record, one_record, sizeof one_record);
    two[sizeof one_record + 3] = 2;
    ck_assert_int_eq(read_raw(two, sizeof two, 2), KAFSCALE_NOT_FOUND);
    ck_assert_int_eq(read_raw(two, sizeof two, 1), KAFSCALE_CORRUPT);
    ck_assert_int_eq(read_raw(two, sizeof one_record + 8, 2), KAFSCALE_CORRUPT);
    ck_assert_int_eq(read_raw(two, sizeof two, 0), KAFSCALE_CORRUPT);
    two[sizeof one_record + 3] = 0;
    ck_assert_int_eq(read_raw(two, sizeof two, 2), KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(null_header_key_is_corrupt)
{
    static const uint8_t payload[] = { 16, 0, 0, 0, 1, 1, 2, 1, 1 };

    ck_assert_int_eq(read_raw(payload, sizeof payload, 1), KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(timestamp_beyond_64_bits_is_corrupt)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    uint8_t payload[sizeof one_record];

    memcpy(payload, one_record, sizeof payload);
    payload[2] = 2;
    put_raw(&bytes, payload, sizeof payload, 1);
    ks_put_u64(bytes.data + 27, INT64_MAX);
    batch = get_batch(&bytes);
    ck_assert_int_eq(read_all(&batch), KAFSCALE_CORRUPT);
    ks_buffer_deinit(&bytes);
}
END_TEST

/*
 * Random damage past the header, checksum or not: every outcome is fine but a crash or an
 * endless reading.
 */
START_TEST(random_damage_does_no_harm)
{
    struct ks_batch_options options = { .codec = _i, .producer_id = -1 };
    struct ks_record wanted[20];
    struct ks_buffer bytes;
    uint32_t state = 12345 + (uint32_t) _i;

    for (int i = 0; i < 20; i++) {
        wanted[i] = text_record(1000 + i * 3, i % 3 == 0 ? NULL : "some key", "some value");
    }
    ks_buffer_init(&bytes, 4096);
    put_batch(&bytes, &options, wanted, 20);
    for (int round = 0; round < 3000; round++) {
        size_t at;
        uint8_t before;
        struct ks_batch batch = get_batch(&bytes);

        state = state * 1664525u + 1013904223u;
        at = KS_BATCH_HEADER_BYTES + (state >> 8) % (bytes.size - KS_BATCH_HEADER_BYTES);
        before = bytes.data[at];
        bytes.data[at] = (uint8_t) state;
        (void) read_all(&batch);
        if (round % 3 != 0 || _i != KS_CODEC_NONE) {
            bytes.data[at] = before;
        }
    }
    ks_buffer_deinit(&bytes);
}
END_TEST

static void
put_times(struct ks_buffer *bytes, int codec)
{
    struct ks_batch_options options = { .codec = codec, .base_offset = 10, .producer_id = -1 };
    struct ks_record records[] = {
        text_record(100, NULL, "10"), text_record(90, NULL, "11"),  text_record(300, NULL, "12"),
        text_record(200, NULL, "13"), text_record(300, NULL, "14"),
    };

    ks_buffer_init(bytes, 4096);
    put_batch(bytes, &options, records, 5);
}

static int64_t
offset_at_time(const struct ks_buffer *bytes, int64_t timestamp, int64_t offset_min)
{
    struct ks_batch batch = get_batch(bytes);
    struct ks_record_time found;
    struct kafscale_error error = { 0 };
    enum kafscale_status status =
        ks_records_find_time(&batch, timestamp, offset_min, &found, &error);

    if (status == KAFSCALE_NOT_FOUND) {
        return -1;
    }
    ck_assert_int_eq(status, KAFSCALE_OK);
    ck_assert_int_ge(found.timestamp, timestamp);
    return found.offset;
}

START_TEST(lookup_by_time_gives_the_first_record_not_earlier)
{
    struct ks_buffer bytes;

    put_times(&bytes, _i);
    ck_assert_int_eq(offset_at_time(&bytes, 0, 0), 10);
    ck_assert_int_eq(offset_at_time(&bytes, 100, 0), 10);
    ck_assert_int_eq(offset_at_time(&bytes, 101, 0), 12);
    ck_assert_int_eq(offset_at_time(&bytes, 300, 0), 12);
    ck_assert_int_eq(offset_at_time(&bytes, 301, 0), -1);
    ck_assert_int_eq(offset_at_time(&bytes, 0, 11), 11);
    ck_assert_int_eq(offset_at_time(&bytes, 300, 13), 14);
    ck_assert_int_eq(offset_at_time(&bytes, 0, 15), -1);
    ks_batch_set_append_time(bytes.data, bytes.size, 250);
    ck_assert_int_eq(offset_at_time(&bytes, 250, 0), 10);
    ck_assert_int_eq(offset_at_time(&bytes, 250, 13), 13);
    ck_assert_int_eq(offset_at_time(&bytes, 251, 0), -1);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(lookup_in_a_damaged_batch_says_so)
{
    struct ks_record_time found;
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;
    struct ks_batch batch;

    put_times(&bytes, _i);
    memset(bytes.data + KS_BATCH_HEADER_BYTES, 0xff, bytes.size - KS_BATCH_HEADER_BYTES);
    batch = get_batch(&bytes);
    ck_assert_int_eq(ks_records_find_time(&batch, 0, 0, &found, &error), KAFSCALE_CORRUPT);
    ck_assert_int_eq(error.status, KAFSCALE_CORRUPT);
    ck_assert_int_eq(ks_records_find_latest_time(&batch, 0, &found, &error), KAFSCALE_CORRUPT);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(latest_time_gives_the_first_of_equals)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    struct ks_record_time found;
    struct kafscale_error error = { 0 };

    put_times(&bytes, _i);
    batch = get_batch(&bytes);
    ck_assert_int_eq(ks_records_find_latest_time(&batch, 0, &found, &error), KAFSCALE_OK);
    ck_assert_int_eq(found.offset, 12);
    ck_assert_int_eq(found.timestamp, 300);
    ck_assert_int_eq(ks_records_find_latest_time(&batch, 13, &found, &error), KAFSCALE_OK);
    ck_assert_int_eq(found.offset, 14);
    ck_assert_int_eq(ks_records_find_latest_time(&batch, 15, &found, &error), KAFSCALE_NOT_FOUND);
    batch.max_timestamp = 1000;
    ck_assert_int_eq(ks_records_find_latest_time(&batch, 0, &found, &error), KAFSCALE_OK);
    ck_assert_int_eq(found.offset, 12);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(opening_is_limited)
{
    struct ks_batch_options options = { .codec = _i, .producer_id = -1 };
    struct ks_records records;
    struct ks_batch batch;
    struct ks_buffer bytes;
    struct kafscale_error error = { 0 };
    char *zeros = calloc(1, 5000);
    struct ks_record record = { .value = ks_slice(zeros, 5000) };

    ck_assert_ptr_nonnull(zeros);
    ks_buffer_init(&bytes, 10000);
    put_batch(&bytes, &options, &record, 1);
    batch = get_batch(&bytes);
    ck_assert_int_eq(ks_records_init(&records, &batch, 4000, &error), KAFSCALE_TOO_LARGE);
    ks_buffer_deinit(&bytes);
    free(zeros);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("record records");
    TCase *reading = tcase_create("reading");
    TCase *refusing = tcase_create("refusing");
    TCase *times = tcase_create("lookups by time");

    tcase_add_loop_test(reading, records_come_with_offsets_timestamps_and_headers, 0,
                        KS_CODEC_COUNT);
    tcase_add_loop_test(reading, append_time_counts_for_every_record, 0, KS_CODEC_COUNT);
    tcase_add_test(reading, bytes_of_one_record_are_read);
    suite_add_tcase(suite, reading);

    tcase_set_timeout(refusing, 60);
    tcase_add_loop_test(refusing, wrong_lengths_and_deltas_are_corrupt, 0,
                        sizeof wrong / sizeof wrong[0]);
    tcase_add_test(refusing, count_must_be_that_of_the_records);
    tcase_add_test(refusing, null_header_key_is_corrupt);
    tcase_add_test(refusing, timestamp_beyond_64_bits_is_corrupt);
    tcase_add_loop_test(refusing, random_damage_does_no_harm, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(refusing, opening_is_limited, 1, KS_CODEC_COUNT);
    suite_add_tcase(suite, refusing);

    tcase_add_loop_test(times, lookup_by_time_gives_the_first_record_not_earlier, 0,
                        KS_CODEC_COUNT);
    tcase_add_loop_test(times, lookup_in_a_damaged_batch_says_so, 0, KS_CODEC_COUNT);
    tcase_add_loop_test(times, latest_time_gives_the_first_of_equals, 0, KS_CODEC_COUNT);
    suite_add_tcase(suite, times);
    return suite;
}
