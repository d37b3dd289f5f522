/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events and completions only change the state; one function, settle(), then sends, takes what
 * was held back and decides what to wait for. Completions that come one by one within a turn of
 * the loop leave in one send.
 *
 * Time limits don't touch the timer for each request: it is set to the earliest moment at which
 * something could be late, and looks again then.
 */
#include "net/connection.h"

#include "net/server_state.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* One recv while memory is short. */
#define SHORT_READ_BYTES ((size_t) 4096)

/* One connection's share of a turn of the loop. */
#define READ_BYTES_A_TURN ((size_t) 1024 * 1024)
#define REQUESTS_A_TURN 16

#define KEEPALIVE_IDLE_S 120
#define KEEPALIVE_INTERVAL_S 30
#define KEEPALIVE_COUNT 4

static void settle(struct ks_connection *connection);

static int64_t
now_ms(const struct ks_connection *connection)
{
    return ks_env_now_ms(connection->server->env);
}

/*
 * Closes the socket and lets the requests go. The memory goes at the next turn: callers up the
 * stack still look at it.
 */
static void
close_connection(struct ks_connection *connection, const char *reason)
{
    struct ks_server *server = connection->server;

    if (connection->fd < 0) {
        return;
    }
    ks_log_some(server->env, &server->closes, KS_LOG_QUOTA_DEBUG_COUNT, KAFSCALE_LOG_DEBUG,
                "connection closed client=%s port=%u reason=%s", connection->client_address,
                connection->client_port, reason);
    event_del(&connection->read_event);
    event_del(&connection->write_event);
    connection->transport.ops->close(connection->transport.self);
    close(connection->fd);
    connection->fd = -1;
    ks_env_cancel_timer(server->env, &connection->timer);
    ks_list_remove(&connection->backlog_link);

    while (!ks_list_is_empty(&connection->requests)) {
        ks_net_request_abandon(
            KS_CONTAINER(connection->requests.next, struct ks_net_request, link));
    }
    connection->request_count = 0;
    ks_frame_reader_deinit(&connection->reader);
    ks_buffer_deinit(&connection->carried);
    ks_memory_account_drop(&server->account, connection->carried_kept_bytes);
    connection->carried_kept_bytes = 0;
    ks_memory_account_discharge(&server->account, connection->output_bytes);
    connection->output_bytes = 0;
    ks_address_counts_remove(&server->addresses, connection->address_count);
    connection->address_count = NULL;
    ks_env_defer(server->env, &connection->settle_task);
    ks_server_connection_closed(server);
}

static void
drop(struct ks_connection *connection, const char *reason)
{
    if (connection->fd >= 0) {
        connection->server->counters.connections_dropped++;
    }
    close_connection(connection, reason);
}

/* A frame that has its memory is read to its end: holding it half-filled would help nobody. */
static bool
may_take(const struct ks_connection *connection)
{
    const struct ks_server *server = connection->server;

    if (connection->fd < 0 || connection->is_ending) {
        return false;
    }
    if (connection->reader.frame != NULL) {
        return true;
    }
    return !server->is_paused && !connection->is_muted &&
           connection->request_count < server->limits.requests_pipelined_max &&
           connection->output_bytes < server->limits.output_bytes_max &&
           connection->reader.reservation.state != KS_RESERVATION_WAITING;
}

static void
accept_frame(struct ks_connection *connection, struct kafscale_blob *frame,
             struct ks_reservation *reservation)
{
    struct ks_server *server = connection->server;
    struct ks_net_request *request = ks_net_request_new(connection, frame, reservation);
    int64_t begun_ms;

    if (request == NULL) {
        kafscale_blob_unref(frame);
        ks_memory_account_release(&server->account, reservation);
        drop(connection, "out of memory");
        return;
    }
    ks_list_append(&connection->requests, &request->link);
    connection->request_count++;
    connection->frame_count++;
    connection->turn_request_count++;
    if (request->exchange.payload.size <= KS_FRAME_UNRESERVED_BYTES_MAX) {
        server->sink.accept(server->sink.self, &request->exchange);
        return;
    }
    begun_ms = now_ms(connection);
    server->sink.accept(server->sink.self, &request->exchange);
    server->heavy_ms += now_ms(connection) - begun_ms;
    ks_env_defer(server->env, &server->backlog_task);
}

