/* SPDX-License-Identifier: Apache-2.0 */
/* Connections over socket pairs: good clients in every rhythm, and bad ones of every kind. */
#include "net/memory_account.h"
#include "net_fixture.h"
#include "support/main.h"

#include <sys/socket.h>
#include <unistd.h>

#define KIB ((size_t) 1024)
#define MIB (1024 * KIB)
#define CONNECTIONS 1000

static struct net_fixture *
fixture_new(enum sink_mode mode)
{
    struct net_fixture *f = net_fixture_new();

    f->mode = mode;
    net_fixture_start(f);
    return f;
}

START_TEST(requests_of_all_sizes_are_answered)
{
    static const size_t sizes[] = {
        8, 9, 4096, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB, 7 * MIB
    };
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);

    for (uint32_t i = 0; i < 8; i++) {
        client_send_frame(f, fd, i, sizes[i]);
        client_expect_frame(f, fd, i, sizes[i]);
    }
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    ck_assert_uint_eq(ks_server_counters(f->server).requests, 8);
    close(fd);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    net_fixture_free(f);
}
END_TEST

/* Two requests, cut at every byte into three sends that the server sees one by one. */
START_TEST(fragments_of_any_cut_are_put_together)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);
    uint8_t stream[2 * (4 + 40)];

    for (size_t cut = 0; cut <= sizeof stream; cut++) {
        size_t middle = (sizeof stream - cut) / 2;
        uint8_t echoed[sizeof stream];

        memset(stream, (int) cut, sizeof stream);
        ks_put_u32(stream, 40);
        ks_put_u32(stream + 44, 40);
        ck_assert(client_send(f, fd, stream, cut));
        net_fixture_pump(f);
        ck_assert(client_send(f, fd, stream + cut, middle));
        net_fixture_pump(f);
        ck_assert(client_send(f, fd, stream + cut + middle, sizeof stream - cut - middle));
        net_fixture_pump(f);
        ck_assert_int_eq(recv(fd, echoed, sizeof echoed, 0), sizeof echoed);
        ck_assert_mem_eq(stream, echoed, sizeof stream);
    }
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(answers_leave_in_the_order_of_requests)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);

    for (uint32_t i = 0; i < 6; i++) {
        client_send_frame(f, fd, i, 100 + i);
    }
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 6);
    net_fixture_echo(f->held[5]);
    net_fixture_echo(f->held[2]);
    net_fixture_echo(f->held[1]);
    net_fixture_pump(f);
    ck_assert(client_is_quiet(fd));
    net_fixture_echo(f->held[0]);
    client_expect_frame(f, fd, 0, 100);
    client_expect_frame(f, fd, 1, 101);
    client_expect_frame(f, fd, 2, 102);
    ck_assert(client_is_quiet(fd));
    net_fixture_echo(f->held[4]);
    net_fixture_complete(f->held[3], KS_ANSWER_NONE);
    client_expect_frame(f, fd, 4, 104);
    client_expect_frame(f, fd, 5, 105);
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(close_answer_comes_after_earlier_answers)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);

    for (uint32_t i = 0; i < 3; i++) {
        client_send_frame(f, fd, i, 20);
    }
    net_fixture_pump(f);
    net_fixture_complete(f->held[1], KS_ANSWER_CLOSE);
    f->held[1] = f->held[2];
    f->held_count = 2;
    net_fixture_pump(f);
    ck_assert(client_is_quiet(fd));
    net_fixture_echo(f->held[0]);
    f->held[0] = f->held[1];
    f->held_count = 1;
    client_expect_frame(f, fd, 0, 20);
    ck_assert(client_is_closed(fd));
    ck_assert_uint_eq(f->gone_count, 1);
    ck_assert_uint_eq(ks_server_counters(f->server).connections_dropped, 1);
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(pipeline_is_limited_and_goes_on_when_answers_were_sent)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);

    for (uint32_t i = 0; i < 500; i++) {
        client_send_frame(f, fd, i, 50);
    }
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 64);
    for (uint32_t i = 0; i < 500; i++) {
        ck_assert_uint_gt(f->held_count, i);
        net_fixture_echo(f->held[i]);
        client_expect_frame(f, fd, i, 50);
        ck_assert_uint_le(f->held_count, i + 1 + 64);
    }
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    close(fd);
    net_fixture_free(f);
}
END_TEST

