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
#include "testing/testing.h"

#include <stdatomic.h>

/* Of the latch. */
enum { MARK_READY = 1, MARK_ENDED = 2, MARK_STOP_CALLED = 4, MARK_STOPPED = 8 };

/* Of a broker that is tested: one core ends, another begins, in the same loop. */
struct ks_restart {
    void (*done)(void *arg, enum kafscale_status status, const struct kafscale_error *error);
    void *arg;
    struct ks_task task;
    bool is_active; /* until the next core serves, or is known not to */
    bool is_ending; /* the core that was is still there */
};

struct kafscale_broker {
    struct kafscale_options *options;
    struct ks_logger logger;
    kafscale_broker_changed *changed;
    void *changed_arg;
    kafscale_store_open *store_open; /* NULL: the options say which */
    void *store_arg;
    kafscale_meta_open *meta_open; /* NULL: a log in the object store */
    void *meta_arg;

    /* For other threads. `why` is written before MARK_ENDED is raised. */
    _Atomic(enum kafscale_broker_state) state;
    struct ks_latch latch;
    struct kafscale_error why;
    struct ks_task stop_call;
    void (*on_stopped)(void *arg);
    void *stopped_arg;

    /* Producers and consumers in this process (kafscale_local.h): the list under the mutex. */
    pthread_mutex_t locals_mutex;
    struct ks_list locals;
    bool takes_locals;
    struct ks_request_sink requests; /* where requests go, theirs as those of connections */

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
    struct ks_testing *testing; /* NULL: it isn't there to be tested */
    struct ks_restart restart;
    struct ks_list waits; /* struct ks_testing_wait: who asked over HTTP for something to be so */
    bool is_refusing;     /* somebody who tests wants no new connections */
    bool is_tearing_down;
    bool is_abandoned; /* its end waits for nothing to become durable */
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

/* What the options say to the network. */
struct ks_net_limits ks_limits_of(const struct kafscale_options *options);

/*
 * The core and its handlers on the store that the options name. On failure there is no core. Once
 * it has begun, what fails ends the broker, not the call.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_make_core(struct kafscale_broker *broker,
                                                      struct kafscale_error *error);
void ks_begin_core(struct kafscale_broker *broker);

/* The core has stopped, or there is none: the broker ends. */
void ks_finish_stop(void *broker);

/* The core has stopped: it goes, and the handlers with it. */
void ks_free_core(struct kafscale_broker *broker);

void ks_move(struct kafscale_broker *broker, enum kafscale_broker_state state,
             const struct kafscale_error *error);
void ks_end_badly(struct kafscale_broker *broker, enum kafscale_broker_state state,
                  const struct kafscale_error *error);

/*
 * Ends the core and begins another one: in order, or as if the process had been killed, when
 * nothing more reaches the store or a client. `done` comes once, when it serves (KAFSCALE_OK) or is
 * known not to. KAFSCALE_INVALID, without `done`: it is being restarted or stopped already. Loop
 * thread, with ks_testing.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_restart(
    struct kafscale_broker *broker, bool is_kill,
    void (*done)(void *arg, enum kafscale_status status, const struct kafscale_error *error),
    void *arg, struct kafscale_error *error);

/* A command of the HTTP port, as struct ks_http_pages has it. */
int ks_testing_command(void *broker, const struct ks_http_command *http,
                       const struct kafscale_describe *reply);

/* Nobody over HTTP waits any more. */
void ks_testing_end_waits(struct kafscale_broker *broker);

/* Time passes only when somebody puts it forward. */
bool ks_is_clock_still(const struct kafscale_broker *broker);

/* As kafscale_testing_refuse. */
void ks_testing_refuse(struct kafscale_broker *broker, bool is_refusing);

/* To be called when the core's state changes, and when the broker is stopped. */
void ks_restart_note(struct kafscale_broker *broker, enum kafscale_status status,
                     const struct kafscale_error *error);

/*
 * Serves HTTP where metrics.addr says so, from start until ks_close_http: before the broker is
 * READY, and while it stops.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_open_http(struct kafscale_broker *broker,
                                                      struct kafscale_error *error);
void ks_close_http(struct kafscale_broker *broker);

/* For the HTTP port, of a struct kafscale_broker: why it serves no clients (NULL: it does). */
const char *ks_why_not_ready(void *broker);

/* And all that is to be told of it. */
void ks_describe_status(void *broker, const struct kafscale_describe *describe);

#endif
