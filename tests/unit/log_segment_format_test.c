/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments are KafScale's to the byte: a vector of its own writer, objects of its own broker, and
 * what is written here once must be readable for ever.
 */
#include "log/format/index_format.h"
#include "support/batches.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

#define OBJECT_BYTES_MAX (64u << 20)

static const struct ks_id topic = { { 0x0a, 0x0b, 0x0c } };

static void
load_file(const char *directory, const char *name, struct ks_buffer *out)
{
    char path[1000];
    uint8_t piece[4096];
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "no file %s", path);
    ks_buffer_init(out, OBJECT_BYTES_MAX);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0) {
        ks_buffer_append(out, piece, size);
    }
    fclose(file);
    ck_assert(!ks_buffer_failed(out));
}

/* A whole segment of the batches in `body`, and its index. */
static void
write_segment(struct kafscale_slice body, struct ks_index *index, uint32_t topic_tag,
              struct ks_buffer *out)
{
    struct ks_segment_header header = { .base_offset = index->base_offset,
                                        .record_count = (int32_t) index->record_count,
                                        .created_ms = index->created_ms,
                                        .topic_tag = topic_tag };
    struct ks_segment_footer footer = { .body_crc = index->body_crc,
                                        .last_offset = index->last_offset };

    ks_buffer_init(out, OBJECT_BYTES_MAX);
    ks_segment_write_header(ks_buffer_extend(out, KS_SEGMENT_HEADER_BYTES), &header);
    ks_buffer_append(out, body.data, body.size);
    ks_segment_write_footer(ks_buffer_extend(out, KS_SEGMENT_FOOTER_BYTES), &footer);
    ck_assert(!ks_buffer_failed(out));
}

static void
add_batches(struct ks_index *index, struct kafscale_slice body)
{
    struct kafscale_error error = { 0 };
    size_t position = 0;

    while (position < body.size) {
        struct ks_batch batch;

        ck_assert_int_eq(
            ks_batch_parse(ks_slice(body.data + position, body.size - position), &batch, &error),
            KAFSCALE_OK);
        ck_assert_int_eq(ks_index_add_batch(index, &batch, &error), KAFSCALE_OK);
        position += batch.bytes.size;
    }
}

static void
expect_hex(struct kafscale_slice bytes, const char *hex)
{
    ck_assert_uint_eq(strlen(hex), 2 * bytes.size);
    for (size_t i = 0; i < bytes.size; i++) {
        char digits[3];

        snprintf(digits, sizeof digits, "%02x", bytes.data[i]);
        ck_assert_msg(memcmp(digits, hex + 2 * i, 2) == 0, "byte %zu is %s", i, digits);
    }
}

/* What KafScale's BuildSegment makes of one batch, and the index beside it. */
START_TEST(a_segment_is_what_kafscale_writes)
{
    uint8_t body[64] = { [7] = 7, [11] = 0x34, [16] = 2, [26] = 1, [60] = 2 };
    struct ks_batch batch = { .bytes = ks_slice(body, sizeof body),
                              .base_offset = 7,
                              .last_offset_delta = 1,
                              .record_count = 2 };
    struct kafscale_error error = { 0 };
    struct ks_buffer segment;
    struct ks_buffer encoded;
    struct ks_index index;

    ks_index_init(&index, 7);
    ck_assert_int_eq(ks_index_add_batch(&index, &batch, &error), KAFSCALE_OK);
    index.created_ms = 0x0102030405;
    index.is_ours = false;
    write_segment(batch.bytes, &index, KS_SEGMENT_TAG_NONE, &segment);
    ck_assert_uint_eq(segment.size, 112);
    expect_hex(ks_slice(segment.data, 32),
               "4b41465300010000000000000000000700000002000000010203040500000000");
    ck_assert_mem_eq(segment.data + 32, body, sizeof body);
    expect_hex(ks_slice(segment.data + 96, 16), "7ab899740000000000000008454e4421");
    ks_buffer_init(&encoded, 1000);
    ks_index_encode(&index, &encoded);
    expect_hex(ks_buffer_slice(&encoded),
               "49445800000100000001000000640000000000000000000700000020");
    ks_buffer_deinit(&encoded);
    ks_buffer_deinit(&segment);
    ks_index_deinit(&index);
}
END_TEST

