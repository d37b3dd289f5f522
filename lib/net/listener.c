/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn of the loop accepts a bounded number, so that a storm of connects doesn't hold up the
 * clients that are served.
 */
#include "net/listener.h"

#include "net/listen_socket.h"
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

    ks_log_some(env, &listener->server->pauses, 1, KAFSCALE_LOG_WARN,
                "accepting paused reason=%s pause_ms=%d", strerror(reason), PAUSE_MS);
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

enum kafscale_status
ks_listener_init(struct ks_listener *listener, struct ks_server *server, uint32_t index,
                 const char *address_text, struct kafscale_error *error)
{
    uint16_t port = 0;
    int fd = -1;
    enum kafscale_status status = ks_listen_socket(address_text, BACKLOG, &fd, &port, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    *listener = (struct ks_listener){ .server = server, .index = index, .fd = fd, .port = port };
    listener->resume_timer.on_due = on_resume_due;
    listener->resume_timer.arg = listener;
    event_assign(&listener->event, server->base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    if (event_add(&listener->event, NULL) != 0) {
        close(fd);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "event for %s", address_text);
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
