/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs short, clients that hold it, and those who must be served all the same. Also
 * what idle connections cost in wake-ups, which is counted, not timed.
 */
#include "net/memory_account.h"
#include "net_fixture.h"
#include "support/main.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#define KIB ((size_t) 1024)
#define MIB (1024 * KIB)
#define MANY 200

static struct net_fixture *
fixture_new(enum sink_mode mode, size_t memory_bytes_max)
{
    struct net_fixture *f = net_fixture_new();

    f->mode = mode;
    f->limits.memory_bytes_max = memory_bytes_max;
    if (f->limits.frame_bytes_max > memory_bytes_max) {
        f->limits.frame_bytes_max = (uint32_t) memory_bytes_max;
    }
    net_fixture_start(f);
    return f;
}

static size_t
memory_bytes(const struct net_fixture *f)
{
    return ks_server_counters(f->server).memory_bytes;
}

/* The beginning of a frame: `sent_bytes` of `frame_bytes`. */
static void
begin_frame(struct net_fixture *f, int fd, size_t frame_bytes, size_t sent_bytes)
{
    static uint8_t bytes[4 + 2 * 1024 * 1024];

    ck_assert_uint_le(4 + sent_bytes, sizeof bytes);
    ks_put_u32(bytes, (uint32_t) frame_bytes);
    ck_assert(client_send(f, fd, bytes, 4 + sent_bytes));
}

static void
close_all(struct net_fixture *f, int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
    net_fixture_pump(f);
    ck_assert_uint_eq(memory_bytes(f), 0);
}

/* --- Answers ---------------------------------------------------------------------------------- */

START_TEST(untaken_answers_count_until_they_are_taken)
{
    struct net_fixture *f = fixture_new(SINK_HOLD, 64 * MIB);
    int fd = net_fixture_connect(f);

    client_send_frame(f, fd, 1, 3 * MIB);
    net_fixture_pump(f);
    net_fixture_echo(f->held[0]);
    net_fixture_pump(f);
    ck_assert_uint_gt(memory_bytes(f), 2 * MIB);
    client_expect_frame(f, fd, 1, 3 * MIB);
    net_fixture_pump(f);
    ck_assert_uint_eq(memory_bytes(f), 0);
    close_all(f, &fd, 1);
    net_fixture_free(f);
}
END_TEST

START_TEST(untaken_answers_no_longer_count_when_their_reader_goes)
{
    struct net_fixture *f = fixture_new(SINK_HOLD, 64 * MIB);
    int fd = net_fixture_connect(f);

    client_send_frame(f, fd, 1, 3 * MIB);
    net_fixture_pump(f);
    net_fixture_echo(f->held[0]);
    net_fixture_pump(f);
    close_all(f, &fd, 1);
    net_fixture_free(f);
}
END_TEST

START_TEST(slow_readers_hold_up_large_requests_but_not_small_ones)
{
    struct net_fixture *f = fixture_new(SINK_HOLD, 8 * MIB);
    int slow = net_fixture_connect(f);
    int large = net_fixture_connect(f);
    int small = net_fixture_connect(f);

    client_send_frame(f, slow, 1, 7 * MIB);
    net_fixture_pump(f);
    f->held_count = 0;
    net_fixture_echo(f->held[0]);
    begin_frame(f, large, 2 * MIB, 100 * KIB);
    client_send_frame(f, small, 2, 1000);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 1);
    net_fixture_echo(f->held[0]);
    client_expect_frame(f, small, 2, 1000);
    net_fixture_pass(f, 31000);
    ck_assert(!client_is_quiet(slow)); /* what was under way, and then the end */
    ck_assert_uint_eq(ks_server_counters(f->server).connections_dropped, 1);
    close_all(f, (int[]){ slow, large, small }, 3);
    net_fixture_free(f);
}
END_TEST

/* What a request may claim for its answer, and what its handler holds, goes when it is answered. */
START_TEST(claims_and_holds_end_with_the_request)
{
    struct net_fixture *f = fixture_new(SINK_HOLD, 64 * MIB);
    int fd = net_fixture_connect(f);
    struct ks_exchange *exchange;
    size_t request_bytes = 1000 + KS_MEMORY_REQUEST_BYTES;

    client_send_frame(f, fd, 1, 1000);
    net_fixture_pump(f);
    exchange = f->held[0];
    ck_assert_uint_eq(memory_bytes(f), request_bytes);
    ck_assert_uint_eq(exchange->claim(exchange, 1, MIB), MIB);
    ck_assert_uint_eq(memory_bytes(f), request_bytes + MIB);
    ck_assert_uint_eq(exchange->claim(exchange, 1, 2 * MIB), 2 * MIB); /* instead */
    ck_assert_uint_eq(memory_bytes(f), request_bytes + 2 * MIB);
    exchange->hold(exchange, KS_MEMORY_REQUEST_BYTES);
    ck_assert_uint_eq(memory_bytes(f), request_bytes + 2 * MIB);
    exchange->hold(exchange, KS_MEMORY_REQUEST_BYTES + MIB);
    ck_assert_uint_eq(memory_bytes(f), request_bytes + 3 * MIB);
    net_fixture_echo(exchange);
    client_expect_frame(f, fd, 1, 1000);
    close_all(f, &fd, 1);
    net_fixture_free(f);
}
END_TEST

