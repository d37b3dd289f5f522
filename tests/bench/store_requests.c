/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests a broker sends to its store, by kind, over so much time that bundling and
 * compaction have gone round several times, and what memory it holds then: a whole broker on a
 * virtual clock and a store in memory, where hours take seconds.
 *
 *     store_requests PARTITIONS WARM_SECONDS SECONDS BYTES_PER_SECOND produce|consume
 *
 * With `consume` a consumer reads each record as soon as it is there. Rates of requests depend on
 * the ratio of bytes to sizes alone; so everything that has bytes is a hundredth of its size, the
 * load and the defaults of the broker's options, and the requests are those of the real one. Prints
 * JSON.
 */
#include "counting_store.h"
#include "protocol/protocol.h"
#include "record/record.h"
#include "support/client.h"

#include "kafscale/messages.h"

#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCALE 100
#define SEGMENT_BYTES (8u << 20)
#define BUNDLE_BYTES (32u << 20)
#define FLUSH_BYTES (4u << 20)
#define CACHE_BYTES (32u << 20)
#define BATCH_BYTES_MIN 100         /* 10 kB */
#define BATCH_BYTES_MAX 2560        /* 250 KiB */
#define BATCH_FRAME_BYTES 75        /* that are not the value */
#define PARTITION_BYTES_MAX 1048576 /* of an answer, more than is ever there */
#define CALLS_MAX 64
#define PRODUCE_VERSION 9
#define FETCH_VERSION 11
#define TOPIC "bench"

struct load {
    struct broker_fixture fixture;
    struct counting_store store;
    struct test_broker *broker;
    bool is_consumed;
    int32_t partitions;
    int32_t next_partition;
    size_t window_bytes;
    struct kafka_produce_request_topic_partition *of_partitions;
    struct kafka_fetch_request_topic_partition *readers;
    struct ks_buffer batch; /* the same for every partition of a window */
    uint64_t consumed_bytes;
};

/* --- Producers -------------------------------------------------------------------------------- */

/* One batch of about so many bytes, with one record. */
static void
build_batch(struct load *load, size_t bytes)
{
    static const uint8_t value[BATCH_BYTES_MAX];
    struct ks_batch_options options = { .producer_id = KS_NO_PRODUCER_ID };
    struct ks_record record = { .timestamp = ks_env_wall_ms(&load->fixture.v.env),
                                .value = ks_slice(value, bytes - BATCH_FRAME_BYTES) };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;

    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ks_buffer_clear(&load->batch);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &load->batch, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
}

/* One request with a batch for each of the next `count` partitions. */
static struct test_call *
produce_some(struct load *load, size_t count)
{
    struct kafka_produce_request_topic of_topic = { .name = ks_slice_of_text(TOPIC) };
    struct kafscale_slice records = ks_buffer_slice(&load->batch);
    struct kafka_produce_request request;

    for (size_t i = 0; i < count; i++) {
        load->of_partitions[i] = (struct kafka_produce_request_topic_partition){
            .index = load->next_partition, .records = { .parts = &records, .part_count = 1 }
        };
        load->next_partition = (load->next_partition + 1) % load->partitions;
    }
    kafka_message_init(kafka_api_find(KAFKA_API_PRODUCE)->request, &request);
    of_topic.partitions = load->of_partitions;
    of_topic.partitions_count = (int32_t) count;
    request.acks = -1;
    request.timeout_ms = 60000;
    request.topics = &of_topic;
    request.topics_count = 1;
    return call_begin(load->broker, KAFKA_API_PRODUCE, PRODUCE_VERSION, &request);
}

/* How many partitions get something in a window. */
static size_t
count_partitions(const struct load *load)
{
    size_t partitions = (size_t) load->partitions;
    size_t count = load->window_bytes / BATCH_BYTES_MIN;

    return count < partitions ? count : partitions;
}

