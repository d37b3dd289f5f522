/* SPDX-License-Identifier: Apache-2.0 */
/* Topics with rules about records: batches are opened for them, and still come in order. */
#include "support/admin_client.h"
#include "support/main.h"

#define BATCHES 12

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 34);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static void
configure(const char *key, const char *value)
{
    ck_assert_int_eq(admin_set(broker, "a", key, value), KAFKA_ERROR_NONE);
}

static const struct kafka_produce_response_topic_partition *
produced(struct test_call *produce)
{
    const struct kafka_produce_response *response = call_response(produce);

    ck_assert_int_eq(response->topics_count, 1);
    return &response->topics[0].partitions[0];
}

static struct ks_batch
stored_batch(struct test_call *fetch)
{
    const struct kafka_fetch_response_topic_partition *fetched = client_fetched(fetch);
    struct ks_batch batch;

    ck_assert_uint_gt(fetched->records.part_count, 0);
    ck_assert_int_eq(
        ks_batch_parse(fetched->records.parts[0], &batch, &(struct kafscale_error){ 0 }),
        KAFSCALE_OK);
    ck_assert(ks_batch_crc_is_right(&batch));
    return batch;
}

START_TEST(each_record_without_a_key_is_named)
{
    static const int32_t faulty[] = { 1, 3, 4 };
    struct client_batch batch = client_batch("a", 0);
    struct test_call *produce;
    const struct kafka_produce_response_topic_partition *out;

    configure("cleanup.policy", "compact");
    batch.count = 5;
    batch.keyed = 0x5;
    batch.codec = KS_CODEC_LZ4;
    produce = client_produce_begin(broker, &batch, 1000);
    out = produced(produce);
    ck_assert_int_eq(out->error_code, KAFKA_ERROR_INVALID_RECORD);
    ck_assert_int_eq(out->base_offset, -1);
    ck_assert_uint_gt(out->error_message.size, 0);
    ck_assert_int_eq(out->record_errors_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(out->record_errors[i].batch_index, faulty[i]);
        ck_assert_uint_gt(out->record_errors[i].batch_index_error_message.size, 0);
    }
    call_free(produce);
    batch.keyed = 0x1f;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    /* Also where old records go by time besides; and not where they only do. */
    configure("cleanup.policy", "delete,compact");
    batch.keyed = 0;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_INVALID_RECORD);
    configure("cleanup.policy", "delete");
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}
END_TEST

static const char *const types[] = { "uncompressed", "gzip", "snappy", "lz4", "zstd" };

START_TEST(batches_are_stored_with_the_codec_of_the_topic)
{
    int sent = _i / KS_CODEC_COUNT;
    int stored = _i % KS_CODEC_COUNT;
    struct client_batch batch = client_batch("a", 0);
    struct test_call *fetch;
    struct ks_batch found;

    configure("compression.type", types[stored]);
    batch.count = 30;
    batch.codec = sent;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    fetch = client_fetch_begin(broker, "a", 0, 0, 0);
    found = stored_batch(fetch);
    ck_assert_int_eq(ks_batch_codec(&found), stored);
    ck_assert_int_eq(found.record_count, 30);
    call_free(fetch);
}
END_TEST

/* Produces two hundred records without a codec, and gives the size of what became of them. */
static size_t
bytes_stored(void)
{
    struct client_batch batch = client_batch("a", 0);
    struct kafscale_error error = { 0 };
    struct ks_records records;
    struct test_call *fetch;
    struct ks_batch found;
    size_t size;
    int64_t offset;

    batch.count = 200;
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    fetch = client_fetch_begin(broker, "a", 0, offset, 0);
    found = stored_batch(fetch);
    size = found.bytes.size;
    ck_assert_int_eq(ks_records_init(&records, &found, SIZE_MAX, &error), KAFSCALE_OK);
    ks_records_deinit(&records);
    call_free(fetch);
    return size;
}

START_TEST(batches_are_stored_with_the_level_of_the_topic)
{
    static const struct {
        const char *type;
        const char *key;
        const char *low;
        const char *high;
    } cases[] = { { "gzip", "compression.gzip.level", "1", "9" },
                  { "lz4", "compression.lz4.level", "9", "12" },
                  { "zstd", "compression.zstd.level", "-100", "19" } };
    size_t large;

    configure("compression.type", cases[_i].type);
    configure(cases[_i].key, cases[_i].low);
    large = bytes_stored();
    configure(cases[_i].key, cases[_i].high);
    ck_assert_uint_gt(large, bytes_stored());
}
END_TEST

