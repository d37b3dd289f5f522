/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a batch: what is read from it, what a producer may send, what the broker writes
 * into it.
 */
#include "support/batches.h"
#include "support/main.h"

#include "base/base.h"

#define WALL_MS 1700000000000

static const struct ks_batch_options plain_options = { .producer_id = KS_NO_PRODUCER_ID };

static struct ks_batch_rules
lenient_rules(void)
{
    return (struct ks_batch_rules){
        .bytes_max = 1048588,
        .zstd_allowed = true,
        .wall_ms = WALL_MS,
        .timestamp_before_max_ms = -1,
        .timestamp_after_max_ms = INT64_MAX,
    };
}

/* Three records at WALL_MS - 5, WALL_MS + 5 and WALL_MS. */
static void
put_three(struct ks_buffer *bytes, const struct ks_batch_options *options)
{
    struct ks_record records[] = {
        text_record(WALL_MS - 5, "a", "1"),
        text_record(WALL_MS + 5, "b", "2"),
        text_record(WALL_MS, NULL, "3"),
    };

    ks_buffer_init(bytes, 1u << 20);
    put_batch(bytes, options, records, 3);
}

static enum ks_batch_fault
check(const struct ks_buffer *bytes, const struct ks_batch_rules *rules)
{
    struct ks_batch batch;

    return ks_batch_check_produced(ks_buffer_slice(bytes), rules, &batch);
}

static enum ks_batch_fault
check_leniently(const struct ks_buffer *bytes)
{
    struct ks_batch_rules rules = lenient_rules();

    return check(bytes, &rules);
}

