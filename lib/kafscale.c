/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public broker: options, loop, server, stores and the core, put together in the order in
 * which they must start and taken apart in the opposite one. What it knows of threads is the
 * latch that other threads wait on; everything else happens on the loop.
 */
#include "kafscale_internal.h"
#include "kafscale_local.h"
#include "kafscale_store.h"
#include "store/store.h"

#include <assert.h>

/* --- States ----------------------------------------------------------------------------------- */

void
ks_move(struct kafscale_broker *broker, enum kafscale_broker_state state,
        const struct kafscale_error *error)
{
    atomic_store(&broker->state, state);
    if (broker->changed != NULL) {
        broker->changed(broker->changed_arg, state, error);
    }
}

/*
 * The broker can't go on. It still answers, with errors, until its owner stops it. Other threads
 * read the first reason; there is a further one only where a broker is restarted.
 */
void
ks_end_badly(struct kafscale_broker *broker, enum kafscale_broker_state state,
             const struct kafscale_error *error)
{
    if (atomic_load(&broker->state) == state || broker->is_tearing_down) {
        return;
    }
    if (broker->why.status == KAFSCALE_OK) {
        broker->why = *error;
        ks_error_set(&broker->why, KAFSCALE_FAILED, "the broker failed");
    }
    ks_move(broker, state, &broker->why);
    ks_latch_raise(&broker->latch, MARK_ENDED);
    ks_restart_note(broker, broker->why.status, &broker->why);
}

static void
on_core_changed(void *arg, enum ks_broker_state state, const struct kafscale_error *error)
{
    struct kafscale_broker *broker = arg;

    if (state == KS_BROKER_READY && !broker->is_tearing_down) {
        ks_server_pause(broker->server, false);
        ks_move(broker, KAFSCALE_BROKER_READY, NULL);
        ks_latch_raise(&broker->latch, MARK_READY);
        ks_restart_note(broker, KAFSCALE_OK, NULL);
    }
    /* Clients that have connected since the start are told, instead of waiting for ever. */
    if (state == KS_BROKER_FENCED || state == KS_BROKER_FAILED) {
        ks_server_pause(broker->server, false);
    }
    if (state == KS_BROKER_FENCED) {
        ks_end_badly(broker, KAFSCALE_BROKER_FENCED, error);
    }
    if (state == KS_BROKER_FAILED) {
        ks_end_badly(broker, KAFSCALE_BROKER_FAILED, error);
    }
}

/* --- Making ----------------------------------------------------------------------------------- */

const char *
kafscale_version(void)
{
    return KAFSCALE_VERSION;
}

bool
kafscale_library_at(size_t index, const char **name_out, const char **version_out)
{
    if (index == 0) {
        *name_out = "libevent";
        *version_out = ks_loop_library_version();
        return true;
    }
    return ks_compression_library_at(index - 1, name_out, version_out);
}

struct kafscale_broker *
kafscale_broker_new(const struct kafscale_options *options, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct kafscale_broker *broker;

    error = error == NULL ? &unused : error;
    if (options == NULL) {
        ks_error_set(error, KAFSCALE_INVALID, "broker: no options");
        return NULL;
    }
    if (kafscale_options_check(options, NULL, NULL, error) != KAFSCALE_OK) {
        return NULL;
    }
    broker = ks_alloc_zero(1, sizeof *broker);
    if (broker == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "broker: no memory");
        return NULL;
    }
    broker->options = ks_options_copy(options);
    if (broker->options == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "broker: no memory");
        ks_free(broker);
        return NULL;
    }
    broker->logger.level = ks_options_log_level(options);
    pthread_mutex_init(&broker->locals_mutex, NULL);
    ks_list_init(&broker->locals);
    ks_latch_init(&broker->latch);
    ks_list_init(&broker->waits);
    return broker;
}

void
kafscale_broker_set_logger(struct kafscale_broker *broker, kafscale_log_write *write, void *arg)
{
    broker->logger.write = write;
    broker->logger.arg = arg;
}

void
kafscale_broker_set_changed(struct kafscale_broker *broker, kafscale_broker_changed *changed,
                            void *arg)
{
    broker->changed = changed;
    broker->changed_arg = arg;
}

