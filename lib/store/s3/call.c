/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a call: through the gate, signed, sent, perhaps sent a second time since it is late,
 * judged, and sent again or ended. A call ends from the loop only, never from within the
 * submission, and with nothing under way any more, so that what it borrows is free.
 */
#include "store/s3/call.h"

#include "store/s3/event.h"

#include <stdio.h>

#define TRIES_MAX 3
#define DAMAGED_ANSWERS_MAX 3
#define PAUSE_FIRST_MS 50
#define PAUSE_BUSY_MS 400
#define PAUSE_SLOW_MS 1000
#define LATE_MS_MIN 20
#define BYTES_PER_MS_MIN 256

static void launch(struct ks_s3_call *call, struct ks_s3_attempt *attempt);
static void enter_gate(struct ks_s3_call *call);
static void on_answer(struct ks_s3_exchange *exchange);

/* --- Small services --------------------------------------------------------------------------- */

static int64_t
now_ms(const struct ks_s3_store *store)
{
    return store->loop.ops->now_ms(store->loop.self);
}

static int64_t
wall_s(const struct ks_s3_store *store)
{
    return store->loop.ops->wall_ms(store->loop.self) / 1000;
}

int64_t
ks_s3_store_time_s(const struct ks_s3_store *store)
{
    return wall_s(store) + store->clock_ahead_s;
}

static void
set_timer(const struct ks_s3_store *store, struct kafscale_timer *timer, int64_t wait_ms)
{
    store->loop.ops->set_timer(store->loop.self, timer, now_ms(store) + wait_ms);
}

static void
cancel_timer(const struct ks_s3_store *store, struct kafscale_timer *timer)
{
    store->loop.ops->cancel_timer(store->loop.self, timer);
}

/* Between half of the time and all of it, so that those who failed together don't come together. */
static int64_t
with_jitter(const struct ks_s3_store *store, int64_t wait_ms)
{
    uint32_t random;

    store->loop.ops->random(store->loop.self, &random, sizeof random);
    return wait_ms / 2 + (int64_t) (random % (uint64_t) (wait_ms / 2 + 1));
}

/* --- Attempts --------------------------------------------------------------------------------- */