/* --- Objects of KafScale's broker ------------------------------------------------------------ */

static const struct sample {
    const char *topic;
    int codec;
    int64_t bases[5];
    int64_t end;
} samples[] = {
    { "none", KS_CODEC_NONE, { 0, 222, 444, 648, -1 }, 870 },
    { "gzip", KS_CODEC_GZIP, { 0, -1 }, -1 },
    { "snappy", KS_CODEC_SNAPPY, { 0, 870, -1 }, -1 },
    { "lz4", KS_CODEC_LZ4, { 0, 796, -1 }, -1 },
    { "zstd", KS_CODEC_ZSTD, { 0, -1 }, -1 },
};

#define SAMPLES ((int) (sizeof samples / sizeof samples[0]))

static void
expect_text(struct kafscale_slice bytes, const char *text)
{
    ck_assert_uint_eq(bytes.size, strlen(text));
    ck_assert_mem_eq(bytes.data, text, bytes.size);
}

static void
expect_record(const struct ks_record *record, int64_t i)
{
    struct ks_cursor headers = ks_cursor(record->headers);
    struct ks_record_header header;
    char text[200];

    ck_assert_int_eq(record->offset, i);
    ck_assert_int_eq(record->timestamp, 1767225600000 + 1000 * i);
    snprintf(text, sizeof text, "key-%lld", (long long) i);
    expect_text(record->key, text);
    snprintf(text, sizeof text,
             "value of record %lld value of record %lld value of record %lld value of record %lld ",
             (long long) i, (long long) i, (long long) i, (long long) i);
    expect_text(record->value, text);
    ck_assert_int_eq(record->header_count, i % 50 == 0 ? 1 : 0);
    if (i % 50 == 0) {
        ck_assert(ks_record_header_next(&headers, &header));
        snprintf(text, sizeof text, "%lld", (long long) i);
        expect_text(header.key, "n");
        expect_text(header.value, text);
    }
}

/* Reads all records of a segment; the first must be `next`. Returns what comes after the last. */
static int64_t
read_records(struct kafscale_slice body, int codec, int64_t next)
{
    struct kafscale_error error = { 0 };
    size_t position = 0;

    while (position < body.size) {
        struct ks_records records;
        struct ks_record record;
        struct ks_batch batch;

        ck_assert_int_eq(
            ks_batch_parse(ks_slice(body.data + position, body.size - position), &batch, &error),
            KAFSCALE_OK);
        ck_assert_int_eq(ks_batch_codec(&batch), codec);
        ck_assert_int_eq(ks_records_init(&records, &batch, 1 << 20, &error), KAFSCALE_OK);
        while (ks_records_next(&records, &record, &error) == KAFSCALE_OK) {
            expect_record(&record, next);
            next++;
        }
        ck_assert_int_eq(error.status, KAFSCALE_OK);
        ks_records_deinit(&records);
        position += batch.bytes.size;
    }
    return next;
}

static void
load_sample(const struct sample *sample, int64_t base, const char *suffix, struct ks_buffer *out)
{
    char name[300];

    snprintf(name, sizeof name, "default/samples-%s/0/segment-%020lld%s", sample->topic,
             (long long) base, suffix);
    load_file(UPSTREAM_DATA, name, out);
}

START_TEST(segments_of_kafscales_broker_are_read_completely)
{
    const struct sample *sample = &samples[_i];
    const size_t frame = KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES;
    int64_t next = 0;

    for (const int64_t *base = sample->bases; *base >= 0; base++) {
        struct kafscale_error error = { 0 };
        struct ks_buffer segment;
        struct ks_index index;

        load_sample(sample, *base, ".kfs", &segment);
        ck_assert_int_eq(ks_index_rebuild(ks_buffer_slice(&segment), *base, &index, &error),
                         KAFSCALE_OK);
        ck_assert_uint_eq(index.topic_tag, KS_SEGMENT_TAG_NONE);
        ck_assert_int_eq(*base, next);
        next = read_records(ks_slice(segment.data + KS_SEGMENT_HEADER_BYTES, segment.size - frame),
                            sample->codec, next);
        ck_assert_int_eq(index.last_offset, next - 1);
        ck_assert_int_eq(index.max_timestamp_ms, 1767225600000 + 1000 * (next - 1));
        ks_index_deinit(&index);
        ks_buffer_deinit(&segment);
    }
    ck_assert_int_gt(next, 500);
    ck_assert(sample->end < 0 || next == sample->end);
}
END_TEST

