/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load on our own codec: one thread a connection, each with partitions of its own.
 *
 *     load ADDRESS create TOPIC PARTITIONS
 *     load ADDRESS produce TOPIC PARTITIONS CONNECTIONS RECORD_BYTES TOTAL_MIB
 *     load ADDRESS consume TOPIC PARTITIONS CONNECTIONS
 *     load ADDRESS latency TOPIC RECORDS_PER_SECOND SECONDS
 *     load ADDRESS hello
 *
 * Prints one line of JSON. Batches are distinct and not compressed; consuming checks their CRC.
 */
#include "record/record.h"
#include "wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_BYTES ((size_t) 256 << 10)
#define POOL_COUNT 32 /* distinct batches a connection sends in turn */
#define WINDOW 8      /* requests under way on a connection */
#define CONNECTIONS_MAX 64
#define PARTITIONS_MAX 10000
#define ARENA_BYTES_MAX ((size_t) 16 << 20)
#define PRODUCE_VERSION 7
#define FETCH_VERSION 11
#define TIMEOUT_MS 30000

struct worker {
    const char *address;
    const char *topic;
    int32_t partitions;
    int32_t connections;
    int32_t index;
    size_t record_bytes;
    uint64_t bytes_wanted;
    uint64_t seed;

    /* Results. */
    uint64_t bytes;
    uint64_t records;
};

static int32_t
number(const char *text, int32_t lowest, int32_t highest)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*end != '\0' || end == text || value < lowest || value > highest) {
        die("'%s' is not a number from %d to %d", text, lowest, highest);
    }
    return (int32_t) value;
}

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* --- Batches ---------------------------------------------------------------------------------- */

/* A batch of random values; what doesn't compress shows no luck of a codec or a file system. */
static void
make_batch(struct ks_buffer *out, size_t batch_bytes, size_t record_bytes, uint64_t *seed)
{
    const struct ks_batch_options options = { .producer_id = KS_NO_PRODUCER_ID };
    struct kafscale_error error = { 0 };
    struct ks_batch_builder builder;
    uint8_t *value = malloc(record_bytes);
    struct timespec now;

    if (value == NULL) {
        die("no memory");
    }
    clock_gettime(CLOCK_REALTIME, &now);
    ks_batch_builder_init(&builder, &options);
    for (size_t size = 0; size == 0 || size + record_bytes <= batch_bytes; size += record_bytes) {
        for (size_t i = 0; i < record_bytes; i++) {
            value[i] = (uint8_t) next_random(seed);
        }
        ks_batch_builder_append(&builder,
                                &(struct ks_record){ .timestamp = (int64_t) now.tv_sec * 1000,
                                                     .value = ks_slice(value, record_bytes) });
    }
    ks_buffer_init(out, 2 * batch_bytes + 1024);
    if (ks_batch_builder_finish(&builder, out, &error) != KAFSCALE_OK) {
        die("batch: %s", error.text);
    }
    ks_batch_builder_deinit(&builder);
    free(value);
}

/* --- Requests --------------------------------------------------------------------------------- */

static void
send_batch(struct wire *wire, const char *topic, int32_t partition, struct kafscale_slice batch)
{
    struct kafka_produce_request_topic_partition of_partition;
    struct kafka_produce_request_topic of_topic;
    struct kafka_produce_request request;

    kafka_message_init(kafka_api_find(KAFKA_API_PRODUCE)->request, &request);
    of_partition = (struct kafka_produce_request_topic_partition){
        .index = partition, .records = { .parts = &batch, .part_count = 1 }
    };
    of_topic = (struct kafka_produce_request_topic){ .name = ks_slice_of_text(topic),
                                                     .partitions = &of_partition,
                                                     .partitions_count = 1 };
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topics = &of_topic;
    request.topics_count = 1;
    wire_send(wire, KAFKA_API_PRODUCE, PRODUCE_VERSION, &request);
}

