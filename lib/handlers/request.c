/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to a struct and back; owners of large pieces are found by walking both lists in
 * step.
 */
#include "handlers/request.h"

#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

/*
 * Room for as many elements as a request may have (KAFKA_ELEMENTS_MAX), with what the handlers keep
 * for each. It bounds what one small request can make of itself.
 */
#define ARENA_BYTES_MAX (64u << 20)
#define COPIED_BYTES_MAX (64u << 20)
#define DEFAULT_TIMEOUT_MS 30000

struct ks_request *
ks_request_new(struct ks_handlers *handlers, struct ks_broker *broker, struct ks_exchange *exchange)
{
    struct ks_request *request = ks_alloc_zero(1, sizeof *request);

    if (request == NULL) {
        return NULL;
    }
    request->handlers = handlers;
    request->broker = broker;
    request->env = ks_broker_env(broker);
    request->exchange = exchange;
    request->begun_ms = ks_env_now_ms(request->env);
    request->frame = kafscale_blob_ref(exchange->frame);
    request->listener = exchange->context.listener;
    request->holds = 1;
    ks_arena_init(&request->arena, ARENA_BYTES_MAX);
    exchange->request = request;
    return request;
}

enum kafscale_status
ks_request_read_header(struct ks_request *request)
{
    struct kafscale_error error = { 0 };

    return kafka_request_header_decode(request->exchange->payload, &request->header,
                                       &request->encoded, &error);
}

enum kafscale_status
ks_request_read_body(struct ks_request *request, struct kafscale_error *error)
{
    const struct kafka_message *message = kafka_api_find(request->api->key)->request;
    void *body = ks_arena_alloc(&request->arena, message->size_bytes);
    enum kafscale_status status;

    if (body == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory left for the body");
    }
    status = kafka_decode_request(message, request->header.api_version, request->encoded,
                                  &request->arena, body, error);
    request->body = body;
    return status;
}

void
ks_request_hold(struct ks_request *request)
{
    request->holds++;
}

void
ks_request_release(struct ks_request *request)
{
    assert(request->holds > 0);

    request->holds--;
    if (request->holds > 0) {
        return;
    }
    assert(request->exchange == NULL);
    ks_freshness_cancel(&request->look);
    ks_env_cancel_timer(request->env, &request->look_timer);
    ks_handlers_forget(request->handlers, request);
    kafscale_blob_unref(request->frame);
    ks_arena_deinit(&request->arena);
    ks_free(request);
}

bool
ks_request_is_answered(const struct ks_request *request)
{
    return request->exchange == NULL;
}

void *
ks_request_alloc(struct ks_request *request, size_t count, size_t element_bytes)
{
    return ks_arena_alloc_array(&request->arena, count, element_bytes);
}

size_t
ks_request_claim(struct ks_request *request, size_t least_bytes, size_t wanted_bytes)
{
    struct ks_exchange *exchange = request->exchange;

    assert(exchange != NULL);

    return exchange->claim == NULL ? wanted_bytes
                                   : exchange->claim(exchange, least_bytes, wanted_bytes);
}

int32_t
ks_request_throttle(struct ks_request *request, int32_t (*rule)(const struct ks_pressure *pressure))
{
    const struct ks_exchange *exchange = request->exchange;
    struct ks_pressure pressure;

    assert(exchange != NULL);

    ks_broker_pressure(request->broker, &pressure);
    if (exchange->memory_percent != NULL) {
        pressure.memory_percent = exchange->memory_percent(exchange);
    }
    request->throttle_ms = rule(&pressure);
    return request->throttle_ms;
}

/* Without an API it is none of those that are served. */
static void
count(const struct ks_request *request, enum ks_answer_kind kind)
{
    struct ks_api_counters *counters;

    if (request->api == NULL) {
        return;
    }
    counters = ks_api_counters_of(request->handlers->counters, request->api);
    if (kind == KS_ANSWER_CLOSE) {
        counters->dropped++;
        return;
    }
    counters->answered++;
    ks_histogram_add(&counters->durations, ks_env_now_ms(request->env) - request->begun_ms);
}

/* The exchange, which is now its carrier's alone. */
static struct ks_exchange *
let_go(struct ks_request *request, const struct ks_answer *answer)
{
    struct ks_exchange *exchange = request->exchange;

    assert(exchange != NULL);

    count(request, answer->kind);
    ks_trace_tell(request, answer);
    request->exchange = NULL;
    exchange->request = NULL;
    return exchange;
}

static void
complete(struct ks_request *request, const struct ks_answer *answer)
{
    struct ks_exchange *exchange = let_go(request, answer);

    exchange->complete(exchange, answer);
    ks_request_release(request);
}

void
ks_request_close(struct ks_request *request)
{
    struct ks_answer answer = { .kind = KS_ANSWER_CLOSE };

    complete(request, &answer);
}

void
ks_request_answer_nothing(struct ks_request *request)
{
    struct ks_answer answer = { .kind = KS_ANSWER_NONE, .throttle_ms = request->throttle_ms };

    complete(request, &answer);
}

/* The frame's length is the carrier's to write. */
static struct kafscale_slice
without_length(struct kafscale_slice first)
{
    assert(first.size >= KAFKA_FRAME_LENGTH_BYTES);

    return ks_slice(first.data + KAFKA_FRAME_LENGTH_BYTES, first.size - KAFKA_FRAME_LENGTH_BYTES);
}

/*
 * Both lists are in the order of the response; small parts were copied by the writer and are
 * passed over.
 */