/*
 * Many answers at once leave in few sends; this counts what arrives, the order is what matters.
 */
START_TEST(thousands_of_small_requests_stay_in_order)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);
    uint32_t sent = 0;

    for (uint32_t taken = 0; taken < 5000; taken++) {
        while (sent < 5000 && sent < taken + 300) {
            client_send_frame(f, fd, sent, 8 + sent % 200);
            sent++;
        }
        client_expect_frame(f, fd, taken, 8 + taken % 200);
    }
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(announcing_two_gigabytes_costs_nothing_and_closes)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    static const uint8_t huge[4] = { 0x7f, 0xff, 0xff, 0xff };
    int fd = net_fixture_connect(f);

    ck_assert(client_send(f, fd, huge, 4));
    net_fixture_pump(f);
    ck_assert(client_is_closed(fd));
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    close(fd);
    net_fixture_free(f);
}
END_TEST

/* The largest legal length, announced by many: nobody who only announces has memory set aside. */
START_TEST(announcing_the_largest_frame_costs_nothing)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    static const uint8_t largest[4] = { 0x06, 0x40, 0x00, 0x00 };
    int fds[100];
    int other;

    for (size_t i = 0; i < 100; i++) {
        fds[i] = net_fixture_connect(f);
        ck_assert(client_send(f, fds[i], largest, 4));
    }
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    other = net_fixture_connect(f);
    client_send_frame(f, other, 1, 2 * MIB);
    client_expect_frame(f, other, 1, 2 * MIB);
    net_fixture_pass(f, 31000);
    for (size_t i = 0; i < 100; i++) {
        ck_assert(client_is_closed(fds[i]));
        close(fds[i]);
    }
    ck_assert(client_is_quiet(other));
    close(other);
    net_fixture_free(f);
}
END_TEST

START_TEST(unfinished_frame_closes_after_its_time)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);
    uint8_t begun[] = { 0, 0, 0, 100, 1, 2, 3 };

    ck_assert(client_send(f, fd, begun, sizeof begun));
    net_fixture_pass(f, 29000);
    ck_assert(client_is_quiet(fd));
    ck_assert(client_send(f, fd, begun, 1)); /* a drop now and then doesn't help */
    net_fixture_pass(f, 1500);
    ck_assert(client_is_closed(fd));
    close(fd);
    net_fixture_free(f);
}
END_TEST

static void
send_zeros(struct net_fixture *f, int fd, size_t size)
{
    static const uint8_t zeros[64 * 1024];

    while (size > 0) {
        size_t piece = size < sizeof zeros ? size : sizeof zeros;

        ck_assert(client_send(f, fd, zeros, piece));
        size -= piece;
    }
    net_fixture_pump(f);
}

/* A reserved frame keeps others waiting, so it has to fill at 64 KiB/s. */
START_TEST(reserved_frame_must_fill_at_the_rate)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    static const uint8_t ten_mib[4] = { 0x00, 0xa0, 0x00, 0x00 };
    int steady = net_fixture_connect(f);
    int stalled = net_fixture_connect(f);

    ck_assert(client_send(f, steady, ten_mib, 4));
    ck_assert(client_send(f, stalled, ten_mib, 4));
    send_zeros(f, steady, 128 * KIB);
    send_zeros(f, stalled, 128 * KIB);
    ck_assert_uint_ge(ks_server_counters(f->server).memory_bytes, 20 * MIB);
    for (int i = 0; i < 60; i++) {
        net_fixture_pass(f, 1000);
        send_zeros(f, steady, 80 * KIB);
    }
    ck_assert(client_is_closed(stalled));
    ck_assert(client_is_quiet(steady));
    send_zeros(f, steady, 10 * MIB - 128 * KIB - 60 * 80 * KIB);
    ck_assert_uint_eq(f->held_count, 1);
    close(steady);
    close(stalled);
    net_fixture_pump(f);
    net_fixture_free(f);
}
END_TEST

