/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments as programs read and write them: those that KafScale's own broker wrote, those that ours
 * wrote, and what was damaged on the way. Only what the shared library shows is used.
 */
#include "support/main.h"

#include <kafscale/kafscale.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES_MAX ((size_t) 1 << 20)

static const struct {
    const char *path; /* without its suffix */
    int64_t base_offset;
    bool is_upstream;
} samples[] = {
    { DATA "/upstream/default/samples-gzip/0/segment-00000000000000000000", 0, true },
    { DATA "/upstream/default/samples-zstd/0/segment-00000000000000000000", 0, true },
    { DATA "/upstream/default/samples-snappy/0/segment-00000000000000000870", 870, true },
    { DATA "/upstream/default/samples-none/0/segment-00000000000000000648", 648, true },
    { DATA "/store-v1/store/objects/default/codec-lz4/0/segment-00000000000000000000", 0, false },
    { DATA "/store-v1/store/objects/default/codec-none/0/segment-00000000000000000030", 30, false },
};

#define SAMPLES ((int) (sizeof samples / sizeof samples[0]))

static struct kafscale_slice
load(const char *path, const char *suffix)
{
    char whole[512];
    struct kafscale_slice bytes = { 0 };
    uint8_t *room;
    FILE *file;

    (void) snprintf(whole, sizeof whole, "%s%s", path, suffix);
    file = fopen(whole, "rb");
    ck_assert_msg(file != NULL, "%s", whole);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    bytes.size = (size_t) ftell(file);
    rewind(file);
    room = malloc(bytes.size);
    ck_assert_uint_eq(fread(room, 1, bytes.size, file), bytes.size);
    fclose(file);
    bytes.data = room;
    return bytes;
}

static void
unload(struct kafscale_slice bytes)
{
    free((void *) bytes.data);
}

/* The caller's function: from memory, and no byte beyond it. */
static enum kafscale_status
read_slice(void *arg, uint64_t position, void *out, size_t size, struct kafscale_error *error)
{
    const struct kafscale_slice *all = arg;

    (void) error;
    ck_assert_uint_le(position, all->size);
    ck_assert_uint_le(size, all->size - position);
    memcpy(out, all->data + position, size);
    return KAFSCALE_OK;
}

static struct kafscale_segment_reader *
reader_new(struct kafscale_slice *all, size_t memory_bytes_max)
{
    struct kafscale_error error = { 0 };
    struct kafscale_segment_reader *reader =
        kafscale_segment_reader_new(read_slice, all, all->size, memory_bytes_max, &error);

    ck_assert_msg(reader != NULL, "%s", error.text);
    return reader;
}

/* Record i of KafScale's samples, as tests/data/upstream/README.md has it. */
static void
expect_sample(const struct kafscale_record *record)
{
    char text[32];
    int size = snprintf(text, sizeof text, "key-%lld", (long long) record->offset);

    ck_assert_uint_eq(record->key.size, (size_t) size);
    ck_assert_mem_eq(record->key.data, text, (size_t) size);
    ck_assert_int_eq(record->timestamp_ms, 1767225600000 + 1000 * record->offset);
    ck_assert_uint_eq(record->header_count, record->offset % 50 == 0 ? 1 : 0);
}

static int
read_batch(struct kafscale_slice batch, int64_t *next_offset, bool is_upstream)
{
    struct kafscale_records *records = kafscale_records_new(batch, MEMORY_BYTES_MAX, NULL);
    struct kafscale_record record;
    int count = 0;

    while (kafscale_records_next(records, &record, NULL) == KAFSCALE_OK) {
        ck_assert_int_eq(record.offset, *next_offset);
        *next_offset = record.offset + 1;
        if (is_upstream) {
            expect_sample(&record);
        }
        count++;
    }
    kafscale_records_free(records);
    return count;
}

