/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that real clients wrote (tests/data/record): accepted from a producer, and read to
 * the last header.
 */
#include "support/batches.h"
#include "support/main.h"

#include "base/base.h"

#include <stdio.h>

static const struct golden {
    const char *name;
    int codec;
    bool is_kafka_python;
} goldens[] = {
    { "kafka-python-none", KS_CODEC_NONE, true },
    { "kafka-python-gzip", KS_CODEC_GZIP, true },
    { "kafka-python-snappy", KS_CODEC_SNAPPY, true }, /* framed as the xerial library does */
    { "kafka-python-lz4", KS_CODEC_LZ4, true },
    { "kafka-python-zstd", KS_CODEC_ZSTD, true },
    { "kafka-python-transactional", KS_CODEC_NONE, true },
    { "librdkafka-none", KS_CODEC_NONE, false },
    { "librdkafka-gzip", KS_CODEC_GZIP, false },
    { "librdkafka-snappy", KS_CODEC_SNAPPY, false }, /* one raw block */
    { "librdkafka-lz4", KS_CODEC_LZ4, false },
    { "librdkafka-zstd", KS_CODEC_ZSTD, false },
    { "librdkafka-idempotent", KS_CODEC_NONE, false },
};

#define GOLDENS ((int) (sizeof goldens / sizeof goldens[0]))

static void
load(const struct golden *golden, struct ks_buffer *bytes)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s.hex", RECORD_DATA, golden->name);
    ks_buffer_init(bytes, 4096);
    load_hex(path, bytes);
}

static struct ks_batch
accept(const struct ks_buffer *bytes)
{
    struct ks_batch_rules rules = { .bytes_max = 4096, .zstd_allowed = true };
    struct ks_batch batch = { 0 };

    rules.timestamp_before_max_ms = -1;
    rules.timestamp_after_max_ms = -1;
    ck_assert_int_eq(ks_batch_check_produced(ks_buffer_slice(bytes), &rules, &batch),
                     KS_BATCH_FAULT_NONE);
    return batch;
}

/* The values of all goldens: forty times the letter of the record. */
static void
expect_value(const struct ks_record *record, int i)
{
    ck_assert_uint_eq(record->value.size, 40);
    for (size_t k = 0; k < record->value.size; k++) {
        ck_assert_int_eq(record->value.data[k], 'a' + i);
    }
}

static void
expect_key(const struct ks_record *record, int i)
{
    char key[16];

    snprintf(key, sizeof key, "k%d", i);
    ck_assert(ks_slice_equals(record->key, ks_slice_of_text(key)));
}

static void
expect_python_record(const struct ks_record *record, int i)
{
    static const int64_t timestamps[] = { 0, 5, -3, 9, 9 };

    ck_assert_int_eq(record->timestamp, 1700000000000 + timestamps[i]);
    ck_assert_int_eq(record->header_count, i == 1 ? 2 : 0);
    if (i == 3) {
        ck_assert_ptr_null(record->key.data);
    } else {
        expect_key(record, i);
    }
    if (i == 4) {
        ck_assert_ptr_null(record->value.data);
    } else {
        expect_value(record, i);
    }
}

static void
expect_librdkafka_record(const struct ks_record *record, int i)
{
    struct ks_cursor headers = ks_cursor(record->headers);
    struct ks_record_header header;

    expect_key(record, i);
    expect_value(record, i);
    ck_assert_int_eq(record->header_count, 1);
    ck_assert(ks_record_header_next(&headers, &header));
    ck_assert(ks_slice_equals(header.key, ks_slice_of_text("h")));
    ck_assert(ks_slice_equals(header.value, ks_slice_of_text("x")));
    ck_assert(!ks_record_header_next(&headers, &header));
}

START_TEST(batch_of_a_real_client_is_read)
{
    const struct golden *golden = &goldens[_i];
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct ks_record record;
    struct ks_buffer bytes;
    struct ks_batch batch;

    load(golden, &bytes);
    batch = accept(&bytes);
    ck_assert_int_eq(ks_batch_codec(&batch), golden->codec);
    ck_assert_int_eq(batch.record_count, 5);
    ck_assert_int_eq(ks_records_init(&records, &batch, 4096, &error), KAFSCALE_OK);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_OK);
        ck_assert_int_eq(record.offset, i);
        if (golden->is_kafka_python) {
            expect_python_record(&record, i);
        } else {
            expect_librdkafka_record(&record, i);
        }
    }
    ck_assert_int_eq(ks_records_next(&records, &record, &error), KAFSCALE_NOT_FOUND);
    ks_records_deinit(&records);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* Our builder says the same bytes for the same records, so what holds for theirs holds for ours. */
START_TEST(rebuilt_batch_is_the_same_to_the_byte)
{
    const struct golden *golden = &goldens[_i];
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    struct ks_records records;
    struct ks_record record;
    struct ks_buffer bytes;
    struct ks_buffer built;
    struct ks_batch batch;

    load(golden, &bytes);
    batch = accept(&bytes);
    ks_batch_builder_init(&builder, &(struct ks_batch_options){
                                        .attributes = batch.attributes,
                                        .leader_epoch = batch.leader_epoch,
                                        .producer_id = batch.producer_id,
                                        .producer_epoch = batch.producer_epoch,
                                        .base_sequence = batch.base_sequence,
                                    });
    ck_assert_int_eq(ks_records_init(&records, &batch, 4096, &error), KAFSCALE_OK);
    while (ks_records_next(&records, &record, &error) == KAFSCALE_OK) {
        ks_batch_builder_append(&builder, &record);
    }
    ks_buffer_init(&built, 4096);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &built, &error), KAFSCALE_OK);
    ck_assert(ks_slice_equals(ks_buffer_slice(&built), ks_buffer_slice(&bytes)));
    ks_batch_builder_deinit(&builder);
    ks_records_deinit(&records);
    ks_buffer_deinit(&built);
    ks_buffer_deinit(&bytes);
}
END_TEST

START_TEST(producer_fields_of_real_clients_are_read)
{
    struct ks_buffer bytes;
    struct ks_batch batch;

    load(&goldens[5], &bytes);
    batch = accept(&bytes);
    ck_assert(ks_batch_is_transactional(&batch));
    ck_assert_int_eq(batch.producer_id, 4711);
    ck_assert_int_eq(batch.producer_epoch, 3);
    ck_assert_int_eq(batch.base_sequence, INT32_MAX - 1);
    ck_assert_int_eq(ks_batch_last_sequence(&batch), 2);
    ks_buffer_deinit(&bytes);

    load(&goldens[GOLDENS - 1], &bytes);
    batch = accept(&bytes);
    ck_assert(!ks_batch_is_transactional(&batch));
    ck_assert_int_eq(batch.producer_id, 4711);
    ck_assert_int_eq(batch.producer_epoch, 0);
    ck_assert_int_eq(ks_batch_last_sequence(&batch), 4);
    ks_buffer_deinit(&bytes);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("record golden");
    TCase *clients = tcase_create("real clients");

    tcase_add_loop_test(clients, batch_of_a_real_client_is_read, 0, GOLDENS);
    tcase_add_test(clients, producer_fields_of_real_clients_are_read);
    for (int i = 0; i < GOLDENS; i++) {
        if (goldens[i].codec == KS_CODEC_NONE) {
            tcase_add_loop_test(clients, rebuilt_batch_is_the_same_to_the_byte, i, i + 1);
        }
    }
    suite_add_tcase(suite, clients);
    return suite;
}
