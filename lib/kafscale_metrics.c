/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a broker is, told over HTTP and to whoever calls. All numbers belong to the loop thread: who
 * asks from another one hands over a call and waits for it.
 */
#include "kafscale_call.h"

#include <unistd.h>

#define BACKLOG 32

/* --- Reading ---------------------------------------------------------------------------------- */

static void
read_server(const struct kafscale_broker *broker, struct ks_metrics *metrics)
{
    struct ks_server_counters now = ks_server_counters(broker->server);

    ks_metrics_add(metrics, KS_METRIC_connections, (double) now.connections);
    ks_metrics_add(metrics, KS_METRIC_connections_accepted_total,
                   (double) now.connections_accepted);
    ks_metrics_add(metrics, KS_METRIC_connections_refused_total, (double) now.connections_refused);
    ks_metrics_add(metrics, KS_METRIC_connections_dropped_total, (double) now.connections_dropped);
    ks_metrics_add(metrics, KS_METRIC_received_bytes_total, (double) now.received_bytes);
    ks_metrics_add(metrics, KS_METRIC_sent_bytes_total, (double) now.sent_bytes);
    ks_metrics_add(metrics, KS_METRIC_requests_waiting, (double) now.requests_waiting);
    ks_metrics_add(metrics, KS_METRIC_memory_account_bytes, (double) now.memory_bytes);
    ks_metrics_add(metrics, KS_METRIC_memory_account_limit_bytes,
                   (double) ks_option_number(broker->options, KS_OPTION_memory_bytes));
}

static void
read_metrics(void *arg, struct ks_metrics *metrics)
{
    struct kafscale_broker *broker = arg;
    int64_t age_ms = ks_env_now_ms(ks_loop_env(broker->loop)) - broker->started_ms;

    ks_metrics_add_of(metrics, KS_METRIC_build_info, kafscale_version(), 1);
    ks_metrics_add(metrics, KS_METRIC_broker_uptime_seconds, (double) age_ms / 1000.0);
    ks_metrics_add(metrics, KS_METRIC_broker_start_time_seconds,
                   (double) broker->started_wall_ms / 1000.0);
    if (broker->core != NULL) {
        ks_broker_read_metrics(broker->core, metrics);
    }
    if (broker->handlers != NULL) {
        ks_handlers_read_metrics(broker->handlers, metrics);
    }
    read_server(broker, metrics);
    ks_process_read_metrics(&broker->process, ks_env_now_ms(ks_loop_env(broker->loop)), metrics);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

enum kafscale_status
ks_open_http(struct kafscale_broker *broker, struct kafscale_error *error)
{
    const char *address = ks_option_text(broker->options, KS_OPTION_metrics_addr);
    struct ks_http_pages pages = { .self = broker,
                                   .read_metrics = read_metrics,
                                   .why_not_ready = ks_why_not_ready,
                                   .describe = ks_describe_status,
                                   .command = broker->testing == NULL ? NULL : ks_testing_command };
    struct ks_endpoint endpoint;
    enum kafscale_status status;
    int fd = -1;

    if (*address == '\0') {
        return KAFSCALE_OK;
    }
    status = ks_endpoint_parse(ks_slice_of_text(address), &endpoint);
    if (status == KAFSCALE_OK) {
        ks_endpoint_format(&endpoint, broker->metrics_address);
        status = ks_listen_socket(broker->metrics_address, BACKLOG, &fd, &endpoint.port, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_http_new(ks_loop_env(broker->loop), fd, &pages, &broker->http, error);
    }
    if (status != KAFSCALE_OK && fd >= 0) {
        close(fd);
    }
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "metrics.addr");
        broker->metrics_address[0] = '\0';
        return status;
    }
    ks_endpoint_format(&endpoint, broker->metrics_address);
    ks_log(&broker->logger, KAFSCALE_LOG_INFO, "metrics and health over http address=%s",
           broker->metrics_address);
    return KAFSCALE_OK;
}

void
ks_close_http(struct kafscale_broker *broker)
{
    ks_testing_end_waits(broker);
    ks_http_free(broker->http);
    broker->http = NULL;
}

const char *
kafscale_broker_metrics_address(const struct kafscale_broker *broker)
{
    return broker->metrics_address[0] == '\0' ? NULL : broker->metrics_address;
}

/* --- From any thread -------------------------------------------------------------------------- */

struct reading {
    struct ks_call call;
    struct ks_metrics metrics;
};

static void
take(struct ks_call *call)
{
    read_metrics(call->broker, &KS_CONTAINER(call, struct reading, call)->metrics);
    ks_call_finish(call, KAFSCALE_OK, NULL);
}

static void
deinit(struct ks_call *call)
{
    ks_metrics_deinit(&KS_CONTAINER(call, struct reading, call)->metrics);
}

enum kafscale_status
kafscale_broker_read_metrics(struct kafscale_broker *broker, kafscale_metric_visit *visit,
                             void *arg, struct kafscale_error *error)
{
    struct reading *reading = ks_alloc_zero(1, sizeof *reading);
    struct kafscale_error unused = { 0 };
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (reading == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "metrics: no memory");
    }
    reading->call = (struct ks_call){ .run = take, .deinit = deinit, .is_short = true };
    ks_metrics_init(&reading->metrics);
    status = ks_call_make(&reading->call, broker, -1, error);
    if (status == KAFSCALE_OK && reading->metrics.failed) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "metrics: no memory");
    } else if (status == KAFSCALE_OK) {
        ks_metrics_visit(&reading->metrics, visit, arg);
    }
    ks_call_unref(&reading->call);
    return status;
}