START_TEST(segments_of_both_brokers_are_read_to_their_end)
{
    struct kafscale_slice all = load(samples[_i].path, ".kfs");
    struct kafscale_segment_reader *reader = reader_new(&all, MEMORY_BYTES_MAX);
    const struct kafscale_segment *segment = kafscale_segment_reader_segment(reader);
    int64_t next_offset = segment->base_offset;
    struct kafscale_error error = { 0 };
    struct kafscale_slice batch;
    int count = 0;

    ck_assert_int_eq(segment->base_offset, samples[_i].base_offset);
    while (kafscale_segment_reader_next(reader, &batch, &error) == KAFSCALE_OK) {
        count += read_batch(batch, &next_offset, samples[_i].is_upstream);
    }
    ck_assert_msg(error.status == KAFSCALE_NOT_FOUND, "%s", error.text);
    ck_assert_int_eq(count, segment->record_count);
    ck_assert_int_eq(next_offset - 1, segment->last_offset);
    kafscale_segment_reader_free(reader);
    unload(all);
}
END_TEST

START_TEST(segments_are_what_their_indexes_say)
{
    struct kafscale_slice segment = load(samples[_i].path, ".kfs");
    struct kafscale_slice index = load(samples[_i].path, ".index");
    struct kafscale_slice none = { 0 };
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_segment_verify(segment, index, &error) == KAFSCALE_OK, "%s", error.text);
    ck_assert_int_eq(kafscale_segment_verify(segment, none, NULL), KAFSCALE_OK);
    ((uint8_t *) index.data)[20] ^= 1;
    ck_assert_int_eq(kafscale_segment_verify(segment, index, NULL), KAFSCALE_CORRUPT);
    ((uint8_t *) segment.data)[100] ^= 1;
    ck_assert_int_eq(kafscale_segment_verify(segment, none, NULL), KAFSCALE_CORRUPT);
    unload(segment);
    unload(index);
}
END_TEST

/* Read from one and written to another, the body is the same, and so is the index but for what ours
 * adds to it. */
