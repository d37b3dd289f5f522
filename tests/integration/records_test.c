/* SPDX-License-Identifier: Apache-2.0 */
/* Record batches as programs read and build them, through what the shared library shows. */
#include "support/main.h"

#include <kafscale/kafscale.h>
#include <kafscale/records.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES_MAX ((size_t) 1 << 20)
#define BATCH_BYTES_MAX 4096
#define CRC_AT 17
#define MAGIC_AT 16
#define ATTRIBUTES_AT 21

/* --- What clients wrote --- */

static const char *const goldens[] = {
    "kafka-python-none", "kafka-python-gzip", "kafka-python-snappy",   "kafka-python-lz4",
    "kafka-python-zstd", "librdkafka-none",   "librdkafka-gzip",       "librdkafka-snappy",
    "librdkafka-lz4",    "librdkafka-zstd",   "librdkafka-idempotent",
};

#define GOLDENS ((int) (sizeof goldens / sizeof goldens[0]))

static int
digit_of(int c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static struct kafscale_slice
load(const char *name, uint8_t room[BATCH_BYTES_MAX])
{
    char path[512];
    char line[512];
    FILE *file;
    size_t size = 0;

    (void) snprintf(path, sizeof path, "%s/%s.hex", RECORD_DATA, name);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        for (char *p = line; line[0] != '#' && p[0] > ' ' && p[1] > ' '; p += 2) {
            room[size++] = (uint8_t) (digit_of(p[0]) << 4 | digit_of(p[1]));
        }
    }
    fclose(file);
    return (struct kafscale_slice){ room, size };
}

static struct kafscale_records *
records_new(struct kafscale_slice bytes)
{
    struct kafscale_records *records = kafscale_records_new(bytes, MEMORY_BYTES_MAX, NULL);

    ck_assert_ptr_nonnull(records);
    return records;
}

static bool
is_text(struct kafscale_slice bytes, const char *text)
{
    return bytes.data != NULL && bytes.size == strlen(text) &&
           memcmp(bytes.data, text, bytes.size) == 0;
}

START_TEST(batches_of_clients_are_read_to_their_last_header)
{
    uint8_t room[BATCH_BYTES_MAX];
    struct kafscale_records *records = records_new(load(goldens[_i], room));
    struct kafscale_error error = { 0 };
    struct kafscale_record record;
    int count = 0;

    ck_assert_ptr_null(kafscale_records_batch(records));
    while (kafscale_records_next(records, &record, &error) == KAFSCALE_OK) {
        ck_assert_int_eq(record.offset, count++);
        ck_assert_int_gt(record.timestamp_ms, 0);
    }
    ck_assert_int_eq(error.status, KAFSCALE_NOT_FOUND);
    ck_assert_int_eq(count, kafscale_records_batch(records)->record_count);
    ck_assert_int_ge(count, 3);
    ck_assert(kafscale_batch_is_whole(kafscale_records_batch(records)));
    ck_assert_uint_eq(kafscale_records_left(records), 0);
    kafscale_records_free(records);
}
END_TEST

/* --- What was built --- */

static struct kafscale_batch_builder *
builder_new(const struct kafscale_batch_options *options)
{
    struct kafscale_error error = { 0 };
    struct kafscale_batch_builder *builder = kafscale_batch_builder_new(options, &error);

    ck_assert_msg(builder != NULL, "%s", error.text);
    return builder;
}

static void
append(struct kafscale_batch_builder *builder, int64_t timestamp_ms, const char *key,
       const char *value)
{
    struct kafscale_record record = { .timestamp_ms = timestamp_ms };

    record.key = key == NULL ? record.key : kafscale_slice_of_text(key);
    record.value = value == NULL ? record.value : kafscale_slice_of_text(value);
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &record, NULL), KAFSCALE_OK);
}

static struct kafscale_blob *
finish(struct kafscale_batch_builder *builder)
{
    struct kafscale_error error = { 0 };
    struct kafscale_blob *batch = NULL;

    ck_assert_msg(kafscale_batch_builder_finish(builder, &batch, &error) == KAFSCALE_OK, "%s",
                  error.text);
    return batch;
}

static void
append_with_headers(struct kafscale_batch_builder *builder)
{
    struct kafscale_header headers[] = {
        { kafscale_slice_of_text("trace"), kafscale_slice_of_text("17") },
        { kafscale_slice_of_text(""), { NULL, 0 } },
    };
    struct kafscale_record record = { .timestamp_ms = 900,
                                      .value = kafscale_slice_of_text("third"),
                                      .headers = headers,
                                      .header_count = 2 };

    ck_assert_int_eq(kafscale_batch_builder_append(builder, &record, NULL), KAFSCALE_OK);
}