static bool
is_heavy(const struct ks_connection *connection)
{
    return ks_frame_reader_is_full(&connection->reader) &&
           connection->reader.frame_bytes > KS_FRAME_UNRESERVED_BYTES_MAX;
}

/*
 * Many small requests of one client or the large ones of many wait for another turn of the loop.
 * A frame that still fills goes on: input for it is received into place, not kept for later.
 */
static bool
has_share(const struct ks_connection *connection)
{
    if (is_heavy(connection)) {
        return connection->server->heavy_ms < KS_SERVER_HEAVY_MS_MAX;
    }
    return connection->turn_request_count < REQUESTS_A_TURN || connection->reader.frame != NULL;
}

static bool
has_input(const struct ks_connection *connection)
{
    return connection->carried.size > 0 || ks_frame_reader_is_full(&connection->reader);
}

/* Takes as many frames off the input as may be taken now; what is left must be kept. */
static void
take_frames(struct ks_connection *connection, struct kafscale_slice *input)
{
    while (may_take(connection) && has_share(connection)) {
        struct kafscale_blob *frame;
        struct ks_reservation reservation;

        switch (ks_frame_reader_next(&connection->reader, input, &frame, &reservation)) {
        case KS_FRAME_READY:
            accept_frame(connection, frame, &reservation);
            break;
        case KS_FRAME_NEEDS_BYTES:
        case KS_FRAME_NEEDS_MEMORY:
            return;
        case KS_FRAME_TOO_LARGE:
            ks_server_note_stranger(connection->server, connection->client_address,
                                    connection->reader.prefix);
            drop(connection, "illegal frame length");
            return;
        case KS_FRAME_NO_MEMORY:
            drop(connection, "out of memory");
            return;
        }
    }
}

static void
carry(struct ks_connection *connection, struct kafscale_slice rest)
{
    assert(connection->carried.size == 0);

    if (connection->fd < 0 || rest.size == 0) {
        return;
    }
    ks_buffer_append(&connection->carried, rest.data, rest.size);
    if (ks_buffer_failed(&connection->carried)) {
        drop(connection, "out of memory");
        return;
    }
    connection->carried_kept_bytes = connection->carried.capacity;
    ks_memory_account_keep(&connection->server->account, connection->carried_kept_bytes);
}

/* Tries again with what was carried. */
static void
take_carried(struct ks_connection *connection)
{
    struct ks_buffer *carried = &connection->carried;
    struct kafscale_slice input = ks_buffer_slice(carried);

    take_frames(connection, &input);
    if (connection->fd < 0) {
        return;
    }
    if (input.size > 0) {
        memmove(carried->data, input.data, input.size);
        carried->size = input.size;
        return;
    }
    ks_buffer_deinit(carried);
    ks_memory_account_drop(&connection->server->account, connection->carried_kept_bytes);
    connection->carried_kept_bytes = 0;
}

/* One recv and what follows from it. False: no more for now. */
static bool
receive(struct ks_connection *connection, size_t *received_bytes)
{
    struct ks_server *server = connection->server;
    size_t space_bytes = KS_SERVER_SCRATCH_BYTES;
    uint8_t *space = ks_frame_reader_space(&connection->reader, &space_bytes);
    bool is_direct = space != NULL;
    bool is_short = !ks_memory_account_may_keep(&server->account, KS_SERVER_SCRATCH_BYTES);
    struct kafscale_slice input = { 0 };
    enum ks_transport_result result;
    size_t size = 0;

    if (!is_direct) {
        space = server->scratch;
        /* What can't be taken must be carried: little of it while many have to wait. */
        space_bytes = is_short ? SHORT_READ_BYTES : space_bytes;
    }
    result = connection->transport.ops->recv(connection->transport.self, connection->fd, space,
                                             space_bytes, &size);
    if (result != KS_TRANSPORT_OK) {
        if (result == KS_TRANSPORT_END) {
            close_connection(connection, "closed by the client");
        }
        return false;
    }
    *received_bytes += size;
    connection->input.bytes += size;
    server->counters.received_bytes += size;
    if (is_direct) {
        ks_frame_reader_filled(&connection->reader, size);
    } else {
        input = ks_slice(space, size);
    }
    take_frames(connection, &input);
    carry(connection, input);
    return size == space_bytes && !has_input(connection) && may_take(connection);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct ks_connection *connection = arg;
    size_t received_bytes = 0;

    (void) fd;
    (void) what;
    connection->is_settling = true;
    connection->turn_request_count = 0;
    while (receive(connection, &received_bytes) && received_bytes < READ_BYTES_A_TURN) {
        continue;
    }
    connection->active_ms = now_ms(connection);
    settle(connection);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct ks_connection *connection = arg;

    (void) fd;
    (void) what;
    connection->is_blocked = false;
    settle(connection);
}

