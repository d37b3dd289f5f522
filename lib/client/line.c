/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batches of one partition, in order. A batch keeps its place in the sequence of its producer
 * id however often it is sent, so the broker stores it once. What may be tried again is tried
 * again, from the first batch on and when nothing else is in flight; a batch that has failed for
 * good leaves a hole in the sequence, so those behind it go on under another producer id, but for
 * one that may have been stored under the old one.
 */
#include "client/sender.h"

#include "base/backoff.h"

#include <assert.h>

/* What the broker remembers of a producer: more in flight could not be told apart. */
#define IN_FLIGHT_MAX 5

#define BACKOFF_MS_MIN 20
#define BACKOFF_MS_MAX 1000

static void answered(struct ks_ask *ask, const struct ks_ask_answer *answer);

struct ks_line *
ks_line_new(struct ks_send_topic *topic, int32_t index)
{
    struct ks_line *line = ks_alloc_zero(1, sizeof *line);

    if (line != NULL) {
        line->topic = topic;
        line->index = index;
        line->sender = topic->sender;
        ks_list_init(&line->closed);
        ks_list_init(&line->batches);
    }
    return line;
}

void
ks_line_free(struct ks_line *line)
{
    assert(ks_list_is_empty(&line->batches));
    assert(ks_list_is_empty(&line->closed));
    assert(line->open == NULL);

    ks_free(line);
}

bool
ks_line_has_place(const struct ks_line *line)
{
    return line->batch_count < IN_FLIGHT_MAX;
}

void
ks_line_take(struct ks_line *line, struct ks_send_batch *batch, int64_t now_ms)
{
    batch->due_ms = now_ms + line->sender->options.delivery_timeout_ms;
    ks_list_append(&line->batches, &batch->link);
    line->batch_count++;
}