/* Read as they are, and made again from the segment to the byte. */
START_TEST(indexes_of_kafscales_broker_are_read_and_made_again)
{
    const struct sample *sample = &samples[_i];

    for (const int64_t *base = sample->bases; *base >= 0; base++) {
        struct kafscale_error error = { 0 };
        struct ks_buffer segment;
        struct ks_buffer stored;
        struct ks_buffer encoded;
        struct ks_index index;

        load_sample(sample, *base, ".kfs", &segment);
        load_sample(sample, *base, ".index", &stored);
        ck_assert_int_eq(ks_index_decode(ks_buffer_slice(&stored), &index, &error), KAFSCALE_OK);
        ck_assert(!index.is_ours);
        ck_assert_int_eq(index.interval, KS_INDEX_INTERVAL);
        ck_assert_int_eq(index.base_offset, *base);
        ks_index_deinit(&index);
        ck_assert_int_eq(ks_index_rebuild(ks_buffer_slice(&segment), *base, &index, &error),
                         KAFSCALE_OK);
        index.is_ours = false;
        ks_buffer_init(&encoded, OBJECT_BYTES_MAX);
        ks_index_encode(&index, &encoded);
        ck_assert(ks_slice_equals(ks_buffer_slice(&encoded), ks_buffer_slice(&stored)));
        ks_index_deinit(&index);
        ks_buffer_deinit(&encoded);
        ks_buffer_deinit(&stored);
        ks_buffer_deinit(&segment);
    }
}
END_TEST

/* --- Our own --------------------------------------------------------------------------------- */

#define FIRST_OFFSET 1000
#define BATCHES 30

/* Batches of `records` records each, timestamps going up and down. */
static void
write_body(struct ks_buffer *body, int records)
{
    int64_t offset = FIRST_OFFSET;

    ks_buffer_init(body, OBJECT_BYTES_MAX);
    for (int i = 0; i < BATCHES; i++) {
        struct ks_batch_options options = { .base_offset = offset,
                                            .leader_epoch = 3 + i / 10,
                                            .producer_id = 77,
                                            .base_sequence = i * records };
        struct ks_batch_builder builder;
        struct kafscale_error error = { 0 };

        ks_batch_builder_init(&builder, &options);
        for (int j = 0; j < records; j++) {
            struct ks_record record = text_record(1000000 + 100 * ((i * 7) % 30), "k", "value");

            ks_batch_builder_append(&builder, &record);
        }
        ck_assert_int_eq(ks_batch_builder_finish(&builder, body, &error), KAFSCALE_OK);
        ks_batch_builder_deinit(&builder);
        offset += records;
    }
}

static void
make_index(struct ks_index *index, const struct ks_index *before, struct kafscale_slice body)
{
    ks_index_init(index, FIRST_OFFSET);
    index->name = (struct ks_partition_name){ .topic = topic, .index = 5 };
    index->topic_tag = ks_segment_topic_tag(&topic);
    index->cluster = (struct ks_id){ { 1, 2, 3 } };
    index->created_ms = 1700000000000;
    ck_assert_int_eq(ks_index_follow(index, before, 0), KAFSCALE_OK);
    add_batches(index, body);
    for (int32_t epoch = 3; epoch < 6; epoch++) {
        ck_assert_int_eq(ks_index_add_epoch(index, epoch, FIRST_OFFSET + 120 * (epoch - 3)),
                         KAFSCALE_OK);
    }
    ks_buffer_append(&index->producers, "producers", 9);
    index->aborted = ks_alloc_zero(1, sizeof *index->aborted);
    index->aborted_count = 1;
    index->aborted[0] = (struct ks_aborted_transaction){ 77, 1100, 1150 };
}