/* --- Requests that don't end ------------------------------------------------------------------ */

START_TEST(begun_frames_of_many_stay_within_the_account)
{
    struct net_fixture *f = fixture_new(SINK_ECHO, 4 * MIB);
    int fds[MANY];
    int good = net_fixture_connect(f);

    for (size_t i = 0; i < MANY; i++) {
        fds[i] = net_fixture_connect(f);
        send(fds[i], (uint8_t[60000]){ 0, 1, 0, 0 }, 60000, MSG_NOSIGNAL);
    }
    net_fixture_pump(f);
    ck_assert_uint_gt(memory_bytes(f), 3 * MIB);
    ck_assert_uint_lt(memory_bytes(f), 4 * MIB + MANY * 8 * KIB);
    client_send_frame(f, good, 1, 10 * KIB);
    client_expect_frame(f, good, 1, 10 * KIB);
    close(good);
    close_all(f, fds, MANY);
    net_fixture_free(f);
}
END_TEST

START_TEST(who_holds_memory_idly_while_others_wait_is_closed_sooner)
{
    struct net_fixture *f = fixture_new(SINK_ECHO, 4 * MIB);
    int idle = net_fixture_connect(f);
    int other = net_fixture_connect(f);

    begin_frame(f, idle, 4 * MIB - 100, 70 * KIB);
    net_fixture_pass(f, 5000);
    ck_assert(client_is_quiet(idle));
    begin_frame(f, other, MIB, 70 * KIB);
    net_fixture_pass(f, 3500);
    ck_assert(client_is_closed(idle));
    ck_assert(client_is_quiet(other));
    close_all(f, (int[]){ idle, other }, 2);
    net_fixture_free(f);
}
END_TEST

/* --- Turns ------------------------------------------------------------------------------------ */

/* A client that pipelines without end gets a part of each turn; the next one isn't behind it. */
START_TEST(greedy_client_does_not_hold_up_another)
{
    struct net_fixture *f = fixture_new(SINK_ECHO, 64 * MIB);
    int greedy = net_fixture_connect(f);
    int modest = net_fixture_connect(f);
    uint8_t frames[12 * 1000] = { 0 };

    for (size_t i = 0; i < 1000; i++) {
        ks_put_u32(frames + 12 * i, 8);
    }
    net_fixture_pump(f);
    ck_assert_int_eq(send(greedy, frames, sizeof frames, MSG_NOSIGNAL), sizeof frames);
    ck_assert_int_eq(send(modest, frames, 12, MSG_NOSIGNAL), 12);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    ck_assert_uint_lt(f->accepted_count, 100);
    ck_assert(!client_is_quiet(modest));
    while (f->accepted_count < 1001) {
        net_fixture_pump(f);
    }
    close_all(f, (int[]){ greedy, modest }, 2);
    net_fixture_free(f);
}
END_TEST

static size_t slow_requests;

/* A handler that thinks for 4 ms about each large request. */
static void
think(void *self, struct ks_exchange *exchange)
{
    struct net_fixture *f = self;

    if (exchange->payload.size > 64 * KIB) {
        f->v.now_ms += 4;
        slow_requests++;
    }
    net_fixture_echo(exchange);
}

static void
never_gone(void *self, struct ks_exchange *exchange)
{
    (void) self;
    (void) exchange;
    ck_abort_msg("every request is answered at once");
}

START_TEST(large_requests_of_many_are_spread_over_turns)
{
    struct net_fixture *f = fixture_new(SINK_ECHO, 64 * MIB);
    struct ks_request_sink sink = { .self = f, .accept = think, .gone = never_gone };
    struct kafscale_error error = { 0 };
    int fds[10];
    size_t turns = 0;

    ks_server_free(f->server);
    ck_assert_int_eq(ks_server_new(&f->v.env, f->base, &f->limits, &sink, &f->server, &error),
                     KAFSCALE_OK);
    for (size_t i = 0; i < 10; i++) {
        fds[i] = net_fixture_connect(f);
        begin_frame(f, fds[i], 80 * KIB, 80 * KIB - 1);
    }
    net_fixture_pump(f);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_int_eq(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
    }
    while (slow_requests < 10) {
        size_t before = slow_requests;

        event_base_loop(f->base, EVLOOP_NONBLOCK);
        ks_env_run_due(&f->v.env);
        ck_assert_uint_le(slow_requests - before, 4);
        ck_assert_uint_lt(++turns, 100);
    }
    ck_assert_uint_ge(turns, 3);
    close_all(f, fds, 10);
    net_fixture_free(f);
}
END_TEST