static void
expect_next(struct kafscale_records *records, int64_t offset, int64_t timestamp_ms,
            struct kafscale_record *record)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_records_next(records, record, &error) == KAFSCALE_OK, "%s", error.text);
    ck_assert_int_eq(record->offset, offset);
    ck_assert_int_eq(record->timestamp_ms, timestamp_ms);
}

START_TEST(records_come_back_as_they_were_appended)
{
    struct kafscale_batch_options options = KAFSCALE_BATCH_OPTIONS;
    struct kafscale_batch_builder *builder;
    struct kafscale_records *records;
    struct kafscale_record record;
    struct kafscale_blob *batch;

    options.compression = (enum kafscale_compression) _i;
    options.base_offset = 1000;
    builder = builder_new(&options);
    append(builder, 1000, "k", "first");
    append(builder, 1001, NULL, NULL);
    append_with_headers(builder);
    ck_assert_uint_gt(kafscale_batch_builder_bytes(builder), 20);
    batch = finish(builder);
    kafscale_batch_builder_free(builder);

    records = records_new(kafscale_blob_slice(batch));
    expect_next(records, 1000, 1000, &record);
    ck_assert(is_text(record.key, "k"));
    ck_assert(is_text(record.value, "first"));
    ck_assert_uint_eq(record.header_count, 0);
    expect_next(records, 1001, 1001, &record);
    ck_assert_ptr_null(record.key.data);
    ck_assert_ptr_null(record.value.data);
    expect_next(records, 1002, 900, &record);
    ck_assert_uint_eq(record.header_count, 2);
    ck_assert(is_text(record.headers[0].key, "trace"));
    ck_assert(is_text(record.headers[0].value, "17"));
    ck_assert(is_text(record.headers[1].key, ""));
    ck_assert_ptr_null(record.headers[1].value.data);
    ck_assert_int_eq(kafscale_records_batch(records)->compression, _i);
    ck_assert_int_eq(kafscale_records_batch(records)->max_timestamp_ms, 1001);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_NOT_FOUND);
    kafscale_records_free(records);
    kafscale_blob_unref(batch);
}
END_TEST

/* Three batches of two records each, in one piece of memory of their exact size. */
static struct kafscale_slice
three_batches(size_t starts_out[3])
{
    struct kafscale_batch_options options = KAFSCALE_BATCH_OPTIONS;
    struct kafscale_batch_builder *builder;
    struct kafscale_slice all = { 0 };
    uint8_t *bytes = NULL;

    options.producer_id = 5;
    options.producer_epoch = 1;
    options.base_sequence = INT32_MAX - 2;
    builder = builder_new(&options);
    for (int i = 0; i < 3; i++) {
        struct kafscale_blob *batch;

        append(builder, 1, NULL, "a");
        append(builder, 2, NULL, "b");
        batch = finish(builder);
        starts_out[i] = all.size;
        bytes = realloc(bytes, all.size + kafscale_blob_size(batch));
        memcpy(bytes + all.size, kafscale_blob_data(batch), kafscale_blob_size(batch));
        all = (struct kafscale_slice){ bytes, all.size + kafscale_blob_size(batch) };
        kafscale_blob_unref(batch);
    }
    kafscale_batch_builder_free(builder);
    return all;
}

START_TEST(batches_follow_one_another_in_offset_and_sequence)
{
    static const int32_t sequences[] = { INT32_MAX - 2, INT32_MAX, 1 };
    size_t starts[3];
    struct kafscale_slice all = three_batches(starts);
    struct kafscale_records *records = records_new(all);
    const struct kafscale_batch *batch;
    struct kafscale_record record;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kafscale_records_next_batch(records, &batch, NULL), KAFSCALE_OK);
        ck_assert_int_eq(batch->base_offset, 2 * i);
        ck_assert_int_eq(batch->last_offset, 2 * i + 1);
        ck_assert_int_eq(batch->base_sequence, sequences[i]);
        if (i == 1) {
            expect_next(records, 2, 1, &record);
        }
    }
    expect_next(records, 4, 1, &record);
    expect_next(records, 5, 2, &record);
    ck_assert_int_eq(kafscale_records_next_batch(records, &batch, NULL), KAFSCALE_NOT_FOUND);
    kafscale_records_free(records);
    free((void *) all.data);
}
END_TEST