static void
encode(const struct ks_index *index, struct ks_buffer *out)
{
    ks_buffer_init(out, OBJECT_BYTES_MAX);
    ks_index_encode(index, out);
    ck_assert(!ks_buffer_failed(out));
}

static enum kafscale_status
decode(struct kafscale_slice bytes, struct ks_index *index)
{
    struct kafscale_error error = { 0 };

    return ks_index_decode(bytes, index, &error);
}

static void
make_stored(struct ks_buffer *stored)
{
    struct ks_buffer body;
    struct ks_index index;

    write_body(&body, 12);
    make_index(&index, NULL, ks_buffer_slice(&body));
    encode(&index, stored);
    ks_index_deinit(&index);
    ks_buffer_deinit(&body);
}

START_TEST(an_index_is_read_as_it_was_written)
{
    struct ks_buffer stored;
    struct ks_buffer again;
    struct ks_index index;

    make_stored(&stored);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &index), KAFSCALE_OK);
    ck_assert(index.is_ours);
    ck_assert(index.has_partition);
    ck_assert(ks_id_equals(&index.name.topic, &topic));
    ck_assert_int_eq(index.name.index, 5);
    ck_assert_int_eq(index.last_offset, FIRST_OFFSET + BATCHES * 12 - 1);
    ck_assert_uint_eq(index.record_count, BATCHES * 12);
    ck_assert_uint_eq(index.batch_count, BATCHES);
    ck_assert_uint_eq(index.totals.segments, 1);
    ck_assert_uint_eq(index.totals.records, BATCHES * 12);
    ck_assert_uint_eq(index.totals.bytes, index.body_bytes);
    ck_assert_uint_eq(index.epoch_count, 3);
    ck_assert_int_eq(index.epochs[2].offset, FIRST_OFFSET + 240);
    ck_assert_uint_eq(index.aborted_count, 1);
    encode(&index, &again);
    ck_assert(ks_slice_equals(ks_buffer_slice(&stored), ks_buffer_slice(&again)));
    ks_index_deinit(&index);
    ks_buffer_deinit(&again);
    ks_buffer_deinit(&stored);
}
END_TEST

/* Other KafScale programs read the front part and nothing behind it. */
START_TEST(the_front_of_an_index_is_kafscales)
{
    struct ks_buffer stored;
    struct ks_buffer plain;
    struct ks_index index;

    make_stored(&stored);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &index), KAFSCALE_OK);
    index.is_ours = false;
    encode(&index, &plain);
    ck_assert_uint_eq(plain.size, 16 + 12 * index.entry_count);
    ck_assert_mem_eq(plain.data, stored.data, plain.size);
    ck_assert_int_eq(index.entries[0].offset, FIRST_OFFSET);
    ck_assert_uint_eq(index.entries[0].position, KS_SEGMENT_HEADER_BYTES);
    for (size_t i = 1; i < index.entry_count; i++) {
        ck_assert_int_eq(index.entries[i].offset, FIRST_OFFSET + 108 * (int64_t) i);
    }
    ks_index_deinit(&index);
    ks_buffer_deinit(&plain);
    ks_buffer_deinit(&stored);
}
END_TEST

START_TEST(an_entry_knows_the_latest_time_up_to_the_next)
{
    struct ks_buffer stored;
    struct ks_index index;

    make_stored(&stored);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &index), KAFSCALE_OK);
    for (size_t i = 0; i < index.entry_count; i++) {
        int64_t latest = 0;

        for (int batch = 9 * (int) i; batch < 9 * ((int) i + 1) && batch < BATCHES; batch++) {
            int64_t time = 1000000 + 100 * ((batch * 7) % 30);

            latest = time > latest ? time : latest;
        }
        ck_assert_int_eq(index.entries[i].max_timestamp_ms, latest);
    }
    ks_index_deinit(&index);
    ks_buffer_deinit(&stored);
}
END_TEST

