/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn of the loop accepts a bounded number, so that a storm of connects doesn't hold up the
 * clients that are served.
 */
#include "net/listener.h"

#include "net/address.h"
#include "net/server_state.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64
#define PAUSE_MS 1000
#define BACKLOG 1024

static void
pause_accepting(struct ks_listener *listener, int reason)
{
    struct ks_env *env = listener->server->env;
    uint64_t left_out_count;

    if (ks_log_quota_take(&listener->server->pauses, env, &left_out_count)) {
        ks_log(&env->logger, KAFSCALE_LOG_WARN,
               "accepting paused reason=\"%s\" pause_ms=%d others=%llu", strerror(reason), PAUSE_MS,
               (unsigned long long) left_out_count);
    }
    event_del(&listener->event);
    listener->is_pausing = true;
    ks_env_set_timer(env, &listener->resume_timer, ks_env_now_ms(env) + PAUSE_MS);
}

static bool
is_shortage(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM;
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct ks_listener *listener = arg;

    (void) what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer = { 0 };
        socklen_t peer_size = sizeof peer;
        int accepted =
            accept4(fd, (struct sockaddr *) &peer, &peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted >= 0) {
            ks_server_admit(listener->server, accepted, (const struct sockaddr *) &peer,
                            listener->index);
        } else if (is_shortage(errno)) {
            pause_accepting(listener, errno);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
        /* Any other error is that of a connection which broke before it was accepted. */
    }
}

static void
on_resume_due(void *arg)
{
    ks_listener_resume(arg);
}

static enum kafscale_status
fail(int fd, const char *what, const char *address, struct kafscale_error *error)
{
    int reason = errno;

    if (fd >= 0) {
        close(fd);
    }
    return ks_error_set(error, KAFSCALE_IO, "%s %s: %s", what, address, strerror(reason));
}

/* IPv6 may be switched off in the kernel: "every address" then is every IPv4 address. */
static int
open_socket(struct ks_address *address)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 || !address->is_dual) {
        return fd;
    }
    any.sin_port = htons(ks_address_port((const struct sockaddr *) &address->storage));
    memcpy(&address->storage, &any, sizeof any);
    address->size = sizeof any;
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static enum kafscale_status
bind_and_listen(const char *text, struct ks_address *address, int *fd_out,
                struct kafscale_error *error)
{
    int yes = 1;
    int v6_only = address->is_dual ? 0 : 1;
    int fd = open_socket(address);

    if (fd < 0) {
        return fail(fd, "socket for", text, error);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0) {
        return fail(fd, "SO_REUSEADDR for", text, error);
    }
    if (address->storage.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0) {
        return fail(fd, "IPV6_V6ONLY for", text, error);
    }
    if (bind(fd, (const struct sockaddr *) &address->storage, address->size) != 0) {
        return fail(fd, "bind to", text, error);
    }
    if (listen(fd, BACKLOG) != 0) {
        return fail(fd, "listen on", text, error);
    }
    *fd_out = fd;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_listener_init(struct ks_listener *listener, struct ks_server *server, uint32_t index,
                 const char *address_text, struct kafscale_error *error)
{
    struct ks_address address;
    struct sockaddr_storage bound = { 0 };
    socklen_t bound_size = sizeof bound;
    enum kafscale_status status;
    int fd = -1;

    status = ks_address_parse(address_text, &address, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = bind_and_listen(address_text, &address, &fd, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (getsockname(fd, (struct sockaddr *) &bound, &bound_size) != 0) {
        return fail(fd, "getsockname of", address_text, error);
    }
    *listener = (struct ks_listener){ .server = server, .index = index, .fd = fd };
    listener->port = ks_address_port((const struct sockaddr *) &bound);
    listener->resume_timer.on_due = on_resume_due;
    listener->resume_timer.arg = listener;
    event_assign(&listener->event, server->base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    if (event_add(&listener->event, NULL) != 0) {
        return fail(fd, "event for", address_text, error);
    }
    return KAFSCALE_OK;
}

void
ks_listener_deinit(struct ks_listener *listener)
{
    if (listener->fd < 0) {
        return;
    }
    event_del(&listener->event);
    ks_env_cancel_timer(listener->server->env, &listener->resume_timer);
    close(listener->fd);
    listener->fd = -1;
}

void
ks_listener_resume(struct ks_listener *listener)
{
    if (listener->fd < 0 || !listener->is_pausing) {
        return;
    }
    ks_env_cancel_timer(listener->server->env, &listener->resume_timer);
    listener->is_pausing = false;
    if (event_add(&listener->event, NULL) != 0) {
        pause_accepting(listener, ENOMEM);
    }
}