/* The limit is for what is stored, not for what is in it. */
START_TEST(a_batch_of_more_than_the_limit_may_be_stored_in_less)
{
    struct client_batch batch = client_batch("a", 0);

    configure("max.message.bytes", "2000");
    configure("compression.type", "zstd");
    batch.count = 200;
    batch.codec = KS_CODEC_GZIP;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}
END_TEST

/* Two mebibytes of nothing: zstd would make less of them than is ever opened again. */
START_TEST(a_batch_that_would_become_a_bomb_stays_as_it_came)
{
    struct client_batch batch = client_batch("a", 0);
    struct ks_batch_options options = { .codec = KS_CODEC_LZ4, .producer_id = KS_NO_PRODUCER_ID };
    char *zeros = ks_alloc_zero(2, 1u << 20);
    struct ks_record record = { .timestamp = 1700000000000, .value = ks_slice(zeros, 2u << 20) };
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;
    struct test_call *call;
    struct ks_batch found;

    configure("compression.type", "zstd");
    ks_buffer_init(&bytes, 4u << 20);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_OK);
    call = client_produce_bytes_begin(broker, &batch, ks_buffer_slice(&bytes), 1000);
    ck_assert_int_eq(produced(call)->error_code, KAFKA_ERROR_NONE);
    call_free(call);
    call = client_fetch_begin(broker, "a", 0, 0, 0);
    found = stored_batch(call);
    ck_assert_int_eq(ks_batch_codec(&found), KS_CODEC_LZ4);
    ck_assert_uint_eq(found.bytes.size, bytes.size);
    call_free(call);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&bytes);
    ks_free(zeros);
}
END_TEST

START_TEST(append_time_and_codec_go_together)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *produce;
    struct test_call *fetch;
    struct ks_batch found;
    int64_t stamped_ms;

    configure("message.timestamp.type", "LogAppendTime");
    configure("compression.type", "zstd");
    batch.count = 30;
    batch.timestamp = 5;
    produce = client_produce_begin(broker, &batch, 1000);
    stamped_ms = produced(produce)->log_append_time_ms;
    ck_assert_int_gt(stamped_ms, 1600000000000);
    call_free(produce);
    fetch = client_fetch_begin(broker, "a", 0, 0, 0);
    found = stored_batch(fetch);
    ck_assert_int_eq(ks_batch_codec(&found), KS_CODEC_ZSTD);
    ck_assert(ks_batch_has_append_time(&found));
    ck_assert_int_eq(found.max_timestamp, stamped_ms);
    call_free(fetch);
}
END_TEST

/* Jobs end in any order; some batches need none, and wait for those that do. */
START_TEST(batches_keep_their_order_whatever_is_done_to_them)
{
    struct test_call *calls[BATCHES];
    struct client_batch batch = client_batch("a", 0);

    configure("compression.type", "gzip");
    batch.producer_id = 5;
    for (int i = 0; i < BATCHES; i++) {
        batch.sequence = i;
        batch.codec = i % 3 == 1 ? KS_CODEC_GZIP : i % KS_CODEC_COUNT;
        calls[i] = client_produce_begin(broker, &batch, 1000);
    }
    for (int i = 0; i < BATCHES; i++) {
        int64_t offset = -1;

        ck_assert_int_eq(client_produced(calls[i], &offset), KAFKA_ERROR_NONE);
        ck_assert_int_eq(offset, i);
        call_free(calls[i]);
    }
}
END_TEST

START_TEST(a_batch_that_becomes_too_large_is_refused)
{
    struct client_batch batch = client_batch("a", 0);

    configure("compression.type", "uncompressed");
    configure("max.message.bytes", "300");
    batch.count = 30;
    batch.codec = KS_CODEC_GZIP;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_MESSAGE_TOO_LARGE);
    batch.count = 5;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}
END_TEST