/*
 * Large requests that don't fit wait their turn; small ones, heartbeats say, are served
 * meanwhile.
 */
START_TEST(full_memory_holds_up_large_requests_only)
{
    struct net_fixture *f = net_fixture_new();
    int a, b, c, small;

    f->limits.frame_bytes_max = 1024 * 1024;
    f->limits.memory_bytes_max = 1200 * KIB;
    f->mode = SINK_HOLD;
    net_fixture_start(f);
    a = net_fixture_connect(f);
    b = net_fixture_connect(f);
    c = net_fixture_connect(f);
    small = net_fixture_connect(f);

    client_send_frame(f, a, 1, MIB);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 1);
    send(b, "\0\x10\0\0", 4, 0);
    send(b, (uint8_t[100 * 1024]){ 0 }, 100 * KIB, 0);
    net_fixture_pump(f);
    client_send_frame(f, small, 7, 10 * KIB);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 2);
    net_fixture_echo(f->held[1]);
    client_expect_frame(f, small, 7, 10 * KIB);

    net_fixture_pass(f, 60000); /* b waits for us, so its time doesn't run */
    ck_assert(client_is_quiet(b));
    f->held_count = 1;
    net_fixture_echo(f->held[0]);
    client_expect_frame(f, a, 1, MIB);
    f->held_count = 0;
    send_zeros(f, b, MIB - 100 * KIB);
    ck_assert_uint_eq(f->held_count, 1);
    client_send_frame(f, c, 3, 20 * KIB);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 2);
    close(a);
    close(b);
    close(c);
    close(small);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    net_fixture_free(f);
}
END_TEST

START_TEST(client_that_takes_nothing_is_closed)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);

    client_send_frame(f, fd, 1, 4 * MIB);
    net_fixture_pass(f, 29000);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 1);
    net_fixture_pass(f, 2000);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    ck_assert_uint_eq(ks_server_counters(f->server).connections_dropped, 1);
    close(fd);
    net_fixture_free(f);
}
END_TEST

/* Slow but steady: a large answer over a thin line takes minutes and arrives. */
START_TEST(client_that_takes_answers_at_the_rate_is_kept)
{
    static uint8_t bytes[100 * 1024];
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);
    size_t left = 4 + 10 * MIB;

    client_send_frame(f, fd, 1, 10 * MIB);
    net_fixture_pump(f);
    while (left > 0) {
        ssize_t taken = recv(fd, bytes, sizeof bytes, 0);

        ck_assert_int_gt(taken, 0);
        left -= (size_t) taken;
        net_fixture_pass(f, 1000);
    }
    ck_assert(client_is_quiet(fd));
    close(fd);
    net_fixture_free(f);
}
END_TEST

/* Who asks without taking answers is not asked for more: unsent bytes are bounded. */
START_TEST(unsent_answers_stop_the_reading)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);
    uint8_t frame[4 + 8000] = { 0 };
    size_t sent_count = 0;

    ks_put_u32(frame, 8000);
    for (int i = 0; i < 2000; i++) {
        if (send(fd, frame, sizeof frame, MSG_NOSIGNAL) != (ssize_t) sizeof frame) {
            break;
        }
        sent_count++;
        net_fixture_pump(f);
    }
    ck_assert_uint_lt(sent_count, 2000);
    ck_assert_uint_lt(f->accepted_count, sent_count);
    close(fd);
    net_fixture_free(f);
}
END_TEST