/* --- Strangers -------------------------------------------------------------------------------- */

struct lines {
    size_t count;
    char last[400];
};

static void
keep_line(void *arg, const struct kafscale_log_event *event)
{
    struct lines *lines = arg;

    if (event->level <= KAFSCALE_LOG_WARN) {
        lines->count++;
        strncpy(lines->last, event->line, sizeof lines->last - 1);
    }
}

START_TEST(strangers_are_named_once_in_a_while)
{
    static const struct {
        const char *bytes;
        const char *hint;
    } strangers[] = { { "\x16\x03\x01\x02", "TLS" },
                      { "GET /", "HTTP" },
                      { "PROXY TCP4", "PROXY" },
                      { "SSH-2.0", "SSH" },
                      { "\x7f\xff\xff\xff", "socket.request.max.bytes" } };
    struct net_fixture *f = fixture_new(SINK_ECHO, 64 * MIB);
    struct lines lines = { 0 };

    f->v.env.logger =
        (struct ks_logger){ .level = KAFSCALE_LOG_WARN, .write = keep_line, .arg = &lines };
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 10; j++) {
            int fd = net_fixture_connect(f);

            ck_assert_int_gt(send(fd, strangers[i].bytes, strlen(strangers[i].bytes), MSG_NOSIGNAL),
                             0);
            net_fixture_pump(f);
            ck_assert(client_is_closed(fd));
            close(fd);
        }
        ck_assert_uint_eq(lines.count, i + 1);
        ck_assert_msg(strstr(lines.last, strangers[i].hint) != NULL, "%s", lines.last);
        ck_assert_ptr_nonnull(strstr(lines.last, i == 0 ? "left_out=0" : "left_out=9"));
        net_fixture_pass(f, 10000);
    }
    net_fixture_free(f);
}
END_TEST

/* --- Idle connections ------------------------------------------------------------------------- */

/* How often the loop would have to wake up in this time: each moment at which something is due. */
static size_t
count_wakeups(struct net_fixture *f, int64_t duration_ms)
{
    int64_t end_ms = f->v.now_ms + duration_ms;
    size_t count = 0;

    while (ks_env_next_due_ms(&f->v.env) <= end_ms) {
        f->v.now_ms = ks_env_next_due_ms(&f->v.env);
        ks_env_run_due(&f->v.env);
        count++;
    }
    f->v.now_ms = end_ms;
    return count;
}

START_TEST(idle_connections_wake_nobody)
{
    struct net_fixture *f = fixture_new(SINK_ECHO, 64 * MIB);
    int fds[MANY];

    net_fixture_pump(f);
    ck_assert_uint_eq(count_wakeups(f, 300000), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        fds[i] = net_fixture_connect(f);
        client_send_frame(f, fds[i], i, 100);
        client_expect_frame(f, fds[i], i, 100);
    }
    net_fixture_pump(f);
    ck_assert_uint_eq(count_wakeups(f, 300000), 0);
    /* Then they are closed for being idle, and that is all that happened. */
    ck_assert_uint_le(count_wakeups(f, 400000), MANY + 1);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    close_all(f, fds, MANY);
    net_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net pressure");
    TCase *cases = tcase_create("pressure");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, untaken_answers_count_until_they_are_taken);
    tcase_add_test(cases, untaken_answers_no_longer_count_when_their_reader_goes);
    tcase_add_test(cases, slow_readers_hold_up_large_requests_but_not_small_ones);
    tcase_add_test(cases, claims_and_holds_end_with_the_request);
    tcase_add_test(cases, begun_frames_of_many_stay_within_the_account);
    tcase_add_test(cases, who_holds_memory_idly_while_others_wait_is_closed_sooner);
    tcase_add_test(cases, greedy_client_does_not_hold_up_another);
    tcase_add_test(cases, large_requests_of_many_are_spread_over_turns);
    tcase_add_test(cases, strangers_are_named_once_in_a_while);
    tcase_add_test(cases, idle_connections_wake_nobody);
    suite_add_tcase(suite, cases);
    return suite;
}