static void
await_produced(struct wire *wire)
{
    struct kafka_produce_response response;
    struct ks_arena arena;

    ks_arena_init(&arena, ARENA_BYTES_MAX);
    wire_receive(wire, KAFKA_API_PRODUCE, PRODUCE_VERSION, &arena, &response);
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1) {
        die("produce: an answer for something else");
    }
    if (response.topics[0].partitions[0].error_code != 0) {
        die("produce: %s", kafka_error_name(response.topics[0].partitions[0].error_code));
    }
    ks_arena_deinit(&arena);
}

static void
create(const char *address, const char *topic, int32_t partitions)
{
    struct kafka_create_topics_request_topic of_topic = { .name = ks_slice_of_text(topic),
                                                          .num_partitions = partitions,
                                                          .replication_factor = 1 };
    struct kafka_create_topics_request request;
    struct kafka_create_topics_response response;
    struct ks_arena arena;
    struct wire wire;

    kafka_message_init(kafka_api_find(KAFKA_API_CREATE_TOPICS)->request, &request);
    request.topics = &of_topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    ks_arena_init(&arena, ARENA_BYTES_MAX);
    wire_connect(&wire, address);
    wire_send(&wire, KAFKA_API_CREATE_TOPICS, 4, &request);
    wire_receive(&wire, KAFKA_API_CREATE_TOPICS, 4, &arena, &response);
    if (response.topics_count != 1 || response.topics[0].error_code != 0) {
        die("create: %s",
            response.topics_count == 1 ? kafka_error_name(response.topics[0].error_code) : "?");
    }
    wire_close(&wire);
    ks_arena_deinit(&arena);
    printf("{\"partitions\": %d}\n", partitions);
}

/* --- Producing -------------------------------------------------------------------------------- */

static void *
produce(void *arg)
{
    struct worker *worker = arg;
    struct ks_buffer pool[POOL_COUNT];
    int32_t partition = worker->index;
    uint64_t under_way = 0;
    struct wire wire;

    for (size_t i = 0; i < POOL_COUNT; i++) {
        make_batch(&pool[i], BATCH_BYTES, worker->record_bytes, &worker->seed);
    }
    wire_connect(&wire, worker->address);
    for (size_t i = 0; worker->bytes < worker->bytes_wanted; i = (i + 1) % POOL_COUNT) {
        if (under_way == WINDOW) {
            await_produced(&wire);
            under_way--;
        }
        send_batch(&wire, worker->topic, partition, ks_buffer_slice(&pool[i]));
        worker->bytes += pool[i].size;
        under_way++;
        partition += worker->connections;
        partition = partition < worker->partitions ? partition : worker->index;
    }
    while (under_way-- > 0) {
        await_produced(&wire);
    }
    wire_close(&wire);
    for (size_t i = 0; i < POOL_COUNT; i++) {
        ks_buffer_deinit(&pool[i]);
    }
    return NULL;
}

/* --- Consuming -------------------------------------------------------------------------------- */

/* The partitions of one connection and how far each was read. */
struct reader {
    struct kafka_fetch_request_topic_partition *partitions;
    int32_t count;
};

static struct kafka_fetch_request_topic_partition *
reader_find(const struct reader *reader, int32_t partition)
{
    for (int32_t i = 0; i < reader->count; i++) {
        if (reader->partitions[i].partition == partition) {
            return &reader->partitions[i];
        }
    }
    die("fetch: partition %d was not asked for", partition);
}

static void
take_batches(struct worker *worker, struct kafscale_slice bytes,
             struct kafka_fetch_request_topic_partition *asked)
{
    while (bytes.size >= KS_BATCH_HEADER_BYTES) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;

        if (ks_batch_parse(bytes, &batch, &error) != KAFSCALE_OK) {
            die("fetch: %s", error.text);
        }
        if (!ks_batch_crc_is_right(&batch)) {
            die("fetch: a wrong CRC in partition %d", asked->partition);
        }
        asked->fetch_offset = ks_batch_last_offset(&batch) + 1;
        worker->records += (uint64_t) batch.record_count;
        worker->bytes += batch.bytes.size;
        bytes = ks_slice(bytes.data + batch.bytes.size, bytes.size - batch.bytes.size);
    }
}

