/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three parties meet here: the process's environment, where the broker runs; the world's, where
 * clients live and messages travel; and the line, which keeps messages in order. A call is one
 * request on a line. Whatever happens to the line, its call stays until the broker has completed
 * the exchange.
 */
#include "sim/process.h"

#include <assert.h>

#define DELAY_MS_MAX 2

struct process {
    struct virtual_env env;
    struct virtual_env *world;
    enum process_state state;
    bool is_paused;
    struct store_link *link;
    struct store_link *meta_link;
    struct ks_store *meta_store;
    struct kafscale_meta meta;
    struct ks_broker *broker;
    struct ks_handlers *handlers;
    struct ks_list lines;
};

enum call_state {
    CALL_SENT,     /* on its way to the broker */
    CALL_ACCEPTED, /* the broker has it */
    CALL_ANSWERED  /* the answer waits for its turn, or is on its way back */
};

struct line {
    struct ks_list link;
    struct process *process;
    struct line_events events;
    struct ks_list calls; /* in the order of sending */
    bool is_ending;       /* the broker has closed it: no further request is taken from it */
    int64_t request_due_ms;
    int64_t answer_due_ms;
};

struct call {
    struct ks_list link;
    struct line *line; /* NULL: the client has gone */
    struct process *process;
    enum call_state state;
    int16_t key;
    int16_t version;
    void *tag;
    struct ks_exchange exchange;
    enum ks_answer_kind kind;
    struct ks_buffer bytes;
    struct ks_timer travel; /* the world's */
    struct ks_task turn;    /* the process's */
};

static int64_t
draw_delay(struct process *process)
{
    return (int64_t) (ks_env_random_u64(&process->world->env) % (DELAY_MS_MAX + 1));
}

/* --- Calls ------------------------------------------------------------------------------------ */

static void
call_free(struct call *call)
{
    ks_env_cancel_timer(&call->process->world->env, &call->travel);
    ks_env_cancel_task(&call->turn);
    ks_list_remove(&call->link);
    kafscale_blob_unref(call->exchange.frame);
    ks_buffer_deinit(&call->bytes);
    ks_free(call);
}

static void
lose(struct line *line)
{
    struct line_events events = line->events;

    line_close(line, false);
    events.lost(events.arg);
}

static void
deliver(struct call *call)
{
    const struct kafka_message *message = kafka_api_find(call->key)->response;
    struct line_events events = call->line->events;
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    struct ks_arena arena;
    int32_t correlation_id;
    void *response;

    ks_arena_init(&arena, SIZE_MAX / 2);
    response = ks_arena_alloc(&arena, message->size_bytes);
    if (kafka_response_header_decode(ks_buffer_slice(&call->bytes), call->key, call->version,
                                     &correlation_id, &body, &error) != KAFSCALE_OK ||
        kafka_decode(message, call->version, body, &arena, response, &error) != KAFSCALE_OK) {
        assert(false && "an answer can't be decoded");
    }
    ks_list_remove(&call->link);
    events.answered(events.arg, call->tag, response);
    ks_arena_deinit(&arena);
    call_free(call);
}

static void
on_answer_arrived(void *arg)
{
    struct call *call = arg;

    if (call->kind == KS_ANSWER_CLOSE) {
        lose(call->line);
        return;
    }
    deliver(call);
}

/* Answers leave in the order of their requests. */
static void
send_answers(struct line *line)
{
    for (struct ks_list *node = line->calls.next; node != &line->calls; node = node->next) {
        struct call *call = KS_CONTAINER(node, struct call, link);
        int64_t due_ms = line->process->world->now_ms + draw_delay(line->process);

        if (call->state != CALL_ANSWERED) {
            return;
        }
        if (ks_env_timer_is_set(&call->travel)) {
            continue;
        }
        line->answer_due_ms = due_ms > line->answer_due_ms ? due_ms : line->answer_due_ms;
        call->travel.on_due = on_answer_arrived;
        ks_env_set_timer(&line->process->world->env, &call->travel, line->answer_due_ms);
    }
}

