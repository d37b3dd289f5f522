/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface tells which sockets to watch and when to come back, the loop does both.
 * curl copies what it sends and hands out what it receives, so that an exchange that is cancelled
 * leaves no pointer behind. Handles are used again: connections, which cost most, belong to the
 * multi handle.
 */
#include "store/s3/http.h"

#include "store/s3/http_transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

struct ks_http {
    struct kafscale_loop loop;
    struct ks_http_options options;
    char *ca_file;
    CURLM *multi;
    struct kafscale_timer timer;
    struct ks_list idle; /* struct ks_http_transfer */
};

/* A socket of curl's that is watched. */
struct watched {
    struct ks_http *http;
    curl_socket_t fd;
    struct kafscale_watch watch;
};

/* --- SIGPIPE ---------------------------------------------------------------------------------- */

/*
 * OpenSSL writes to sockets with write(), which raises SIGPIPE when the server has gone. The
 * process's disposition is not ours to change, so the signal is kept from this thread for the
 * length of a call and taken away if it came.
 */
struct shield {
    sigset_t before;
    bool was_pending;
};

static void
raise_shield(struct shield *shield)
{
    sigset_t pending;
    sigset_t blocked;

    sigemptyset(&pending);
    sigpending(&pending);
    shield->was_pending = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, &shield->before);
}

static void
lower_shield(const struct shield *shield)
{
    static const struct timespec at_once = { 0, 0 };
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    if (!shield->was_pending) {
        (void) sigtimedwait(&blocked, NULL, &at_once);
    }
    pthread_sigmask(SIG_SETMASK, &shield->before, NULL);
}

/* --- Driving curl ----------------------------------------------------------------------------- */

/* Ends the exchanges that curl has done with. Their owners may begin new ones meanwhile. */
static void
end_exchanges(struct ks_http *http)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct ks_http_transfer *transfer;
        struct ks_s3_exchange *exchange;
        char *private;

        assert(message->msg == CURLMSG_DONE);
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        transfer = (struct ks_http_transfer *) (void *) private;
        exchange = transfer->exchange;
        ks_http_transfer_end(transfer, message->data.result);
        curl_multi_remove_handle(http->multi, transfer->easy);
        ks_http_transfer_release(transfer);
        ks_list_append(&http->idle, &transfer->link);
        exchange->inner = NULL;
        exchange->done(exchange);
    }
}

static void
act(struct ks_http *http, curl_socket_t fd, int what)
{
    struct shield shield;
    int running;

    raise_shield(&shield);
    curl_multi_socket_action(http->multi, fd, what, &running);
    lower_shield(&shield);
    end_exchanges(http);
}

static void
on_ready(void *arg, unsigned ready)
{
    const struct watched *watched = arg;
    int what = 0;

    what |= (ready & KAFSCALE_WATCH_READ) != 0 ? CURL_CSELECT_IN : 0;
    what |= (ready & KAFSCALE_WATCH_WRITE) != 0 ? CURL_CSELECT_OUT : 0;
    act(watched->http, watched->fd, what);
}

static void
on_timer(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static struct watched *
new_watched(struct ks_http *http, curl_socket_t fd)
{
    struct watched *watched = ks_alloc_zero(1, sizeof *watched);

    if (watched != NULL) {
        watched->http = http;
        watched->fd = fd;
        watched->watch = (struct kafscale_watch){ .on_ready = on_ready, .arg = watched };
        curl_multi_assign(http->multi, fd, watched);
    }
    return watched;
}

/*
 * curl gives up for ever when this fails. A socket that can't be watched is left to its time-outs
 * instead: they end the exchange, and it is tried again.
 */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct ks_http *http = arg;
    struct watched *watched = socket_arg;
    unsigned wanted = 0;

    (void) easy;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            (void) http->loop.ops->watch(http->loop.self, &watched->watch, fd, 0);
            ks_free(watched);
        }
        return 0;
    }
    watched = watched == NULL ? new_watched(http, fd) : watched;
    wanted |= (what & CURL_POLL_IN) != 0 ? KAFSCALE_WATCH_READ : 0u;
    wanted |= (what & CURL_POLL_OUT) != 0 ? KAFSCALE_WATCH_WRITE : 0u;
    if (watched != NULL) {
        (void) http->loop.ops->watch(http->loop.self, &watched->watch, fd, wanted);
    }
    return 0;
}

