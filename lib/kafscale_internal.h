/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the public broker: kafscale.c starts and stops it, kafscale_metrics.c tells how it
 * is.
 */
#ifndef KS_KAFSCALE_INTERNAL_H
#define KS_KAFSCALE_INTERNAL_H

#include "broker/broker.h"
#include "handlers/handlers.h"
#include "kafscale/kafscale.h"
#include "net/net.h"
#include "ops/ops.h"

#include <stdatomic.h>

/* Of the latch. */
enum { MARK_READY = 1, MARK_ENDED = 2, MARK_STOP_CALLED = 4, MARK_STOPPED = 8 };

struct kafscale_broker {
    struct kafscale_options *options;
    struct ks_logger logger;
    kafscale_broker_changed *changed;
    void *changed_arg;

    /* For other threads. `why` is written before MARK_ENDED is raised. */
    _Atomic(enum kafscale_broker_state) state;
    struct ks_latch latch;
    struct kafscale_error why;
    struct ks_task stop_call;
    void (*on_stopped)(void *arg);
    void *stopped_arg;

    /* The loop thread's. */
    struct ks_loop *loop;
    struct ks_loop_thread thread;
    struct ks_server *server;
    struct ks_broker *core;
    struct ks_broker_listener listener;
    struct ks_handlers *handlers;
    struct ks_http *http; /* NULL: no port for it */
    struct ks_process process;
    struct ks_task end_task;
    bool is_tearing_down;
    bool has_own_loop;

    /* Unchanged once started. */
    char (*addresses)[KS_ENDPOINT_TEXT_BYTES];
    struct ks_endpoint *advertised;
    size_t address_count;
    uint16_t port;
    char metrics_address[KS_ENDPOINT_TEXT_BYTES]; /* empty: none */
    int64_t started_ms;
    int64_t started_wall_ms;
};

/*
 * Serves HTTP where metrics.addr says so, from start until ks_close_http: before the broker is
 * READY, and while it stops.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_open_http(struct kafscale_broker *broker,
                                                      struct kafscale_error *error);
void ks_close_http(struct kafscale_broker *broker);

#endif