/* Of the batches that are not delivered, so that each is told once. */
static void
report(struct ks_line *line, struct ks_send_batch *batch)
{
    ks_list_remove(&batch->link);
    line->batch_count--;
    ks_sender_report(line->sender, batch, &batch->delivered);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void
settle(struct ks_send_batch *batch, enum kafscale_status status, int16_t kafka_error)
{
    batch->is_settled = true;
    batch->delivered.status = status;
    batch->delivered.kafka_error = kafka_error;
    if (status != KAFSCALE_OK) {
        batch->delivered.base_offset = -1;
        batch->line->is_broken |= batch->is_numbered;
    }
}

/* For good: it was refused, or nobody knows whether it was stored. */
static void
fail(struct ks_send_batch *batch, enum kafscale_status status, int16_t kafka_error)
{
    settle(batch, batch->is_doubtful ? KAFSCALE_UNKNOWN : status, kafka_error);
}

/* In order: what has ended waits for those before it. */
static void
report_settled(struct ks_line *line)
{
    while (!ks_list_is_empty(&line->batches)) {
        struct ks_send_batch *batch = KS_CONTAINER(line->batches.next, struct ks_send_batch, link);

        if (!batch->is_settled || batch->is_in_flight) {
            return;
        }
        report(line, batch);
    }
}

static struct ks_send_batch *
first_unsent(const struct ks_line *line)
{
    for (struct ks_list *node = line->batches.next; node != &line->batches; node = node->next) {
        struct ks_send_batch *batch = KS_CONTAINER(node, struct ks_send_batch, link);

        if (!batch->is_in_flight && !batch->is_settled) {
            return batch;
        }
    }
    return NULL;
}

/* Whose time is over, and at the end everybody who isn't in flight. */
static void
expire(struct ks_line *line, int64_t now_ms)
{
    struct ks_send_batch *batch;

    while (line->sender->is_stopping && (batch = first_unsent(line)) != NULL) {
        fail(batch, KAFSCALE_STOPPED, batch->delivered.kafka_error);
    }

    while ((batch = first_unsent(line)) != NULL && batch->due_ms <= now_ms) {
        fail(batch, KAFSCALE_UNAVAILABLE, batch->delivered.kafka_error);
    }
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* Under another producer id nobody would notice that a batch comes a second time. */
static void
leave_identity(struct ks_line *line)
{
    for (struct ks_list *node = line->batches.next; node != &line->batches; node = node->next) {
        struct ks_send_batch *batch = KS_CONTAINER(node, struct ks_send_batch, link);

        if (!batch->is_settled && batch->is_doubtful) {
            fail(batch, KAFSCALE_UNKNOWN, batch->delivered.kafka_error);
        }
        batch->is_numbered = false;
    }
    line->has_identity = false;
    line->is_broken = false;
}

static void
number(struct ks_line *line, struct ks_send_batch *batch)
{
    if (batch->is_numbered) {
        return;
    }
    batch->is_numbered = true;
    batch->header.producer_id = line->producer_id;
    batch->header.producer_epoch = line->producer_epoch;
    batch->header.base_sequence = line->next_sequence;
    line->next_sequence =
        (int32_t) (((int64_t) line->next_sequence + batch->header.record_count) & INT32_MAX);
}

static void
retry_later(struct ks_line *line, int64_t now_ms)
{
    line->retry_at_ms = now_ms + ks_backoff_ms(BACKOFF_MS_MIN, BACKOFF_MS_MAX, line->failures);
    line->failures++;
}

static bool
send(struct ks_line *line, struct ks_send_batch *batch, int64_t now_ms)
{
    struct ks_send_place place = { .topic = ks_slice_of_text(line->topic->name),
                                   .partition = line->index,
                                   .timeout_ms = (int32_t) (batch->due_ms - now_ms) };
    struct kafscale_blob *frame;
    struct kafscale_slice payload;

    number(line, batch);
    if (ks_send_batch_encode(batch, &line->sender->asker, &place, &frame, &payload) !=
        KAFSCALE_OK) {
        retry_later(line, now_ms);
        return false;
    }
    batch->attempts++;
    batch->is_in_flight = true;
    batch->ask = (struct ks_ask){ .done = answered, .arg = batch };
    line->in_flight++;
    ks_ask_begin_frame(&line->sender->asker, &batch->ask, frame, payload);
    kafscale_blob_unref(frame);
    return true;
}

/* Whether this batch may go now; what else it needs is asked for. */
static bool
may_send(struct ks_line *line, const struct ks_send_batch *batch, int64_t now_ms)
{
    if (now_ms < line->retry_at_ms ||
        ((batch->attempts > 0 || line->is_broken) && line->in_flight > 0)) {
        return false;
    }
    if (!line->has_identity) {
        ks_sender_want_identity(line->sender, line);
    }
    return line->has_identity;
}

static void
set_timer(struct ks_line *line, int64_t now_ms)
{
    const struct ks_send_batch *batch = first_unsent(line);
    struct ks_env *env = line->sender->env;
    int64_t due_ms;

    ks_env_cancel_timer(env, &line->timer);
    if (batch == NULL) {
        return;
    }
    due_ms = batch->due_ms;
    if (line->retry_at_ms > now_ms && line->retry_at_ms < due_ms) {
        due_ms = line->retry_at_ms;
    }
    ks_env_set_timer(env, &line->timer, due_ms);
}

static void
on_timer(void *arg)
{
    ks_line_run(arg);
}

void
ks_line_run(struct ks_line *line)
{
    int64_t now_ms = ks_env_now_ms(line->sender->env);
    struct ks_send_batch *batch;

    line->timer.on_due = on_timer;
    line->timer.arg = line;
    if (line->is_broken && line->in_flight == 0) {
        leave_identity(line);
    }
    expire(line, now_ms);
    report_settled(line);
    while (line->in_flight < IN_FLIGHT_MAX && (batch = first_unsent(line)) != NULL &&
           may_send(line, batch, now_ms) && send(line, batch, now_ms)) {
    }
    set_timer(line, now_ms);
}

void
ks_line_identify(struct ks_line *line, int16_t error, int64_t producer_id, int16_t epoch)
{
    if (error == KAFKA_ERROR_NONE) {
        line->has_identity = true;
        line->producer_id = producer_id;
        line->producer_epoch = epoch;
        line->next_sequence = 0;
    } else {
        retry_later(line, ks_env_now_ms(line->sender->env));
    }
    ks_sender_line_changed(line->sender, line);
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* The broker doesn't know what came before this batch. */
static bool
is_out_of_sequence(int16_t code)
{
    return code == KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
           code == KAFKA_ERROR_UNKNOWN_PRODUCER_ID || code == KAFKA_ERROR_INVALID_PRODUCER_EPOCH;
}

static bool
is_first(const struct ks_line *line, const struct ks_send_batch *batch)
{
    for (const struct ks_list *node = batch->link.previous; node != &line->batches;
         node = node->previous) {
        if (!KS_CONTAINER(node, struct ks_send_batch, link)->is_settled) {
            return false;
        }
    }
    return true;
}

static enum kafscale_status
status_of(int16_t code)
{
    switch (code) {
    case KAFKA_ERROR_MESSAGE_TOO_LARGE:
    case KAFKA_ERROR_RECORD_LIST_TOO_LARGE:
        return KAFSCALE_TOO_LARGE;
    case KAFKA_ERROR_UNKNOWN_SERVER_ERROR:
        return KAFSCALE_FAILED;
    default:
        return KAFSCALE_INVALID;
    }
}

/* It was refused with this code. */
static void
refused(struct ks_line *line, struct ks_send_batch *batch, int16_t code)
{
    batch->delivered.kafka_error = code;
    if (!is_out_of_sequence(code) && !kafka_error_is_retriable(code)) {
        fail(batch, status_of(code), code);
        return;
    }
    retry_later(line, ks_env_now_ms(line->sender->env));
    if (is_out_of_sequence(code)) {
        line->is_broken |= is_first(line, batch);
        return;
    }
    batch->is_doubtful = true;
    if (code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        ks_sender_ask(line->sender, line->topic);
    }
}

static void
take_response(struct ks_line *line, struct ks_send_batch *batch,
              const struct kafka_produce_response *response)
{
    const struct kafka_produce_response_topic_partition *partition;

    assert(response->topics_count == 1);
    assert(response->topics[0].partitions_count == 1);

    partition = &response->topics[0].partitions[0];
    if (partition->error_code == KAFKA_ERROR_NONE ||
        partition->error_code == KAFKA_ERROR_DUPLICATE_SEQUENCE_NUMBER) {
        batch->delivered.base_offset =
            partition->error_code == KAFKA_ERROR_NONE ? partition->base_offset : -1;
        settle(batch, KAFSCALE_OK, KAFKA_ERROR_NONE);
        line->failures = 0;
        return;
    }
    refused(line, batch, partition->error_code);
}

static void
answered(struct ks_ask *ask, const struct ks_ask_answer *answer)
{
    struct ks_send_batch *batch = ask->arg;
    struct ks_line *line = batch->line;

    batch->is_in_flight = false;
    line->in_flight--;
    if (batch->is_reported) {
        ks_send_batch_free(batch);
        return;
    }
    if (answer->status == KAFSCALE_OK) {
        take_response(line, batch, answer->response);
    } else {
        batch->is_doubtful = true;
        retry_later(line, ks_env_now_ms(line->sender->env));
    }
    report_settled(line);
    ks_sender_line_changed(line->sender, line);
}

void
ks_line_end(struct ks_line *line)
{
    ks_env_cancel_timer(line->sender->env, &line->timer);
    ks_list_remove(&line->identity_link);
    ks_list_remove(&line->run_link);
    while (!ks_list_is_empty(&line->batches)) {
        struct ks_send_batch *batch = KS_CONTAINER(line->batches.next, struct ks_send_batch, link);

        batch->is_doubtful |= batch->is_in_flight;
        if (!batch->is_settled) {
            fail(batch, KAFSCALE_STOPPED, batch->delivered.kafka_error);
        }
        report(line, batch);
    }
}
