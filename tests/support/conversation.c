/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket pairs move bytes at once, so after a few turns of the loop without an answer only time
 * can bring one: then the virtual clock goes on.
 */
#include "support/conversation.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOPIC "conversation"
#define PATIENCE_MS 180000
#define TURNS 4

static const struct {
    int16_t key;
    int16_t version;
} steps[STEP_COUNT] = { [STEP_API_VERSIONS] = { KAFKA_API_API_VERSIONS, 3 },
                        [STEP_METADATA] = { KAFKA_API_METADATA, 9 },
                        [STEP_PRODUCE] = { KAFKA_API_PRODUCE, 9 },
                        [STEP_FETCH] = { KAFKA_API_FETCH, 11 } };

/* --- Requests --------------------------------------------------------------------------------- */

static void
encode(struct conversation *conversation, enum conversation_step step, const void *request)
{
    struct kafka_request_header header = { .api_key = steps[step].key,
                                           .api_version = steps[step].version,
                                           .correlation_id = (int32_t) step,
                                           .client_id = ks_slice_of_text("talker") };
    struct ks_buffer *out = &conversation->requests[step];
    const struct kafscale_slice *parts;
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    size_t count;

    ks_buffer_init(out, SIZE_MAX / 2);
    kafka_writer_init(&writer, SIZE_MAX / 2);
    ck_assert_msg(kafka_request_encode(&header, request, &writer, &error) == KAFSCALE_OK, "%s",
                  error.text);
    ck_assert_int_eq(kafka_writer_finish(&writer, &parts, &count), KAFSCALE_OK);
    for (size_t i = 0; i < count; i++) {
        ks_buffer_append(out, parts[i].data, parts[i].size);
    }
    ck_assert(!ks_buffer_failed(out));
    kafka_writer_deinit(&writer);
}

static void
encode_api_versions(struct conversation *conversation)
{
    struct kafka_api_versions_request request;

    kafka_message_init(&kafka_api_versions_request_message, &request);
    request.client_software_name = ks_slice_of_text("talker");
    request.client_software_version = ks_slice_of_text("1");
    encode(conversation, STEP_API_VERSIONS, &request);
}

static void
encode_metadata(struct conversation *conversation)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request request;

    kafka_message_init(&kafka_metadata_request_message, &request);
    kafka_message_init(&kafka_metadata_request_topic_message, &topic);
    topic.name = ks_slice_of_text(TOPIC);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    encode(conversation, STEP_METADATA, &request);
}

static void
encode_produce(struct conversation *conversation)
{
    struct ks_batch_options options = { .producer_id = KS_NO_PRODUCER_ID };
    struct ks_record record = { .timestamp = 1700000000000, .value = ks_slice_of_text("word") };
    struct kafka_produce_request_topic_partition partition;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request request;
    struct ks_batch_builder builder;
    struct kafscale_error error = { 0 };
    struct kafscale_slice records;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, SIZE_MAX / 2);
    ks_batch_builder_init(&builder, &options);
    ks_batch_builder_append(&builder, &record);
    ck_assert_int_eq(ks_batch_builder_finish(&builder, &bytes, &error), KAFSCALE_OK);
    ks_batch_builder_deinit(&builder);
    records = ks_buffer_slice(&bytes);
    kafka_message_init(&kafka_produce_request_message, &request);
    kafka_message_init(&kafka_produce_request_topic_message, &topic);
    kafka_message_init(&kafka_produce_request_topic_partition_message, &partition);
    partition.records.parts = &records;
    partition.records.part_count = 1;
    topic.name = ks_slice_of_text(TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.acks = -1;
    request.timeout_ms = 10000;
    request.topics = &topic;
    request.topics_count = 1;
    encode(conversation, STEP_PRODUCE, &request);
    ks_buffer_deinit(&bytes);
}