START_TEST(damage_of_any_byte_of_an_index_and_any_cut_is_noticed)
{
    struct ks_buffer stored;
    struct ks_index index;

    make_stored(&stored);
    for (size_t i = 0; i < stored.size; i++) {
        enum kafscale_status status;

        stored.data[i] ^= 0x10;
        status = decode(ks_buffer_slice(&stored), &index);
        ck_assert_msg(status == KAFSCALE_CORRUPT ||
                          (status == KAFSCALE_UNSUPPORTED && (i == 4 || i == 5)),
                      "byte %zu: %d", i, status);
        stored.data[i] ^= 0x10;
    }
    for (size_t size = 0; size < stored.size; size++) {
        bool is_plain = size == 16 + 12 * 4;

        ck_assert_int_eq(decode(ks_slice(stored.data, size), &index),
                         is_plain ? KAFSCALE_OK : KAFSCALE_CORRUPT);
        if (is_plain) {
            ck_assert(!index.is_ours);
            ks_index_deinit(&index);
        }
    }
    ks_buffer_deinit(&stored);
}
END_TEST

/* What an extension says of the segment itself can be told from the body alone. */
START_TEST(an_index_is_made_again_from_its_segment)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer segment;
    struct ks_buffer body;
    struct ks_index written;
    struct ks_index index;

    write_body(&body, 12);
    make_index(&written, NULL, ks_buffer_slice(&body));
    write_segment(ks_buffer_slice(&body), &written, written.topic_tag, &segment);
    ck_assert_int_eq(ks_index_rebuild(ks_buffer_slice(&segment), FIRST_OFFSET, &index, &error),
                     KAFSCALE_OK);
    ck_assert(!index.has_partition);
    ck_assert_uint_eq(index.topic_tag, ks_segment_topic_tag(&topic));
    ck_assert_uint_eq(index.entry_count, written.entry_count);
    for (size_t i = 0; i < index.entry_count; i++) {
        ck_assert_int_eq(index.entries[i].offset, written.entries[i].offset);
        ck_assert_uint_eq(index.entries[i].position, written.entries[i].position);
        ck_assert_int_eq(index.entries[i].max_timestamp_ms, written.entries[i].max_timestamp_ms);
    }
    ck_assert_uint_eq(index.body_crc, written.body_crc);
    ck_assert_uint_eq(index.body_bytes, written.body_bytes);
    ck_assert_int_eq(index.last_offset, written.last_offset);
    ck_assert_int_eq(index.created_ms, written.created_ms);
    ks_index_deinit(&index);
    ks_index_deinit(&written);
    ks_buffer_deinit(&segment);
    ks_buffer_deinit(&body);
}
END_TEST

/* Every byte counts but those that say nothing of the records: flags, count, time, topic. */
START_TEST(damage_of_a_segment_is_noticed)
{
    struct kafscale_error error = { 0 };
    struct ks_buffer segment;
    struct ks_buffer body;
    struct ks_index index;

    write_body(&body, 1);
    make_index(&index, NULL, ks_buffer_slice(&body));
    write_segment(ks_buffer_slice(&body), &index, index.topic_tag, &segment);
    ks_index_deinit(&index);
    for (size_t i = 0; i < segment.size; i++) {
        bool is_information = (i >= 6 && i < 8) || (i >= 8 && i < KS_SEGMENT_HEADER_BYTES);
        enum kafscale_status status;

        segment.data[i] ^= 0x40;
        status = ks_index_rebuild(ks_buffer_slice(&segment), FIRST_OFFSET, &index, &error);
        segment.data[i] ^= 0x40;
        if (status == KAFSCALE_OK) {
            ck_assert_msg(is_information, "byte %zu", i);
            ks_index_deinit(&index);
        }
    }
    for (size_t size = 0; size < segment.size; size += 7) {
        ck_assert_int_ne(
            ks_index_rebuild(ks_slice(segment.data, size), FIRST_OFFSET, &index, &error),
            KAFSCALE_OK);
    }
    ks_buffer_deinit(&segment);
    ks_buffer_deinit(&body);
}
END_TEST