static struct ks_net_request *
first_complete(const struct ks_connection *connection)
{
    struct ks_net_request *request;

    if (ks_list_is_empty(&connection->requests)) {
        return NULL;
    }
    request = KS_CONTAINER(connection->requests.next, struct ks_net_request, link);
    return request->is_complete ? request : NULL;
}

/*
 * A client was asked to hold back and knows so from its answer; one that doesn't is not heard
 * meanwhile.
 */
static void
mute(struct ks_connection *connection, int32_t duration_ms)
{
    int64_t until_ms = now_ms(connection) + duration_ms;

    if (!connection->is_muted || until_ms > connection->muted_until_ms) {
        connection->muted_until_ms = until_ms;
    }
    connection->is_muted = true;
}

static void
remove_request(struct ks_connection *connection, struct ks_net_request *request)
{
    if (request->throttle_ms > 0) {
        mute(connection, request->throttle_ms);
    }
    ks_net_request_free(request);
    connection->request_count--;
}

/*
 * Pieces of the complete requests at the front of the line, up to one that ends the connection.
 */
static size_t
gather(const struct ks_connection *connection, struct iovec *pieces, size_t *bytes_out)
{
    const struct ks_list *node = connection->requests.next;
    size_t count = 0;

    *bytes_out = 0;
    for (; node != &connection->requests && count < KS_TRANSPORT_PIECES_MAX; node = node->next) {
        const struct ks_net_request *request = KS_CONTAINER(node, struct ks_net_request, link);

        if (!request->is_complete || request->kind == KS_ANSWER_CLOSE) {
            break;
        }
        count +=
            ks_response_gather(&request->response, pieces + count, KS_TRANSPORT_PIECES_MAX - count);
    }
    for (size_t i = 0; i < count; i++) {
        *bytes_out += pieces[i].iov_len;
    }
    return count;
}

static void
note_sent(struct ks_connection *connection, size_t size)
{
    struct ks_net_request *request;
    size_t held_bytes;

    connection->active_ms = now_ms(connection);
    connection->output.bytes += size;
    connection->server->counters.sent_bytes += size;
    while (size > 0) {
        request = first_complete(connection);
        assert(request != NULL);
        held_bytes = request->response.held_bytes;
        size -= ks_response_advance(&request->response, size);
        held_bytes -= request->response.held_bytes;
        connection->output_bytes -= held_bytes;
        ks_memory_account_discharge(&connection->server->account, held_bytes);
        if (request->response.left_bytes == 0) {
            remove_request(connection, request);
        }
    }
}

/* Drops what needs no sending from the front of the line; false when the connection ended. */
static bool
pass_silent_answers(struct ks_connection *connection)
{
    struct ks_net_request *request;

    while ((request = first_complete(connection)) != NULL && request->kind != KS_ANSWER_SEND) {
        if (request->kind == KS_ANSWER_CLOSE) {
            drop(connection, "request refused");
            return false;
        }
        remove_request(connection, request);
    }
    return true;
}

static void
send_responses(struct ks_connection *connection)
{
    while (!connection->is_blocked && pass_silent_answers(connection)) {
        struct iovec pieces[KS_TRANSPORT_PIECES_MAX];
        size_t bytes;
        size_t sent_bytes = 0;
        size_t count = gather(connection, pieces, &bytes);
        enum ks_transport_result result;

        if (count == 0) {
            return;
        }
        result = connection->transport.ops->send(connection->transport.self, connection->fd, pieces,
                                                 count, &sent_bytes);
        if (result == KS_TRANSPORT_END) {
            close_connection(connection, "broken while sending");
            return;
        }
        note_sent(connection, sent_bytes);
        if (sent_bytes < bytes) {
            connection->is_blocked = true;
        }
    }
}

static bool
update_events(struct ks_connection *connection)
{
    bool wants_read = may_take(connection) && !has_input(connection);

    if (wants_read != connection->is_reading) {
        int result = wants_read ? event_add(&connection->read_event, NULL)
                                : event_del(&connection->read_event);

        if (result != 0) {
            return false;
        }
        connection->is_reading = wants_read;
        connection->active_ms = now_ms(connection);
    }
    return !connection->is_blocked || event_add(&connection->write_event, NULL) == 0;
}