static void
encode_fetch(struct conversation *conversation)
{
    struct kafka_fetch_request_topic_partition partition;
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request request;

    kafka_message_init(&kafka_fetch_request_message, &request);
    kafka_message_init(&kafka_fetch_request_topic_message, &topic);
    kafka_message_init(&kafka_fetch_request_topic_partition_message, &partition);
    partition.partition_max_bytes = 16 << 10;
    topic.topic = ks_slice_of_text(TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.max_bytes = 16 << 10;
    request.topics = &topic;
    request.topics_count = 1;
    encode(conversation, STEP_FETCH, &request);
}

/* --- The broker ------------------------------------------------------------------------------- */

struct conversation *
conversation_new(void)
{
    struct conversation *conversation = ks_alloc_zero(1, sizeof *conversation);
    struct ks_net_limits limits = ks_net_limits_default();
    struct kafscale_error error = { 0 };

    ck_assert_ptr_nonnull(conversation);
    conversation->fd = -1;
    encode_api_versions(conversation);
    encode_metadata(conversation);
    encode_produce(conversation);
    encode_fetch(conversation);
    broker_fixture_init(&conversation->fixture, 7);
    conversation->broker = test_broker_start(&conversation->fixture);
    conversation->base = event_base_new();
    ck_assert_ptr_nonnull(conversation->base);
    ck_assert_int_eq(ks_server_new(&conversation->fixture.v.env, conversation->base, &limits,
                                   ks_handlers_sink(conversation->broker->handlers),
                                   &conversation->server, &error),
                     KAFSCALE_OK);
    return conversation;
}

void
conversation_free(struct conversation *conversation)
{
    conversation_hang_up(conversation);
    conversation_pass(conversation, PATIENCE_MS);
    ck_assert_uint_eq(ks_server_counters(conversation->server).connections, 0);
    ck_assert_uint_eq(ks_server_counters(conversation->server).requests_waiting, 0);
    ck_assert_uint_eq(ks_server_counters(conversation->server).memory_bytes, 0);
    ks_server_free(conversation->server);
    test_broker_stop(conversation->broker);
    broker_fixture_deinit(&conversation->fixture);
    ck_assert_int_eq(event_base_get_num_events(conversation->base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(conversation->base);
    for (int i = 0; i < STEP_COUNT; i++) {
        ks_buffer_deinit(&conversation->requests[i]);
    }
    ks_free(conversation);
}

/* --- Talking ---------------------------------------------------------------------------------- */

static void
turn(struct conversation *conversation)
{
    for (int i = 0; i < TURNS; i++) {
        event_base_loop(conversation->base, EVLOOP_NONBLOCK);
        virtual_env_run_for(&conversation->fixture.v, 0);
    }
}

void
conversation_pass(struct conversation *conversation, int64_t duration_ms)
{
    turn(conversation);
    virtual_env_run_for(&conversation->fixture.v, duration_ms);
    turn(conversation);
}

void
conversation_hang_up(struct conversation *conversation)
{
    if (conversation->fd >= 0) {
        close(conversation->fd);
        conversation->fd = -1;
    }
    turn(conversation);
}

static bool
connect_to(struct conversation *conversation)
{
    struct kafscale_error error = { 0 };
    int pair[2];

    if (conversation->fd >= 0) {
        return true;
    }
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    if (ks_server_adopt(conversation->server, pair[0], 0, &error) != KAFSCALE_OK) {
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    conversation->fd = pair[1];
    return true;
}

static bool
is_whole(const struct conversation *conversation)
{
    return conversation->answer_bytes >= 4 &&
           conversation->answer_bytes >= 4 + (size_t) ks_get_u32(conversation->answer);
}

/* True: something came, or the end. */
static bool
receive(struct conversation *conversation)
{
    ssize_t size = recv(conversation->fd, conversation->answer + conversation->answer_bytes,
                        sizeof conversation->answer - conversation->answer_bytes, 0);

    if (size > 0) {
        conversation->answer_bytes += (size_t) size;
        ck_assert_uint_lt(conversation->answer_bytes, sizeof conversation->answer);
        return true;
    }
    if (size == 0 || errno == ECONNRESET) {
        close(conversation->fd);
        conversation->fd = -1;
        return true;
    }
    return false;
}

enum conversation_result
conversation_step(struct conversation *conversation, enum conversation_step step)
{
    const struct ks_buffer *request = &conversation->requests[step];
    int64_t end_ms = conversation->fixture.v.now_ms + PATIENCE_MS;

    conversation->answer_bytes = 0;
    if (!connect_to(conversation) || send(conversation->fd, request->data, request->size,
                                          MSG_NOSIGNAL) != (ssize_t) request->size) {
        conversation_hang_up(conversation);
        return CONVERSATION_CLOSED;
    }
    while (conversation->fixture.v.now_ms < end_ms) {
        turn(conversation);
        if (!receive(conversation)) {
            virtual_env_step(&conversation->fixture.v);
        } else if (conversation->fd < 0) {
            return CONVERSATION_CLOSED;
        } else if (is_whole(conversation)) {
            return CONVERSATION_ANSWERED;
        }
    }
    return CONVERSATION_HANGS;
}

const void *
conversation_answer(struct conversation *conversation, enum conversation_step step,
                    struct ks_arena *arena)
{
    const struct kafka_message *message = kafka_api_find(steps[step].key)->response;
    void *response = kafka_array_new(arena, message, 1);
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    int32_t correlation_id;

    ck_assert_ptr_nonnull(response);
    ck_assert_int_eq(kafka_response_header_decode(
                         ks_slice(conversation->answer + 4, conversation->answer_bytes - 4),
                         steps[step].key, steps[step].version, &correlation_id, &body, &error),
                     KAFSCALE_OK);
    ck_assert_int_eq(correlation_id, (int) step);
    ck_assert_msg(kafka_decode(message, steps[step].version, body, arena, response, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    return response;
}