/* The answer comes at once; what is sent meanwhile stays unread, and is no fault of the client. */
START_TEST(a_throttled_client_is_answered_first_and_heard_later)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);
    int other = net_fixture_connect(f);

    client_send_frame(f, fd, 1, 100);
    client_send_frame(f, fd, 2, 100);
    net_fixture_pump(f);
    net_fixture_throttle(f->held[0], 700);
    client_expect_frame(f, fd, 1, 100);
    client_send_frame(f, fd, 3, 100);
    client_send_frame(f, other, 4, 100);
    net_fixture_pass(f, 699);
    ck_assert_uint_eq(f->accepted_count, 3);
    net_fixture_echo(f->held[1]); /* was taken before */
    client_expect_frame(f, fd, 2, 100);
    net_fixture_pass(f, 1);
    ck_assert_uint_eq(f->accepted_count, 4);
    net_fixture_echo(f->held[2]);
    net_fixture_echo(f->held[3]);
    client_expect_frame(f, other, 4, 100);
    client_expect_frame(f, fd, 3, 100);
    f->held_count = 0;
    close(fd);
    close(other);
    net_fixture_free(f);
}
END_TEST

/* The time begins when the answer has gone; one that has to wait for another begins later. */
START_TEST(throttling_counts_from_the_answer_on)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);

    client_send_frame(f, fd, 1, 100);
    client_send_frame(f, fd, 2, 100);
    net_fixture_pump(f);
    net_fixture_throttle(f->held[1], 500);
    net_fixture_pass(f, 2000);
    net_fixture_throttle(f->held[0], 100);
    client_expect_frame(f, fd, 1, 100);
    client_expect_frame(f, fd, 2, 100);
    client_send_frame(f, fd, 3, 100);
    net_fixture_pass(f, 499);
    ck_assert_uint_eq(f->accepted_count, 2);
    net_fixture_pass(f, 1);
    ck_assert_uint_eq(f->accepted_count, 3);
    net_fixture_complete(f->held[2], KS_ANSWER_NONE);
    f->held_count = 0;
    close(fd);
    net_fixture_free(f);
}
END_TEST

/* One that gets no answers is muted all the same, and outlives it as one that is idle. */
START_TEST(a_throttled_client_without_answers_is_not_heard_either)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    struct ks_answer nothing = { .kind = KS_ANSWER_NONE, .throttle_ms = 30000 };
    int fd = net_fixture_connect(f);

    client_send_frame(f, fd, 1, 100);
    net_fixture_pump(f);
    f->held[0]->complete(f->held[0], &nothing);
    net_fixture_pump(f);
    client_send_frame(f, fd, 2, 100);
    net_fixture_pass(f, 29999);
    ck_assert_uint_eq(f->accepted_count, 1);
    net_fixture_pass(f, 1);
    ck_assert_uint_eq(f->accepted_count, 2);
    f->held[0] = f->held[1];
    f->held_count = 1;
    close(fd);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections_dropped, 0);
    net_fixture_free(f);
}
END_TEST

START_TEST(idle_connection_is_closed_but_a_waiting_one_is_kept)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int idle = net_fixture_connect(f);
    int waiting = net_fixture_connect(f);

    client_send_frame(f, waiting, 1, 20);
    net_fixture_pass(f, 9 * 60000);
    ck_assert(client_is_quiet(idle));
    net_fixture_pass(f, 2 * 60000);
    ck_assert(client_is_closed(idle));
    ck_assert(client_is_quiet(waiting));
    net_fixture_pass(f, 20 * 60000);
    net_fixture_echo(f->held[0]);
    f->held_count = 0;
    client_expect_frame(f, waiting, 1, 20);
    net_fixture_pass(f, 9 * 60000);
    ck_assert(client_is_quiet(waiting));
    net_fixture_pass(f, 2 * 60000);
    ck_assert(client_is_closed(waiting));
    ck_assert_uint_eq(ks_server_counters(f->server).connections_dropped, 0);
    close(idle);
    close(waiting);
    net_fixture_free(f);
}
END_TEST

