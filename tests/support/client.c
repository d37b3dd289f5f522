/* SPDX-License-Identifier: Apache-2.0 */
/* The carrier's side of an exchange, and short forms of what tests ask for. */
#include "support/client.h"

#include <check.h>
#include <stdio.h>

#define WAIT_MS 120000
#define CORRELATION_ID 0x01020304

static void
on_complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct test_call *call = KS_CONTAINER(exchange, struct test_call, exchange);

    ck_assert(!call->is_done);
    call->is_done = true;
    call->kind = answer->kind;
    call->throttle_ms = answer->throttle_ms;
    for (size_t i = 0; answer->kind == KS_ANSWER_SEND && i < answer->part_count; i++) {
        ks_buffer_append(&call->bytes, answer->parts[i].bytes.data, answer->parts[i].bytes.size);
        call->owned_bytes += answer->parts[i].owner == NULL ? 0 : answer->parts[i].bytes.size;
    }
}

struct test_call *
call_begin_raw(struct test_broker *broker, struct kafscale_slice frame)
{
    struct test_call *call = ks_alloc_zero(1, sizeof *call);
    const struct ks_request_sink *sink = ks_handlers_sink(broker->handlers);

    ck_assert_ptr_nonnull(call);
    call->broker = broker;
    ks_buffer_init(&call->bytes, SIZE_MAX / 2);
    ks_arena_init(&call->arena, SIZE_MAX / 2);
    call->exchange.frame = kafscale_blob_new(frame.size);
    memcpy(kafscale_blob_data(call->exchange.frame), frame.data, frame.size);
    call->exchange.payload = kafscale_blob_slice(call->exchange.frame);
    call->exchange.context.client_address = "10.0.0.1:1";
    call->exchange.complete = on_complete;
    call->exchange.claim = broker->claim;
    call->exchange.memory_percent = broker->memory_percent;
    if (broker->failing_allocation > 0) {
        ks_alloc_fail_once_after(broker->failing_allocation - 1);
    }
    sink->accept(sink->self, &call->exchange);
    return call;
}

struct test_call *
call_begin(struct test_broker *broker, int16_t key, int16_t version, const void *request)
{
    struct kafka_request_header header = { .api_key = key,
                                           .api_version = version,
                                           .correlation_id = CORRELATION_ID,
                                           .client_id = ks_slice_of_text("test") };
    const struct kafscale_slice *parts;
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    struct ks_buffer frame;
    struct test_call *call;
    size_t count;

    kafka_writer_init(&writer, SIZE_MAX / 2);
    ks_buffer_init(&frame, SIZE_MAX / 2);
    ck_assert_msg(kafka_request_encode(&header, request, &writer, &error) == KAFSCALE_OK, "%s",
                  error.text);
    ck_assert_int_eq(kafka_writer_finish(&writer, &parts, &count), KAFSCALE_OK);
    for (size_t i = 0; i < count; i++) {
        ks_buffer_append(&frame, parts[i].data, parts[i].size);
    }
    call = call_begin_raw(broker, ks_slice(frame.data + 4, frame.size - 4));
    call->key = key;
    call->version = version;
    ks_buffer_deinit(&frame);
    kafka_writer_deinit(&writer);
    return call;
}

enum ks_answer_kind
call_wait(struct test_call *call)
{
    ck_assert_msg(virtual_env_run_until(&call->broker->fixture->v, &call->is_done, WAIT_MS),
                  "API %d version %d is not answered", call->key, call->version);
    return call->kind;
}

