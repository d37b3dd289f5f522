/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker is and does, and why it isn't ready, over HTTP and for whoever calls. */
#include "kafscale_call.h"

#define STATUS_BYTES_MAX (1u << 20)

const char *
ks_why_not_ready(void *arg)
{
    const struct kafscale_broker *broker = arg;
    struct ks_health_reading store;

    switch (atomic_load(&broker->state)) {
    case KAFSCALE_BROKER_READY:
        ks_broker_read_health(broker->core, &store);
        return store.state == KS_STORE_UNAVAILABLE ? "the store is unavailable" : NULL;
    case KAFSCALE_BROKER_FENCED:
    case KAFSCALE_BROKER_FAILED:
        return broker->why.text;
    case KAFSCALE_BROKER_STOPPING:
        return "stopping";
    default:
        return "starting";
    }
}

static const char *
state_name(enum kafscale_broker_state state)
{
    static const char *const names[] = {
        [KAFSCALE_BROKER_NEW] = "new",         [KAFSCALE_BROKER_STARTING] = "starting",
        [KAFSCALE_BROKER_READY] = "ready",     [KAFSCALE_BROKER_FENCED] = "fenced",
        [KAFSCALE_BROKER_FAILED] = "failed",   [KAFSCALE_BROKER_STOPPING] = "stopping",
        [KAFSCALE_BROKER_STOPPED] = "stopped",
    };

    return names[state];
}

static void
describe_listeners(const struct kafscale_broker *broker, const struct kafscale_describe *describe)
{
    char advertised[KS_ENDPOINT_TEXT_BYTES];

    ks_describe_begin_list(describe, "listeners");
    for (size_t i = 0; i < broker->address_count; i++) {
        ks_endpoint_format(&broker->advertised[i], advertised);
        ks_describe_begin(describe, NULL);
        ks_describe_text(describe, "address", broker->addresses[i]);
        ks_describe_text(describe, "advertised", advertised);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_network(const struct kafscale_broker *broker, const struct kafscale_describe *describe)
{
    struct ks_server_counters now = ks_server_counters(broker->server);

    describe_listeners(broker, describe);
    ks_describe_begin(describe, "connections");
    ks_describe_number(describe, "open", (int64_t) now.connections);
    ks_describe_number(describe, "limit",
                       ks_option_number(broker->options, KS_OPTION_max_connections));
    ks_describe_number(describe, "accepted", (int64_t) now.connections_accepted);
    ks_describe_number(describe, "refused", (int64_t) now.connections_refused);
    ks_describe_number(describe, "dropped", (int64_t) now.connections_dropped);
    ks_describe_number(describe, "requests_waiting", (int64_t) now.requests_waiting);
    ks_describe_end(describe);
    ks_describe_begin(describe, "memory_account");
    ks_describe_number(describe, "bytes", (int64_t) now.memory_bytes);
    ks_describe_number(describe, "limit_bytes",
                       ks_option_number(broker->options, KS_OPTION_memory_bytes));
    ks_describe_end(describe);
}

void
ks_describe_status(void *arg, const struct kafscale_describe *describe)
{
    struct kafscale_broker *broker = arg;
    struct ks_env *env = ks_loop_env(broker->loop);
    const char *why = ks_why_not_ready(broker);

    ks_describe_text(describe, "version", kafscale_version());
    ks_describe_time(describe, "now", ks_env_wall_ms(env));
    ks_describe_number(describe, "uptime_seconds",
                       (ks_env_now_ms(env) - broker->started_ms) / 1000);
    ks_describe_text(describe, "state", state_name(atomic_load(&broker->state)));
    ks_describe_bool(describe, "is_ready", why == NULL);
    if (why != NULL) {
        ks_describe_text(describe, "why_not_ready", why);
    }
    describe_network(broker, describe);
    ks_broker_tell_status(broker->core, describe);
    ks_options_describe(broker->options, describe);
}

/* --- From any thread -------------------------------------------------------------------------- */

struct reading {
    struct ks_call call;
    struct ks_buffer json;
};

static void
take(struct ks_call *call)
{
    struct reading *reading = KS_CONTAINER(call, struct reading, call);
    struct kafscale_describe describe;
    struct ks_json json;

    ks_json_begin(&json, &reading->json, &describe);
    ks_describe_status(call->broker, &describe);
    ks_json_end(&json);
    ks_buffer_append_u8(&reading->json, '\0');
    ks_call_finish(call, KAFSCALE_OK, NULL);
}

static void
deinit(struct ks_call *call)
{
    ks_buffer_deinit(&KS_CONTAINER(call, struct reading, call)->json);
}

enum kafscale_status
kafscale_broker_read_status(struct kafscale_broker *broker, kafscale_status_visit *visit, void *arg,
                            struct kafscale_error *error)
{
    struct reading *reading = ks_alloc_zero(1, sizeof *reading);
    struct kafscale_error unused = { 0 };
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (reading == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "status: no memory");
    }
    reading->call = (struct ks_call){ .run = take, .deinit = deinit, .is_short = true };
    ks_buffer_init(&reading->json, STATUS_BYTES_MAX);
    status = ks_call_make(&reading->call, broker, -1, error);
    if (status == KAFSCALE_OK && ks_buffer_failed(&reading->json)) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "status: no memory");
    } else if (status == KAFSCALE_OK) {
        visit(arg, (const char *) reading->json.data);
    }
    ks_call_unref(&reading->call);
    return status;
}
