/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each exchange gets a second one, which the handlers see. It goes through three lists: waiting for
 * its turn, handled, and held with its answer; from each of them it can also end at once.
 */
#include "testing/interceptor.h"

#include <assert.h>

/* What answers that wait may hold; one beyond closes its connection instead. */
#define HELD_BYTES_MAX ((size_t) 64 << 20)

struct intercepted {
    struct ks_exchange exchange; /* the handlers' */
    struct ks_exchange *outer;
    struct ks_interceptor *interceptor;
    struct ks_list link;
    struct ks_timer timer;
    bool is_handled;
    bool is_held;
    bool is_gone;
    struct ks_rule rule;
    struct kafka_request_header header; /* borrows from the frame */
    struct kafscale_slice body;
    struct kafscale_blob *instead; /* of the handlers' answer */
    struct kafscale_blob *kept;    /* the answer that is held; NULL: none */
    struct ks_answer answer;
    struct ks_request_entry entry;
};

/* --- The end ---------------------------------------------------------------------------------- */

static void
note(struct intercepted *request, const struct ks_answer *answer)
{
    struct ks_interceptor *interceptor = request->interceptor;
    struct ks_request_entry *entry = &request->entry;

    entry->duration_ms = ks_env_now_ms(interceptor->env) - entry->begun_ms;
    entry->is_answered = answer->kind == KS_ANSWER_SEND && !request->is_gone;
    entry->error = answer->error;
    entry->answer_bytes = ks_answer_bytes(answer);
    ks_request_log_add(interceptor->log, entry);
}

static void
end(struct intercepted *request, const struct ks_answer *answer)
{
    struct ks_exchange *outer = request->outer;

    note(request, answer);
    ks_list_remove(&request->link);
    ks_env_cancel_timer(request->interceptor->env, &request->timer);
    outer->request = NULL;
    outer->complete(outer, answer);
    if (request->is_held && request->kept != NULL) {
        request->interceptor->held_bytes -= kafscale_blob_size(request->kept);
    }
    kafscale_blob_unref(request->instead);
    kafscale_blob_unref(request->kept);
    ks_free(request);
}

static void
end_closing(struct intercepted *request)
{
    struct ks_answer answer = { .kind = KS_ANSWER_CLOSE };

    end(request, &answer);
}