/* After DeleteRecords a segment may begin in the middle of a batch: with that whole batch. */
START_TEST(only_the_first_batch_may_begin_below_the_base)
{
    struct kafscale_error error = { 0 };
    struct ks_batch first = { .base_offset = 90, .last_offset_delta = 19, .record_count = 20 };
    struct ks_batch second = { .base_offset = 109, .last_offset_delta = 0, .record_count = 1 };
    uint8_t bytes[KS_BATCH_HEADER_BYTES] = { 0 };
    struct ks_index index;

    first.bytes = second.bytes = ks_slice(bytes, sizeof bytes);
    ks_index_init(&index, 100);
    ck_assert_int_eq(ks_index_add_batch(&index, &first, &error), KAFSCALE_OK);
    ck_assert_int_eq(index.entries[0].offset, 100);
    ck_assert_int_eq(ks_index_add_batch(&index, &second, &error), KAFSCALE_CORRUPT);
    second.base_offset = 115; /* offsets may have gaps */
    ck_assert_int_eq(ks_index_add_batch(&index, &second, &error), KAFSCALE_OK);
    ks_index_deinit(&index);
    ks_index_init(&index, 111);
    ck_assert_int_eq(ks_index_add_batch(&index, &first, &error), KAFSCALE_CORRUPT);
    ks_index_deinit(&index);
}
END_TEST

/* --- From one segment to the next ------------------------------------------------------------ */

/* The index of the segment after `before`, with offsets 10 * n to 10 * n + 9. */
static void
make_next(struct ks_index *index, const struct ks_index *before, int64_t n)
{
    uint8_t bytes[KS_BATCH_HEADER_BYTES] = { 0 };
    struct kafscale_error error = { 0 };
    struct ks_batch batch = { .bytes = ks_slice(bytes, sizeof bytes),
                              .base_offset = 10 * n,
                              .last_offset_delta = 9,
                              .record_count = 10,
                              .max_timestamp = n };

    ks_index_init(index, 10 * n);
    ck_assert_int_eq(ks_index_follow(index, before, 0), KAFSCALE_OK);
    ck_assert_int_eq(ks_index_add_batch(index, &batch, &error), KAFSCALE_OK);
}

#define CHAIN 5000

/* From the newest of many segments any other is reached in a few steps, each an index. */
START_TEST(any_segment_is_reached_in_a_few_steps)
{
    struct ks_index *chain = ks_alloc_zero(CHAIN, sizeof *chain);
    int steps_max = 0;

    for (int64_t n = 0; n < CHAIN; n++) {
        make_next(&chain[n], n == 0 ? NULL : &chain[n - 1], n);
    }
    ck_assert_uint_eq(chain[CHAIN - 1].totals.segments, CHAIN);
    ck_assert_uint_eq(chain[CHAIN - 1].totals.records, 10 * CHAIN);
    for (int64_t offset = 0; offset < 10 * (CHAIN - 1); offset += 3) {
        int64_t at = CHAIN - 1;
        int steps = 0;

        while (chain[at].base_offset > offset) {
            int64_t next = ks_index_ancestor(&chain[at], offset);

            ck_assert_int_ge(next, 0);
            ck_assert_int_lt(next, chain[at].base_offset);
            at = next / 10;
            steps++;
        }
        ck_assert_int_eq(at, offset / 10);
        steps_max = steps > steps_max ? steps : steps_max;
    }
    ck_assert_int_le(steps_max, 7);
    ck_assert_int_ge(steps_max, 4);
    for (int64_t n = 0; n < CHAIN; n++) {
        ks_index_deinit(&chain[n]);
    }
    ks_free(chain);
}
END_TEST

