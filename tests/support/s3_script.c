/* SPDX-License-Identifier: Apache-2.0 */
/* An answer is a timer of the virtual loop. */
#include "support/s3_script.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct flight {
    struct s3_script *script;
    struct ks_s3_exchange *exchange;
    struct s3_answer answer;
    struct ks_timer timer;
};

static void
copy_header(const struct ks_s3_exchange *exchange, const char *name, char *out, size_t room)
{
    const char *value = ks_s3_headers_find(exchange->headers, name);

    (void) snprintf(out, room, "%s", value == NULL ? "" : value);
}

static void
note(struct s3_script *script, const struct ks_s3_exchange *exchange)
{
    struct s3_request *request = &script->requests[script->request_count % S3_SCRIPT_MAX];
    size_t used = 0;

    *request = (struct s3_request){ .is_fresh = exchange->is_fresh, .at_ms = script->v.now_ms };
    (void) snprintf(request->text, sizeof request->text, "%s %.390s", exchange->method,
                    exchange->url);
    copy_header(exchange, "range", request->range, sizeof request->range);
    copy_header(exchange, "if-none-match", request->condition, sizeof request->condition);
    copy_header(exchange, "x-amz-checksum-crc32c", request->checksum, sizeof request->checksum);
    copy_header(exchange, "x-amz-date", request->date, sizeof request->date);
    copy_header(exchange, "x-amz-security-token", request->token, sizeof request->token);
    for (size_t i = 0; i < exchange->part_count; i++) {
        used += (size_t) snprintf(request->body + used, sizeof request->body - used, "%.*s",
                                  (int) exchange->parts[i].bytes.size,
                                  (const char *) exchange->parts[i].bytes.data);
        used = used < sizeof request->body ? used : sizeof request->body - 1;
    }
    script->request_count++;
}

static void
set_text(char *out, size_t room, const char *text)
{
    (void) snprintf(out, room, "%s", text == NULL ? "" : text);
}

static void
set_body(struct ks_s3_exchange *exchange, const struct s3_answer *answer)
{
    char document[300];
    const char *text = answer->body;

    if (answer->code != NULL) {
        (void) snprintf(document, sizeof document,
                        "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>so it is</Message>"
                        "</Error>",
                        answer->code);
        text = document;
    }
    if (text != NULL) {
        exchange->body = kafscale_blob_new(strlen(text));
        memcpy(kafscale_blob_data(exchange->body), text, strlen(text));
    }
    exchange->has_length = true;
    exchange->length = text == NULL ? answer->head_length : strlen(text);
}

static void
land(void *arg)
{
    struct flight *flight = arg;
    struct ks_s3_exchange *exchange = flight->exchange;
    const struct s3_answer *answer = &flight->answer;

    flight->script->in_flight--;
    exchange->inner = NULL;
    exchange->outcome = answer->outcome;
    if (answer->outcome != KS_S3_NOT_SENT && answer->outcome != KS_S3_DISTRUST &&
        answer->outcome != KS_S3_CUT) {
        exchange->status = answer->status == 0 ? 200 : answer->status;
    }
    if (answer->outcome == KS_S3_ANSWERED) {
        set_body(exchange, answer);
    }
    set_text(exchange->content_range, sizeof exchange->content_range, answer->range);
    set_text(exchange->checksum, sizeof exchange->checksum, answer->checksum);
    set_text(exchange->date, sizeof exchange->date, answer->date);
    free(flight);
    exchange->done(exchange);
}

static enum kafscale_status
script_send(void *self, struct ks_s3_exchange *exchange)
{
    struct s3_script *script = self;
    struct flight *flight = calloc(1, sizeof *flight);
    size_t next = script->request_count;

    flight->script = script;
    flight->exchange = exchange;
    flight->answer = next < script->answer_count ? script->answers[next] : script->otherwise;
    flight->timer = (struct ks_timer){ .on_due = land, .arg = flight };
    note(script, exchange);
    if (++script->in_flight > script->in_flight_max) {
        script->in_flight_max = script->in_flight;
    }
    exchange->inner = flight;
    ks_env_set_timer(&script->v.env, &flight->timer, script->v.now_ms + flight->answer.delay_ms);
    return KAFSCALE_OK;
}

static void
script_cancel(void *self, struct ks_s3_exchange *exchange)
{
    struct s3_script *script = self;
    struct flight *flight = exchange->inner;

    ck_assert_ptr_nonnull(flight);
    ks_env_cancel_timer(&script->v.env, &flight->timer);
    free(flight);
    exchange->inner = NULL;
    script->in_flight--;
    script->cancelled++;
}

static void
script_free(void *self)
{
    struct s3_script *script = self;

    ck_assert_uint_eq(script->in_flight, 0);
    script->is_freed = true;
}

static const struct ks_s3_transport_ops script_ops = {
    .send = script_send,
    .cancel = script_cancel,
    .free = script_free,
};

static void
on_line(void *arg, const struct kafscale_log_event *event)
{
    struct s3_script *script = arg;
    size_t used = strlen(script->log);

    (void) snprintf(script->log + used, sizeof script->log - used, "%s\n", event->line);
}

static const char *
no_variable(void *arg, const char *name)
{
    (void) arg;
    (void) name;
    return NULL;
}

struct s3_script *
s3_script_new(void (*change)(struct ks_s3_settings *settings))
{
    struct s3_script *script = calloc(1, sizeof *script);
    struct ks_s3_transport transport = { .ops = &script_ops, .self = script };
    struct kafscale_error error = { 0 };
    struct ks_s3_settings settings = {
        .bucket = { .bucket = "b",
                    .region = "us-east-1",
                    .endpoint = "http://127.0.0.1:9000",
                    .is_path_style = true },
        .credentials = { .access_key = "access",
                         .secret_key = "secret",
                         .find_variable = no_variable },
        .concurrency = 64,
        .request_timeout_ms = 10000,
    };

    virtual_env_init(&script->v, 1);
    script->v.env.logger =
        (struct ks_logger){ .write = on_line, .arg = script, .level = KAFSCALE_LOG_INFO };
    if (change != NULL) {
        change(&settings);
    }
    ck_assert_msg(ks_s3_store_open(ks_env_loop(&script->v.env), transport, &settings,
                                   &script->store, &error) == KAFSCALE_OK,
                  "%s", error.text);
    script->client.store = ks_store_new(&script->v.env, script->store);
    script->client.run = store_client_run_virtual;
    script->client.run_arg = &script->v;
    return script;
}

void
s3_script_free(struct s3_script *script)
{
    if (script->client.store != NULL) {
        ck_assert(store_client_close(&script->client));
    }
    ck_assert(script->is_freed);
    ck_assert(virtual_env_run_until_idle(&script->v, 0));
    free(script);
}

void
s3_script_add(struct s3_script *script, struct s3_answer answer)
{
    ck_assert_uint_lt(script->answer_count, S3_SCRIPT_MAX);
    script->answers[script->answer_count++] = answer;
}

const struct ks_s3_counters *
s3_script_counters(const struct s3_script *script)
{
    return ks_s3_store_counters(script->store);
}

int64_t
s3_script_now_ms(const struct s3_script *script)
{
    return script->v.now_ms;
}
