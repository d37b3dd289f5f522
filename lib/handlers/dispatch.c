/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From exchange to handler. Bytes that can't be read close the connection, as Kafka does; only
 * ApiVersions answers what it doesn't know, in the one form every client can read.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

/*
 * Version 0 with the range of ApiVersions itself: the client then comes again with a version both
 * know.
 */
static void
answer_unsupported_api_versions(struct ks_request *request)
{
    struct kafka_api_versions_response response = { .error_code = KAFKA_ERROR_UNSUPPORTED_VERSION };
    struct kafka_api_versions_response_api_key key = { .api_key = request->api->key,
                                                       .min_version = request->api->version_min,
                                                       .max_version = request->api->version_max };

    response.api_keys = &key;
    response.api_keys_count = 1;
    request->header.api_version = 0;
    ks_request_answer(request, &response);
}

static bool
is_served(const struct ks_request *request)
{
    return request->api != NULL && request->header.api_version >= request->api->version_served &&
           request->header.api_version <= request->api->version_max;
}

/*
 * Once more all that is known about a refused request, for whoever looks into the log with debug
 * on.
 */
static void
refuse(struct ks_request *request, const char *why)
{
    ks_log_some(request->env, &request->handlers->refused, KS_LOG_QUOTA_DEBUG_COUNT,
                KAFSCALE_LOG_DEBUG, "request refused api=%d version=%d reason=%s",
                (int) request->header.api_key, (int) request->header.api_version, why);
    ks_request_close(request);
}

static void
handle(struct ks_request *request)
{
    struct kafscale_error error = { 0 };

    if (ks_request_read_body(request, &error) != KAFSCALE_OK) {
        refuse(request, error.text);
        return;
    }
    if (ks_broker_state(request->broker) == KS_BROKER_READY) {
        ks_freshness_note(ks_broker_freshness(request->broker));
    }
    ks_request_hold(request);
    request->api->handle(request);
    if (!ks_request_is_answered(request) && request->exchange->hold != NULL) {
        request->exchange->hold(request->exchange, request->arena.size_bytes);
    }
    ks_request_release(request);
}

static bool
must_wait(const struct ks_handlers *handlers, const struct ks_request *request)
{
    return request->api->open != KS_API_ALWAYS &&
           (ks_broker_state(handlers->broker) == KS_BROKER_STARTING ||
            !ks_list_is_empty(&handlers->waiting));
}

static void
accept_request(void *self, struct ks_exchange *exchange)
{
    struct ks_handlers *handlers = self;
    struct ks_request *request = ks_request_new(handlers, handlers->broker, exchange);

    if (request == NULL) {
        struct ks_answer answer = { .kind = KS_ANSWER_CLOSE };

        exchange->request = NULL;
        exchange->complete(exchange, &answer);
        return;
    }
    handlers->request_count++;
    ks_list_append(&handlers->requests, &request->link);
    if (ks_request_read_header(request) != KAFSCALE_OK) {
        handlers->unserved++;
        refuse(request, "the header can't be read");
        return;
    }
    request->api = ks_api_find(request->header.api_key);
    if (!is_served(request)) {
        if (request->api != NULL && request->api->open == KS_API_ALWAYS) {
            answer_unsupported_api_versions(request);
        } else {
            handlers->unserved++;
            request->api = NULL;
            refuse(request, "the API or its version is not served");
        }
        return;
    }
    if (must_wait(handlers, request)) {
        ks_list_remove(&request->link);
        ks_list_append(&handlers->waiting, &request->link);
        return;
    }
    handle(request);
}

static void
asker_gone(void *self, struct ks_exchange *exchange)
{
    struct ks_request *request = exchange->request;

    (void) self;
    if (request != NULL && request->on_gone != NULL) {
        request->on_gone(request);
    }
}

static void
handle_waiting(void *arg)
{
    struct ks_handlers *handlers = arg;
    struct ks_list *node;

    while ((node = ks_list_take_first(&handlers->waiting)) != NULL) {
        struct ks_request *request = KS_CONTAINER(node, struct ks_request, link);

        ks_list_append(&handlers->requests, &request->link);
        handle(request);
    }
}

static void
on_broker_changed(void *arg, enum ks_broker_state state, const struct kafscale_error *error)
{
    struct ks_handlers *handlers = arg;

    (void) error;
    if (state != KS_BROKER_STARTING && !ks_list_is_empty(&handlers->waiting)) {
        ks_env_defer(handlers->env, &handlers->task);
    }
}

void
ks_handlers_forget(struct ks_handlers *handlers, struct ks_request *request)
{
    assert(handlers->request_count > 0);

    ks_list_remove(&request->link);
    handlers->request_count--;
}

struct ks_handlers *
ks_handlers_new(struct ks_broker *broker)
{
    struct ks_handlers *handlers = ks_alloc_zero(1, sizeof *handlers);

    if (handlers == NULL) {
        return NULL;
    }
    handlers->counters = ks_api_counters_new();
    if (handlers->counters == NULL) {
        ks_free(handlers);
        return NULL;
    }
    handlers->broker = broker;
    handlers->env = ks_broker_env(broker);
    ks_traffic_init(&handlers->traffic, ks_broker_options(broker)->throughput_window_ms);
    handlers->sink =
        (struct ks_request_sink){ .self = handlers, .accept = accept_request, .gone = asker_gone };
    ks_list_init(&handlers->requests);
    ks_list_init(&handlers->waiting);
    ks_list_init(&handlers->doubtful);
    handlers->task.run = handle_waiting;
    handlers->task.arg = handlers;
    handlers->listener.changed = on_broker_changed;
    handlers->listener.arg = handlers;
    ks_broker_listen(broker, &handlers->listener);
    return handlers;
}

void
ks_handlers_free(struct ks_handlers *handlers)
{
    if (handlers == NULL) {
        return;
    }
    assert(handlers->request_count == 0);

    ks_env_cancel_task(&handlers->task);
    ks_broker_unlisten(&handlers->listener);
    ks_free(handlers->counters);
    ks_free(handlers);
}

const struct ks_request_sink *
ks_handlers_sink(const struct ks_handlers *handlers)
{
    return &handlers->sink;
}

void
ks_handlers_read_metrics(const struct ks_handlers *handlers, struct ks_metrics *metrics)
{
    ks_metrics_add(metrics, KS_METRIC_requests_unserved_total, (double) handlers->unserved);
    ks_api_counters_read(handlers->counters, metrics);
    ks_traffic_read(&handlers->traffic, ks_env_now_ms(handlers->env), metrics);
}

size_t
ks_handlers_request_count(const struct ks_handlers *handlers)
{
    return handlers->request_count;
}
