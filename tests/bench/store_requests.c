/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests a broker sends to its store, by kind, over so much time that bundling and
 * compaction have gone round several times: a whole broker on a virtual clock and a store in
 * memory, where hours take seconds.
 *
 *     store_requests PARTITIONS WARM_SECONDS SECONDS BYTES_PER_SECOND SEGMENT_BYTES
 *
 * Rates of requests depend on the ratio of bytes to sizes alone; so a run at a hundredth of a rate
 * with segments of a hundredth of their size sends what the real one would. Prints JSON.
 */
#include "protocol/protocol.h"
#include "record/record.h"
#include "support/client.h"

#include "kafscale/messages.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WINDOW_MS 250
#define BATCH_BYTES_MIN 250
#define BATCH_FRAME_BYTES 75 /* that are not the value */
#define BATCH_BYTES_MAX 2560 /* of the rate divided by a hundred: 256 KiB */
#define CALLS_MAX 64
#define PRODUCE_VERSION 9
#define TOPIC "bench"

/* --- A store that counts ---------------------------------------------------------------------- */

enum kind { KIND_WAL, KIND_BUNDLE, KIND_META, KIND_INDEX, KIND_SEGMENT, KIND_OTHER, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = { "wal",   "bundle",  "metadata",
                                                    "index", "segment", "other" };

struct counting_store {
    struct kafscale_store inner;
    uint64_t puts[KIND_COUNT];
    uint64_t gets[KIND_COUNT];
    uint64_t lists;
    uint64_t removes;
    uint64_t put_bytes;
};

static enum kind
kind_of(const char *key)
{
    static const char *const parts[KIND_OTHER] = { "/wal/", "/bundle/", "/meta/", ".index",
                                                   ".kfs" };

    for (int i = 0; i < KIND_OTHER; i++) {
        if (strstr(key, parts[i]) != NULL) {
            return (enum kind) i;
        }
    }
    return KIND_OTHER;
}

static void
counting_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct counting_store *store = self;

    store->puts[kind_of(put->key)]++;
    for (size_t i = 0; i < put->part_count; i++) {
        store->put_bytes += put->parts[i].bytes.size;
    }
    store->inner.ops->put(store->inner.self, put, done, arg);
}

static void
counting_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct counting_store *store = self;

    store->gets[kind_of(get->key)]++;
    store->inner.ops->get(store->inner.self, get, done, arg);
}

static void
counting_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct counting_store *store = self;

    store->lists++;
    store->inner.ops->list(store->inner.self, list, done, arg);
}

static void
counting_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
                void *arg)
{
    struct counting_store *store = self;

    store->removes++;
    store->inner.ops->remove(store->inner.self, remove, done, arg);
}

static void
counting_close(void *self, kafscale_close_done *done, void *arg)
{
    struct counting_store *store = self;

    store->inner.ops->close(store->inner.self, done, arg);
}

/* As S3 is: window and flush interval. */
static const struct kafscale_store_ops counting_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "counting",
    .window = 8,
    .flush_interval_ms = WINDOW_MS,
    .put = counting_put,
    .get = counting_get,
    .list = counting_list,
    .remove = counting_remove,
    .close = counting_close,
};

/* --- The load --------------------------------------------------------------------------------- */

struct load {
    struct broker_fixture fixture;
    struct counting_store store;
    struct test_broker *broker;
    int32_t partitions;
    int32_t next_partition;
    size_t window_bytes;
    struct kafka_produce_request_topic_partition *of_partitions;
    struct ks_buffer batch; /* the same for every partition of a window */
};

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

/* What all producers send in a window, in batches of BATCH_BYTES_MAX at most; waits for it. */
static void
produce_window(struct load *load)
{
    size_t partitions = (size_t) load->partitions;
    size_t count = load->window_bytes / BATCH_BYTES_MIN;
    struct test_call *calls[CALLS_MAX];
    size_t call_count;

    count = count < partitions ? count : partitions;
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

static void
begin(struct load *load, size_t segment_bytes)
{
    struct ks_broker_options options;

    broker_fixture_init(&load->fixture, 1);
    test_broker_options(&options);
    options.flush_interval_ms = WINDOW_MS;
    options.topic_partitions_max = load->partitions;
    options.segment_bytes = segment_bytes;
    options.bundle_bytes = (32u << 20) / 100;
    load->store.inner = ks_memory_store_new(&load->fixture.v.env, load->fixture.bucket);
    load->broker =
        test_broker_begin_on(&load->fixture, &options,
                             (struct kafscale_store){ .ops = &counting_ops, .self = &load->store });
    ck_assert(virtual_env_run_until(&load->fixture.v, &load->broker->is_started, 60000));
    ck_assert_int_eq(client_create(load->broker, TOPIC, load->partitions), 0);
    ks_buffer_init(&load->batch, 64u << 20);
    load->of_partitions = calloc((size_t) load->partitions, sizeof *load->of_partitions);
    ck_assert_ptr_nonnull(load->of_partitions);
}

static uint64_t
sum(const uint64_t counts[KIND_COUNT])
{
    uint64_t total = 0;

    for (int i = 0; i < KIND_COUNT; i++) {
        total += counts[i];
    }
    return total;
}

static void
print(const struct load *load, double seconds)
{
    const struct counting_store *store = &load->store;
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    printf("{\"seconds\": %.0f, \"puts\": %.4f, \"gets\": %.4f, \"lists\": %.4f, "
           "\"removes\": %.4f, \"put_bytes\": %.0f, \"max_rss_mib\": %ld",
           seconds, (double) sum(store->puts) / seconds, (double) sum(store->gets) / seconds,
           (double) store->lists / seconds, (double) store->removes / seconds,
           (double) store->put_bytes / seconds, usage.ru_maxrss / 1024);
    for (int i = 0; i < KIND_COUNT; i++) {
        printf(", \"puts_%s\": %.4f, \"gets_%s\": %.4f", kind_names[i],
               (double) store->puts[i] / seconds, kind_names[i], (double) store->gets[i] / seconds);
    }
    printf("}\n");
}

static void
run_until(struct load *load, int64_t end_ms)
{
    while (ks_env_now_ms(&load->fixture.v.env) < end_ms) {
        produce_window(load);
    }
}

static char **words;

/* What stands in tests/support fails a test when it can't go on, so there must be one. */
START_TEST(measure)
{
    static struct load load;
    int64_t begun_ms;

    load.partitions = (int32_t) strtol(words[1], NULL, 10);
    load.window_bytes = strtoul(words[4], NULL, 10) * WINDOW_MS / 1000;
    begin(&load, strtoul(words[5], NULL, 10));
    run_until(&load, strtol(words[2], NULL, 10) * 1000);
    memset(load.store.puts, 0, sizeof load.store.puts);
    memset(load.store.gets, 0, sizeof load.store.gets);
    load.store.lists = load.store.removes = load.store.put_bytes = 0;
    begun_ms = ks_env_now_ms(&load.fixture.v.env);
    run_until(&load, begun_ms + strtol(words[3], NULL, 10) * 1000);
    print(&load, (double) (ks_env_now_ms(&load.fixture.v.env) - begun_ms) / 1000);
    test_broker_stop(load.broker);
    ks_buffer_deinit(&load.batch);
    free(load.of_partitions);
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
              "SEGMENT_BYTES\n",
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