/* Nothing of curl may be called from here, so that what is due at once waits for the next turn. */
static int
on_timeout(CURLM *multi, long timeout_ms, void *arg)
{
    struct ks_http *http = arg;
    const struct kafscale_loop_ops *ops = http->loop.ops;

    (void) multi;
    if (timeout_ms < 0) {
        ops->cancel_timer(http->loop.self, &http->timer);
    } else {
        ops->set_timer(http->loop.self, &http->timer, ops->now_ms(http->loop.self) + timeout_ms);
    }
    return 0;
}

/* --- Exchanges -------------------------------------------------------------------------------- */

static struct ks_http_transfer *
take_transfer(struct ks_http *http)
{
    struct ks_list *node = ks_list_take_first(&http->idle);

    return node == NULL ? ks_http_transfer_new()
                        : KS_CONTAINER(node, struct ks_http_transfer, link);
}

static void
set_connection(const struct ks_http *http, const struct ks_http_transfer *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) http->options.connect_timeout_ms);
    if (http->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static enum kafscale_status
http_send(void *self, struct ks_s3_exchange *exchange)
{
    struct ks_http *http = self;
    struct ks_http_transfer *transfer = take_transfer(http);

    if (transfer == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (!ks_http_transfer_begin(transfer, exchange)) {
        goto failed;
    }
    set_connection(http, transfer);
    if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK) {
        goto failed;
    }
    exchange->inner = transfer;
    return KAFSCALE_OK;

failed:
    ks_http_transfer_release(transfer);
    ks_list_append(&http->idle, &transfer->link);
    return KAFSCALE_NO_MEMORY;
}

static void
http_cancel(void *self, struct ks_s3_exchange *exchange)
{
    struct ks_http *http = self;
    struct ks_http_transfer *transfer = exchange->inner;
    struct shield shield;

    assert(transfer != NULL);

    raise_shield(&shield);
    curl_multi_remove_handle(http->multi, transfer->easy);
    lower_shield(&shield);
    ks_http_transfer_release(transfer);
    ks_list_append(&http->idle, &transfer->link);
    exchange->inner = NULL;
}

/* --- Beginning and end ------------------------------------------------------------------------ */

static void
http_free(void *self)
{
    struct ks_http *http = self;
    struct ks_list *node;
    struct shield shield;

    while ((node = ks_list_take_first(&http->idle)) != NULL) {
        ks_http_transfer_free(KS_CONTAINER(node, struct ks_http_transfer, link));
    }
    if (http->multi != NULL) {
        raise_shield(&shield);
        curl_multi_cleanup(http->multi);
        lower_shield(&shield);
    }
    http->loop.ops->cancel_timer(http->loop.self, &http->timer);
    ks_free(http->ca_file);
    ks_free(http);
    curl_global_cleanup();
}

static bool
set_up_multi(struct ks_http *http)
{
    long connections_max = (long) http->options.connections_max;

    http->multi = curl_multi_init();
    if (http->multi == NULL) {
        return false;
    }
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connections_max);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return true;
}

static const struct ks_s3_transport_ops http_ops = {
    .send = http_send,
    .cancel = http_cancel,
    .free = http_free,
};

enum kafscale_status
ks_http_new(struct kafscale_loop loop, const struct ks_http_options *options,
            struct ks_s3_transport *transport_out, struct kafscale_error *error)
{
    struct ks_http *http;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "libcurl could not be started");
    }
    http = ks_alloc_zero(1, sizeof *http);
    if (http == NULL) {
        curl_global_cleanup();
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "HTTP: no memory");
    }
    http->loop = loop;
    http->options = *options;
    http->timer = (struct kafscale_timer){ .on_due = on_timer, .arg = http };
    ks_list_init(&http->idle);
    http->ca_file = options->ca_file == NULL ? NULL : ks_copy_text(options->ca_file);
    if ((http->ca_file == NULL) != (options->ca_file == NULL) || !set_up_multi(http)) {
        http_free(http);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "HTTP: no memory");
    }
    *transport_out = (struct ks_s3_transport){ .ops = &http_ops, .self = http };
    return KAFSCALE_OK;
}
