/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ask.h"

#include "base/endian.h"

#include <assert.h>

#define COPIED_BYTES_MAX ((size_t) 64 << 20)
#define ANSWER_ARENA_BYTES_MAX ((size_t) 64 << 20)

void
ks_asker_init(struct ks_asker *asker, struct ks_env *env, const struct ks_request_sink *sink,
              struct kafscale_slice client_id)
{
    *asker = (struct ks_asker){ .env = env, .sink = sink, .client_id = client_id };
    ks_list_init(&asker->asks);
}

static void
end(struct ks_ask *ask, const struct ks_ask_answer *answer)
{
    struct ks_asker *asker = ask->asker;

    ks_list_remove(&ask->link);
    ask->is_under_way = false;
    kafscale_blob_unref(ask->exchange.frame);
    ask->exchange.frame = NULL;
    ask->done(ask, answer);
    if (asker->on_quiet != NULL && ks_list_is_empty(&asker->asks)) {
        asker->on_quiet(asker->quiet_arg);
    }
}

static void
take(struct ks_exchange *exchange, const void *response, const struct kafscale_part *parts,
     size_t part_count)
{
    struct ks_ask *ask = KS_CONTAINER(exchange, struct ks_ask, exchange);
    struct ks_ask_answer answer = {
        .status = KAFSCALE_OK, .response = response, .parts = parts, .part_count = part_count
    };

    end(ask, &answer);
}

static enum kafscale_status
decode(const struct ks_ask *ask, struct kafscale_slice bytes, struct ks_arena *arena,
       const void **response_out)
{
    const struct kafka_message *message = kafka_api_find(ask->api_key)->response;
    void *response = ks_arena_alloc(arena, message->size_bytes);
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    enum kafscale_status status;
    int32_t correlation_id;

    if (response == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    status = kafka_response_header_decode(bytes, ask->api_key, ask->version, &correlation_id, &body,
                                          &error);
    if (status == KAFSCALE_OK) {
        status = kafka_decode(message, ask->version, body, arena, response, &error);
    }
    *response_out = response;
    return status;
}

/* Who stands between, in tests, has changed the answer, which is bytes then. */
static void
end_with_bytes(struct ks_ask *ask, const struct ks_answer *answer)
{
    struct ks_ask_answer decoded = { .status = KAFSCALE_NO_MEMORY,
                                     .bytes = ks_answer_flatten(answer) };
    struct kafscale_blob *bytes = decoded.bytes;
    struct ks_arena arena;

    ks_arena_init(&arena, ANSWER_ARENA_BYTES_MAX);
    if (bytes != NULL) {
        decoded.status = decode(ask, kafscale_blob_slice(bytes), &arena, &decoded.response);
    }
    end(ask, &decoded);
    ks_arena_deinit(&arena);
    kafscale_blob_unref(bytes);
}

/* Answers come to take(); this is what closes a connection, or changes what it carries. */
static void
complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct ks_ask *ask = KS_CONTAINER(exchange, struct ks_ask, exchange);
    struct ks_ask_answer none = { .status = KAFSCALE_FAILED };

    if (answer->kind == KS_ANSWER_SEND) {
        end_with_bytes(ask, answer);
    } else {
        end(ask, &none);
    }
}

static void
refuse(void *arg)
{
    struct ks_ask *ask = arg;
    struct ks_ask_answer answer = { .status = ask->refused };

    end(ask, &answer);
}

/* In a turn of its own: who asks again at once must not be called deeper and deeper. */
static void
refuse_later(struct ks_asker *asker, struct ks_ask *ask, enum kafscale_status status)
{
    ask->asker = asker;
    ask->is_under_way = true;
    ask->refused = status;
    ask->refusal = (struct ks_task){ .run = refuse, .arg = ask };
    ks_list_append(&asker->asks, &ask->link);
    ks_env_defer(asker->env, &ask->refusal);
}