/* --- Listening -------------------------------------------------------------------------------- */

struct ks_net_limits
ks_limits_of(const struct kafscale_options *options)
{
    struct ks_net_limits limits = ks_net_limits_default();

    limits.connections_max = (uint32_t) ks_option_number(options, KS_OPTION_max_connections);
    limits.connections_per_address_max =
        (uint32_t) ks_option_number(options, KS_OPTION_max_connections_per_ip);
    limits.requests_pipelined_max =
        (uint32_t) ks_option_number(options, KS_OPTION_connection_requests_max);
    limits.frame_bytes_max =
        (uint32_t) ks_option_number(options, KS_OPTION_socket_request_max_bytes);
    limits.memory_bytes_max = (size_t) ks_option_number(options, KS_OPTION_memory_bytes);
    limits.idle_ms_max = ks_option_number(options, KS_OPTION_connections_max_idle_ms);
    limits.frame_ms_max = ks_option_number(options, KS_OPTION_request_receive_timeout_ms);
    limits.response_window_ms = ks_option_number(options, KS_OPTION_response_timeout_ms);
    return limits;
}

/*
 * The server exists, paused, before there is anybody to answer: ports are bound before the store
 * is touched.
 */
static const struct ks_request_sink *
sink_of(const struct kafscale_broker *broker)
{
    return broker->testing != NULL ? &broker->testing->interceptor.sink
                                   : ks_handlers_sink(broker->handlers);
}

/* Connections are paused while there is nobody to answer; others are refused. */
static void
accept_exchange(void *self, struct ks_exchange *exchange)
{
    const struct kafscale_broker *broker = self;
    struct ks_answer closing = { .kind = KS_ANSWER_CLOSE };
    const struct ks_request_sink *sink;

    if (broker->is_tearing_down || broker->restart.is_ending) {
        exchange->complete(exchange, &closing);
        return;
    }
    sink = sink_of(broker);
    sink->accept(sink->self, exchange);
}

static void
exchange_gone(void *self, struct ks_exchange *exchange)
{
    const struct ks_request_sink *sink = sink_of(self);

    sink->gone(sink->self, exchange);
}

static enum kafscale_status
listen_on(struct kafscale_broker *broker, size_t index, struct kafscale_error *error)
{
    struct ks_endpoint endpoint;
    enum kafscale_status status;
    uint32_t listener;
    bool is_there = ks_options_listen(broker->options, index, &endpoint);

    assert(is_there);
    ks_endpoint_format(&endpoint, broker->addresses[index]);
    status = ks_server_listen(broker->server, broker->addresses[index], &listener, error);
    if (status != KAFSCALE_OK) {
        ks_error_wrap(error, "listen");
        return status;
    }
    assert(listener == index);
    endpoint.port = ks_server_port(broker->server, listener);
    ks_endpoint_format(&endpoint, broker->addresses[index]);
    ks_options_advertised(broker->options, index, &endpoint, &broker->advertised[index]);
    return KAFSCALE_OK;
}

static enum kafscale_status
listen_all(struct kafscale_broker *broker, struct kafscale_error *error)
{
    struct ks_net_limits limits = ks_limits_of(broker->options);
    struct ks_endpoint endpoint;
    enum kafscale_status status;
    size_t count = 0;

    broker->requests = (struct ks_request_sink){ .self = broker,
                                                 .accept = accept_exchange,
                                                 .gone = exchange_gone };
    status = ks_server_new(ks_loop_env(broker->loop), ks_loop_base(broker->loop), &limits,
                           &broker->requests, &broker->server, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_server_pause(broker->server, true);
    while (ks_options_listen(broker->options, count, &endpoint)) {
        count++;
    }
    broker->addresses = ks_alloc_zero(count, sizeof *broker->addresses);
    broker->advertised = ks_alloc_zero(count, sizeof *broker->advertised);
    if (broker->addresses == NULL || broker->advertised == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "listeners: no memory");
    }
    for (size_t i = 0; i < count && status == KAFSCALE_OK; i++) {
        status = listen_on(broker, i, error);
    }
    if (status == KAFSCALE_OK) {
        broker->address_count = count;
        broker->port = ks_server_port(broker->server, 0);
    }
    return status;
}