/* A broker ends its answer where the client's limit is, in the middle of a batch. */
START_TEST(what_is_cut_off_is_left_over)
{
    size_t starts[3];
    struct kafscale_slice all = three_batches(starts);

    for (size_t size = starts[1]; size < all.size; size++) {
        size_t whole = size < starts[2] ? 1 : 2;
        uint8_t *exact = malloc(size);
        struct kafscale_records *records;
        struct kafscale_record record;
        size_t count = 0;

        memcpy(exact, all.data, size);
        records = records_new((struct kafscale_slice){ exact, size });
        while (kafscale_records_next(records, &record, NULL) == KAFSCALE_OK) {
            count++;
        }
        ck_assert_uint_eq(count, 2 * whole);
        ck_assert_uint_eq(kafscale_records_left(records), size - starts[whole]);
        kafscale_records_free(records);
        free(exact);
    }
    free((void *) all.data);
}
END_TEST

START_TEST(a_damaged_batch_is_named_and_the_next_one_is_read)
{
    size_t starts[3];
    struct kafscale_slice all = three_batches(starts);
    struct kafscale_records *records;
    struct kafscale_error error = { 0 };
    struct kafscale_record record;

    ((uint8_t *) all.data)[starts[1] + CRC_AT] ^= 1;
    records = records_new(all);
    expect_next(records, 0, 1, &record);
    expect_next(records, 1, 2, &record);
    ck_assert_int_eq(kafscale_records_next(records, &record, &error), KAFSCALE_CORRUPT);
    ck_assert_str_eq(error.text, "record batch at offset 2: the checksum is wrong");
    ck_assert(!kafscale_batch_is_whole(kafscale_records_batch(records)));
    expect_next(records, 4, 1, &record);
    kafscale_records_free(records);
    free((void *) all.data);
}
END_TEST

START_TEST(what_is_no_batch_stops_the_reading)
{
    size_t starts[3];
    struct kafscale_slice all = three_batches(starts);
    struct kafscale_records *records;
    struct kafscale_record record;

    ((uint8_t *) all.data)[starts[1] + MAGIC_AT] = 1;
    records = records_new(all);
    expect_next(records, 0, 1, &record);
    expect_next(records, 1, 2, &record);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_UNSUPPORTED);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_UNSUPPORTED);
    kafscale_records_free(records);
    ((uint8_t *) all.data)[MAGIC_AT] = 2;
    memset((uint8_t *) all.data + 8, 0, 4);
    records = records_new(all);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_CORRUPT);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_CORRUPT);
    kafscale_records_free(records);
    free((void *) all.data);
}
END_TEST

/* Every byte of every golden, made wrong: the outcome is an error or records, and nothing else. */
START_TEST(no_byte_of_a_batch_is_trusted)
{
    uint8_t room[BATCH_BYTES_MAX];
    struct kafscale_slice golden = load(goldens[_i], room);

    for (size_t i = 0; i < golden.size; i++) {
        struct kafscale_records *records;
        struct kafscale_record record;
        enum kafscale_status status;

        room[i] ^= 0xff;
        records = records_new(golden);
        do {
            status = kafscale_records_next(records, &record, NULL);
        } while (status == KAFSCALE_OK);
        ck_assert(status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED ||
                  status == KAFSCALE_NOT_FOUND);
        /* What the checksum covers can't pass; what it doesn't is offset, length and epoch. */
        ck_assert(i < ATTRIBUTES_AT || status == KAFSCALE_CORRUPT);
        kafscale_records_free(records);
        room[i] ^= 0xff;
    }
}
END_TEST

START_TEST(a_batch_opens_to_no_more_than_the_memory_allows)
{
    static uint8_t zeros[500000];
    struct kafscale_batch_options options = KAFSCALE_BATCH_OPTIONS;
    struct kafscale_record large = { .value = { zeros, sizeof zeros } };
    struct kafscale_record record;
    struct kafscale_batch_builder *builder;
    struct kafscale_records *records;
    struct kafscale_blob *batch;

    options.compression = KAFSCALE_COMPRESSION_ZSTD;
    builder = builder_new(&options);
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &large, NULL), KAFSCALE_OK);
    batch = finish(builder);
    ck_assert_uint_lt(kafscale_blob_size(batch), 1000);
    records = kafscale_records_new(kafscale_blob_slice(batch), 400000, NULL);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_TOO_LARGE);
    ck_assert_int_eq(kafscale_records_next(records, &record, NULL), KAFSCALE_NOT_FOUND);
    kafscale_records_free(records);
    kafscale_blob_unref(batch);
    kafscale_batch_builder_free(builder);
}
END_TEST