START_TEST(header_is_read_field_by_field)
{
    struct ks_batch_options options = {
        .attributes = KS_BATCH_TRANSACTIONAL,
        .base_offset = 1000,
        .leader_epoch = 7,
        .producer_id = 4711,
        .producer_epoch = 3,
        .base_sequence = 12,
    };
    struct ks_buffer bytes;
    struct ks_batch batch;

    put_three(&bytes, &options);
    batch = get_batch(&bytes);
    ck_assert_uint_eq(batch.bytes.size, bytes.size);
    ck_assert_int_eq(batch.base_offset, 1000);
    ck_assert_int_eq(ks_batch_last_offset(&batch), 1002);
    ck_assert_int_eq(batch.leader_epoch, 7);
    ck_assert_int_eq(batch.base_timestamp, WALL_MS - 5);
    ck_assert_int_eq(batch.max_timestamp, WALL_MS + 5);
    ck_assert_int_eq(batch.producer_id, 4711);
    ck_assert_int_eq(batch.producer_epoch, 3);
    ck_assert_int_eq(batch.base_sequence, 12);
    ck_assert_int_eq(ks_batch_last_sequence(&batch), 14);
    ck_assert_int_eq(batch.record_count, 3);
    ck_assert(ks_batch_is_transactional(&batch));
    ck_assert(!ks_batch_is_control(&batch));
    ck_assert(!ks_batch_has_append_time(&batch));
    ck_assert_int_eq(ks_batch_codec(&batch), KS_CODEC_NONE);
    ck_assert(ks_batch_crc_is_right(&batch));
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(last_sequence_wraps_to_zero)
{
    struct ks_batch batch = { .base_sequence = INT32_MAX, .last_offset_delta = 2 };

    ck_assert_int_eq(ks_batch_last_sequence(&batch), 1);
    batch.last_offset_delta = 0;
    ck_assert_int_eq(ks_batch_last_sequence(&batch), INT32_MAX);
    batch.last_offset_delta = INT32_MAX;
    ck_assert_int_eq(ks_batch_last_sequence(&batch), INT32_MAX - 1);
}
END_TEST

START_TEST(first_of_several_batches_is_cut_out)
{
    struct ks_buffer bytes;
    size_t first_bytes;

    put_three(&bytes, &plain_options);
    first_bytes = bytes.size;
    put_batch(&bytes, &plain_options, &(struct ks_record){ 0 }, 1);
    ck_assert_uint_gt(bytes.size, first_bytes);
    ck_assert_uint_eq(get_batch(&bytes).bytes.size, first_bytes);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* Each line damages one field; a stored batch like this is not used. */
static const struct {
    size_t at;
    size_t size;
    uint64_t value;
} nonsense[] = {
    { 0, 8, UINT64_MAX },    /* base offset below 0 */
    { 0, 8, INT64_MAX - 2 }, /* no offset left after it */
    { 8, 4, 48 },            /* shorter than its header */
    { 8, 4, 0 },
    { 8, 4, UINT32_MAX }, /* a negative length */
    { 8, 4, INT32_MAX },
    { 21, 2, 0x80 }, /* unknown attributes */
    { 21, 2, 0x8000 },
    { 21, 2, 5 },    /* no such codec */
    { 21, 2, 0x10 }, /* a transaction without a producer */
    { 23, 4, 1 },    /* fewer offsets than records */
    { 23, 4, UINT32_MAX },
    { 43, 8, 1 },          /* a producer id without an epoch */
    { 57, 4, UINT32_MAX }, /* a negative count */
    { 57, 4, INT32_MAX },
};

static void
put_field(struct ks_buffer *bytes, size_t at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++) {
        bytes->data[at + i] = (uint8_t) (value >> (8 * (size - 1 - i)));
    }
}

START_TEST(numbers_that_cannot_be_are_refused)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    struct kafscale_error error = { 0 };

    put_three(&bytes, &plain_options);
    put_field(&bytes, nonsense[_i].at, nonsense[_i].size, nonsense[_i].value);
    correct_crc(&bytes);
    ck_assert_int_eq(ks_batch_parse(ks_buffer_slice(&bytes), &batch, &error), KAFSCALE_CORRUPT);
    ck_assert_str_ne(error.text, "");
    ck_assert_int_ne(check_leniently(&bytes), KS_BATCH_FAULT_NONE);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(count_beyond_what_the_bytes_can_hold_is_refused)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    struct kafscale_error error = { 0 };

    put_three(&bytes, &plain_options);
    put_field(&bytes, 23, 4, 999);
    put_field(&bytes, 57, 4, 1000);
    ck_assert_int_eq(ks_batch_parse(ks_buffer_slice(&bytes), &batch, &error), KAFSCALE_CORRUPT);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(compacted_batch_may_have_fewer_records_than_offsets)
{
    struct ks_buffer bytes;

    put_three(&bytes, &plain_options);
    put_field(&bytes, 23, 4, 99);
    ck_assert_int_eq(ks_batch_last_offset(&(struct ks_batch){ .last_offset_delta = 99 }), 99);
    ck_assert_int_eq(get_batch(&bytes).record_count, 3);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    struct ks_batch_rules rules = lenient_rules();

    put_three(&bytes, &plain_options);
    for (size_t size = 0; size < bytes.size; size++) {
        /* In memory of its own, so that a byte too far is noticed. */
        uint8_t *copy = ks_alloc(size + 1);
        struct kafscale_error error = { 0 };
        enum ks_batch_fault fault;

        memcpy(copy + 1, bytes.data, size);
        ck_assert_int_eq(ks_batch_parse(ks_slice(copy + 1, size), &batch, &error),
                         KAFSCALE_CORRUPT);
        fault = ks_batch_check_produced(ks_slice(copy + 1, size), &rules, &batch);
        ck_assert_int_eq(fault, size == 0 ? KS_BATCH_FAULT_MISSING : KS_BATCH_FAULT_CORRUPT);
        ks_free(copy);
    }
    ks_buffer_deinit(&bytes);
}
END_TEST

/*
 * The checksum covers all but the base offset, the length, the epoch, the format and itself;
 * these are checked too.
 */
START_TEST(no_flipped_bit_is_accepted_from_a_producer)
{
    struct ks_buffer bytes;

    put_three(&bytes, &plain_options);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bool is_epoch = bit / 8 >= 12 && bit / 8 < 16;

        bytes.data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        ck_assert_int_eq(check_leniently(&bytes) == KS_BATCH_FAULT_NONE, is_epoch);
        bytes.data[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(producer_is_told_what_is_wrong)
{
    struct ks_buffer bytes;
    struct ks_batch_rules rules = lenient_rules();
    size_t size;

    put_three(&bytes, &plain_options);
    size = bytes.size;
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_NONE);

    rules.bytes_max = size;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_NONE);
    rules.bytes_max = size - 1;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_TOO_LARGE);

    put_batch(&bytes, &plain_options, &(struct ks_record){ 0 }, 1);
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_MULTIPLE);
    bytes.size = size;

    bytes.data[16] = 1;
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_OLD_MAGIC);
    bytes.data[16] = 2;
    bytes.data[20] ^= 1;
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_CORRUPT);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(old_format_has_a_status_of_its_own)
{
    struct ks_buffer bytes;
    struct ks_batch batch;
    struct kafscale_error error = { 0 };

    put_three(&bytes, &plain_options);
    bytes.data[16] = 1;
    ck_assert_int_eq(ks_batch_parse(ks_buffer_slice(&bytes), &batch, &error), KAFSCALE_UNSUPPORTED);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* Valid when stored, but not for a producer to send. */
static const struct {
    size_t at;
    size_t size;
    uint64_t value;
    enum ks_batch_fault fault;
} forbidden[] = {
    { 0, 8, 1, KS_BATCH_FAULT_INVALID },     /* chooses its offset */
    { 21, 2, 0x20, KS_BATCH_FAULT_INVALID }, /* a control batch */
    { 21, 2, 0x40, KS_BATCH_FAULT_INVALID }, /* a delete horizon */
    { 23, 4, 3, KS_BATCH_FAULT_INVALID },    /* a gap at the end */
    { 57, 4, 2, KS_BATCH_FAULT_INVALID },    /* fewer records than offsets */
    { 57, 4, 0, KS_BATCH_FAULT_INVALID },    /* no records */
    { 21, 2, 0x08, KS_BATCH_FAULT_TIMESTAMP },
};

START_TEST(what_only_brokers_write_is_refused_from_a_producer)
{
    struct ks_buffer bytes;

    put_three(&bytes, &plain_options);
    put_field(&bytes, forbidden[_i].at, forbidden[_i].size, forbidden[_i].value);
    correct_crc(&bytes);
    (void) get_batch(&bytes);
    ck_assert_int_eq(check_leniently(&bytes), forbidden[_i].fault);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(producer_id_demands_epoch_and_sequence)
{
    struct ks_batch_options options = { .producer_id = 5, .producer_epoch = 0, .base_sequence = 0 };
    struct ks_buffer bytes;

    put_three(&bytes, &options);
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_NONE);
    put_field(&bytes, 51, 2, UINT16_MAX);
    correct_crc(&bytes);
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_INVALID);
    put_field(&bytes, 51, 2, 0);
    put_field(&bytes, 53, 4, UINT32_MAX);
    correct_crc(&bytes);
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_INVALID);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* kafkajs writes epoch and sequence 0 when it has no producer id. */
START_TEST(epoch_and_sequence_do_not_matter_without_producer_id)
{
    struct ks_buffer bytes;

    put_three(&bytes, &plain_options);
    put_field(&bytes, 51, 2, 0);
    put_field(&bytes, 53, 4, 0);
    correct_crc(&bytes);
    ck_assert_int_eq(check_leniently(&bytes), KS_BATCH_FAULT_NONE);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(zstd_needs_a_later_request)
{
    struct ks_batch_options options = { .codec = KS_CODEC_ZSTD, .producer_id = -1 };
    struct ks_batch_rules rules = lenient_rules();
    struct ks_buffer bytes;

    put_three(&bytes, &options);
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_NONE);
    rules.zstd_allowed = false;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_CODEC);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(timestamps_have_limits_on_both_sides)
{
    struct ks_batch_rules rules = lenient_rules();
    struct ks_buffer bytes;

    put_three(&bytes, &plain_options);
    rules.timestamp_before_max_ms = 5;
    rules.timestamp_after_max_ms = 5;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_NONE);
    rules.timestamp_before_max_ms = 4;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_TIMESTAMP);
    rules.timestamp_before_max_ms = -1;
    rules.timestamp_after_max_ms = 4;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_TIMESTAMP);
    rules.append_time = true;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_NONE);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(timestamp_distances_do_not_wrap)
{
    struct ks_batch_rules rules = lenient_rules();
    struct ks_buffer bytes;

    put_three(&bytes, &plain_options);
    put_field(&bytes, 27, 8, (uint64_t) INT64_MIN);
    put_field(&bytes, 35, 8, INT64_MAX);
    correct_crc(&bytes);
    rules.timestamp_before_max_ms = 1000;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_TIMESTAMP);
    rules.timestamp_before_max_ms = -1;
    rules.timestamp_after_max_ms = INT64_MAX - 1;
    rules.wall_ms = -5;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_TIMESTAMP);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(records_without_timestamp_are_within_any_limit)
{
    struct ks_record record = text_record(KS_NO_TIMESTAMP, NULL, "v");
    struct ks_batch_rules rules = lenient_rules();
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 4096);
    put_batch(&bytes, &plain_options, &record, 1);
    rules.timestamp_before_max_ms = 1000;
    rules.timestamp_after_max_ms = 1000;
    ck_assert_int_eq(check(&bytes, &rules), KS_BATCH_FAULT_NONE);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(patching_keeps_the_checksum_right)
{
    struct ks_buffer bytes;
    struct ks_batch batch;

    put_three(&bytes, &plain_options);
    ks_batch_patch(bytes.data, INT64_MAX - 3, 9);
    batch = get_batch(&bytes);
    ck_assert_int_eq(batch.base_offset, INT64_MAX - 3);
    ck_assert_int_eq(ks_batch_last_offset(&batch), INT64_MAX - 1);
    ck_assert_int_eq(batch.leader_epoch, 9);
    ck_assert(ks_batch_crc_is_right(&batch));
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(append_time_is_stamped_with_a_new_checksum)
{
    struct ks_batch_options options = { .codec = KS_CODEC_LZ4, .producer_id = -1 };
    struct ks_buffer bytes;
    struct ks_batch batch;

    put_three(&bytes, &options);
    ks_batch_set_append_time(bytes.data, bytes.size, 42);
    batch = get_batch(&bytes);
    ck_assert(ks_batch_has_append_time(&batch));
    ck_assert_int_eq(ks_batch_codec(&batch), KS_CODEC_LZ4);
    ck_assert_int_eq(batch.max_timestamp, 42);
    ck_assert_int_eq(batch.base_timestamp, WALL_MS - 5);
    ck_assert(ks_batch_crc_is_right(&batch));
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(every_fault_has_a_text)
{
    for (int fault = KS_BATCH_FAULT_NONE; fault <= KS_BATCH_FAULT_CODEC; fault++) {
        ck_assert_ptr_nonnull(ks_batch_fault_text((enum ks_batch_fault) fault));
    }
}
END_TEST

/* Small batches are read, large ones trusted to their own checksum: nobody may see which. */
START_TEST(checksum_after_a_batch_is_that_of_all_bytes)
{
    static char value[32 << 10];
    struct ks_record record = { .value = ks_slice(value, (size_t) _i) };
    struct ks_buffer bytes;
    uint32_t before = ks_crc32c(0, "head", 4);

    ks_buffer_init(&bytes, 1u << 20);
    put_batch(&bytes, &plain_options, &record, 1);
    ck_assert_uint_eq(ks_batch_crc_after(before, ks_buffer_slice(&bytes)),
                      ks_crc32c(before, bytes.data, bytes.size));
    ks_batch_patch(bytes.data, 77, 3);
    ck_assert_uint_eq(ks_batch_crc_after(before, ks_buffer_slice(&bytes)),
                      ks_crc32c(before, bytes.data, bytes.size));
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(checksum_after_a_large_batch_tells_that_a_byte_changed_meanwhile)
{
    static char value[32 << 10];
    struct ks_record record = { .value = ks_slice(value, sizeof value) };
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, 1u << 20);
    put_batch(&bytes, &plain_options, &record, 1);
    bytes.data[bytes.size / 2] ^= 1;
    ck_assert_uint_ne(ks_batch_crc_after(0, ks_buffer_slice(&bytes)),
                      ks_crc32c(0, bytes.data, bytes.size));
    ks_buffer_deinit(&bytes);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("record batch");
    TCase *reading = tcase_create("reading");
    TCase *producing = tcase_create("producing");
    TCase *writing = tcase_create("writing");

    tcase_add_test(reading, header_is_read_field_by_field);
    tcase_add_test(reading, last_sequence_wraps_to_zero);
    tcase_add_test(reading, first_of_several_batches_is_cut_out);
    tcase_add_loop_test(reading, numbers_that_cannot_be_are_refused, 0,
                        sizeof nonsense / sizeof nonsense[0]);
    tcase_add_test(reading, count_beyond_what_the_bytes_can_hold_is_refused);
    tcase_add_test(reading, compacted_batch_may_have_fewer_records_than_offsets);
    tcase_add_test(reading, every_truncation_is_refused);
    tcase_add_test(reading, old_format_has_a_status_of_its_own);
    tcase_add_loop_test(reading, checksum_after_a_batch_is_that_of_all_bytes, 8100, 8200);
    tcase_add_test(reading, checksum_after_a_large_batch_tells_that_a_byte_changed_meanwhile);
    suite_add_tcase(suite, reading);

    tcase_add_test(producing, no_flipped_bit_is_accepted_from_a_producer);
    tcase_add_test(producing, producer_is_told_what_is_wrong);
    tcase_add_loop_test(producing, what_only_brokers_write_is_refused_from_a_producer, 0,
                        sizeof forbidden / sizeof forbidden[0]);
    tcase_add_test(producing, producer_id_demands_epoch_and_sequence);
    tcase_add_test(producing, epoch_and_sequence_do_not_matter_without_producer_id);
    tcase_add_test(producing, zstd_needs_a_later_request);
    tcase_add_test(producing, timestamps_have_limits_on_both_sides);
    tcase_add_test(producing, timestamp_distances_do_not_wrap);
    tcase_add_test(producing, records_without_timestamp_are_within_any_limit);
    tcase_add_test(producing, every_fault_has_a_text);
    suite_add_tcase(suite, producing);

    tcase_add_test(writing, patching_keeps_the_checksum_right);
    tcase_add_test(writing, append_time_is_stamped_with_a_new_checksum);
    suite_add_tcase(suite, writing);
    return suite;
}