/* False: every partition was read to its high watermark. */
static bool
take_answer(struct worker *worker, const struct kafka_fetch_response *response,
            struct reader *reader)
{
    bool is_more = false;

    if (response->error_code != 0 || response->topics_count != 1) {
        die("fetch: %s", kafka_error_name(response->error_code));
    }
    for (int32_t i = 0; i < response->topics[0].partitions_count; i++) {
        const struct kafka_fetch_response_topic_partition *got = &response->topics[0].partitions[i];
        struct kafka_fetch_request_topic_partition *asked =
            reader_find(reader, got->partition_index);

        if (got->error_code != 0) {
            die("fetch: %s", kafka_error_name(got->error_code));
        }
        if (got->records.part_count > 0) {
            take_batches(worker, got->records.parts[0], asked);
        }
        is_more = is_more || asked->fetch_offset < got->high_watermark;
    }
    return is_more;
}

static void
reader_init(struct reader *reader, const struct worker *worker)
{
    reader->count = 0;
    reader->partitions = calloc((size_t) worker->partitions, sizeof *reader->partitions);
    if (reader->partitions == NULL) {
        die("no memory");
    }
    for (int32_t i = worker->index; i < worker->partitions; i += worker->connections) {
        reader->partitions[reader->count++] = (struct kafka_fetch_request_topic_partition){
            .partition = i,
            .current_leader_epoch = -1,
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = 1 << 20,
        };
    }
}

static void *
consume(void *arg)
{
    struct worker *worker = arg;
    struct kafka_fetch_request_topic of_topic = { .topic = ks_slice_of_text(worker->topic) };
    struct kafka_fetch_request request;
    struct kafka_fetch_response response;
    struct reader reader;
    struct wire wire;
    bool is_more = true;

    reader_init(&reader, worker);
    of_topic.partitions = reader.partitions;
    of_topic.partitions_count = reader.count;
    kafka_message_init(kafka_api_find(KAFKA_API_FETCH)->request, &request);
    request.max_wait_ms = 500;
    request.min_bytes = 0;
    request.max_bytes = 8 << 20;
    request.topics = &of_topic;
    request.topics_count = 1;
    wire_connect(&wire, worker->address);
    while (is_more) {
        struct ks_arena arena;

        ks_arena_init(&arena, ARENA_BYTES_MAX);
        wire_send(&wire, KAFKA_API_FETCH, FETCH_VERSION, &request);
        wire_receive(&wire, KAFKA_API_FETCH, FETCH_VERSION, &arena, &response);
        is_more = take_answer(worker, &response, &reader);
        ks_arena_deinit(&arena);
    }
    wire_close(&wire);
    free(reader.partitions);
    return NULL;
}

/* --- Many connections ------------------------------------------------------------------------- */

static void
run_workers(const struct worker *pattern, void *(*run)(void *) )
{
    struct worker workers[CONNECTIONS_MAX];
    pthread_t threads[CONNECTIONS_MAX];
    int64_t begun_us = now_us();
    uint64_t bytes = 0;
    uint64_t records = 0;
    double seconds;

    for (int32_t i = 0; i < pattern->connections; i++) {
        workers[i] = *pattern;
        workers[i].index = i;
        workers[i].seed = 0x9e3779b97f4a7c15u * (uint64_t) (i + 1);
        if (pthread_create(&threads[i], NULL, run, &workers[i]) != 0) {
            die("no thread");
        }
    }
    for (int32_t i = 0; i < pattern->connections; i++) {
        pthread_join(threads[i], NULL);
        bytes += workers[i].bytes;
        records += workers[i].records;
    }
    seconds = (double) (now_us() - begun_us) / 1e6;
    printf("{\"bytes\": %llu, \"records\": %llu, \"seconds\": %.3f, \"mb_per_second\": %.1f}\n",
           (unsigned long long) bytes, (unsigned long long) records, seconds,
           (double) bytes / seconds / 1e6);
}

