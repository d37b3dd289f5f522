/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether requests are traced may change while some are in work: those that were not traced when
 * they were answered are left out.
 */
#include "handlers/trace.h"

#include "handlers/api.h"
#include "handlers/internal.h"

#include <stdio.h>

#define NONE_TEXT "none"
#define ERRORS_TEXT_BYTES 256

/* Asked for with trace.kafka, so it is not hidden behind debug. */
#define LEVEL KAFSCALE_LOG_INFO

static bool
is_on(const struct ks_request *request)
{
    return ks_broker_options(request->broker)->is_traced &&
           ks_log_is_wanted(&request->env->logger, LEVEL);
}

static void
note_code(void *arg, int16_t code)
{
    struct ks_trace *trace = arg;

    for (size_t i = 0; i < KS_TRACE_CODES_MAX; i++) {
        if (trace->counts[i] == 0 || trace->codes[i] == code) {
            trace->codes[i] = code;
            trace->counts[i]++;
            return;
        }
    }
    trace->other_count++;
}

void
ks_trace_note(struct ks_request *request, const void *response)
{
    if (is_on(request)) {
        kafka_visit_errors(kafka_api_find(request->api->key)->response, request->header.api_version,
                           response, note_code, &request->trace);
    }
}

/* "UNKNOWN_TOPIC_OR_PARTITION:3,REQUEST_TIMED_OUT:1". */
static void
describe_errors(const struct ks_trace *trace, char out[ERRORS_TEXT_BYTES])
{
    size_t used = 0;

    (void) snprintf(out, ERRORS_TEXT_BYTES, NONE_TEXT);
    for (size_t i = 0; i < KS_TRACE_CODES_MAX && trace->counts[i] > 0; i++) {
        used +=
            (size_t) snprintf(out + used, ERRORS_TEXT_BYTES - used, "%s%s:%u", i == 0 ? "" : ",",
                              kafka_error_name(trace->codes[i]), (unsigned) trace->counts[i]);
        if (used >= ERRORS_TEXT_BYTES) {
            return;
        }
    }
    if (trace->other_count > 0) {
        (void) snprintf(out + used, ERRORS_TEXT_BYTES - used, ",others:%u",
                        (unsigned) trace->other_count);
    }
}

static size_t
frame_bytes(const struct ks_answer *answer)
{
    return answer->kind == KS_ANSWER_SEND ? KAFKA_FRAME_LENGTH_BYTES + ks_answer_bytes(answer) : 0;
}

void
ks_trace_tell(const struct ks_request *request, const struct ks_answer *answer)
{
    static const char *const outcomes[] = {
        [KS_ANSWER_SEND] = "answered", [KS_ANSWER_NONE] = "unanswered", [KS_ANSWER_CLOSE] = "closed"
    };
    const struct ks_exchange *exchange = request->exchange;
    const struct kafka_request_header *header = &request->header;
    char errors[ERRORS_TEXT_BYTES];
    char api[KS_API_NAME_BYTES];

    if (!is_on(request)) {
        return;
    }
    describe_errors(&request->trace, errors);
    ks_api_spell(request->api, api);
    ks_log(&request->env->logger, LEVEL,
           "kafka request api=%s api_key=%d version=%d client=%s connection=%llu listener=%u "
           "client_id=%.*s correlation_id=%d outcome=%s errors=%s bytes_in=%zu bytes_out=%zu "
           "duration_ms=%lld throttle_ms=%d",
           api, (int) header->api_key, (int) header->api_version, exchange->context.client_address,
           (unsigned long long) exchange->context.connection, (unsigned) request->listener,
           (int) header->client_id.size, (const char *) header->client_id.data,
           (int) header->correlation_id, outcomes[answer->kind], errors,
           exchange->payload.size + KAFKA_FRAME_LENGTH_BYTES, frame_bytes(answer),
           (long long) (ks_env_now_ms(request->env) - request->begun_ms),
           (int) answer->throttle_ms);
}