START_TEST(what_is_written_is_what_kafscale_writes)
{
    struct kafscale_slice all = load(samples[_i].path, ".kfs");
    struct kafscale_slice index = load(samples[_i].path, ".index");
    struct kafscale_segment_reader *reader = reader_new(&all, MEMORY_BYTES_MAX);
    const struct kafscale_segment *segment = kafscale_segment_reader_segment(reader);
    struct kafscale_segment_writer *writer = kafscale_segment_writer_new(
        segment->base_offset, segment->created_ms, MEMORY_BYTES_MAX, NULL);
    struct kafscale_blob *made;
    struct kafscale_blob *made_index;
    struct kafscale_slice batch;

    while (kafscale_segment_reader_next(reader, &batch, NULL) == KAFSCALE_OK) {
        ck_assert_int_eq(kafscale_segment_writer_append(writer, batch, NULL), KAFSCALE_OK);
    }
    ck_assert_int_eq(kafscale_segment_writer_finish(writer, &made, &made_index, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_segment_writer_finish(writer, &made, &made_index, NULL),
                     KAFSCALE_INVALID);
    ck_assert_uint_eq(kafscale_blob_size(made), all.size);
    ck_assert_mem_eq(kafscale_blob_data(made), all.data, 28);
    ck_assert_mem_eq(kafscale_blob_data(made) + 32, all.data + 32, all.size - 32);
    ck_assert_uint_le(kafscale_blob_size(made_index), index.size);
    ck_assert_mem_eq(kafscale_blob_data(made_index), index.data, kafscale_blob_size(made_index));
    if (samples[_i].is_upstream) {
        ck_assert_uint_eq(kafscale_blob_size(made_index), index.size);
        ck_assert_mem_eq(kafscale_blob_data(made), all.data, all.size);
    }
    ck_assert_int_eq(
        kafscale_segment_verify(kafscale_blob_slice(made), kafscale_blob_slice(made_index), NULL),
        KAFSCALE_OK);
    kafscale_blob_unref(made);
    kafscale_blob_unref(made_index);
    kafscale_segment_writer_free(writer);
    kafscale_segment_reader_free(reader);
    unload(all);
    unload(index);
}
END_TEST

/* Reads to the end, whatever that is. */
static enum kafscale_status
read_all(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct kafscale_segment_reader *reader =
        kafscale_segment_reader_new(read_slice, &bytes, bytes.size, MEMORY_BYTES_MAX, &error);
    enum kafscale_status status = reader == NULL ? error.status : KAFSCALE_OK;
    struct kafscale_slice batch;

    while (status == KAFSCALE_OK) {
        status = kafscale_segment_reader_next(reader, &batch, NULL);
    }
    if (reader != NULL) {
        ck_assert_int_eq(kafscale_segment_reader_next(reader, &batch, NULL), status);
    }
    kafscale_segment_reader_free(reader);
    return status;
}

/* All but the flags, the time and KafScale's reserved field are looked at. */
START_TEST(damage_is_found_wherever_it_is)
{
    struct kafscale_slice all = load(samples[_i].path, ".kfs");
    size_t step = all.size > 20000 ? 7 : 1;

    for (size_t i = 0; i < all.size; i += i < 100 ? 1 : step) {
        bool is_free = (i >= 6 && i < 16) || (i >= 20 && i < 32);
        enum kafscale_status status;

        ((uint8_t *) all.data)[i] ^= 0x55;
        status = read_all(all);
        ck_assert_msg(is_free || status == KAFSCALE_CORRUPT || status == KAFSCALE_UNSUPPORTED,
                      "byte %zu: %d", i, status);
        ((uint8_t *) all.data)[i] ^= 0x55;
    }
    for (size_t size = 0; size < all.size; size += 1 + all.size / 300) {
        ck_assert_int_eq(read_all((struct kafscale_slice){ all.data, size }), KAFSCALE_CORRUPT);
    }
    unload(all);
}
END_TEST

static enum kafscale_status
read_nothing(void *arg, uint64_t position, void *out, size_t size, struct kafscale_error *error)
{
    int *left = arg;

    (void) position;
    (void) error;
    memset(out, 0, size);
    return (*left)-- > 0 ? KAFSCALE_OK : KAFSCALE_UNAVAILABLE;
}

START_TEST(failures_and_limits_are_told)
{
    struct kafscale_slice all = load(samples[0].path, ".kfs");
    struct kafscale_segment_reader *reader = reader_new(&all, 100);
    struct kafscale_segment_writer *writer = kafscale_segment_writer_new(0, 0, 200, NULL);
    struct kafscale_error error = { 0 };
    struct kafscale_slice batch;
    struct kafscale_blob *unused;
    int reads = 1;

    ck_assert_int_eq(kafscale_segment_reader_next(reader, &batch, NULL), KAFSCALE_TOO_LARGE);
    kafscale_segment_reader_free(reader);
    ck_assert_ptr_null(kafscale_segment_reader_new(read_nothing, &reads, 1000, 1000, &error));
    ck_assert_int_eq(error.status, KAFSCALE_UNAVAILABLE);
    ck_assert_ptr_null(kafscale_segment_writer_new(-1, 0, 1000, NULL));

    reader = reader_new(&all, MEMORY_BYTES_MAX);
    ck_assert_int_eq(kafscale_segment_reader_next(reader, &batch, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_segment_writer_append(writer, batch, NULL), KAFSCALE_FULL);
    ck_assert_int_eq(kafscale_segment_writer_finish(writer, &unused, &unused, NULL),
                     KAFSCALE_INVALID);
    kafscale_segment_writer_free(writer);
    writer = kafscale_segment_writer_new(0, 0, MEMORY_BYTES_MAX, NULL);
    ck_assert_int_eq(kafscale_segment_writer_append(writer, batch, NULL), KAFSCALE_OK);
    ck_assert_int_eq(kafscale_segment_writer_append(writer, batch, NULL), KAFSCALE_CORRUPT);
    batch.size--;
    ck_assert_int_eq(kafscale_segment_writer_append(writer, batch, NULL), KAFSCALE_CORRUPT);
    kafscale_segment_writer_free(writer);
    kafscale_segment_reader_free(reader);
    unload(all);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("segments through the library");
    TCase *tcase = tcase_create("segments");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, segments_of_both_brokers_are_read_to_their_end, 0, SAMPLES);
    tcase_add_loop_test(tcase, segments_are_what_their_indexes_say, 0, SAMPLES);
    tcase_add_loop_test(tcase, what_is_written_is_what_kafscale_writes, 0, SAMPLES);
    tcase_add_loop_test(tcase, damage_is_found_wherever_it_is, 0, SAMPLES);
    tcase_add_test(tcase, failures_and_limits_are_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