/* Its header and checksum are right; what is said to be lz4 is not. */
START_TEST(a_batch_that_can_not_be_opened_is_refused)
{
    struct client_batch batch = client_batch("a", 0);
    struct ks_batch_options options = { .producer_id = KS_NO_PRODUCER_ID };
    struct ks_record record = { .timestamp = 1700000000000, .value = ks_slice_of_text("value") };
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };
    struct ks_buffer bytes;
    struct test_call *produce;

    configure("compression.type", "gzip");
    ks_buffer_init(&bytes, 1000);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_OK);
    ks_put_u16(bytes.data + 21, KS_CODEC_LZ4);
    ks_put_u32(bytes.data + 17, ks_crc32c(0, bytes.data + 21, bytes.size - 21));
    produce = client_produce_bytes_begin(broker, &batch, ks_buffer_slice(&bytes), 1000);
    ck_assert_int_eq(produced(produce)->error_code, KAFKA_ERROR_INVALID_RECORD);
    call_free(produce);
    ks_batch_builder_deinit(&builder);
    ks_buffer_deinit(&bytes);
    /* And what follows goes on. */
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(each_record_outside_the_limits_of_time_is_named)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *produce;
    const struct kafka_produce_response_topic_partition *out;

    configure("message.timestamp.before.max.ms", "60000");
    batch.count = 20;
    /* The first ones are a little too old, the others are not. */
    batch.timestamp = ks_env_wall_ms(&fixture.v.env) - 60000 - 10;
    produce = client_produce_begin(broker, &batch, 1000);
    out = produced(produce);
    ck_assert_int_eq(out->error_code, KAFKA_ERROR_INVALID_TIMESTAMP);
    ck_assert_int_eq(out->record_errors_count, 10);
    ck_assert_int_eq(out->record_errors[9].batch_index, 9);
    call_free(produce);
    batch.timestamp = ks_env_wall_ms(&fixture.v.env) - 50000;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(the_older_limit_of_time_counts_where_the_newer_ones_are_not_set)
{
    struct client_batch batch = client_batch("a", 0);
    int64_t now_ms = ks_env_wall_ms(&fixture.v.env);

    configure("message.timestamp.difference.max.ms", "60000");
    batch.timestamp = now_ms - 120000;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_INVALID_TIMESTAMP);
    batch.timestamp = now_ms + 120000;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_INVALID_TIMESTAMP);
    configure("message.timestamp.after.max.ms", "180000");
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.timestamp = now_ms - 120000;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_INVALID_TIMESTAMP);
}
END_TEST

START_TEST(batches_that_are_being_prepared_are_answered_at_the_stop)
{
    struct test_call *calls[BATCHES];
    struct client_batch batch = client_batch("a", 0);

    configure("compression.type", "gzip");
    for (int i = 0; i < BATCHES; i++) {
        calls[i] = client_produce_begin(broker, &batch, 1000);
    }
    test_broker_begin_stop(broker);
    for (int i = 0; i < BATCHES; i++) {
        call_wait(calls[i]);
        call_free(calls[i]);
    }
    test_broker_end_stop(broker);
    broker = test_broker_start(&fixture);
}
END_TEST

/* A batch whose time was over while it was prepared is not appended behind its client's back. */
START_TEST(a_batch_given_up_while_it_was_prepared_is_not_appended)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *produce;
    int64_t offset = -1;

    configure("compression.type", "gzip");
    virtual_env_run_for(&fixture.v, 10);
    virtual_env_hold_jobs(&fixture.v, true);
    produce = client_produce_begin(broker, &batch, 50);
    ck_assert_int_eq(client_produced(produce, NULL), KAFKA_ERROR_REQUEST_TIMED_OUT);
    call_free(produce);
    virtual_env_hold_jobs(&fixture.v, false);
    virtual_env_run_for(&fixture.v, 100);
    ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
    ck_assert_int_eq(offset, 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers produce rules");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_record_without_a_key_is_named);
    tcase_add_loop_test(tests, batches_are_stored_with_the_codec_of_the_topic, 0,
                        KS_CODEC_COUNT * KS_CODEC_COUNT);
    tcase_add_loop_test(tests, batches_are_stored_with_the_level_of_the_topic, 0, 3);
    tcase_add_test(tests, a_batch_of_more_than_the_limit_may_be_stored_in_less);
    tcase_add_test(tests, a_batch_that_would_become_a_bomb_stays_as_it_came);
    tcase_add_test(tests, append_time_and_codec_go_together);
    tcase_add_test(tests, batches_keep_their_order_whatever_is_done_to_them);
    tcase_add_test(tests, a_batch_that_becomes_too_large_is_refused);
    tcase_add_test(tests, a_batch_that_can_not_be_opened_is_refused);
    tcase_add_test(tests, each_record_outside_the_limits_of_time_is_named);
    tcase_add_test(tests, the_older_limit_of_time_counts_where_the_newer_ones_are_not_set);
    tcase_add_test(tests, batches_that_are_being_prepared_are_answered_at_the_stop);
    tcase_add_test(tests, a_batch_given_up_while_it_was_prepared_is_not_appended);
    suite_add_tcase(suite, tests);
    return suite;
}