START_TEST(a_full_builder_keeps_what_it_has)
{
    size_t size = (size_t) 40 << 20;
    struct kafscale_batch_builder *builder = builder_new(NULL);
    struct kafscale_record large = { .value = { calloc(1, size), size } };
    struct kafscale_records *records;
    struct kafscale_record record;
    struct kafscale_blob *batch;

    append(builder, 7, NULL, "small");
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &large, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &large, NULL), KAFSCALE_FULL);
    append(builder, 8, NULL, "last");
    batch = finish(builder);
    records = kafscale_records_new(kafscale_blob_slice(batch), size, NULL);
    expect_next(records, 0, 7, &record);
    expect_next(records, 1, 0, &record);
    expect_next(records, 2, 8, &record);
    ck_assert(is_text(record.value, "last"));
    kafscale_records_free(records);
    kafscale_blob_unref(batch);
    kafscale_batch_builder_free(builder);
    free((void *) large.value.data);
}
END_TEST

static void
expect_no_builder(struct kafscale_batch_options options, const char *why)
{
    struct kafscale_error error = { 0 };

    ck_assert_ptr_null(kafscale_batch_builder_new(&options, &error));
    ck_assert_int_eq(error.status, KAFSCALE_INVALID);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
}

START_TEST(options_that_can_not_be_are_refused)
{
    struct kafscale_batch_options options = KAFSCALE_BATCH_OPTIONS;

    options.size = 3;
    expect_no_builder(options, "the size of the options");
    options = (struct kafscale_batch_options) KAFSCALE_BATCH_OPTIONS;
    options.compression = (enum kafscale_compression) 5;
    expect_no_builder(options, "no such compression");
    options = (struct kafscale_batch_options) KAFSCALE_BATCH_OPTIONS;
    options.base_offset = INT64_MAX;
    expect_no_builder(options, "an offset that can't be");
    options = (struct kafscale_batch_options) KAFSCALE_BATCH_OPTIONS;
    options.producer_id = 1;
    expect_no_builder(options, "producer fields that can't be");
    options = (struct kafscale_batch_options) KAFSCALE_BATCH_OPTIONS;
    options.is_transactional = true;
    expect_no_builder(options, "a transaction without a producer id");
}
END_TEST

START_TEST(records_that_can_not_be_are_refused)
{
    struct kafscale_batch_builder *builder = builder_new(NULL);
    struct kafscale_header header = { 0 };
    struct kafscale_record negative = { .timestamp_ms = -2 };
    struct kafscale_record hollow = { .value = { NULL, 3 } };
    struct kafscale_record keyless = { .headers = &header, .header_count = 1 };
    struct kafscale_record headless = { .header_count = 1 };
    struct kafscale_blob *batch;

    ck_assert_int_eq(kafscale_batch_builder_append(builder, &negative, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &hollow, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &keyless, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_batch_builder_append(builder, &headless, NULL), KAFSCALE_INVALID);
    ck_assert_int_eq(kafscale_batch_builder_finish(builder, &batch, NULL), KAFSCALE_INVALID);
    kafscale_batch_builder_free(builder);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("records through the library");
    TCase *reading = tcase_create("reading");
    TCase *building = tcase_create("building");

    tcase_set_timeout(reading, 60);
    tcase_add_loop_test(reading, batches_of_clients_are_read_to_their_last_header, 0, GOLDENS);
    tcase_add_test(reading, what_is_cut_off_is_left_over);
    tcase_add_test(reading, a_damaged_batch_is_named_and_the_next_one_is_read);
    tcase_add_test(reading, what_is_no_batch_stops_the_reading);
    tcase_add_loop_test(reading, no_byte_of_a_batch_is_trusted, 0, GOLDENS);
    tcase_add_test(reading, a_batch_opens_to_no_more_than_the_memory_allows);
    suite_add_tcase(suite, reading);

    tcase_set_timeout(building, 60);
    tcase_add_loop_test(building, records_come_back_as_they_were_appended, 0, 5);
    tcase_add_test(building, batches_follow_one_another_in_offset_and_sequence);
    tcase_add_test(building, a_full_builder_keeps_what_it_has);
    tcase_add_test(building, options_that_can_not_be_are_refused);
    tcase_add_test(building, records_that_can_not_be_are_refused);
    suite_add_tcase(suite, building);
    return suite;
}