/* What all producers send in a window, in batches of BATCH_BYTES_MAX at most; waits for it. */
static void
produce_window(struct load *load)
{
    size_t count = count_partitions(load);
    struct test_call *calls[CALLS_MAX];
    size_t call_count;

    call_count = load->window_bytes / count / BATCH_BYTES_MAX + 1;
    ck_assert_uint_le(call_count, CALLS_MAX);
    build_batch(load, load->window_bytes / count / call_count);
    for (size_t i = 0; i < call_count; i++) {
        calls[i] = produce_some(load, count);
    }
    for (size_t i = 0; i < call_count; i++) {
        call_response(calls[i]);
        call_free(calls[i]);
    }
}

/* --- A consumer ------------------------------------------------------------------------------- */

static void
take_partition(struct load *load, const struct kafka_fetch_response_topic_partition *got)
{
    struct kafka_fetch_request_topic_partition *reader = &load->readers[got->partition_index];

    ck_assert_int_eq(got->error_code, 0);
    ck_assert_int_gt(got->high_watermark, reader->fetch_offset);
    for (size_t i = 0; i < got->records.part_count; i++) {
        load->consumed_bytes += got->records.parts[i].size;
    }
    reader->fetch_offset = got->high_watermark;
}

/* All that came in a window, of partitions from `first` on. */
static void
consume_some(struct load *load, int32_t first, int32_t count)
{
    struct kafka_fetch_request_topic of_topic = { .topic = ks_slice_of_text(TOPIC),
                                                  .partitions = &load->readers[first],
                                                  .partitions_count = count };
    const struct kafka_fetch_response *response;
    struct kafka_fetch_request request;
    struct test_call *fetch;

    kafka_message_init(kafka_api_find(KAFKA_API_FETCH)->request, &request);
    request.max_bytes = INT32_MAX;
    request.topics = &of_topic;
    request.topics_count = 1;
    response = call(load->broker, KAFKA_API_FETCH, FETCH_VERSION, &request, &fetch);
    ck_assert_int_eq(response->error_code, 0);
    ck_assert_int_eq(response->topics_count, 1);
    ck_assert_int_eq(response->topics[0].partitions_count, count);
    for (int32_t i = 0; i < count; i++) {
        take_partition(load, &response->topics[0].partitions[i]);
    }
    call_free(fetch);
}

/* What was produced since the next partition was this one. */
static void
consume_window(struct load *load, int32_t first)
{
    int32_t count = (int32_t) count_partitions(load);
    int32_t until_end = load->partitions - first < count ? load->partitions - first : count;

    consume_some(load, first, until_end);
    if (until_end < count) {
        consume_some(load, 0, count - until_end);
    }
}

static void
init_readers(struct load *load)
{
    for (int32_t i = 0; i < load->partitions; i++) {
        load->readers[i] = (struct kafka_fetch_request_topic_partition){ .partition = i,
                                                                         .current_leader_epoch = -1,
                                                                         .last_fetched_epoch = -1,
                                                                         .log_start_offset = -1,
                                                                         .partition_max_bytes =
                                                                             PARTITION_BYTES_MAX };
    }
}

/* --- The broker ------------------------------------------------------------------------------- */

static void
begin(struct load *load)
{
    struct ks_broker_options options;

    broker_fixture_init(&load->fixture, 1);
    test_broker_options(&options);
    options.flush_interval_ms = COUNTING_WINDOW_MS;
    options.topic_partitions_max = load->partitions;
    options.segment_bytes = SEGMENT_BYTES / SCALE;
    options.bundle_bytes = BUNDLE_BYTES / SCALE;
    options.merge_part_bytes = BUNDLE_BYTES / SCALE;
    options.merge_section_bytes = (64u << 10) / SCALE;
    options.flush_bytes = FLUSH_BYTES / SCALE;
    options.cache_bytes_max = CACHE_BYTES / SCALE;
    load->store.inner = ks_memory_store_new(&load->fixture.v.env, load->fixture.bucket);
    load->broker =
        test_broker_begin_on(&load->fixture, &options,
                             (struct kafscale_store){ .ops = &counting_ops, .self = &load->store });
    ck_assert(virtual_env_run_until(&load->fixture.v, &load->broker->is_started, 60000));
    ck_assert_int_eq(client_create(load->broker, TOPIC, load->partitions), 0);
    ks_buffer_init(&load->batch, 64u << 20);
    load->of_partitions = calloc((size_t) load->partitions, sizeof *load->of_partitions);
    load->readers = calloc((size_t) load->partitions, sizeof *load->readers);
    ck_assert_ptr_nonnull(load->of_partitions);
    ck_assert_ptr_nonnull(load->readers);
    init_readers(load);
}