/* --- Latency ---------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *) a;
    int64_t right = *(const int64_t *) b;

    return left < right ? -1 : left > right;
}

static void
wait_until(int64_t due_us)
{
    struct timespec due = { .tv_sec = (time_t) (due_us / 1000000),
                            .tv_nsec = (long) (due_us % 1000000) * 1000 };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

/* Each record is counted from when it was due, so that a broker that stalls can't hide it. */
static void
latency(const char *address, const char *topic, int32_t per_second, int32_t seconds)
{
    size_t count = (size_t) per_second * (size_t) seconds;
    int64_t *times_us = calloc(count, sizeof *times_us);
    uint64_t seed = 1;
    struct ks_buffer batch;
    struct wire wire;
    int64_t due_us;

    if (times_us == NULL) {
        die("no memory");
    }
    make_batch(&batch, 100, 100, &seed);
    wire_connect(&wire, address);
    due_us = now_us();
    for (size_t i = 0; i < count; i++) {
        due_us += 1000000 / per_second;
        wait_until(due_us);
        send_batch(&wire, topic, 0, ks_buffer_slice(&batch));
        await_produced(&wire);
        times_us[i] = now_us() - due_us;
    }
    qsort(times_us, count, sizeof *times_us, compare);
    printf("{\"records\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", count,
           (double) times_us[count / 2] / 1e3, (double) times_us[count * 99 / 100] / 1e3,
           (double) times_us[count - 1] / 1e3);
    wire_close(&wire);
    ks_buffer_deinit(&batch);
    free(times_us);
}

/* The first thing any client asks. */
static void
hello(const char *address)
{
    struct kafka_api_versions_request request;
    struct kafka_api_versions_response response;
    struct ks_arena arena;
    struct wire wire;

    kafka_message_init(kafka_api_find(KAFKA_API_API_VERSIONS)->request, &request);
    ks_arena_init(&arena, ARENA_BYTES_MAX);
    wire_connect(&wire, address);
    wire_send(&wire, KAFKA_API_API_VERSIONS, 0, &request);
    wire_receive(&wire, KAFKA_API_API_VERSIONS, 0, &arena, &response);
    printf("{\"apis\": %d}\n", response.api_keys_count);
    wire_close(&wire);
    ks_arena_deinit(&arena);
}

int
main(int argc, char **argv)
{
    struct worker worker = { 0 };
    const char *what = argc > 2 ? argv[2] : "";

    worker.address = argc > 1 ? argv[1] : "";
    worker.topic = argc > 3 ? argv[3] : "";
    if (strcmp(what, "hello") == 0 && argc == 3) {
        hello(argv[1]);
    } else if (strcmp(what, "create") == 0 && argc == 5) {
        create(argv[1], argv[3], number(argv[4], 1, PARTITIONS_MAX));
    } else if (strcmp(what, "produce") == 0 && argc == 8) {
        worker.partitions = number(argv[4], 1, PARTITIONS_MAX);
        worker.connections = number(argv[5], 1, CONNECTIONS_MAX);
        worker.record_bytes = (size_t) number(argv[6], 1, 1 << 18);
        worker.bytes_wanted =
            ((uint64_t) number(argv[7], 1, 1 << 20) << 20) / (uint64_t) worker.connections;
        run_workers(&worker, produce);
    } else if (strcmp(what, "consume") == 0 && argc == 6) {
        worker.partitions = number(argv[4], 1, PARTITIONS_MAX);
        worker.connections = number(argv[5], 1, CONNECTIONS_MAX);
        run_workers(&worker, consume);
    } else if (strcmp(what, "latency") == 0 && argc == 6) {
        latency(argv[1], argv[3], number(argv[4], 1, 100000), number(argv[5], 1, 3600));
    } else {
        die("usage: load ADDRESS create|produce|consume|latency|hello ...");
    }
    return EXIT_SUCCESS;
}