static void
update_progress(struct ks_progress *progress, bool must_move, uint64_t key, int64_t now)
{
    if (must_move && progress->is_open && progress->key == key) {
        return;
    }
    *progress = (struct ks_progress){ .is_open = must_move, .key = key, .since_ms = now };
}

static int64_t
input_window_ms(const struct ks_connection *connection)
{
    const struct ks_net_limits *limits = &connection->server->limits;
    int64_t window_ms = ks_frame_reader_is_reserved(&connection->reader)
                            ? limits->reserved_window_ms
                            : limits->frame_ms_max;

    if (ks_memory_account_is_contended(&connection->server->account) &&
        limits->contended_window_ms < window_ms) {
        return limits->contended_window_ms;
    }
    return window_ms;
}

/* Others may begin to wait for memory at any time, so a frame that fills is looked at now and then.
 */
static int64_t
input_due_ms(const struct ks_connection *connection, int64_t now)
{
    int64_t due_ms = connection->input.since_ms + input_window_ms(connection);
    int64_t look_ms = now + connection->server->limits.contended_window_ms;

    return due_ms < look_ms ? due_ms : look_ms;
}

/* A client isn't idle while it is us who don't read. */
static bool
is_idle(const struct ks_connection *connection)
{
    return connection->request_count == 0 && connection->is_reading && !connection->input.is_open;
}

static int64_t
idle_due_ms(const struct ks_connection *connection)
{
    return connection->active_ms + connection->server->limits.idle_ms_max;
}

/* Sets the timer to the earliest moment at which something could be late. */
static void
update_timer(struct ks_connection *connection)
{
    int64_t now = now_ms(connection);
    int64_t due_ms = INT64_MAX;
    bool is_inside = ks_frame_reader_is_inside(&connection->reader);
    bool is_reserved = ks_frame_reader_is_reserved(&connection->reader);
    int64_t candidate_ms;

    update_progress(&connection->input, is_inside && connection->is_reading,
                    connection->frame_count * 2 + (is_reserved ? 1 : 0), now);
    update_progress(&connection->output, connection->is_blocked, 0, now);
    if (connection->input.is_open) {
        due_ms = input_due_ms(connection, now);
    }
    if (connection->output.is_open) {
        candidate_ms = connection->output.since_ms + connection->server->limits.response_window_ms;
        due_ms = candidate_ms < due_ms ? candidate_ms : due_ms;
    }
    if (is_idle(connection)) {
        due_ms = idle_due_ms(connection) < due_ms ? idle_due_ms(connection) : due_ms;
    }
    if (connection->is_muted && connection->muted_until_ms < due_ms) {
        due_ms = connection->muted_until_ms;
    }
    if (due_ms == INT64_MAX) {
        return;
    }
    if (!ks_env_timer_is_set(&connection->timer) || connection->timer.node.key > due_ms) {
        ks_env_set_timer(connection->server->env, &connection->timer, due_ms);
    }
}

static void
settle(struct ks_connection *connection)
{
    connection->is_settling = true;
    for (;;) {
        if (connection->fd >= 0) {
            send_responses(connection);
        }
        if (!has_input(connection) || !may_take(connection) || !has_share(connection)) {
            break;
        }
        take_carried(connection);
    }
    if (has_input(connection) && may_take(connection) &&
        !ks_list_is_linked(&connection->backlog_link)) {
        ks_list_append(&connection->server->backlog, &connection->backlog_link);
        ks_env_defer(connection->server->env, &connection->server->backlog_task);
    }
    if (connection->fd >= 0 && !update_events(connection)) {
        drop(connection, "event could not be added");
    }
    if (connection->fd >= 0) {
        update_timer(connection);
    }
    connection->is_settling = false;
}

static void
on_settle(void *arg)
{
    struct ks_connection *connection = arg;

    if (connection->fd < 0) {
        ks_connection_free(connection);
        return;
    }
    if (!ks_list_is_linked(&connection->backlog_link)) {
        connection->turn_request_count = 0;
    }
    settle(connection);
}

void
ks_connection_take_turn(struct ks_connection *connection)
{
    connection->turn_request_count = 0;
    settle(connection);
}