static void
end_with(struct intercepted *request, struct kafscale_blob *bytes, struct ks_answer answer)
{
    struct kafscale_part part = { .bytes = kafscale_blob_slice(bytes), .owner = bytes };

    answer.kind = KS_ANSWER_SEND;
    answer.parts = &part;
    answer.part_count = 1;
    end(request, &answer);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
on_answer_due(void *arg)
{
    struct intercepted *request = arg;
    struct ks_interceptor *interceptor = request->interceptor;

    if (interceptor->is_paused && !request->is_gone) {
        return; /* the end of the pause comes back to it */
    }
    if (request->answer.kind == KS_ANSWER_SEND) {
        end_with(request, request->kept, request->answer);
    } else {
        end(request, &request->answer);
    }
}

static bool
must_hold(const struct intercepted *request)
{
    return !request->is_gone && (request->interceptor->is_paused || request->rule.after_ms > 0);
}

/* Takes `bytes`, which is NULL for an answer that isn't sent. */
static void
hold(struct intercepted *request, struct kafscale_blob *bytes, const struct ks_answer *answer)
{
    struct ks_interceptor *interceptor = request->interceptor;
    struct ks_env *env = interceptor->env;
    size_t size = bytes == NULL ? 0 : kafscale_blob_size(bytes);

    request->kept = bytes;
    if (size > HELD_BYTES_MAX - interceptor->held_bytes) {
        end_closing(request);
        return;
    }
    request->answer = *answer;
    request->answer.parts = NULL;
    request->answer.part_count = 0;
    request->is_held = true;
    interceptor->held_bytes += size;
    ks_list_remove(&request->link);
    ks_list_append(&interceptor->held, &request->link);
    request->timer.on_due = on_answer_due;
    ks_env_set_timer(env, &request->timer, ks_env_now_ms(env) + request->rule.after_ms);
}

/* An answer in one piece, which is taken. */
static void
tell_bytes(struct intercepted *request, struct kafscale_blob *bytes, struct ks_answer answer)
{
    answer.kind = KS_ANSWER_SEND;
    if (must_hold(request)) {
        hold(request, bytes, &answer);
        return;
    }
    request->kept = bytes;
    end_with(request, bytes, answer);
}

/* What the handlers said goes on as it is, unless something is to be done with it. */
static void
tell(struct intercepted *request, const struct ks_answer *answer)
{
    struct kafscale_blob *bytes;

    if (!must_hold(request)) {
        end(request, answer);
        return;
    }
    if (answer->kind != KS_ANSWER_SEND) {
        hold(request, NULL, answer);
        return;
    }
    bytes = ks_answer_flatten(answer);
    if (bytes == NULL) {
        end_closing(request);
        return;
    }
    hold(request, bytes, answer);
}

static void
tell_throttled(struct intercepted *request, const struct ks_answer *answer)
{
    struct ks_answer throttled = *answer;
    struct kafscale_blob *whole = ks_answer_flatten(answer);
    struct kafscale_blob *bytes = NULL;
    enum kafscale_status status = KAFSCALE_NO_MEMORY;

    if (whole != NULL) {
        status = ks_mirror_throttle(&request->header, kafscale_blob_slice(whole),
                                    request->rule.throttle_ms, &bytes);
    }
    kafscale_blob_unref(whole);
    if (status != KAFSCALE_OK) {
        end_closing(request);
        return;
    }
    throttled.throttle_ms = request->rule.throttle_ms;
    tell_bytes(request, bytes, throttled);
}

/* --- From the handlers ------------------------------------------------------------------------ */

static void
tell_instead(struct intercepted *request)
{
    struct ks_answer answer = { .error = request->rule.error,
                                .throttle_ms = request->rule.throttle_ms };
    struct kafscale_blob *bytes = request->instead;

    request->instead = NULL;
    tell_bytes(request, bytes, answer);
}

static void
on_complete(struct ks_exchange *exchange, const struct ks_answer *answer)
{
    struct intercepted *request = KS_CONTAINER(exchange, struct intercepted, exchange);
    struct ks_answer closing = { .kind = KS_ANSWER_CLOSE };

    request->is_handled = false;
    if (answer->kind == KS_ANSWER_CLOSE || request->rule.kind == KS_FATE_CLOSE_AFTER) {
        tell(request, &closing);
    } else if (request->instead != NULL && answer->kind == KS_ANSWER_SEND) {
        tell_instead(request);
    } else if (request->instead != NULL) {
        tell(request, &closing); /* what acks=0 gets of an error */
    } else if (request->rule.throttle_ms > 0 && answer->kind == KS_ANSWER_SEND) {
        tell_throttled(request, answer);
    } else {
        tell(request, answer);
    }
}

static size_t
on_claim(struct ks_exchange *exchange, size_t least_bytes, size_t wanted_bytes)
{
    struct ks_exchange *outer = KS_CONTAINER(exchange, struct intercepted, exchange)->outer;

    return outer->claim(outer, least_bytes, wanted_bytes);
}

static void
on_hold(struct ks_exchange *exchange, size_t bytes)
{
    struct ks_exchange *outer = KS_CONTAINER(exchange, struct intercepted, exchange)->outer;

    outer->hold(outer, bytes);
}

static unsigned
on_memory_percent(const struct ks_exchange *exchange)
{
    const struct ks_exchange *outer =
        KS_CONTAINER(exchange, const struct intercepted, exchange)->outer;

    return outer->memory_percent(outer);
}

/* --- Handling --------------------------------------------------------------------------------- */

/* A Produce with acks=0: nobody reads an answer to it. */
static bool
is_unanswered(const struct intercepted *request)
{
    struct kafka_produce_request body;
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    bool is_read;

    if (request->header.api_key != KAFKA_API_PRODUCE) {
        return false;
    }
    ks_arena_init(&arena, (size_t) 64 << 20);
    is_read = kafka_decode_request(&kafka_produce_request_message, request->header.api_version,
                                   request->body, &arena, &body, &error) == KAFSCALE_OK;
    ks_arena_deinit(&arena);
    return is_read && body.acks == 0;
}

/* The error answer, made before anybody changes the frame; false: the connection was closed. */
static bool
make_instead(struct intercepted *request)
{
    struct ks_mirror mirror = request->interceptor->broker;

    mirror.error = request->rule.error;
    mirror.throttle_ms = request->rule.throttle_ms;
    if (ks_mirror_error(&request->header, request->body, &mirror, &request->instead) ==
        KAFSCALE_OK) {
        return true;
    }
    end_closing(request);
    return false;
}

static void
hand_over(struct intercepted *request)
{
    struct ks_interceptor *interceptor = request->interceptor;

    if (interceptor->inner == NULL) {
        end_closing(request);
        return;
    }
    request->is_handled = true;
    ks_list_append(&interceptor->handled, &request->link);
    interceptor->inner->accept(interceptor->inner->self, &request->exchange);
}

static void
handle(struct intercepted *request)
{
    struct ks_answer closing = { .kind = KS_ANSWER_CLOSE };

    ks_list_remove(&request->link);
    switch (request->rule.kind) {
    case KS_FATE_ERROR:
        if (is_unanswered(request)) {
            tell(request, &closing);
        } else if (make_instead(request)) {
            tell_instead(request);
        }
        return;
    case KS_FATE_CLOSE:
        tell(request, &closing);
        return;
    case KS_FATE_ERROR_AFTER:
        if (make_instead(request)) {
            hand_over(request);
        }
        return;
    case KS_FATE_NONE:
    case KS_FATE_CLOSE_AFTER:
        break;
    }
    hand_over(request);
}

/* One of its connection that came before is still to be handled. */
static bool
is_behind(const struct ks_interceptor *interceptor, const struct intercepted *request)
{
    for (const struct ks_list *node = interceptor->waiting.next;
         node != &interceptor->waiting && node != &request->link; node = node->next) {
        const struct intercepted *earlier = KS_CONTAINER(node, const struct intercepted, link);

        if (earlier->exchange.context.connection == request->exchange.context.connection) {
            return true;
        }
    }
    return false;
}

static struct intercepted *
first_ready(const struct ks_interceptor *interceptor)
{
    for (struct ks_list *node = interceptor->waiting.next; node != &interceptor->waiting;
         node = node->next) {
        struct intercepted *request = KS_CONTAINER(node, struct intercepted, link);

        if (!ks_env_timer_is_set(&request->timer) && !is_behind(interceptor, request)) {
            return request;
        }
    }
    return NULL;
}

/* Those whose time has come, and those that only waited for them. */
static void
sweep(void *arg)
{
    struct ks_interceptor *interceptor = arg;
    struct intercepted *request;

    while (!interceptor->is_paused && (request = first_ready(interceptor)) != NULL) {
        handle(request);
    }
}

static void
on_handling_due(void *arg)
{
    const struct intercepted *request = arg;

    sweep(request->interceptor);
}

/* --- From the carriers ------------------------------------------------------------------------ */

static void
begin_exchange(struct intercepted *request)
{
    const struct ks_exchange *outer = request->outer;

    request->exchange = (struct ks_exchange){
        .frame = outer->frame,
        .payload = outer->payload,
        .context = outer->context,
        .complete = on_complete,
        .claim = outer->claim == NULL ? NULL : on_claim,
        .hold = outer->hold == NULL ? NULL : on_hold,
        .memory_percent = outer->memory_percent == NULL ? NULL : on_memory_percent,
    };
}

static void
begin_entry(struct intercepted *request)
{
    struct ks_request_entry *entry = &request->entry;
    const struct ks_request_context *context = &request->outer->context;
    const char *address = context->client_address == NULL ? "" : context->client_address;

    entry->begun_ms = ks_env_now_ms(request->interceptor->env);
    entry->connection = context->connection;
    entry->request_bytes = request->outer->payload.size;
    entry->correlation_id = request->header.correlation_id;
    entry->api_key = request->header.api_key;
    entry->api_version = request->header.api_version;
    ks_request_log_copy_text(entry->client_id, sizeof entry->client_id, request->header.client_id);
    ks_request_log_copy_text(entry->client_address, sizeof entry->client_address,
                             ks_slice(address, strlen(address)));
}

/* A header that can't be read is for the handlers to refuse. */
static void
begin(struct intercepted *request)
{
    struct ks_interceptor *interceptor = request->interceptor;
    struct kafscale_error error = { 0 };

    begin_exchange(request);
    if (kafka_request_header_decode(request->outer->payload, &request->header, &request->body,
                                    &error) != KAFSCALE_OK) {
        request->header = (struct kafka_request_header){ .api_key = -1 };
        begin_entry(request);
        return;
    }
    begin_entry(request);
    request->entry.is_faulted = ks_rules_draw(interceptor->rules, request->header.api_key,
                                              request->header.client_id, &request->rule);
}

static void
accept(void *self, struct ks_exchange *outer)
{
    struct ks_interceptor *interceptor = self;
    struct intercepted *request = ks_alloc_zero(1, sizeof *request);
    struct ks_answer closing = { .kind = KS_ANSWER_CLOSE };

    outer->request = request;
    if (request == NULL) {
        outer->complete(outer, &closing);
        return;
    }
    request->interceptor = interceptor;
    request->outer = outer;
    request->timer = (struct ks_timer){ .on_due = on_handling_due, .arg = request };
    begin(request);
    ks_list_append(&interceptor->waiting, &request->link);
    if (request->rule.before_ms > 0) {
        ks_env_set_timer(interceptor->env, &request->timer,
                         request->entry.begun_ms + request->rule.before_ms);
    } else if (!interceptor->is_paused && !is_behind(interceptor, request)) {
        handle(request);
    }
}

/* Whoever waited behind it is looked after in a turn of its own. */
static void
gone(void *self, struct ks_exchange *outer)
{
    struct ks_interceptor *interceptor = self;
    struct intercepted *request = outer->request;

    if (request == NULL) {
        return;
    }
    request->is_gone = true;
    if (request->is_handled) {
        interceptor->inner->gone(interceptor->inner->self, &request->exchange);
    } else if (request->is_held) {
        on_answer_due(request);
    } else {
        end_closing(request);
        ks_env_defer(interceptor->env, &interceptor->sweep);
    }
}

/* --- The interceptor -------------------------------------------------------------------------- */

void
ks_interceptor_init(struct ks_interceptor *interceptor, struct ks_env *env, struct ks_rules *rules,
                    struct ks_request_log *log)
{
    *interceptor = (struct ks_interceptor){ .env = env, .rules = rules, .log = log };
    interceptor->sink =
        (struct ks_request_sink){ .self = interceptor, .accept = accept, .gone = gone };
    interceptor->sweep = (struct ks_task){ .run = sweep, .arg = interceptor };
    ks_list_init(&interceptor->waiting);
    ks_list_init(&interceptor->handled);
    ks_list_init(&interceptor->held);
}

static void
end_all(struct ks_list *list)
{
    while (!ks_list_is_empty(list)) {
        end_closing(KS_CONTAINER(list->next, struct intercepted, link));
    }
}

void
ks_interceptor_deinit(struct ks_interceptor *interceptor)
{
    if (interceptor->env == NULL) {
        return;
    }
    assert(ks_list_is_empty(&interceptor->handled));

    end_all(&interceptor->waiting);
    end_all(&interceptor->held);
    ks_env_cancel_task(&interceptor->sweep);
    *interceptor = (struct ks_interceptor){ 0 };
}

void
ks_interceptor_set_inner(struct ks_interceptor *interceptor, const struct ks_request_sink *inner)
{
    assert(ks_list_is_empty(&interceptor->handled));

    interceptor->inner = inner;
}

void
ks_interceptor_pause(struct ks_interceptor *interceptor, bool is_paused)
{
    struct ks_list *node = interceptor->held.next;

    interceptor->is_paused = is_paused;
    if (is_paused) {
        return;
    }
    /* Answers whose time came meanwhile; the others still have their timers. */
    while (node != &interceptor->held) {
        struct intercepted *request = KS_CONTAINER(node, struct intercepted, link);

        node = node->next;
        if (!ks_env_timer_is_set(&request->timer)) {
            on_answer_due(request);
        }
    }
    ks_env_defer(interceptor->env, &interceptor->sweep);
}

static size_t
count(const struct ks_list *list)
{
    size_t n = 0;

    for (const struct ks_list *node = list->next; node != list; node = node->next) {
        n++;
    }
    return n;
}

size_t
ks_interceptor_waiting_count(const struct ks_interceptor *interceptor)
{
    return count(&interceptor->waiting) + count(&interceptor->handled) + count(&interceptor->held);
}
