/* SPDX-License-Identifier: Apache-2.0 */
/* In versions that librdkafka 2.0 uses, so that both generators cost the broker the same. */
#include "requests.h"

#define PRODUCE_VERSION 7
#define CREATE_TOPICS_VERSION 4
#define TIMEOUT_MS 60000

void
send_produce(struct wire *wire, const char *topic, int32_t partition, struct kafscale_slice batch)
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

int16_t
await_produce_code(struct wire *wire)
{
    struct kafka_produce_response response;
    struct ks_arena arena;
    int16_t code;

    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_receive(wire, KAFKA_API_PRODUCE, PRODUCE_VERSION, &arena, &response);
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1) {
        die("produce: an answer for something else");
    }
    code = response.topics[0].partitions[0].error_code;
    ks_arena_deinit(&arena);
    return code;
}

void
await_produce(struct wire *wire)
{
    int16_t code = await_produce_code(wire);

    if (code != 0) {
        die("produce: %s", kafka_error_name(code));
    }
}

void
create_topic(struct wire *wire, const char *topic, int32_t partitions)
{
    struct kafka_create_topics_request_topic of_topic = { .name = ks_slice_of_text(topic),
                                                          .num_partitions = partitions,
                                                          .replication_factor = 1 };
    struct kafka_create_topics_request request;
    struct kafka_create_topics_response response;
    struct ks_arena arena;

    kafka_message_init(kafka_api_find(KAFKA_API_CREATE_TOPICS)->request, &request);
    request.topics = &of_topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_send(wire, KAFKA_API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &request);
    wire_receive(wire, KAFKA_API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &arena, &response);
    if (response.topics_count != 1 || response.topics[0].error_code != 0) {
        die("create: %s", response.topics_count == 1
                              ? kafka_error_name(response.topics[0].error_code)
                              : "an answer for something else");
    }
    ks_arena_deinit(&arena);
}

int32_t
ask_api_versions(struct wire *wire)
{
    struct kafka_api_versions_request request;
    struct kafka_api_versions_response response;
    struct ks_arena arena;

    kafka_message_init(kafka_api_find(KAFKA_API_API_VERSIONS)->request, &request);
    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_send(wire, KAFKA_API_API_VERSIONS, 0, &request);
    wire_receive(wire, KAFKA_API_API_VERSIONS, 0, &arena, &response);
    ks_arena_deinit(&arena);
    return response.api_keys_count;
}
