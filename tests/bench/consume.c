/* SPDX-License-Identifier: Apache-2.0 */
/* Full fetches, one after the other, as a client without fetch sessions sends them. */
#include "load.h"
#include "wire.h"

#include "record/record.h"

#include <stdlib.h>

#define FETCH_VERSION 11
#define PARTITION_BYTES_MAX (1 << 20)
#define ANSWER_BYTES_MAX (8 << 20)
#define FOLLOW_WAIT_MS 500

/* The partitions of one connection and how far each was read. */
struct reader {
    struct worker *worker;
    struct kafka_fetch_request_topic_partition *partitions;
    int32_t count;
    uint64_t told_bytes; /* of those read */
};

static void
reader_init(struct reader *reader, struct worker *worker)
{
    *reader = (struct reader){ .worker = worker };
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
            .partition_max_bytes = PARTITION_BYTES_MAX,
        };
    }
}

static struct kafka_fetch_request_topic_partition *
reader_find(const struct reader *reader, int32_t partition)
{
    int32_t place = (partition - reader->worker->index) / reader->worker->connections;

    if (place < 0 || place >= reader->count || reader->partitions[place].partition != partition) {
        die("fetch: partition %d was not asked for", partition);
    }
    return &reader->partitions[place];
}

static bool
is_cut_off(struct kafscale_slice bytes)
{
    struct ks_cursor cursor = ks_cursor(bytes);
    uint32_t length;

    (void) ks_cursor_u64(&cursor);
    length = ks_cursor_u32(&cursor);
    return ks_cursor_failed(&cursor) || length > ks_cursor_left(&cursor);
}

/* Other brokers than ours end an answer within a batch, which is asked for again. */
static void
take_batches(struct worker *worker, struct kafscale_slice bytes,
             struct kafka_fetch_request_topic_partition *asked)
{
    const uint8_t *first = bytes.data;

    while (bytes.size >= KS_BATCH_HEADER_BYTES && (bytes.data == first || !is_cut_off(bytes))) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;

        if (ks_batch_parse(bytes, &batch, &error) != KAFSCALE_OK) {
            die("fetch: %s", error.text);
        }
        if (!ks_batch_crc_is_right(&batch)) {
            die("fetch: a wrong CRC in partition %d", asked->partition);
        }
        if (batch.base_offset != asked->fetch_offset) {
            die("fetch: a hole in partition %d", asked->partition);
        }
        asked->fetch_offset = ks_batch_last_offset(&batch) + 1;
        worker->records += (uint64_t) batch.record_count;
        worker->bytes += batch.bytes.size;
        bytes = ks_slice(bytes.data + batch.bytes.size, bytes.size - batch.bytes.size);
    }
}

/* False: every partition was read to its high watermark. */
static bool
take_answer(struct reader *reader, const struct kafka_fetch_response *response)
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
            take_batches(reader->worker, got->records.parts[0], asked);
        }
        is_more = is_more || asked->fetch_offset < got->high_watermark;
    }
    return is_more;
}

static bool
fetch_once(struct reader *reader, struct wire *wire, const struct kafka_fetch_request *request)
{
    struct kafka_fetch_response response;
    struct ks_arena arena;
    bool is_more;

    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_send(wire, KAFKA_API_FETCH, FETCH_VERSION, request);
    wire_receive(wire, KAFKA_API_FETCH, FETCH_VERSION, &arena, &response);
    is_more = take_answer(reader, &response);
    ks_arena_deinit(&arena);
    return is_more;
}

/* Whether this one is to go on. */
typedef bool wants_more(struct reader *reader, bool is_more);

static void
read_all(struct worker *worker, int32_t max_wait_ms, wants_more *wants)
{
    struct kafka_fetch_request_topic topic = { .topic = ks_slice_of_text(worker->topic) };
    struct kafka_fetch_request request;
    struct reader reader;
    struct wire wire;
    bool is_more = true;

    reader_init(&reader, worker);
    topic.partitions = reader.partitions;
    topic.partitions_count = reader.count;
    kafka_message_init(kafka_api_find(KAFKA_API_FETCH)->request, &request);
    request.max_bytes = ANSWER_BYTES_MAX;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = max_wait_ms > 0;
    request.topics = &topic;
    request.topics_count = 1;
    wire_connect(&wire, worker->address);
    while (is_more) {
        is_more = wants(&reader, fetch_once(&reader, &wire, &request));
    }
    wire_close(&wire);
    free(reader.partitions);
}

static bool
wants_to_the_end(struct reader *reader, bool is_more)
{
    (void) reader;
    return is_more;
}

void *
run_consume(void *arg)
{
    read_all(arg, 0, wants_to_the_end);
    return NULL;
}

static bool
wants_what_comes(struct reader *reader, bool is_more)
{
    struct worker *worker = reader->worker;
    uint64_t new_bytes = worker->bytes - reader->told_bytes;

    (void) is_more;
    reader->told_bytes = worker->bytes;
    return atomic_fetch_add(worker->followed, new_bytes) + new_bytes < worker->bytes_wanted;
}

void *
run_follow(void *arg)
{
    read_all(arg, FOLLOW_WAIT_MS, wants_what_comes);
    return NULL;
}