/* Whether the bytes of a window that is over were too few; else the next window begins. */
static bool
was_too_slow(const struct ks_connection *connection, struct ks_progress *progress,
             int64_t window_ms, int64_t now)
{
    uint64_t bytes_min = connection->server->limits.rate_bytes_per_s * (uint64_t) window_ms / 1000;

    if (!progress->is_open || now < progress->since_ms + window_ms) {
        return false;
    }
    if (progress->bytes < bytes_min) {
        return true;
    }
    progress->since_ms = now;
    progress->bytes = 0;
    return false;
}

static void
on_timer_due(void *arg)
{
    struct ks_connection *connection = arg;
    int64_t now = now_ms(connection);

    if (was_too_slow(connection, &connection->input, input_window_ms(connection), now)) {
        drop(connection, "request not finished in time");
    } else if (was_too_slow(connection, &connection->output,
                            connection->server->limits.response_window_ms, now)) {
        drop(connection, "responses not taken in time");
    } else if (is_idle(connection) && now >= idle_due_ms(connection)) {
        close_connection(connection, "idle");
    } else if (connection->is_muted && now >= connection->muted_until_ms) {
        connection->is_muted = false;
        settle(connection);
    } else {
        update_timer(connection);
    }
}

static void
on_memory_granted(void *arg)
{
    ks_connection_wake(arg);
}

/* Failures don't matter: a socket without these options still works. */
static void
set_options(int fd, int family)
{
    int yes = 1;
    int idle_s = KEEPALIVE_IDLE_S;
    int interval_s = KEEPALIVE_INTERVAL_S;
    int count = KEEPALIVE_COUNT;

    if (family != AF_INET && family != AF_INET6) {
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

enum kafscale_status
ks_connection_new(struct ks_server *server, int fd, const struct sockaddr *peer, uint32_t listener,
                  struct ks_address_count *address_count)
{
    struct ks_connection *connection = ks_alloc_zero(1, sizeof *connection);

    if (connection == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    connection->server = server;
    connection->listener = listener;
    connection->fd = fd;
    connection->transport = ks_transport_plain();
    ks_address_host_text(peer, connection->client_address);
    connection->client_port = ks_address_port(peer);
    event_assign(&connection->read_event, server->base, fd, EV_READ | EV_PERSIST, on_readable,
                 connection);
    event_assign(&connection->write_event, server->base, fd, EV_WRITE, on_writable, connection);
    if (event_add(&connection->read_event, NULL) != 0) {
        ks_free(connection);
        return KAFSCALE_NO_MEMORY;
    }
    connection->is_reading = true;
    connection->address_count = address_count;
    set_options(fd, peer->sa_family);
    ks_frame_reader_init(&connection->reader, &server->account, server->limits.frame_bytes_max,
                         on_memory_granted, connection);
    ks_buffer_init(&connection->carried, KS_SERVER_SCRATCH_BYTES);
    ks_list_init(&connection->requests);
    connection->settle_task = (struct ks_task){ .run = on_settle, .arg = connection };
    connection->timer = (struct ks_timer){ .on_due = on_timer_due, .arg = connection };
    connection->active_ms = ks_env_now_ms(server->env);
    ks_list_append(&server->connections, &connection->link);
    server->counters.connections++;
    connection->number = ++server->counters.connections_accepted;
    ks_connection_wake(connection);
    return KAFSCALE_OK;
}

void
ks_connection_drop(struct ks_connection *connection, const char *reason)
{
    drop(connection, reason);
}

void
ks_connection_free(struct ks_connection *connection)
{
    close_connection(connection, "server stopped");
    ks_env_cancel_task(&connection->settle_task);
    ks_list_remove(&connection->link);
    ks_free(connection);
}

void
ks_connection_wake(struct ks_connection *connection)
{
    ks_env_defer(connection->server->env, &connection->settle_task);
}

void
ks_connection_request_completed(struct ks_connection *connection, struct ks_net_request *request)
{
    if (connection->fd < 0) {
        return; /* close_connection is on its way to this request */
    }
    if (request->kind == KS_ANSWER_CLOSE) {
        connection->is_ending = true;
    }
    connection->output_bytes += request->response.held_bytes;
    ks_memory_account_charge(&connection->server->account, request->response.held_bytes);
    if (!connection->is_settling) {
        ks_connection_wake(connection);
    }
}