/* --- Taking apart ----------------------------------------------------------------------------- */

void
ks_free_core(struct kafscale_broker *broker)
{
    if (broker->testing != NULL) {
        ks_testing_detach(broker->testing);
    }
    ks_handlers_free(broker->handlers);
    broker->handlers = NULL;
    ks_broker_free(broker->core);
    broker->core = NULL;
}

/* Last of all, and from the loop itself: the core is stopped, and no request waits for anybody. */
static void
on_torn_down(void *arg)
{
    struct kafscale_broker *broker = arg;

    ks_close_http(broker);
    ks_server_free(broker->server);
    broker->server = NULL;
    ks_free_core(broker);
    ks_testing_free(broker->testing);
    broker->testing = NULL;
    ks_locals_leave(broker);
    ks_move(broker, KAFSCALE_BROKER_STOPPED, NULL);
    if (broker->on_stopped != NULL) {
        broker->on_stopped(broker->stopped_arg);
    }
    if (broker->has_own_loop) {
        ks_loop_stop(broker->loop);
    } else {
        ks_loop_detach(broker->loop);
    }
    ks_latch_raise(&broker->latch, MARK_STOPPED);
}

void
ks_finish_stop(void *arg)
{
    struct kafscale_broker *broker = arg;

    broker->end_task = (struct ks_task){ .run = on_torn_down, .arg = broker };
    ks_env_defer(ks_loop_env(broker->loop), &broker->end_task);
}

static void
tear_down(void *arg)
{
    struct kafscale_broker *broker = arg;

    assert(!broker->is_tearing_down);
    broker->is_tearing_down = true;
    ks_restart_note(broker, KAFSCALE_STOPPED, NULL);
    ks_move(broker, KAFSCALE_BROKER_STOPPING, NULL);
    ks_server_stop_listening(broker->server);
    ks_server_pause(broker->server, true);
    ks_locals_stop(broker);
    if (broker->restart.is_ending) {
        return; /* it comes back to this when the core has stopped */
    }
    if (broker->core == NULL) {
        ks_finish_stop(broker);
        return;
    }
    ks_broker_unlisten(&broker->listener);
    ks_broker_stop(
        broker->core,
        broker->is_abandoned ? 0 : ks_option_number(broker->options, KS_OPTION_stop_timeout_ms),
        ks_finish_stop, broker);
}

void
kafscale_broker_stop(struct kafscale_broker *broker, void (*on_stopped)(void *arg), void *arg)
{
    if (atomic_load(&broker->state) == KAFSCALE_BROKER_NEW) {
        return;
    }
    if ((ks_latch_raise(&broker->latch, MARK_STOP_CALLED) & MARK_STOP_CALLED) != 0) {
        return;
    }
    broker->on_stopped = on_stopped;
    broker->stopped_arg = arg;
    broker->stop_call = (struct ks_task){ .run = tear_down, .arg = broker };
    ks_loop_call(broker->loop, &broker->stop_call);
}

/* What start has made before there was a core. */
static void
undo_start(struct kafscale_broker *broker)
{
    ks_close_http(broker);
    ks_server_free(broker->server);
    broker->server = NULL;
    ks_testing_free(broker->testing);
    broker->testing = NULL;
    ks_loop_free(broker->loop);
    broker->loop = NULL;
    broker->address_count = 0;
    broker->port = 0;
    atomic_store(&broker->state, KAFSCALE_BROKER_STOPPED);
    ks_latch_raise(&broker->latch, MARK_STOP_CALLED | MARK_STOPPED);
}

void
kafscale_broker_free(struct kafscale_broker *broker)
{
    if (broker == NULL) {
        return;
    }
    assert(!ks_loop_thread_is_current(&broker->thread));
    if (broker->thread.is_started) {
        kafscale_broker_stop(broker, NULL, NULL);
        ks_loop_thread_join(&broker->thread);
    }
    assert(broker->core == NULL);
    ks_loop_free(broker->loop);
    ks_latch_deinit(&broker->latch);
    pthread_mutex_destroy(&broker->locals_mutex);
    kafscale_options_free(broker->options);
    ks_free(broker->addresses);
    ks_free(broker->advertised);
    ks_free(broker);
}

