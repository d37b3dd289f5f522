/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker inside your program: it listens for Kafka clients and keeps their records in an
 * object store.
 *
 *     options -> kafscale_broker_new -> _start -> ... -> _stop -> _free
 *
 * A broker has one loop thread. With kafscale_broker_start(broker, NULL, ...) it makes a thread
 * of its own; with an event_base of libevent it runs on that, and every function that doesn't
 * say otherwise is called on the thread that runs it. Callbacks come on the loop thread.
 * Several brokers may live in one process. The child of a fork must leave its parent's alone.
 */
#ifndef KAFSCALE_BROKER_H
#define KAFSCALE_BROKER_H

#include "kafscale/logger.h"
#include "kafscale/meta.h"
#include "kafscale/options.h"
#include "kafscale/status.h"
#include "kafscale/store.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;
struct kafscale_broker;

/* How far a broker is, in the order in which it gets there. */
enum kafscale_broker_state {
    KAFSCALE_BROKER_NEW,
    KAFSCALE_BROKER_STARTING, /* listens, and reads the store; requests wait */
    KAFSCALE_BROKER_READY,
    /*
     * These two acknowledge nothing any more and answer every request with an error, until they
     * are stopped. Another broker has taken over the store:
     */
    KAFSCALE_BROKER_FENCED,
    KAFSCALE_BROKER_FAILED, /* it can't go on */
    KAFSCALE_BROKER_STOPPING,
    KAFSCALE_BROKER_STOPPED
};

/*
 * A broker in its first state, or NULL with `error` filled in. Copies the options. Warnings
 * about options come once there is a logger, at start. `error` may be NULL here and below.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_broker *kafscale_broker_new(
    const struct kafscale_options *options, struct kafscale_error *error);

/*
 * Before start. Without a logger the library writes nothing anywhere. Lines also come from the
 * thread that calls start.
 */
KAFSCALE_EXPORT void kafscale_broker_set_logger(struct kafscale_broker *broker,
                                                kafscale_log_write *write, void *arg);

/*
 * Hears of each new state after NEW. `error` says why for FENCED and FAILED and is NULL
 * otherwise; borrowed for the call. It may call kafscale_broker_stop(), and must not call
 * start, wait or free.
 */
typedef void kafscale_broker_changed(void *arg, enum kafscale_broker_state state,
                                     const struct kafscale_error *error);

/* Before start. */
KAFSCALE_EXPORT void kafscale_broker_set_changed(struct kafscale_broker *broker,
                                                 kafscale_broker_changed *changed, void *arg);

/*
 * Before start: records go to a store of the program's, and the option `store` says nothing any
 * more. kafscale_broker_start() calls `open` on its own thread, before the loop runs; a broker that
 * is restarted for a test opens it again, on the loop thread. From then on the store is called on
 * the loop thread, and closed when the broker stops or its start fails. What the store answers is
 * held against its contract: a breach is a line in the log and a failed request. `open` NULL: as
 * the options say. kafscale_store_check() shows whether a store is fit for it.
 */
KAFSCALE_EXPORT void kafscale_broker_set_store(struct kafscale_broker *broker,
                                               kafscale_store_open *open, void *arg);

/*
 * The same for the metadata store, which otherwise is a log of objects in the object store. All
 * brokers on one object store must share one metadata store, for as long as there are records.
 */
KAFSCALE_EXPORT void kafscale_broker_set_meta(struct kafscale_broker *broker,
                                              kafscale_meta_open *open, void *arg);

/*
 * Binds the listeners, and only then opens the store. KAFSCALE_OK: the ports are known, and the
 * broker becomes READY, FAILED or FENCED by itself. On failure nothing is left running and the
 * broker can only be freed. Once: KAFSCALE_INVALID for a broker that was started before.
 *
 * `base` NULL: a thread is started, with all signals blocked. Otherwise `base` is borrowed
 * until `on_stopped` has returned, and the caller runs it.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_broker_start(
    struct kafscale_broker *broker, struct event_base *base, struct kafscale_error *error);

/*
 * Waits until the broker is READY, at most `timeout_ms` (negative: for ever). Otherwise answers
 * why it isn't: KAFSCALE_UNAVAILABLE when the time is over, FENCED, FAILED or another status when
 * the start has failed, KAFSCALE_STOPPED, KAFSCALE_INVALID when it wasn't started. For brokers with
 * a thread of their own; any other thread, so never from a callback (KAFSCALE_INVALID).
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_broker_wait_ready(
    struct kafscale_broker *broker, int64_t timeout_ms, struct kafscale_error *error);

/*
 * Ends a started broker: no more requests, then what was appended becomes durable (up to
 * stop.timeout.ms), then store and connections are closed, and last the state is STOPPED and
 * `on_stopped` is called. Any thread, at any time after start; calls after the first do
 * nothing, as for a broker that doesn't run. `on_stopped` may be NULL.
 */
KAFSCALE_EXPORT void kafscale_broker_stop(struct kafscale_broker *broker,
                                          void (*on_stopped)(void *arg), void *arg);

/*
 * Puts `options` into force as far as they may change while a broker runs (`is_live` of struct
 * kafscale_option; the column "live" of docs/configuration.md). The log tells what has changed, and
 * of what is different otherwise, that it needs a restart. What administrators have set through
 * Kafka's protocol goes before options still. Copies the options.
 *
 * On failure nothing has changed: KAFSCALE_INVALID when the options don't go together, by
 * themselves or with those that stay, or the broker doesn't run; KAFSCALE_UNSUPPORTED;
 * KAFSCALE_NO_MEMORY. Any thread, which waits for the loop; with the program's event_base the
 * thread that runs it.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_broker_reload(
    struct kafscale_broker *broker, const struct kafscale_options *options,
    struct kafscale_error *error);

/* Any thread. */
KAFSCALE_EXPORT enum kafscale_broker_state kafscale_broker_state(
    const struct kafscale_broker *broker);

/* The port of the first listener, and 0 before start. Any thread. */
KAFSCALE_EXPORT uint16_t kafscale_broker_port(const struct kafscale_broker *broker);

/*
 * The address that the listener of this index is bound to, as "host:port" with the real port;
 * NULL past the last listener and before start. Valid as long as the broker. Any thread.
 */
KAFSCALE_EXPORT const char *kafscale_broker_address(const struct kafscale_broker *broker,
                                                    size_t index);

/*
 * Frees a broker that was never started, failed to start, or is STOPPED. One with a thread of
 * its own is stopped first, if need be, and waited for. Accepts NULL. Not from a callback.
 */
KAFSCALE_EXPORT void kafscale_broker_free(struct kafscale_broker *broker);

#ifdef __cplusplus
}
#endif

#endif
