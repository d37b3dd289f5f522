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
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS_KEPT_MAX 64
#define BACKLOG_TURNS 4

/*
 * The system gives out the lowest descriptor that is free, so a high one says that few are left.
 * Clients may not take the last ones: without a file to open the store can't take a record.
 */
static int
descriptor_max(void)
{
    struct rlimit limit;
    rlim_t kept;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX) {
        return INT32_MAX;
    }
    kept = limit.rlim_cur / 8 < DESCRIPTORS_KEPT_MAX ? limit.rlim_cur / 8 : DESCRIPTORS_KEPT_MAX;
    return (int) (limit.rlim_cur - kept) - 1;
}

/*
 * However many connections are greedy, a few of them have their turn between two looks at those
 * who are not.
 */
static void
run_backlog(void *arg)
{
    struct ks_server *server = arg;
    struct ks_list *node;

    server->heavy_ms = 0;
    for (int i = 0; i < BACKLOG_TURNS && server->heavy_ms < KS_SERVER_HEAVY_MS_MAX &&
                    (node = ks_list_take_first(&server->backlog)) != NULL;
         i++) {
        ks_connection_take_turn(KS_CONTAINER(node, struct ks_connection, backlog_link));
    }
    if (!ks_list_is_empty(&server->backlog)) {
        ks_env_defer(server->env, &server->backlog_task);
    }
}

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
    server->descriptor_max = descriptor_max();
    server->sink = *sink;
    ks_memory_account_init(&server->account, limits->memory_bytes_max,
                           limits->memory_reserve_bytes_max);
    ks_address_counts_init(&server->addresses, ks_env_random_u64(env));
    ks_list_init(&server->connections);
    ks_list_init(&server->orphans);
    ks_list_init(&server->backlog);
    server->backlog_task = (struct ks_task){ .run = run_backlog, .arg = server };
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
    assert(server->account.huge_bytes == 0);
    assert(server->account.kept_bytes == 0);
    assert(server->account.reserve_bytes == 0);
    ks_env_cancel_task(&server->backlog_task);
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

/* What the four bytes would be, were they not a length. */
static const char *
guess_protocol(const uint8_t prefix[4])
{
    static const struct {
        char prefix[5];
        const char *guess;
    } guesses[] = {
        { "GET ", "it speaks HTTP" },
        { "HEAD", "it speaks HTTP" },
        { "POST", "it speaks HTTP" },
        { "PUT ", "it speaks HTTP" },
        { "PROX", "it sends a PROXY header, which this broker does not read" },
        { "\r\n\r\n", "it sends a PROXY header, which this broker does not read" },
        { "SSH-", "it speaks SSH" },
    };

    if (prefix[0] == 0x16 && prefix[1] == 3) {
        return "it speaks TLS, this listener does not: set security.protocol=PLAINTEXT";
    }
    for (size_t i = 0; i < sizeof guesses / sizeof guesses[0]; i++) {
        if (memcmp(prefix, guesses[i].prefix, 4) == 0) {
            return guesses[i].guess;
        }
    }
    return "the length of its request is outside the limit (socket.request.max.bytes)";
}

void
ks_server_note_stranger(struct ks_server *server, const char *client_address,
                        const uint8_t prefix[4])
{
    char first_bytes[9];

    (void) snprintf(first_bytes, sizeof first_bytes, "%02x%02x%02x%02x", prefix[0], prefix[1],
                    prefix[2], prefix[3]);
    ks_log_some(server->env, &server->strangers, 1, KAFSCALE_LOG_WARN,
                "client disconnected client=%s first_bytes=%s reason=%s", client_address,
                first_bytes, guess_protocol(prefix));
}

static enum kafscale_status
try_admit(struct ks_server *server, int fd, const struct sockaddr *peer, uint32_t listener)
{
    struct ks_address_count *count = NULL;
    enum kafscale_status status;

    if (server->is_refusing || server->counters.connections >= server->limits.connections_max ||
        fd > server->descriptor_max) {
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

    if (status == KAFSCALE_OK) {
        return;
    }
    close(fd);
    server->counters.connections_refused++;
    ks_address_host_text(peer, address);
    ks_log_some(server->env, &server->refusals, 1, KAFSCALE_LOG_WARN,
                "connection refused client=%s connections=%llu reason=%s", address,
                (unsigned long long) server->counters.connections, kafscale_status_text(status));
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

void
ks_server_set_limits(struct ks_server *server, const struct ks_net_limits *limits)
{
    assert(limits->frame_bytes_max == server->limits.frame_bytes_max);

    server->limits = *limits;
    ks_memory_account_resize(&server->account, limits->memory_bytes_max);
    for (struct ks_list *node = server->connections.next; node != &server->connections;
         node = node->next) {
        ks_connection_wake(KS_CONTAINER(node, struct ks_connection, link));
    }
}

void
ks_server_drop_connections(struct ks_server *server, const char *reason)
{
    for (struct ks_list *node = server->connections.next; node != &server->connections;
         node = node->next) {
        ks_connection_drop(KS_CONTAINER(node, struct ks_connection, link), reason);
    }
}

void
ks_server_refuse(struct ks_server *server, bool is_refusing)
{
    server->is_refusing = is_refusing;
}

struct ks_server_counters
ks_server_counters(const struct ks_server *server)
{
    struct ks_server_counters counters = server->counters;

    counters.memory_bytes =
        server->account.bytes + server->account.reserve_bytes + server->account.kept_bytes;
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