/* --- Starting --------------------------------------------------------------------------------- */

static void
ignore_closed(void *arg)
{
    (void) arg;
}

static enum kafscale_status
open_wanted_store(struct kafscale_broker *broker, struct kafscale_store *store_out,
                  struct kafscale_error *error)
{
    struct ks_env *env = ks_loop_env(broker->loop);

    if (broker->store_open != NULL) {
        return ks_open_own_store(env, broker->store_open, broker->store_arg, store_out, error);
    }
    return ks_open_store(env, broker->options, false, store_out, error);
}

/* Behind it, where it is tested, one that fails as it is told. */
static enum kafscale_status
open_store(struct kafscale_broker *broker, struct kafscale_store *store_out,
           struct kafscale_error *error)
{
    struct ks_env *env = ks_loop_env(broker->loop);
    struct kafscale_store store = { 0 };
    struct kafscale_store outer;
    enum kafscale_status status = KAFSCALE_OK;

    if (broker->testing == NULL) {
        return open_wanted_store(broker, store_out, error);
    }
    if (broker->store_open != NULL || !ks_options_store_is_memory(broker->options)) {
        status = open_wanted_store(broker, &store, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    outer = ks_testing_open_store(broker->testing, env, store);
    if (outer.ops == NULL) {
        if (store.ops != NULL) {
            store.ops->close(store.self, ignore_closed, NULL);
        }
        ks_env_run_due(env);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "store: no memory");
    }
    *store_out = outer;
    return KAFSCALE_OK;
}

/* Stores that nobody has taken over. */
static void
close_stores(struct kafscale_broker *broker, struct kafscale_store store, struct kafscale_meta meta)
{
    if (meta.ops != NULL) {
        meta.ops->close(meta.self, ignore_closed, NULL);
    }
    if (store.ops != NULL) {
        store.ops->close(store.self, ignore_closed, NULL);
    }
    ks_env_run_due(ks_loop_env(broker->loop));
}

enum kafscale_status
ks_make_core(struct kafscale_broker *broker, struct kafscale_error *error)
{
    struct ks_env *env = ks_loop_env(broker->loop);
    struct ks_broker_options core_options;
    struct kafscale_store store = { 0 };
    struct kafscale_meta meta = { 0 };
    enum kafscale_status status;

    if (ks_broker_options_from(broker->options, &core_options) != KAFSCALE_OK) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "broker: no memory");
    }
    status = open_store(broker, &store, error);
    if (status == KAFSCALE_OK && broker->meta_open != NULL) {
        status = ks_open_own_meta(env, broker->meta_open, broker->meta_arg, &meta, error);
    }
    if (status != KAFSCALE_OK) {
        close_stores(broker, store, meta);
        goto out;
    }
    broker->core = ks_broker_new(env, store, meta, &core_options);
    if (broker->core == NULL) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "broker: no memory");
        close_stores(broker, store, meta);
    }

out:
    ks_broker_options_deinit(&core_options);
    return status;
}

static void
on_core_started(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) status;
    (void) error;
}

void
ks_begin_core(struct kafscale_broker *broker)
{
    struct kafscale_error error = { 0 };

    broker->listener.changed = on_core_changed;
    broker->listener.arg = broker;
    ks_broker_listen(broker->core, &broker->listener);
    ks_move(broker, KAFSCALE_BROKER_STARTING, NULL);
    broker->handlers = ks_handlers_new(broker->core);
    if (broker->handlers == NULL || ks_broker_set_endpoints(broker->core, broker->advertised,
                                                            broker->address_count) != KAFSCALE_OK) {
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "broker: no memory");
        ks_log(&broker->logger, KAFSCALE_LOG_ERROR, "broker not started error=%s", error.text);
        ks_end_badly(broker, KAFSCALE_BROKER_FAILED, &error);
        return;
    }
    if (broker->testing != NULL) {
        ks_testing_attach(broker->testing, broker->core, broker->handlers);
    }
    ks_broker_start(broker->core, on_core_started, broker);
}