enum kafscale_status
ks_s3_attempt_write(struct ks_s3_attempt *attempt, struct ks_s3_target *target,
                    const struct ks_s3_ask *ask, struct kafscale_error *error)
{
    const struct ks_s3_store *store = attempt->call->store;
    enum kafscale_status status =
        ks_s3_target_write(target, ask, ks_s3_store_time_s(store), &attempt->message, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    attempt->exchange = (struct ks_s3_exchange){
        .method = ask->method,
        .url = ks_s3_message_url(&attempt->message),
        .headers = &attempt->message.headers,
        .response_bytes_max = KS_S3_ERROR_BODY_BYTES_MAX,
        .silence_ms = store->request_timeout_ms,
        .timeout_ms = store->request_timeout_ms,
        .must_bypass_proxy = target->is_loopback,
        .done = on_answer,
        .arg = attempt,
    };
    return KAFSCALE_OK;
}

static void
clear_attempt(struct ks_s3_attempt *attempt)
{
    kafscale_blob_unref(attempt->exchange.body);
    attempt->exchange.body = NULL;
    ks_s3_message_deinit(&attempt->message);
}

/* NULL: a request like this is never late. */
static struct ks_s3_latency *
latency_of(struct ks_s3_call *call)
{
    return call->kind->latency == NULL || call->is_second_step ? NULL : call->kind->latency(call);
}

static void
note_latency(struct ks_s3_call *call, const struct ks_s3_attempt *attempt)
{
    struct ks_s3_latency *latency = latency_of(call);

    if (latency != NULL) {
        ks_s3_latency_note(latency, now_ms(call->store) - attempt->sent_ms);
    }
}

/* Lets go of an attempt that is under way. */
static void
cancel_attempt(struct ks_s3_call *call, struct ks_s3_attempt *attempt)
{
    if (!attempt->is_flying) {
        return;
    }
    call->store->transport.ops->cancel(call->store->transport.self, &attempt->exchange);
    attempt->is_flying = false;
    note_latency(call, attempt);
    clear_attempt(attempt);
    ks_s3_gate_leave(&call->store->gate);
}

static struct ks_s3_attempt *
other_attempt(struct ks_s3_call *call, const struct ks_s3_attempt *attempt)
{
    return attempt == &call->attempts[0] ? &call->attempts[1] : &call->attempts[0];
}

/* --- The end of a call ------------------------------------------------------------------------ */

static void
finish(struct ks_s3_call *call, enum kafscale_status status)
{
    struct ks_s3_store *store = call->store;

    cancel_attempt(call, &call->attempts[0]);
    cancel_attempt(call, &call->attempts[1]);
    cancel_timer(store, &call->pause);
    cancel_timer(store, &call->late);
    ks_s3_gate_give_up(&store->gate, &call->waiter);
    ks_list_remove(&call->keyless_link);
    ks_list_remove(&call->link);
    call->error.status = status;
    call->kind->finish(call, status);
    clear_attempt(&call->attempts[0]);
    clear_attempt(&call->attempts[1]);
    ks_free(call);
}

static void
end_later(struct ks_s3_call *call, enum kafscale_status status, int64_t wait_ms)
{
    call->status = status;
    call->ends_after_pause = true;
    set_timer(call->store, &call->pause, wait_ms);
}

static void
give_up(struct ks_s3_call *call, enum ks_s3_verdict verdict, int64_t wait_ms)
{
    end_later(call, call->kind->give_up(call, verdict), wait_ms);
}

static void
on_pause_over(void *arg)
{
    struct ks_s3_call *call = arg;

    if (call->ends_after_pause) {
        finish(call, call->status);
    } else {
        enter_gate(call);
    }
}

void
ks_s3_call_abort(struct ks_s3_call *call)
{
    bool is_flying = call->attempts[0].is_flying || call->attempts[1].is_flying;

    call->is_unsure = call->is_unsure || is_flying;
    call->error = (struct kafscale_error){ 0 };
    ks_error_set(&call->error, KAFSCALE_STOPPED, "%s of '%.80s': the store is being closed",
                 call->kind->name, call->kind->key(call));
    finish(call, call->kind->give_up(call, KS_S3_UNSENT));
}

/* --- What a verdict leads to ------------------------------------------------------------------ */

static void
correct_clock(struct ks_s3_store *store, const struct ks_s3_exchange *exchange)
{
    int64_t server_s;
    char ahead_s[24];

    if (!ks_s3_parse_date(exchange->date, &server_s)) {
        return;
    }
    store->clock_ahead_s = server_s - wall_s(store);
    (void) snprintf(ahead_s, sizeof ahead_s, "%lld", (long long) store->clock_ahead_s);
    ks_s3_log(store->loop, KAFSCALE_LOG_WARN, "requests are signed with the S3 server's time",
              "ahead_s", ahead_s);
}

/* What the store as a whole learns from one answer. */
static void
learn(struct ks_s3_store *store, const struct ks_s3_exchange *exchange, enum ks_s3_verdict verdict)
{
    if (exchange->server[0] != '\0') {
        memcpy(store->server, exchange->server, sizeof store->server);
    }
    switch (verdict) {
    case KS_S3_GOOD:
    case KS_S3_TAKEN:
    case KS_S3_ABSENT:
        ks_s3_gate_succeeded(&store->gate);
        break;
    case KS_S3_BUSY:
        store->counters.slow_downs++;
        ks_s3_gate_slow_down(&store->gate, now_ms(store));
        break;
    case KS_S3_SKEWED:
        correct_clock(store, exchange);
        break;
    case KS_S3_EXPIRED:
        ks_s3_keyring_refuse(&store->keyring);
        break;
    case KS_S3_DAMAGED_REQUEST:
        store->counters.damaged_requests++;
        break;
    case KS_S3_DAMAGED_ANSWER:
        store->counters.damaged_answers++;
        break;
    case KS_S3_NO_BUCKET:
        if (store->may_create_bucket) {
            ks_s3_create_bucket(store);
        }
        break;
    default:
        break;
    }
}

static void
send_again(struct ks_s3_call *call, int64_t wait_ms)
{
    call->store->counters.retries++;
    call->ends_after_pause = false;
    set_timer(call->store, &call->pause, wait_ms);
}

static void
try_later(struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    int64_t first_ms = verdict == KS_S3_BUSY ? PAUSE_BUSY_MS : PAUSE_FIRST_MS;

    if (call->tries >= TRIES_MAX || !ks_s3_budget_spend(&call->store->retries)) {
        give_up(call, verdict, 0);
        return;
    }
    call->is_fresh = verdict == KS_S3_UNSURE;
    send_again(call, with_jitter(call->store, first_ms << (call->tries - 1)));
}

/* Read three times and never as it should be: that is for people. */
static void
read_again(struct ks_s3_call *call)
{
    if (++call->damaged_answers >= DAMAGED_ANSWERS_MAX) {
        ks_s3_log(call->store->loop, KAFSCALE_LOG_ERROR, "an S3 answer is damaged again and again",
                  "error", call->error.text);
        give_up(call, KS_S3_DAMAGED_ANSWER, 0);
        return;
    }
    call->is_fresh = true;
    send_again(call, 0);
}

/* The replica is asked once. */
static void
leave_replica(struct ks_s3_call *call)
{
    call->is_on_replica = false;
    call->is_second_step = false;
    call->tries = 0;
    call->ends_after_pause = false;
    set_timer(call->store, &call->pause, 0);
}

static void
go_on(struct ks_s3_call *call, enum ks_s3_verdict verdict)
{
    if (call->is_on_replica) {
        leave_replica(call);
        return;
    }
    switch (ks_s3_verdict_course(verdict)) {
    case KS_S3_COURSE_ON:
        call->ends_after_pause = false;
        set_timer(call->store, &call->pause, 0);
        return;
    case KS_S3_COURSE_NOW:
        if (verdict == KS_S3_DAMAGED_ANSWER) {
            read_again(call);
        } else if (call->tries >= TRIES_MAX) {
            give_up(call, verdict, with_jitter(call->store, PAUSE_SLOW_MS));
        } else {
            send_again(call, 0);
        }
        return;
    case KS_S3_COURSE_LATER:
        try_later(call, verdict);
        return;
    case KS_S3_COURSE_GIVE_UP_SLOWLY:
        if (verdict == KS_S3_NO_BUCKET && call->store->is_creating_bucket &&
            call->tries < TRIES_MAX) {
            send_again(call, PAUSE_FIRST_MS);
            return;
        }
        give_up(call, verdict, with_jitter(call->store, PAUSE_SLOW_MS));
        return;
    case KS_S3_COURSE_GIVE_UP:
    case KS_S3_COURSE_END:
        break;
    }
    give_up(call, verdict, 0);
}

static void
on_answer(struct ks_s3_exchange *exchange)
{
    struct ks_s3_attempt *attempt = exchange->arg;
    struct ks_s3_call *call = attempt->call;
    struct ks_s3_store *store = call->store;
    struct ks_s3_answer answer = ks_s3_answer_of(exchange);
    enum ks_s3_verdict verdict = call->kind->judge(call, attempt, answer.verdict);

    attempt->is_flying = false;
    learn(store, exchange, verdict);
    if (ks_s3_verdict_course(verdict) == KS_S3_COURSE_END &&
        (!call->is_on_replica || verdict == KS_S3_GOOD)) {
        note_latency(call, attempt);
        ks_s3_gate_leave(&store->gate);
        call->answer = verdict;
        finish(call, KAFSCALE_OK);
        return;
    }
    answer.verdict = verdict;
    ks_s3_answer_tell(&answer, exchange, call->kind->name, call->kind->key(call), &call->error);
    call->is_unsure = call->is_unsure || !ks_s3_verdict_is_without_effect(verdict);
    clear_attempt(attempt);
    ks_s3_gate_leave(&store->gate);
    if (!other_attempt(call, attempt)->is_flying) {
        cancel_timer(store, &call->late);
        go_on(call, verdict);
    }
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* A second sending, when one is due and neither the server nor the budget minds. */
static void
on_late(void *arg)
{
    struct ks_s3_call *call = arg;
    struct ks_s3_store *store = call->store;

    if (!call->attempts[0].is_flying || call->attempts[1].is_flying ||
        !ks_s3_budget_spend(&store->hedges)) {
        return;
    }
    if (ks_s3_gate_slip_in(&store->gate)) {
        store->counters.hedges++;
        call->is_fresh = true;
        launch(call, &call->attempts[1]);
    }
}

static void
watch_for_lateness(struct ks_s3_call *call)
{
    const struct ks_s3_latency *latency = latency_of(call);
    int64_t late_ms = latency == NULL ? -1 : ks_s3_latency_p95_ms(latency);

    if (late_ms >= 0) {
        set_timer(call->store, &call->late, late_ms < LATE_MS_MIN ? LATE_MS_MIN : late_ms);
    }
}

/* Larger bodies get more time. */
static int64_t
time_for(const struct ks_s3_exchange *exchange)
{
    uint64_t asked =
        exchange->response_bytes_max < (64u << 20) ? exchange->response_bytes_max : 64u << 20;

    return (int64_t) ((exchange->body_bytes + asked) / BYTES_PER_MS_MIN);
}

static enum kafscale_status
send_attempt(struct ks_s3_call *call, struct ks_s3_attempt *attempt, struct kafscale_error *error)
{
    struct ks_s3_store *store = call->store;
    enum kafscale_status status = call->kind->write(call, attempt, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    attempt->exchange.is_fresh = call->is_fresh;
    attempt->exchange.timeout_ms += time_for(&attempt->exchange);
    attempt->sent_ms = now_ms(store);
    status = store->transport.ops->send(store->transport.self, &attempt->exchange);
    if (status != KAFSCALE_OK) {
        clear_attempt(attempt);
        return ks_error_set(error, status, "S3 request: no memory");
    }
    attempt->is_flying = true;
    store->counters.requests++;
    return KAFSCALE_OK;
}

/* Has a place at the gate. */
static void
launch(struct ks_s3_call *call, struct ks_s3_attempt *attempt)
{
    struct kafscale_error error = { 0 };

    attempt->call = call;
    if (send_attempt(call, attempt, &error) == KAFSCALE_OK) {
        call->is_fresh = false;
        return;
    }
    ks_s3_gate_leave(&call->store->gate);
    if (!other_attempt(call, attempt)->is_flying) {
        call->error = error;
        give_up(call, error.status == KAFSCALE_NO_MEMORY ? KS_S3_STARVED : KS_S3_REFUSED, 0);
    }
}

static void
on_turn(void *arg)
{
    struct ks_s3_call *call = arg;
    struct ks_s3_store *store = call->store;

    switch (ks_s3_keyring_ready(&store->keyring, wall_s(store))) {
    case KS_S3_KEYRING_READY:
        call->tries++;
        watch_for_lateness(call);
        launch(call, &call->attempts[0]);
        return;
    case KS_S3_KEYRING_ASKING:
        ks_list_append(&store->keyless, &call->keyless_link);
        break;
    case KS_S3_KEYRING_FAILED:
        call->error = store->keyring.error;
        give_up(call, KS_S3_REFUSED, with_jitter(store, PAUSE_SLOW_MS));
        break;
    }
    ks_s3_gate_leave(&store->gate);
}

static void
enter_gate(struct ks_s3_call *call)
{
    call->waiter.is_write = call->kind->is_write;
    call->waiter.on_turn = on_turn;
    call->waiter.arg = call;
    if (!ks_s3_gate_enter(&call->store->gate, &call->waiter)) {
        ks_error_set(&call->error, KAFSCALE_UNAVAILABLE, "%s of '%.80s': too many requests wait",
                     call->kind->name, call->kind->key(call));
        give_up(call, KS_S3_UNSENT, 0);
    }
}

void
ks_s3_calls_resume(struct ks_s3_store *store)
{
    struct ks_list waiting;
    struct ks_list *node;

    ks_list_init(&waiting);
    while ((node = ks_list_take_first(&store->keyless)) != NULL) {
        ks_list_append(&waiting, node);
    }
    while ((node = ks_list_take_first(&waiting)) != NULL) {
        enter_gate(KS_CONTAINER(node, struct ks_s3_call, keyless_link));
    }
}

struct ks_s3_call *
ks_s3_call_new(struct ks_s3_store *store, const struct ks_s3_kind *kind)
{
    struct ks_s3_call *call = ks_alloc_zero(1, sizeof *call);

    if (call == NULL) {
        return NULL;
    }
    call->store = store;
    call->kind = kind;
    call->attempts[0].call = call;
    call->attempts[1].call = call;
    call->pause = (struct kafscale_timer){ .on_due = on_pause_over, .arg = call };
    call->late = (struct kafscale_timer){ .on_due = on_late, .arg = call };
    ks_list_init(&call->removals);
    return call;
}

void
ks_s3_call_start(struct ks_s3_call *call)
{
    struct ks_s3_store *store = call->store;

    ks_list_append(&store->calls, &call->link);
    ks_s3_budget_earn(&store->hedges);
    ks_s3_budget_earn(&store->retries);
    enter_gate(call);
}