/* The greatest up to there, of each, also when the index was stored. */
START_TEST(an_index_knows_the_times_of_its_ancestors)
{
    struct ks_index *chain = ks_alloc_zero(CHAIN, sizeof *chain);
    struct ks_buffer stored;
    struct ks_index index;

    for (int64_t n = 0; n < CHAIN; n++) {
        make_next(&chain[n], n == 0 ? NULL : &chain[n - 1], n);
    }
    encode(&chain[CHAIN - 1], &stored);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &index), KAFSCALE_OK);
    for (size_t level = 0; level < 5; level++) {
        const struct ks_ancestors *ancestors = &index.ancestors[level];

        ck_assert_uint_gt(ancestors->count, 0);
        for (uint8_t i = 0; i < ancestors->count; i++) {
            ck_assert_int_eq(ancestors->max_timestamps_ms[i], ancestors->bases[i] / 10);
        }
    }
    ks_index_deinit(&index);
    ks_buffer_deinit(&stored);
    for (int64_t n = 0; n < CHAIN; n++) {
        ks_index_deinit(&chain[n]);
    }
    ks_free(chain);
}
END_TEST

START_TEST(leader_epochs_go_on_and_old_ones_are_left_behind)
{
    struct ks_index before;
    struct ks_index index;

    make_next(&before, NULL, 100);
    for (int32_t epoch = 0; epoch < 5; epoch++) {
        ck_assert_int_eq(ks_index_add_epoch(&before, epoch, 200 * epoch), KAFSCALE_OK);
        ck_assert_int_eq(ks_index_add_epoch(&before, epoch, 200 * epoch + 7), KAFSCALE_OK);
    }
    ck_assert_uint_eq(before.epoch_count, 5);
    ks_index_init(&index, 1010);
    ck_assert_int_eq(ks_index_follow(&index, &before, 599), KAFSCALE_OK);
    ck_assert_uint_eq(index.epoch_count, 3);
    ck_assert_int_eq(index.epochs[0].epoch, 2);
    ck_assert_int_eq(index.epochs[0].offset, 400);
    ks_index_deinit(&index);
    ks_index_deinit(&before);
}
END_TEST

/* --- Frozen ---------------------------------------------------------------------------------- */

static void
expect_golden(const char *name, const struct ks_buffer *bytes)
{
    struct ks_buffer golden;
    char path[1000];
    FILE *file;

    if (getenv("LOG_WRITE_GOLDEN") != NULL) {
        snprintf(path, sizeof path, "%s/%s", LOG_DATA, name);
        file = fopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        fwrite(bytes->data, 1, bytes->size, file);
        fclose(file);
    }
    load_file(LOG_DATA, name, &golden);
    ck_assert(ks_slice_equals(ks_buffer_slice(&golden), ks_buffer_slice(bytes)));
    ks_buffer_deinit(&golden);
}

START_TEST(bytes_of_version_1_stay_what_they_are)
{
    struct ks_buffer segment;
    struct ks_buffer stored;
    struct ks_buffer body;
    struct ks_index before;
    struct ks_index index;

    write_body(&body, 12);
    make_next(&before, NULL, 99);
    make_index(&index, &before, ks_buffer_slice(&body));
    encode(&index, &stored);
    write_segment(ks_buffer_slice(&body), &index, index.topic_tag, &segment);
    expect_golden("segment-1.kfs", &segment);
    expect_golden("segment-1-times.index", &stored);
    ks_index_deinit(&before);
    ks_index_deinit(&index);
    ks_buffer_deinit(&segment);
    ks_buffer_deinit(&stored);
    ks_buffer_deinit(&body);
}
END_TEST

/* It was written before indexes had the times of their ancestors. */
START_TEST(an_index_without_the_times_of_its_ancestors_is_read)
{
    struct ks_buffer stored;
    struct ks_index index;

    load_file(LOG_DATA, "segment-1.index", &stored);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &index), KAFSCALE_OK);
    ck_assert(index.has_partition);
    ck_assert_uint_eq(index.ancestors[0].count, 1);
    ck_assert_int_eq(index.ancestors[0].bases[0], 990);
    ck_assert_int_eq(index.ancestors[0].max_timestamps_ms[0], INT64_MAX);
    ks_index_deinit(&index);
    ks_buffer_deinit(&stored);
}
END_TEST

/* --- Keys ------------------------------------------------------------------------------------ */

