/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"

#include <assert.h>

#define COPIED_BYTES_MAX ((size_t) 64 << 20)

void
ks_caller_init(struct ks_caller *caller, struct ks_env *env, const struct ks_request_sink *sink,
               struct kafscale_slice client_id)
{
    *caller = (struct ks_caller){ .env = env, .sink = sink, .client_id = client_id };
    ks_list_init(&caller->calls);
}

static void
end(struct ks_call *call, const struct ks_call_answer *answer)
{
    struct ks_caller *caller = call->caller;

    ks_list_remove(&call->link);
    call->is_under_way = false;
    kafscale_blob_unref(call->exchange.frame);
    call->exchange.frame = NULL;
    call->done(call, answer);
    if (caller->on_quiet != NULL && ks_list_is_empty(&caller->calls)) {
        caller->on_quiet(caller->quiet_arg);
    }
}

static void
take(struct ks_exchange *exchange, const void *response, const struct kafscale_part *parts,
     size_t part_count)
{
    struct ks_call *call = KS_CONTAINER(exchange, struct ks_call, exchange);
    struct ks_call_answer answer = {
        .status = KAFSCALE_OK, .response = response, .parts = parts, .part_count = part_count
    };

    end(call, &answer);
}

/* Answers come to take(); this is what closes a connection. */
static void
complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct ks_call *call = KS_CONTAINER(exchange, struct ks_call, exchange);
    struct ks_call_answer none = { .status = answer->kind == KS_ANSWER_NONE ? KAFSCALE_OK
                                                                            : KAFSCALE_FAILED };

    end(call, &none);
}

static void
refuse(void *arg)
{
    struct ks_call *call = arg;
    struct ks_call_answer answer = { .status = call->refused };

    end(call, &answer);
}

/* In a turn of its own: who asks again at once must not be called deeper and deeper. */
static void
refuse_later(struct ks_caller *caller, struct ks_call *call, enum kafscale_status status)
{
    call->caller = caller;
    call->is_under_way = true;
    call->refused = status;
    call->refusal = (struct ks_task){ .run = refuse, .arg = call };
    ks_list_append(&caller->calls, &call->link);
    ks_env_defer(caller->env, &call->refusal);
}

void
ks_caller_leave(struct ks_caller *caller)
{
    struct ks_list *node = caller->calls.next;

    while (node != &caller->calls) {
        struct ks_call *call = KS_CONTAINER(node, struct ks_call, link);

        node = node->next;
        if (call->exchange.request != NULL) {
            caller->sink->gone(caller->sink->self, &call->exchange);
        }
    }
}

struct kafka_request_header
ks_caller_header(struct ks_caller *caller, int16_t api_key, int16_t version)
{
    caller->correlation_id = caller->correlation_id == INT32_MAX ? 0 : caller->correlation_id + 1;
    return (struct kafka_request_header){ .api_key = api_key,
                                          .api_version = version,
                                          .correlation_id = caller->correlation_id,
                                          .client_id = caller->client_id };
}

void
ks_call_begin_frame(struct ks_caller *caller, struct ks_call *call, struct kafscale_blob *frame,
                    struct kafscale_slice payload)
{
    assert(!call->is_under_way);

    call->exchange = (struct ks_exchange){ 0 };
    if (caller->sink == NULL) {
        refuse_later(caller, call, KAFSCALE_STOPPED);
        return;
    }
    call->caller = caller;
    call->is_under_way = true;
    call->exchange.frame = kafscale_blob_ref(frame);
    call->exchange.payload = payload;
    call->exchange.context.client_address = "in-process";
    call->exchange.complete = complete;
    call->exchange.take = take;
    ks_list_append(&caller->calls, &call->link);
    caller->sink->accept(caller->sink->self, &call->exchange);
}

struct kafscale_blob *
ks_call_gather(const struct kafscale_slice *parts, size_t part_count,
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
        *frame_out = ks_call_gather(parts, part_count, payload_out);
        status = *frame_out == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
    }
    kafka_writer_deinit(&writer);
    return status;
}

void
ks_call_begin(struct ks_caller *caller, struct ks_call *call, int16_t api_key, int16_t version,
              const void *request)
{
    struct kafka_request_header header = ks_caller_header(caller, api_key, version);
    struct kafscale_slice payload;
    struct kafscale_blob *frame;
    enum kafscale_status status = encode(&header, request, &frame, &payload);

    if (status != KAFSCALE_OK) {
        call->exchange = (struct ks_exchange){ 0 };
        refuse_later(caller, call, status);
        return;
    }
    ks_call_begin_frame(caller, call, frame, payload);
    kafscale_blob_unref(frame);
}