static void
on_complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct call *call = KS_CONTAINER(exchange, struct call, exchange);

    assert(call->state == CALL_ACCEPTED);

    if (call->line == NULL) {
        call_free(call);
        return;
    }
    call->state = CALL_ANSWERED;
    call->kind = answer->kind;
    for (size_t i = 0; answer->kind == KS_ANSWER_SEND && i < answer->part_count; i++) {
        ks_buffer_append(&call->bytes, answer->parts[i].bytes.data, answer->parts[i].bytes.size);
    }
    if (ks_buffer_failed(&call->bytes)) {
        call->kind = KS_ANSWER_CLOSE; /* the process is short of memory */
    }
    call->line->is_ending |= call->kind == KS_ANSWER_CLOSE;
    send_answers(call->line);
}

static void
on_accept(void *arg)
{
    struct call *call = arg;
    const struct ks_request_sink *sink = ks_handlers_sink(call->process->handlers);

    if (call->line->is_ending) {
        return;
    }
    call->state = CALL_ACCEPTED;
    sink->accept(sink->self, &call->exchange);
}

static void
on_gone(void *arg)
{
    struct call *call = arg;
    const struct ks_request_sink *sink = ks_handlers_sink(call->process->handlers);

    sink->gone(sink->self, &call->exchange);
}

static void
on_request_arrived(void *arg)
{
    struct call *call = arg;

    ks_env_defer(&call->process->env.env, &call->turn);
}

