/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side is plain non-blocking calls; whenever it can't go on, the server's loop
 * runs.
 */
#include "net_fixture.h"

#include "kafscale/store.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_A_PUMP 12

static void
on_accept(void *self, struct ks_exchange *exchange)
{
    struct net_fixture *f = self;

    f->accepted_count++;
    ck_assert_uint_eq(exchange->payload.size, kafscale_blob_size(exchange->frame));
    if (f->mode == SINK_ECHO) {
        net_fixture_echo(exchange);
        return;
    }
    ck_assert_uint_lt(f->held_count, HELD_MAX);
    f->held[f->held_count++] = exchange;
}

static void
on_gone(void *self, struct ks_exchange *exchange)
{
    struct net_fixture *f = self;

    f->gone_count++;
    if (!f->completes_when_gone) {
        return;
    }
    for (size_t i = 0; i < f->held_count; i++) {
        if (f->held[i] == exchange) {
            f->held[i] = f->held[--f->held_count];
        }
    }
    net_fixture_complete(exchange, KS_ANSWER_NONE);
}

void
net_fixture_echo(struct ks_exchange *exchange)
{
    net_fixture_throttle(exchange, 0);
}

void
net_fixture_throttle(struct ks_exchange *exchange, int32_t throttle_ms)
{
    struct kafscale_part parts[] = {
        { .bytes = ks_slice(exchange->payload.data, 4) },
        { .bytes = ks_slice(exchange->payload.data + 4, exchange->payload.size - 4),
          .owner = exchange->frame },
    };
    struct ks_answer answer = {
        .kind = KS_ANSWER_SEND, .throttle_ms = throttle_ms, .parts = parts, .part_count = 2
    };

    exchange->complete(exchange, &answer);
}

void
net_fixture_complete(struct ks_exchange *exchange, enum ks_answer_kind kind)
{
    struct ks_answer answer = { .kind = kind };

    exchange->complete(exchange, &answer);
}

struct net_fixture *
net_fixture_new(void)
{
    struct net_fixture *f = ks_alloc_zero(1, sizeof *f);

    ck_assert_ptr_nonnull(f);
    virtual_env_init(&f->v, 1);
    f->base = event_base_new();
    f->limits = ks_net_limits_default();
    f->completes_when_gone = true;
    return f;
}

void
net_fixture_start(struct net_fixture *f)
{
    struct ks_request_sink sink = { .self = f, .accept = on_accept, .gone = on_gone };
    struct kafscale_error error = { 0 };

    if (ks_server_new(&f->v.env, f->base, &f->limits, &sink, &f->server, &error) != KAFSCALE_OK) {
        ck_abort_msg("%s", error.text);
    }
}

void
net_fixture_free(struct net_fixture *f)
{
    ks_server_free(f->server);
    ck_assert_int_eq(event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED), 0);
    ck_assert_int_eq(ks_env_next_due_ms(&f->v.env), INT64_MAX);
    event_base_free(f->base);
    ks_free(f);
}

int
net_fixture_connect(struct net_fixture *f)
{
    struct kafscale_error error = { 0 };
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    if (ks_server_adopt(f->server, pair[0], 0, &error) != KAFSCALE_OK) {
        ck_abort_msg("%s", error.text);
    }
    return pair[1];
}

void
net_fixture_pump(struct net_fixture *f)
{
    for (int i = 0; i < TURNS_A_PUMP; i++) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        virtual_env_run_for(&f->v, 0);
    }
}

void
net_fixture_pass(struct net_fixture *f, int64_t duration_ms)
{
    net_fixture_pump(f);
    virtual_env_run_for(&f->v, duration_ms);
    net_fixture_pump(f);
}

static uint8_t
pattern(uint32_t id, size_t position)
{
    return (uint8_t) (id * 13 + position * 7 + position / 253);
}

bool
client_send(struct net_fixture *f, int fd, const void *bytes, size_t size)
{
    const uint8_t *next = bytes;

    while (size > 0) {
        ssize_t sent = send(fd, next, size, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN) {
            return false;
        }
        if (sent > 0) {
            next += sent;
            size -= (size_t) sent;
        } else {
            net_fixture_pump(f);
        }
    }
    return true;
}

void
client_send_frame(struct net_fixture *f, int fd, uint32_t id, size_t frame_bytes)
{
    uint8_t *bytes = ks_alloc(4 + frame_bytes);

    ck_assert_ptr_nonnull(bytes);
    ks_put_u32(bytes, (uint32_t) frame_bytes);
    ks_put_u32(bytes + 4, id);
    for (size_t i = 4; i < frame_bytes; i++) {
        bytes[4 + i] = pattern(id, i);
    }
    ck_assert(client_send(f, fd, bytes, 4 + frame_bytes));
    ks_free(bytes);
}

static void
take(struct net_fixture *f, int fd, uint8_t *out, size_t size)
{
    int fruitless = 0;

    while (size > 0) {
        ssize_t taken = recv(fd, out, size, 0);

        if (taken > 0) {
            out += taken;
            size -= (size_t) taken;
            fruitless = 0;
            continue;
        }
        if (taken == 0 || errno != EAGAIN || ++fruitless > 3) {
            ck_abort_msg("%zu bytes of a response did not come", size);
        }
        net_fixture_pump(f);
    }
}

void
client_expect_frame(struct net_fixture *f, int fd, uint32_t id, size_t frame_bytes)
{
    uint8_t *bytes = ks_alloc(4 + frame_bytes);

    ck_assert_ptr_nonnull(bytes);
    take(f, fd, bytes, 4 + frame_bytes);
    ck_assert_uint_eq(ks_get_u32(bytes), frame_bytes);
    ck_assert_uint_eq(ks_get_u32(bytes + 4), id);
    for (size_t i = 4; i < frame_bytes; i++) {
        if (bytes[4 + i] != pattern(id, i)) {
            ck_abort_msg("byte %zu of response %u is wrong", i, id);
        }
    }
    ks_free(bytes);
}

bool
client_is_closed(int fd)
{
    uint8_t byte;
    ssize_t taken = recv(fd, &byte, 1, MSG_PEEK);

    return taken == 0 || (taken < 0 && errno == ECONNRESET);
}

bool
client_is_quiet(int fd)
{
    uint8_t byte;

    return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}