static void
give_owners(struct kafscale_part *out, const struct kafscale_slice *written, size_t written_count,
            const struct kafscale_part *parts, size_t part_count)
{
    size_t next = 0;

    for (size_t i = 0; i < written_count; i++) {
        out[i] = (struct kafscale_part){ .bytes = written[i] };
        while (next < part_count && parts[next].bytes.size < KAFKA_REFERENCE_BYTES_MIN) {
            next++;
        }
        if (next < part_count && written[i].data == parts[next].bytes.data) {
            out[i].owner = parts[next].owner;
            next++;
        }
    }
    out[0].bytes = without_length(written[0]);
}

static int16_t
note_errors(struct ks_request *request, const void *response)
{
    ks_trace_note(request, response);
    return ks_api_counters_note_errors(
        ks_api_counters_of(request->handlers->counters, request->api), request->api,
        request->header.api_version, response);
}

/* To who takes it as it is. */
static void
give(struct ks_request *request, const void *response, const struct kafscale_part *parts,
     size_t part_count)
{
    struct ks_answer answer = { .kind = KS_ANSWER_SEND,
                                .throttle_ms = request->throttle_ms,
                                .parts = parts,
                                .part_count = part_count };
    struct ks_exchange *exchange;

    answer.error = note_errors(request, response);
    exchange = let_go(request, &answer);
    exchange->take(exchange, response, parts, part_count);
    ks_request_release(request);
}

static enum kafscale_status
send(struct ks_request *request, struct kafka_writer *writer, const void *response,
     const struct kafscale_part *parts, size_t part_count)
{
    struct kafscale_error error = { 0 };
    const struct kafscale_slice *written;
    struct kafscale_part *out;
    size_t written_count;
    enum kafscale_status status = kafka_response_encode(&request->header, response, writer, &error);
    struct ks_answer answer = { .kind = KS_ANSWER_SEND, .throttle_ms = request->throttle_ms };

    if (status == KAFSCALE_OK) {
        status = kafka_writer_finish(writer, &written, &written_count);
    }
    if (status != KAFSCALE_OK) {
        ks_log_some(request->env, &request->handlers->unencoded, KS_LOG_QUOTA_COUNT,
                    KAFSCALE_LOG_ERROR, "response not encoded api=%s version=%d error=%s",
                    request->api->name, (int) request->header.api_version, error.text);
        return status;
    }
    out = ks_arena_alloc_array(&request->arena, written_count, sizeof *out);
    if (out == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    give_owners(out, written, written_count, parts, part_count);
    answer.error = note_errors(request, response);
    answer.parts = out;
    answer.part_count = written_count;
    complete(request, &answer);
    return KAFSCALE_OK;
}

void
ks_request_answer_with_parts(struct ks_request *request, const void *response,
                             const struct kafscale_part *parts, size_t part_count)
{
    struct kafka_writer writer;
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    if (request->exchange->take != NULL && !ks_arena_failed(&request->arena)) {
        give(request, response, parts, part_count);
        return;
    }
    kafka_writer_init(&writer, COPIED_BYTES_MAX);
    if (!ks_arena_failed(&request->arena)) {
        status = send(request, &writer, response, parts, part_count);
    }
    kafka_writer_deinit(&writer);
    if (status != KAFSCALE_OK) {
        ks_request_close(request);
    }
}

void
ks_request_answer(struct ks_request *request, const void *response)
{
    ks_request_answer_with_parts(request, response, NULL, 0);
}

static void
on_look(struct ks_look *look, enum kafscale_status status)
{
    struct ks_request *request = look->arg;

    ks_env_cancel_timer(request->env, &request->look_timer);
    request->has_looked = true;
    request->looked = status;
    request->on_looked(request);
}

bool
ks_request_is_fresh(struct ks_request *request, void (*on_looked)(struct ks_request *request))
{
    struct ks_freshness *freshness = ks_broker_freshness(request->broker);

    if (request->has_looked || ks_broker_state(request->broker) != KS_BROKER_READY ||
        ks_freshness_is_fresh(freshness)) {
        return true;
    }
    request->on_looked = on_looked;
    request->look = (struct ks_look){ .done = on_look, .arg = request };
    ks_freshness_await(freshness, &request->look);
    return false;
}

static void
on_look_late(void *arg)
{
    struct ks_request *request = arg;

    ks_request_give_up_look(request);
    request->on_looked(request);
}

bool
ks_request_is_fresh_within(struct ks_request *request, int64_t wait_ms,
                           void (*on_looked)(struct ks_request *request))
{
    if (ks_request_is_fresh(request, on_looked)) {
        return true;
    }
    request->look_timer = (struct ks_timer){ .on_due = on_look_late, .arg = request };
    ks_env_set_timer(request->env, &request->look_timer, ks_env_now_ms(request->env) + wait_ms);
    return false;
}

void
ks_request_give_up_look(struct ks_request *request)
{
    ks_freshness_cancel(&request->look);
    if (!ks_freshness_is_fresh(ks_broker_freshness(request->broker))) {
        request->has_looked = true;
        request->looked = KAFSCALE_UNAVAILABLE;
    }
}

int64_t
ks_request_set_timeout(struct ks_request *request, struct ks_timer *timer, int32_t timeout_ms,
                       void (*on_due)(void *arg), void *arg)
{
    int64_t due_ms =
        ks_env_now_ms(request->env) + (timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS);

    *timer = (struct ks_timer){ .on_due = on_due, .arg = arg };
    ks_env_set_timer(request->env, timer, due_ms);
    return due_ms;
}

enum ks_broker_error
ks_request_doubt(const struct ks_request *request)
{
    enum ks_broker_error error = ks_serving_error(request->broker);

    if (error != KS_BROKER_ERROR_NONE || !request->has_looked) {
        return error;
    }
    return request->looked == KAFSCALE_OK ? KS_BROKER_ERROR_NONE : KS_BROKER_ERROR_NOT_OWNER;
}