/* The client is gone: what the broker doesn't know of never happened. */
static void
drop_call(struct call *call, bool is_half_open)
{
    if (call->state != CALL_ACCEPTED) {
        call_free(call);
        return;
    }
    ks_list_remove(&call->link);
    call->line = NULL;
    if (!is_half_open) {
        call->turn.run = on_gone;
        ks_env_defer(&call->process->env.env, &call->turn);
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

struct line *
line_open(struct process *process, const struct line_events *events)
{
    struct line *line = ks_alloc_zero(1, sizeof *line);

    assert(line != NULL);
    assert(process->state == PROCESS_RUNS);
    line->process = process;
    line->events = *events;
    ks_list_init(&line->calls);
    ks_list_append(&process->lines, &line->link);
    return line;
}

static struct kafscale_blob *
encode(int16_t key, int16_t version, const void *request)
{
    struct kafka_request_header header = { .api_key = key, .api_version = version };
    struct kafscale_error error = { 0 };
    struct kafscale_blob *frame;
    const struct kafscale_slice *parts;
    struct kafka_writer writer;
    size_t count;
    size_t size = 0;

    kafka_writer_init(&writer, SIZE_MAX / 2);
    if (kafka_request_encode(&header, request, &writer, &error) != KAFSCALE_OK ||
        kafka_writer_finish(&writer, &parts, &count) != KAFSCALE_OK) {
        assert(false && "a request can't be encoded");
    }
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    frame = kafscale_blob_new(size);
    size = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(kafscale_blob_data(frame) + size, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    kafka_writer_deinit(&writer);
    return frame;
}

void
line_send(struct line *line, int16_t key, int16_t version, const void *request, void *tag)
{
    struct process *process = line->process;
    struct call *call = ks_alloc_zero(1, sizeof *call);
    struct kafscale_slice frame;
    int64_t due_ms = process->world->now_ms + draw_delay(process);

    assert(call != NULL);
    call->line = line;
    call->process = process;
    call->key = key;
    call->version = version;
    call->tag = tag;
    ks_buffer_init(&call->bytes, SIZE_MAX / 2);
    call->exchange.frame = encode(key, version, request);
    frame = kafscale_blob_slice(call->exchange.frame);
    call->exchange.payload = ks_slice(frame.data + 4, frame.size - 4);
    call->exchange.context.client_address = "10.0.0.1:1";
    call->exchange.complete = on_complete;
    call->turn.run = on_accept;
    call->turn.arg = call;
    call->travel.on_due = on_request_arrived;
    call->travel.arg = call;
    ks_list_append(&line->calls, &call->link);
    line->request_due_ms = due_ms > line->request_due_ms ? due_ms : line->request_due_ms;
    ks_env_set_timer(&process->world->env, &call->travel, line->request_due_ms);
}

void
line_close(struct line *line, bool is_half_open)
{
    if (line == NULL) {
        return;
    }
    while (!ks_list_is_empty(&line->calls)) {
        drop_call(KS_CONTAINER(line->calls.next, struct call, link), is_half_open);
    }
    ks_list_remove(&line->link);
    ks_free(line);
}

/* --- Processes -------------------------------------------------------------------------------- */

static void
on_started(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) status;
    (void) error;
}

struct process *
process_new(const struct process_options *options)
{
    struct process *process = ks_alloc_zero(1, sizeof *process);
    struct ks_endpoint endpoint = { .host = "127.0.0.1", .port = 9092 };
    struct ks_meta_log_options meta_options = { .ns = options->broker.ns,
                                                .operations_max = options->meta_operations_max,
                                                .chunk_entries = options->meta_chunk_entries,
                                                .step_entries =
                                                    1 + options->meta_chunk_entries / 4 };
    struct kafscale_store (*link)(struct ks_env *, struct virtual_env *, struct ks_store *,
                                  struct store_link **) =
        options->is_lax ? store_link_new_lax : store_link_new;
    struct kafscale_store store;

    assert(process != NULL);
    process->world = options->world;
    ks_list_init(&process->lines);
    virtual_env_init(&process->env, options->seed);
    process->env.now_ms = options->world->now_ms;
    process->env.env.logger = options->world->env.logger;
    ks_env_random(&process->env.env, meta_options.incarnation.bytes, KS_ID_BYTES);
    store = link(&process->env.env, options->world, options->store, &process->meta_link);
    process->meta_store = ks_store_new(&process->env.env, store);
    assert(process->meta_store != NULL);
    process->meta = ks_meta_log_new(&process->env.env, process->meta_store, &meta_options);
    store = link(&process->env.env, options->world, options->store, &process->link);
    process->broker = ks_broker_new(&process->env.env, store, process->meta, &options->broker);
    assert(process->broker != NULL);
    if (ks_broker_set_endpoints(process->broker, &endpoint, 1) != KAFSCALE_OK) {
        assert(false && "out of memory");
    }
    process->handlers = ks_handlers_new(process->broker);
    assert(process->handlers != NULL);
    ks_broker_start(process->broker, on_started, process);
    return process;
}

void
process_free(struct process *process)
{
    assert(process->state == PROCESS_ENDED);

    ks_free(process);
}

enum process_state
process_state(const struct process *process)
{
    return process->state;
}

bool
process_is_paused(const struct process *process)
{
    return process->is_paused;
}

struct ks_broker *
process_broker(struct process *process)
{
    return process->broker;
}

const uint64_t *
process_meta_counts(const struct process *process)
{
    return ks_meta_log_counts(&process->meta);
}

static void
lose_clients(struct process *process)
{
    while (!ks_list_is_empty(&process->lines)) {
        lose(KS_CONTAINER(process->lines.next, struct line, link));
    }
}

static void
on_meta_store_closed(void *arg)
{
    struct process *process = arg;

    process->state = PROCESS_ENDED;
}

static void
on_stopped(void *arg)
{
    struct process *process = arg;

    lose_clients(process);
    ks_handlers_free(process->handlers);
    ks_broker_free(process->broker);
    process->handlers = NULL;
    process->broker = NULL;
    ks_store_close(process->meta_store, on_meta_store_closed, process);
}

void
process_cut_off(struct process *process)
{
    store_link_cut(process->link);
    store_link_cut(process->meta_link);
}

void
process_mend(struct process *process)
{
    store_link_mend(process->link);
    store_link_mend(process->meta_link);
}

void
process_kill(struct process *process)
{
    enum process_state before = process->state;

    if (before == PROCESS_ENDS || before == PROCESS_ENDED || process->broker == NULL) {
        return;
    }
    process->state = PROCESS_ENDS;
    process->is_paused = false;
    process_cut_off(process);
    lose_clients(process);
    if (before == PROCESS_RUNS) {
        ks_broker_stop(process->broker, 0, on_stopped, process);
    }
}

void
process_stop(struct process *process, int64_t give_up_ms)
{
    assert(process->state == PROCESS_RUNS);

    process->state = PROCESS_STOPS;
    ks_broker_stop(process->broker, give_up_ms, on_stopped, process);
}

void
process_pause(struct process *process)
{
    process->is_paused = true;
}

void
process_resume(struct process *process)
{
    process->is_paused = false;
}

bool
process_step(struct process *process)
{
    return !process->is_paused && process->state != PROCESS_ENDED &&
           virtual_env_step_now(&process->env);
}

int64_t
process_next_due_ms(const struct process *process)
{
    return process->is_paused ? INT64_MAX : virtual_env_next_due_ms(&process->env);
}

void
process_set_now(struct process *process, int64_t now_ms)
{
    process->env.now_ms = now_ms;
}