static enum kafscale_status
start_thread(struct kafscale_broker *broker, struct kafscale_error *error)
{
    enum kafscale_status status = ks_loop_thread_start(&broker->thread, broker->loop, error);

    if (status != KAFSCALE_OK) {
        kafscale_broker_stop(broker, NULL, NULL);
        ks_loop_run(broker->loop);
    }
    return status;
}

bool
ks_is_clock_still(const struct kafscale_broker *broker)
{
    return ks_option_number(broker->options, KS_OPTION_testing_enabled) != 0 &&
           strcmp(ks_option_text(broker->options, KS_OPTION_testing_clock), "still") == 0;
}

static enum kafscale_status
begin_testing(struct kafscale_broker *broker, struct kafscale_error *error)
{
    size_t log_entries = (size_t) ks_option_number(broker->options, KS_OPTION_testing_requests_max);

    if (ks_option_number(broker->options, KS_OPTION_testing_enabled) == 0) {
        return KAFSCALE_OK;
    }
    broker->testing = ks_testing_new(ks_loop_env(broker->loop), log_entries);
    return broker->testing == NULL
               ? ks_error_set(error, KAFSCALE_NO_MEMORY, "testing.enabled: no memory")
               : KAFSCALE_OK;
}

enum kafscale_status
kafscale_broker_start(struct kafscale_broker *broker, struct event_base *base,
                      struct kafscale_error *error)
{
    struct ks_loop_options loop_options = { .logger = broker->logger,
                                            .is_clock_still = ks_is_clock_still(broker) };
    struct kafscale_error unused = { 0 };
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (atomic_load(&broker->state) != KAFSCALE_BROKER_NEW) {
        return ks_error_set(error, KAFSCALE_INVALID, "a broker is started once");
    }
    broker->has_own_loop = base == NULL;
    status =
        kafscale_options_check(broker->options, broker->logger.write, broker->logger.arg, error);
    if (status == KAFSCALE_OK) {
        status = ks_loop_new(base, &loop_options, &broker->loop, error);
    }
    if (status == KAFSCALE_OK) {
        status = begin_testing(broker, error);
    }
    if (status == KAFSCALE_OK) {
        status = listen_all(broker, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_open_http(broker, error);
    }
    if (status == KAFSCALE_OK) {
        status = ks_make_core(broker, error);
    }
    if (status != KAFSCALE_OK) {
        undo_start(broker);
        return status;
    }
    broker->started_ms = ks_env_now_ms(ks_loop_env(broker->loop));
    broker->started_wall_ms = ks_env_wall_ms(ks_loop_env(broker->loop));
    ks_begin_core(broker);
    ks_locals_take(broker);
    return base == NULL ? start_thread(broker, error) : KAFSCALE_OK;
}

/* --- Asking ----------------------------------------------------------------------------------- */

enum kafscale_status
kafscale_broker_wait_ready(struct kafscale_broker *broker, int64_t timeout_ms,
                           struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    uint32_t marks;

    error = error == NULL ? &unused : error;
    if (atomic_load(&broker->state) == KAFSCALE_BROKER_NEW ||
        ks_loop_thread_is_current(&broker->thread)) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "nobody can wait for a broker that isn't started, nor from a callback");
    }
    marks = ks_latch_wait(&broker->latch, MARK_READY | MARK_ENDED | MARK_STOPPED, timeout_ms);
    if ((marks & MARK_ENDED) != 0) {
        return ks_error_set(error, broker->why.status, "%s", broker->why.text);
    }
    if ((marks & MARK_STOPPED) != 0) {
        return ks_error_set(error, KAFSCALE_STOPPED, "the broker has been stopped");
    }
    if ((marks & MARK_READY) != 0) {
        return KAFSCALE_OK;
    }
    return ks_error_set(error, KAFSCALE_UNAVAILABLE, "the broker is not ready yet");
}

enum kafscale_broker_state
kafscale_broker_state(const struct kafscale_broker *broker)
{
    return atomic_load(&broker->state);
}

uint16_t
kafscale_broker_port(const struct kafscale_broker *broker)
{
    return broker->port;
}

const char *
kafscale_broker_address(const struct kafscale_broker *broker, size_t index)
{
    return index < broker->address_count ? broker->addresses[index] : NULL;
}