void
ks_asker_leave(struct ks_asker *asker)
{
    struct ks_list *node = asker->asks.next;

    while (node != &asker->asks) {
        struct ks_ask *ask = KS_CONTAINER(node, struct ks_ask, link);

        node = node->next;
        if (ask->exchange.request != NULL) {
            asker->sink->gone(asker->sink->self, &ask->exchange);
        }
    }
}

struct kafka_request_header
ks_asker_header(struct ks_asker *asker, int16_t api_key, int16_t version)
{
    asker->correlation_id = asker->correlation_id == INT32_MAX ? 0 : asker->correlation_id + 1;
    return (struct kafka_request_header){ .api_key = api_key,
                                          .api_version = version,
                                          .correlation_id = asker->correlation_id,
                                          .client_id = asker->client_id };
}

void
ks_ask_begin_frame(struct ks_asker *asker, struct ks_ask *ask, struct kafscale_blob *frame,
                   struct kafscale_slice payload)
{
    assert(!ask->is_under_way);

    ask->exchange = (struct ks_exchange){ 0 };
    ask->asker = asker;
    ask->is_under_way = true;
    ask->api_key = (int16_t) ks_get_u16(payload.data);
    ask->version = (int16_t) ks_get_u16(payload.data + 2);
    ask->exchange.frame = kafscale_blob_ref(frame);
    ask->exchange.payload = payload;
    ask->exchange.context.client_address = "in-process";
    ask->exchange.context.connection = (uint64_t) (uintptr_t) asker;
    ask->exchange.complete = complete;
    ask->exchange.take = take;
    ks_list_append(&asker->asks, &ask->link);
    asker->sink->accept(asker->sink->self, &ask->exchange);
}

struct kafscale_blob *
ks_ask_gather(const struct kafscale_slice *parts, size_t part_count,
              struct kafscale_slice *payload_out)
{
    struct kafscale_blob *frame;
    size_t size = 0;
    uint8_t *out;

    for (size_t i = 0; i < part_count; i++) {
        size += parts[i].size;
    }
    frame = kafscale_blob_new(size);
    if (frame == NULL) {
        return NULL;
    }
    out = kafscale_blob_data(frame);
    *payload_out = ks_slice(out + KAFKA_FRAME_LENGTH_BYTES, size - KAFKA_FRAME_LENGTH_BYTES);
    for (size_t i = 0; i < part_count; i++) {
        memcpy(out, parts[i].data, parts[i].size);
        out += parts[i].size;
    }
    return frame;
}

static enum kafscale_status
encode(const struct kafka_request_header *header, const void *request,
       struct kafscale_blob **frame_out, struct kafscale_slice *payload_out)
{
    const struct kafscale_slice *parts;
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    enum kafscale_status status;
    size_t part_count;

    kafka_writer_init(&writer, COPIED_BYTES_MAX);
    status = kafka_request_encode(header, request, &writer, &error);
    if (status == KAFSCALE_OK) {
        status = kafka_writer_finish(&writer, &parts, &part_count);
    }
    if (status == KAFSCALE_OK) {
        *frame_out = ks_ask_gather(parts, part_count, payload_out);
        status = *frame_out == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
    }
    kafka_writer_deinit(&writer);
    return status;
}

void
ks_ask_begin(struct ks_asker *asker, struct ks_ask *ask, int16_t api_key, int16_t version,
             const void *request)
{
    struct kafka_request_header header = ks_asker_header(asker, api_key, version);
    struct kafscale_slice payload;
    struct kafscale_blob *frame;
    enum kafscale_status status = encode(&header, request, &frame, &payload);

    if (status != KAFSCALE_OK) {
        ask->exchange = (struct ks_exchange){ 0 };
        refuse_later(asker, ask, status);
        return;
    }
    ks_ask_begin_frame(asker, ask, frame, payload);
    kafscale_blob_unref(frame);
}