START_TEST(keys_are_kafscales)
{
    struct ks_segment_home home = { .ns = "default", .prefix = "orders", .partition = 12 };
    char key[KS_SEGMENT_KEY_BYTES];
    int64_t base;

    ks_segment_key(&home, 34, KS_SEGMENT_BODY, key);
    ck_assert_str_eq(key, "default/orders/12/segment-00000000000000000034.kfs");
    ck_assert(ks_segment_parse_key(key, KS_SEGMENT_BODY, &base));
    ck_assert_int_eq(base, 34);
    ck_assert(!ks_segment_parse_key(key, KS_SEGMENT_INDEX, &base));
    ks_segment_key(&home, INT64_MAX, KS_SEGMENT_INDEX, key);
    ck_assert_str_eq(key, "default/orders/12/segment-09223372036854775807.index");
    ck_assert(!ks_segment_parse_key(key, KS_SEGMENT_INDEX, &base));
    ks_segment_key(&home, INT64_MAX - 1, KS_SEGMENT_INDEX, key);
    ck_assert(ks_segment_parse_key(key, KS_SEGMENT_INDEX, &base));
    ck_assert_int_eq(base, INT64_MAX - 1);
    ks_segment_list_prefix(&home, key);
    ck_assert_str_eq(key, "default/orders/12/segment-");
}
END_TEST

START_TEST(other_keys_are_none_of_a_segment)
{
    static const char *const others[] = {
        "",
        "/",
        "segment-",
        "default/orders/12/segment-34.kfs",
        "default/orders/12/segment-0000000000000000003x.kfs",
        "default/orders/12/segment-000000000000000000034.kfs",
        "default/orders/12/segment-09223372036854775808.kfs",
        "default/orders/12/segment-99999999999999999999.kfs",
        "default/orders/12/segment-00000000000000000034.kfst",
        "default/segment-00000000000000000034.kfs/x",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        int64_t base;

        ck_assert_msg(!ks_segment_parse_key(others[i], KS_SEGMENT_BODY, &base), "%s", others[i]);
    }
}
END_TEST

START_TEST(the_tag_of_a_topic_is_never_that_of_other_programs)
{
    struct ks_id zero = { { 0 } };

    ck_assert_uint_eq(ks_segment_topic_tag(&topic), ks_crc32c(0, topic.bytes, KS_ID_BYTES));
    ck_assert_uint_ne(ks_segment_topic_tag(&topic), KS_SEGMENT_TAG_NONE);
    ck_assert_uint_ne(ks_segment_topic_tag(&zero), ks_segment_topic_tag(&topic));
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("segments and indexes");
    TCase *upstream = tcase_create("upstream");
    TCase *own = tcase_create("own");

    tcase_add_test(upstream, a_segment_is_what_kafscale_writes);
    tcase_add_loop_test(upstream, segments_of_kafscales_broker_are_read_completely, 0, SAMPLES);
    tcase_add_loop_test(upstream, indexes_of_kafscales_broker_are_read_and_made_again, 0, SAMPLES);
    suite_add_tcase(suite, upstream);
    tcase_add_test(own, an_index_is_read_as_it_was_written);
    tcase_add_test(own, the_front_of_an_index_is_kafscales);
    tcase_add_test(own, an_entry_knows_the_latest_time_up_to_the_next);
    tcase_add_test(own, damage_of_any_byte_of_an_index_and_any_cut_is_noticed);
    tcase_add_test(own, an_index_is_made_again_from_its_segment);
    tcase_add_test(own, damage_of_a_segment_is_noticed);
    tcase_add_test(own, only_the_first_batch_may_begin_below_the_base);
    tcase_add_test(own, any_segment_is_reached_in_a_few_steps);
    tcase_add_test(own, an_index_knows_the_times_of_its_ancestors);
    tcase_add_test(own, leader_epochs_go_on_and_old_ones_are_left_behind);
    tcase_add_test(own, bytes_of_version_1_stay_what_they_are);
    tcase_add_test(own, an_index_without_the_times_of_its_ancestors_is_read);
    tcase_add_test(own, keys_are_kafscales);
    tcase_add_test(own, other_keys_are_none_of_a_segment);
    tcase_add_test(own, the_tag_of_a_topic_is_never_that_of_other_programs);
    suite_add_tcase(suite, own);
    return suite;
}