const void *
call_response(struct test_call *call)
{
    const struct kafka_message *message = kafka_api_find(call->key)->response;
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    int32_t correlation_id;
    void *response;

    ck_assert_int_eq(call_wait(call), KS_ANSWER_SEND);
    ck_assert_int_eq(kafka_response_header_decode(ks_buffer_slice(&call->bytes), call->key,
                                                  call->version, &correlation_id, &body, &error),
                     KAFSCALE_OK);
    ck_assert_int_eq(correlation_id, CORRELATION_ID);
    response = ks_arena_alloc(&call->arena, message->size_bytes);
    ck_assert_msg(kafka_decode(message, call->version, body, &call->arena, response, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    return response;
}

void
call_leave(struct test_call *call)
{
    const struct ks_request_sink *sink = ks_handlers_sink(call->broker->handlers);

    if (!call->is_done) {
        sink->gone(sink->self, &call->exchange);
    }
}

void
call_free(struct test_call *call)
{
    ck_assert(call->is_done);
    kafscale_blob_unref(call->exchange.frame);
    ks_buffer_deinit(&call->bytes);
    ks_arena_deinit(&call->arena);
    ks_free(call);
}

const void *
call(struct test_broker *broker, int16_t key, int16_t version, const void *request,
     struct test_call **call_out)
{
    *call_out = call_begin(broker, key, version, request);
    return call_response(*call_out);
}

/* --- Short forms ------------------------------------------------------------------------------ */

int16_t
client_create(struct test_broker *broker, const char *name, int32_t partitions)
{
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;
    const struct kafka_create_topics_response *response;
    struct test_call *create;
    int16_t code;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_CREATE_TOPICS, 7, &request, &create);
    code = response->topics[0].error_code;
    call_free(create);
    return code;
}

int16_t
client_delete(struct test_broker *broker, const char *name)
{
    struct kafscale_slice names[1] = { ks_slice_of_text(name) };
    struct kafka_delete_topics_request request;
    const struct kafka_delete_topics_response *response;
    struct test_call *delete;
    int16_t code;

    kafka_message_init(&kafka_delete_topics_request_message, &request);
    request.topic_names = names;
    request.topic_names_count = 1;
    request.timeout_ms = 1000;
    response = call(broker, KAFKA_API_DELETE_TOPICS, 3, &request, &delete);
    code = response->topics[0].error_code;
    call_free(delete);
    return code;
}

struct client_batch
client_batch(const char *topic, int32_t partition)
{
    return (struct client_batch){ .topic = topic,
                                  .partition = partition,
                                  .producer_id = -1,
                                  .timestamp = 1700000000000,
                                  .count = 1,
                                  .acks = -1 };
}

static void
build_batch(struct ks_buffer *out, const struct client_batch *batch)
{
    struct ks_batch_options options = { .codec = batch->codec,
                                        .producer_id = batch->producer_id,
                                        .producer_epoch = batch->producer_epoch,
                                        .base_sequence = batch->sequence };
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };

    ks_batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < batch->count; i++) {
        char value[32];
        struct ks_record record = { .timestamp = batch->timestamp + i };

        snprintf(value, sizeof value, "value %d", (int) i);
        record.value = ks_slice_of_text(value);
        if (i < 32 && (batch->keyed >> i & 1) != 0) {
            record.key = ks_slice_of_text("key");
        }
        ks_batch_builder_append(&builder, &record);
    }
    ck_assert_int_eq(ks_batch_builder_finish(&builder, out, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
}

struct test_call *
client_produce_bytes_begin(struct test_broker *broker, const struct client_batch *batch,
                           struct kafscale_slice records, int32_t timeout_ms)
{
    struct kafka_produce_request_topic_partition partition;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request request;

    kafka_message_init(&kafka_produce_request_message, &request);
    kafka_message_init(&kafka_produce_request_topic_message, &topic);
    kafka_message_init(&kafka_produce_request_topic_partition_message, &partition);
    partition.index = batch->partition;
    partition.records.parts = &records;
    partition.records.part_count = 1;
    topic.name = ks_slice_of_text(batch->topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.acks = batch->acks;
    request.timeout_ms = timeout_ms;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_PRODUCE, 9, &request);
}

struct test_call *
client_produce_begin(struct test_broker *broker, const struct client_batch *batch,
                     int32_t timeout_ms)
{
    struct ks_buffer bytes;
    struct test_call *produce;

    ks_buffer_init(&bytes, SIZE_MAX / 2);
    build_batch(&bytes, batch);
    produce = client_produce_bytes_begin(broker, batch, ks_buffer_slice(&bytes), timeout_ms);
    ks_buffer_deinit(&bytes);
    return produce;
}

int16_t
client_produced(struct test_call *produce, int64_t *offset_out)
{
    const struct kafka_produce_response *response = call_response(produce);

    ck_assert_int_eq(response->topics_count, 1);
    ck_assert_int_eq(response->topics[0].partitions_count, 1);
    if (offset_out != NULL) {
        *offset_out = response->topics[0].partitions[0].base_offset;
    }
    return response->topics[0].partitions[0].error_code;
}

int16_t
client_produce(struct test_broker *broker, const struct client_batch *batch, int64_t *offset_out)
{
    struct test_call *produce = client_produce_begin(broker, batch, 30000);
    int16_t code = client_produced(produce, offset_out);

    call_free(produce);
    return code;
}

static struct test_call *
fetch_begin(struct test_broker *broker, const char *topic_name, int32_t first, int32_t count,
            int64_t offset, int32_t wait_ms)
{
    struct kafka_fetch_request_topic_partition partitions[2];
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request request;

    kafka_message_init(&kafka_fetch_request_message, &request);
    kafka_message_init(&kafka_fetch_request_topic_message, &topic);
    for (int32_t i = 0; i < count; i++) {
        kafka_message_init(&kafka_fetch_request_topic_partition_message, &partitions[i]);
        partitions[i].partition = first + i;
        partitions[i].fetch_offset = offset;
        partitions[i].partition_max_bytes = 1 << 20;
    }
    topic.topic = ks_slice_of_text(topic_name);
    topic.partitions = partitions;
    topic.partitions_count = count;
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 50 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    return call_begin(broker, KAFKA_API_FETCH, 11, &request);
}

struct test_call *
client_fetch_begin(struct test_broker *broker, const char *topic, int32_t partition, int64_t offset,
                   int32_t wait_ms)
{
    return fetch_begin(broker, topic, partition, 1, offset, wait_ms);
}

struct test_call *
client_fetch_two_begin(struct test_broker *broker, const char *topic, int64_t offset,
                       int32_t wait_ms)
{
    return fetch_begin(broker, topic, 0, 2, offset, wait_ms);
}

static const struct kafka_fetch_response_topic_partition *
fetched(struct test_call *fetch, int32_t count)
{
    const struct kafka_fetch_response *response = call_response(fetch);

    ck_assert_int_eq(response->error_code, 0);
    ck_assert_int_eq(response->topics_count, 1);
    ck_assert_int_eq(response->topics[0].partitions_count, count);
    return response->topics[0].partitions;
}

const struct kafka_fetch_response_topic_partition *
client_fetched(struct test_call *fetch)
{
    return fetched(fetch, 1);
}

const struct kafka_fetch_response_topic_partition *
client_fetched_two(struct test_call *fetch)
{
    return fetched(fetch, 2);
}

size_t
client_count_records(const struct kafka_records *records)
{
    struct kafscale_slice rest = records->part_count == 0 ? ks_slice(NULL, 0) : records->parts[0];
    size_t count = 0;

    while (rest.size > 0) {
        struct ks_batch batch;

        ck_assert_int_eq(ks_batch_parse(rest, &batch, &(struct kafscale_error){ 0 }), KAFSCALE_OK);
        ck_assert(ks_batch_crc_is_right(&batch));
        count += (size_t) batch.record_count;
        rest = ks_slice(rest.data + batch.bytes.size, rest.size - batch.bytes.size);
    }
    return count;
}

/* --- Metrics ---------------------------------------------------------------------------------- */

struct search {
    const char *name;
    const char *labels;
    double value;
};

static void
look(void *arg, const struct kafscale_metric_sample *sample)
{
    struct search *search = arg;

    if (strcmp(sample->name, search->name) == 0 && strcmp(sample->labels, search->labels) == 0) {
        ck_assert_msg(search->value < 0, "%s{%s} stands twice", search->name, search->labels);
        search->value = sample->value;
    }
}

double
client_metric(const struct test_broker *broker, const char *name, const char *labels)
{
    struct search search = { .name = name, .labels = labels, .value = -1 };
    struct ks_metrics metrics;

    ks_metrics_init(&metrics);
    ks_broker_read_metrics(broker->broker, &metrics);
    ks_handlers_read_metrics(broker->handlers, &metrics);
    ck_assert(!metrics.failed);
    ks_metrics_visit(&metrics, look, &search);
    ks_metrics_deinit(&metrics);
    return search.value;
}