START_TEST(request_outlives_its_connection)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);

    f->completes_when_gone = false;
    client_send_frame(f, fd, 1, 1000);
    client_send_frame(f, fd, 2, 200 * KIB);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 2);
    net_fixture_echo(f->held[1]);
    close(fd);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->gone_count, 1);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    ck_assert_uint_eq(ks_server_counters(f->server).requests_waiting, 1);
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 1000 + KS_MEMORY_REQUEST_BYTES);
    ck_assert_str_eq(f->held[0]->context.client_address, "local");
    net_fixture_echo(f->held[0]);
    ck_assert_uint_eq(ks_server_counters(f->server).requests_waiting, 0);
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    net_fixture_free(f);
}
END_TEST

START_TEST(request_outlives_the_server)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fd = net_fixture_connect(f);
    struct ks_exchange *late;

    f->completes_when_gone = false;
    client_send_frame(f, fd, 1, 1000);
    net_fixture_pump(f);
    late = f->held[0];
    net_fixture_free(f);
    ck_assert_uint_eq(late->payload.size, 1000);
    net_fixture_echo(late);
    close(fd);
}
END_TEST

START_TEST(paused_server_takes_nothing_and_closes_nobody)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    int fd = net_fixture_connect(f);

    net_fixture_pump(f);
    ks_server_pause(f->server, true);
    net_fixture_pump(f);
    client_send_frame(f, fd, 1, 100);
    net_fixture_pass(f, 30 * 60000);
    ck_assert_uint_eq(f->accepted_count, 0);
    ck_assert(client_is_quiet(fd));
    ks_server_pause(f->server, false);
    client_expect_frame(f, fd, 1, 100);
    close(fd);
    net_fixture_free(f);
}
END_TEST

/* What waits hears that its asker has gone; the listener still takes others. */
START_TEST(dropped_connections_end_and_new_ones_are_served)
{
    struct net_fixture *f = net_fixture_new();
    int fd;

    f->mode = SINK_HOLD;
    net_fixture_start(f);
    fd = net_fixture_connect(f);
    client_send_frame(f, fd, 1, 100);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 1);
    ck_assert_uint_eq(f->held[0]->context.connection, 1);

    ks_server_drop_connections(f->server, "by a test");
    net_fixture_pump(f);
    ck_assert(client_is_closed(fd));
    ck_assert_uint_eq(f->gone_count, 1);
    close(fd);

    f->mode = SINK_ECHO;
    fd = net_fixture_connect(f);
    client_send_frame(f, fd, 2, 100);
    client_expect_frame(f, fd, 2, 100);
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(thousand_connections_are_served)
{
    struct net_fixture *f = fixture_new(SINK_HOLD);
    int fds[CONNECTIONS];
    size_t round_count = 3;

    for (size_t i = 0; i < CONNECTIONS; i++) {
        fds[i] = net_fixture_connect(f);
    }
    for (uint32_t round = 0; round < round_count; round++) {
        f->held_count = 0;
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            client_send_frame(f, fds[i], i, 100 + i);
        }
        net_fixture_pump(f);
        ck_assert_uint_eq(f->held_count, CONNECTIONS);
        for (size_t i = CONNECTIONS; i > 0; i--) {
            net_fixture_echo(f->held[i - 1]);
        }
        net_fixture_pump(f);
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            client_expect_frame(f, fds[i], i, 100 + i);
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    net_fixture_free(f);
}
END_TEST

static uint32_t
draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/*
 * Noise, noise behind good prefixes, in random pieces, with random hang-ups: no crash, no leak,
 * no memory kept.
 */
