/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection over a limit is accepted and closed: left in the backlog, its client would wait
 * without learning why.
 */
#include "net/server.h"

#include "net/connection.h"
#include "net/request.h"
#include "net/server_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A flood of refusals is one line now and then. */
#define REFUSAL_LOG_MS 10000

enum kafscale_status
ks_server_new(struct ks_env *env, struct event_base *base, const struct ks_net_limits *limits,
              const struct ks_request_sink *sink, struct ks_server **server_out,
              struct kafscale_error *error)
{
    struct ks_server *server;
    enum kafscale_status status;

    assert(sink->accept != NULL);
    assert(sink->gone != NULL);

    status = ks_net_limits_check(limits, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    server = ks_alloc_zero(1, sizeof *server);
    if (server == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "server");
    }
    server->scratch = ks_alloc(KS_SERVER_SCRATCH_BYTES);
    if (server->scratch == NULL) {
        ks_free(server);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "server");
    }
    server->env = env;
    server->base = base;
    server->limits = *limits;
    server->sink = *sink;
    server->refusal_logged_ms = INT64_MIN;
    ks_memory_account_init(&server->account, limits->memory_bytes_max,
                           limits->memory_reserve_bytes_max);
    ks_address_counts_init(&server->addresses, ks_env_random_u64(env));
    ks_list_init(&server->connections);
    ks_list_init(&server->orphans);
    *server_out = server;
    return KAFSCALE_OK;
}

void
ks_server_free(struct ks_server *server)
{
    if (server == NULL) {
        return;
    }
    ks_server_stop_listening(server);
    while (!ks_list_is_empty(&server->connections)) {
        ks_connection_free(KS_CONTAINER(server->connections.next, struct ks_connection, link));
    }
    while (!ks_list_is_empty(&server->orphans)) {
        ks_net_request_forget_server(
            KS_CONTAINER(server->orphans.next, struct ks_net_request, link));
    }
    assert(server->account.bytes == 0);
    assert(server->account.reserve_bytes == 0);
    ks_address_counts_deinit(&server->addresses);
    ks_free(server->scratch);
    ks_free(server);
}

enum kafscale_status
ks_server_listen(struct ks_server *server, const char *address, uint32_t *listener_out,
                 struct kafscale_error *error)
{
    uint32_t index = server->listener_count;
    enum kafscale_status status;

    if (index == KS_SERVER_LISTENERS_MAX) {
        return ks_error_set(error, KAFSCALE_FULL, "more than %d listeners",
                            KS_SERVER_LISTENERS_MAX);
    }
    status = ks_listener_init(&server->listeners[index], server, index, address, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    server->listener_count++;
    *listener_out = index;
    return KAFSCALE_OK;
}

uint16_t
ks_server_port(const struct ks_server *server, uint32_t listener)
{
    assert(listener < server->listener_count);
    return server->listeners[listener].port;
}

static enum kafscale_status
try_admit(struct ks_server *server, int fd, const struct sockaddr *peer, uint32_t listener)
{
    struct ks_address_count *count = NULL;
    enum kafscale_status status;

    if (server->counters.connections >= server->limits.connections_max) {
        return KAFSCALE_FULL;
    }
    status = ks_address_counts_add(&server->addresses, peer,
                                   server->limits.connections_per_address_max, &count);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_connection_new(server, fd, peer, listener, count);
    if (status != KAFSCALE_OK) {
        ks_address_counts_remove(&server->addresses, count);
    }
    return status;
}

void
ks_server_admit(struct ks_server *server, int fd, const struct sockaddr *peer, uint32_t listener)
{
    enum kafscale_status status = try_admit(server, fd, peer, listener);
    char address[KS_ADDRESS_TEXT_BYTES];
    int64_t now_ms;

    if (status == KAFSCALE_OK) {
        return;
    }
    close(fd);
    server->counters.connections_refused++;
    now_ms = ks_env_now_ms(server->env);
    if (server->refusal_logged_ms == INT64_MIN ||
        now_ms - server->refusal_logged_ms >= REFUSAL_LOG_MS) {
        server->refusal_logged_ms = now_ms;
        ks_address_host_text(peer, address);
        ks_log(&server->env->logger, KAFSCALE_LOG_WARN,
               "connection refused client=%s connections=%llu reason=\"%s\"", address,
               (unsigned long long) server->counters.connections, kafscale_status_text(status));
    }
}

enum kafscale_status
ks_server_adopt(struct ks_server *server, int fd, uint32_t listener, struct kafscale_error *error)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t peer_size = sizeof peer;
    int flags = fcntl(fd, F_GETFL);
    enum kafscale_status status;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return ks_error_set(error, KAFSCALE_IO, "fcntl: %s", strerror(errno));
    }
    if (getpeername(fd, (struct sockaddr *) &peer, &peer_size) != 0) {
        return ks_error_set(error, KAFSCALE_IO, "getpeername: %s", strerror(errno));
    }
    status = try_admit(server, fd, (const struct sockaddr *) &peer, listener);
    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "%s", kafscale_status_text(status));
    }
    return KAFSCALE_OK;
}

void
ks_server_stop_listening(struct ks_server *server)
{
    for (uint32_t i = 0; i < server->listener_count; i++) {
        ks_listener_deinit(&server->listeners[i]);
    }
}

void
ks_server_pause(struct ks_server *server, bool is_paused)
{
    if (server->is_paused == is_paused) {
        return;
    }
    server->is_paused = is_paused;
    for (struct ks_list *node = server->connections.next; node != &server->connections;
         node = node->next) {
        ks_connection_wake(KS_CONTAINER(node, struct ks_connection, link));
    }
}

struct ks_server_counters
ks_server_counters(const struct ks_server *server)
{
    struct ks_server_counters counters = server->counters;

    counters.memory_bytes = server->account.bytes + server->account.reserve_bytes;
    return counters;
}

void
ks_server_connection_closed(struct ks_server *server)
{
    server->counters.connections--;
    for (uint32_t i = 0; i < server->listener_count; i++) {
        ks_listener_resume(&server->listeners[i]);
    }
}