static void
run_until(struct load *load, int64_t end_ms)
{
    while (ks_env_now_ms(&load->fixture.v.env) < end_ms) {
        int32_t first = load->next_partition;

        produce_window(load);
        if (load->is_consumed) {
            consume_window(load, first);
        }
    }
}

static double
allocated_mib(void)
{
    struct mallinfo2 info = mallinfo2();

    return (double) (info.uordblks + info.hblkhd) / (1 << 20);
}

/* Stops the broker; what was allocated for it, in MiB. The store and its objects stay. */
static double
stop(struct load *load)
{
    double before_mib = allocated_mib();

    test_broker_stop(load->broker);
    return before_mib - allocated_mib();
}

static void
print(const struct load *load, const struct counting_store *store, double seconds, double held_mib)
{
    printf("{\"seconds\": %.0f, \"puts\": %.4f, \"gets\": %.4f, \"lists\": %.4f, "
           "\"removes\": %.4f, \"put_bytes\": %.0f, \"consumed_bytes\": %.0f, "
           "\"held_mib\": %.3f",
           seconds, (double) counting_sum(store->puts) / seconds,
           (double) counting_sum(store->gets) / seconds, (double) store->lists / seconds,
           (double) store->removes / seconds, (double) store->put_bytes / seconds,
           (double) load->consumed_bytes / seconds, held_mib);
    for (int i = 0; i < KIND_COUNT; i++) {
        printf(", \"puts_%s\": %.4f, \"gets_%s\": %.4f", counting_kind_names[i],
               (double) store->puts[i] / seconds, counting_kind_names[i],
               (double) store->gets[i] / seconds);
    }
    printf("}\n");
}

static char **words;

/* What stands in tests/support fails a test when it can't go on, so there must be one. */
START_TEST(measure)
{
    static struct load load;
    struct counting_store counted;
    int64_t begun_ms;
    int64_t ended_ms;

    load.partitions = (int32_t) strtol(words[1], NULL, 10);
    load.window_bytes = strtoul(words[4], NULL, 10) * COUNTING_WINDOW_MS / 1000 / SCALE;
    load.is_consumed = strcmp(words[5], "consume") == 0;
    begin(&load);
    run_until(&load, strtol(words[2], NULL, 10) * 1000);
    counting_reset(&load.store);
    load.consumed_bytes = 0;
    begun_ms = ks_env_now_ms(&load.fixture.v.env);
    run_until(&load, begun_ms + strtol(words[3], NULL, 10) * 1000);
    ended_ms = ks_env_now_ms(&load.fixture.v.env);
    counted = load.store;
    print(&load, &counted, (double) (ended_ms - begun_ms) / 1000, stop(&load));
    ks_buffer_deinit(&load.batch);
    free(load.of_partitions);
    free(load.readers);
    broker_fixture_deinit(&load.fixture);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("store requests");
    TCase *tcase = tcase_create("measure");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (argc != 6) {
        fputs("usage: store_requests PARTITIONS WARM_SECONDS SECONDS BYTES_PER_SECOND "
              "produce|consume\n",
              stderr);
        return 2;
    }
    words = argv;
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, measure);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    failed = srunner_ntests_failed(runner);
    if (failed > 0) {
        srunner_print(runner, CK_NORMAL);
    }
    srunner_free(runner);
    return failed > 0;
}