START_TEST(random_bytes_harm_nobody)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);
    uint32_t state = 42;
    int good = net_fixture_connect(f);

    for (uint32_t i = 0; i < 1500; i++) {
        int fd = net_fixture_connect(f);
        uint8_t noise[3000];
        size_t size = draw(&state) % sizeof noise;
        size_t cut = size > 0 ? draw(&state) % size : 0;

        for (size_t j = 0; j < size; j++) {
            noise[j] = (uint8_t) draw(&state);
        }
        if (size > 8 && i % 2 == 0) {
            ks_put_u32(noise, draw(&state) % 4000);
        }
        if (client_send(f, fd, noise, cut)) {
            net_fixture_pump(f);
            client_send(f, fd, noise + cut, size - cut);
        }
        if (i % 3 == 0) {
            net_fixture_pump(f);
        }
        close(fd);
    }
    client_send_frame(f, good, 5, 500);
    client_expect_frame(f, good, 5, 500);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 1);
    ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    close(good);
    net_fixture_free(f);
}
END_TEST

/*
 * Each allocation of a conversation fails once: the connection may end, everything else goes
 * on.
 */
START_TEST(each_failing_allocation_ends_at_most_the_connection)
{
    struct net_fixture *f = fixture_new(SINK_ECHO);

    for (uint64_t allowed = 0; allowed < 12; allowed++) {
        int fd = net_fixture_connect(f);
        uint8_t frame[4 + 9000] = { 0 };

        ks_put_u32(frame, 9000);
        ks_alloc_fail_after(allowed);
        ck_assert(client_send(f, fd, frame, 1000));
        net_fixture_pump(f);
        if (client_send(f, fd, frame + 1000, sizeof frame - 1000)) {
            net_fixture_pump(f);
        }
        ks_alloc_fail_after(UINT64_MAX);
        close(fd);
        net_fixture_pump(f);
        ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
        ck_assert_uint_eq(ks_server_counters(f->server).memory_bytes, 0);
    }
    net_fixture_free(f);
}
END_TEST

static void
add_hostile_cases(TCase *cases)
{
    tcase_add_test(cases, dropped_connections_end_and_new_ones_are_served);
    tcase_add_test(cases, announcing_two_gigabytes_costs_nothing_and_closes);
    tcase_add_test(cases, announcing_the_largest_frame_costs_nothing);
    tcase_add_test(cases, unfinished_frame_closes_after_its_time);
    tcase_add_test(cases, reserved_frame_must_fill_at_the_rate);
    tcase_add_test(cases, full_memory_holds_up_large_requests_only);
    tcase_add_test(cases, client_that_takes_nothing_is_closed);
    tcase_add_test(cases, client_that_takes_answers_at_the_rate_is_kept);
    tcase_add_test(cases, unsent_answers_stop_the_reading);
    tcase_add_test(cases, idle_connection_is_closed_but_a_waiting_one_is_kept);
    tcase_add_test(cases, random_bytes_harm_nobody);
    tcase_add_test(cases, each_failing_allocation_ends_at_most_the_connection);
}

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net connection");
    TCase *cases = tcase_create("connection");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, requests_of_all_sizes_are_answered);
    tcase_add_test(cases, fragments_of_any_cut_are_put_together);
    tcase_add_test(cases, answers_leave_in_the_order_of_requests);
    tcase_add_test(cases, close_answer_comes_after_earlier_answers);
    tcase_add_test(cases, pipeline_is_limited_and_goes_on_when_answers_were_sent);
    tcase_add_test(cases, thousands_of_small_requests_stay_in_order);
    tcase_add_test(cases, a_throttled_client_is_answered_first_and_heard_later);
    tcase_add_test(cases, throttling_counts_from_the_answer_on);
    tcase_add_test(cases, a_throttled_client_without_answers_is_not_heard_either);
    tcase_add_test(cases, request_outlives_its_connection);
    tcase_add_test(cases, request_outlives_the_server);
    tcase_add_test(cases, paused_server_takes_nothing_and_closes_nobody);
    tcase_add_test(cases, thousand_connections_are_served);
    add_hostile_cases(cases);
    suite_add_tcase(suite, cases);
    return suite;
}
