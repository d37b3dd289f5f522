/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets on the loopback: ports, several listeners, limits, and a process without
 * descriptors.
 */
#include "net_fixture.h"
#include "support/main.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t
listen_on(struct net_fixture *f, const char *address)
{
    struct kafscale_error error = { 0 };
    uint32_t index = UINT32_MAX;

    if (ks_server_listen(f->server, address, &index, &error) != KAFSCALE_OK) {
        ck_abort_msg("%s", error.text);
    }
    return index;
}

/* On the loopback a connect succeeds at once: the kernel's backlog takes it. */
static int
connect_to(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static bool
is_refused(struct net_fixture *f, int fd)
{
    uint8_t byte;
    ssize_t taken;

    net_fixture_pump(f);
    taken = recv(fd, &byte, 1, MSG_DONTWAIT);
    return taken == 0 || (taken < 0 && errno == ECONNRESET);
}

START_TEST(port_zero_gives_a_port_that_serves)
{
    struct net_fixture *f = net_fixture_new();
    int fd;

    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    ck_assert_uint_ne(ks_server_port(f->server, 0), 0);
    fd = connect_to(ks_server_port(f->server, 0));
    net_fixture_pump(f);
    client_send_frame(f, fd, 7, 1000);
    net_fixture_pump(f);
    client_expect_frame(f, fd, 7, 1000);
    close(fd);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    net_fixture_free(f);
}
END_TEST

START_TEST(requests_say_where_they_came_from)
{
    struct net_fixture *f = net_fixture_new();
    int fd;

    f->mode = SINK_HOLD;
    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    ck_assert_uint_eq(listen_on(f, ":0"), 1);
    fd = connect_to(ks_server_port(f->server, 1));
    client_send_frame(f, fd, 7, 1000);
    net_fixture_pump(f);
    ck_assert_uint_eq(f->held_count, 1);
    ck_assert_uint_eq(f->held[0]->context.listener, 1);
    ck_assert_str_eq(f->held[0]->context.client_address, "127.0.0.1");
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(taken_port_is_an_error_with_its_address)
{
    struct net_fixture *f = net_fixture_new();
    struct kafscale_error error = { 0 };
    char address[32];
    uint32_t index;

    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned) ks_server_port(f->server, 0));
    ck_assert_int_eq(ks_server_listen(f->server, address, &index, &error), KAFSCALE_IO);
    ck_assert_ptr_nonnull(strstr(error.text, address));
    net_fixture_free(f);
}
END_TEST

START_TEST(stopped_listener_leaves_its_connections)
{
    struct net_fixture *f = net_fixture_new();
    int fd;

    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    fd = connect_to(ks_server_port(f->server, 0));
    net_fixture_pump(f);
    ks_server_stop_listening(f->server);
    client_send_frame(f, fd, 1, 50);
    net_fixture_pump(f);
    client_expect_frame(f, fd, 1, 50);
    close(fd);
    net_fixture_free(f);
}
END_TEST

START_TEST(limits_of_connections_hold_and_free_again)
{
    struct net_fixture *f = net_fixture_new();
    int fds[4];

    f->limits.connections_max = 4;
    f->limits.connections_per_address_max = 2;
    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    for (size_t i = 0; i < 3; i++) {
        fds[i] = connect_to(ks_server_port(f->server, 0));
        net_fixture_pump(f);
    }
    ck_assert(!is_refused(f, fds[1]));
    ck_assert(is_refused(f, fds[2]));
    ck_assert_uint_eq(ks_server_counters(f->server).connections_refused, 1);
    close(fds[0]);
    net_fixture_pump(f);
    fds[3] = connect_to(ks_server_port(f->server, 0));
    ck_assert(!is_refused(f, fds[3]));
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 2);
    close(fds[1]);
    close(fds[2]);
    close(fds[3]);
    net_fixture_free(f);
}
END_TEST

START_TEST(refusing_server_keeps_who_is_there)
{
    struct net_fixture *f = net_fixture_new();
    int fds[3];

    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    fds[0] = connect_to(ks_server_port(f->server, 0));
    net_fixture_pump(f);
    ks_server_refuse(f->server, true);
    fds[1] = connect_to(ks_server_port(f->server, 0));
    ck_assert(is_refused(f, fds[1]));
    ck_assert(!is_refused(f, fds[0]));
    ks_server_refuse(f->server, false);
    fds[2] = connect_to(ks_server_port(f->server, 0));
    ck_assert(!is_refused(f, fds[2]));
    for (size_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
    net_fixture_free(f);
}
END_TEST

static void
set_descriptors_max(rlim_t count, struct rlimit *before)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, before), 0);
    limit = *before;
    limit.rlim_cur = count;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/*
 * The backlog stays readable while no descriptor is left; a loop that kept trying would burn a
 * core.
 */
START_TEST(without_descriptors_accepting_pauses_and_goes_on)
{
    struct net_fixture *f = net_fixture_new();
    struct rlimit before;
    int fds[2];

    net_fixture_start(f);
    listen_on(f, "127.0.0.1:0");
    fds[0] = connect_to(ks_server_port(f->server, 0));
    fds[1] = connect_to(ks_server_port(f->server, 0));
    set_descriptors_max(3, &before);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    net_fixture_pump(f);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 0);
    net_fixture_pass(f, 1000);
    ck_assert_uint_eq(ks_server_counters(f->server).connections, 2);
    close(fds[0]);
    close(fds[1]);
    net_fixture_free(f);
}
END_TEST

struct real {
    struct ks_loop *loop;
    uint16_t port;
    size_t echoed_bytes;
};

static void
real_accept(void *self, struct ks_exchange *exchange)
{
    (void) self;
    net_fixture_echo(exchange);
}

static void
real_gone(void *self, struct ks_exchange *exchange)
{
    (void) self;
    (void) exchange;
    ck_abort_msg("every request is answered at once");
}

/* A client that blocks: 200 requests one after the other, then the end. */
static void *
real_client(void *arg)
{
    struct real *real = arg;
    int fd = connect_to(real->port);
    uint8_t frame[4 + 1000] = { 0, 0, 0x03, 0xe8 };
    uint8_t echoed[sizeof frame];

    ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(send(fd, frame, sizeof frame, MSG_NOSIGNAL), sizeof frame);
        ck_assert_int_eq(recv(fd, echoed, sizeof echoed, MSG_WAITALL), sizeof echoed);
        real->echoed_bytes += sizeof echoed;
    }
    close(fd);
    ks_loop_stop(real->loop);
    return NULL;
}

/* The one test here without the virtual clock: the real loop carries a real conversation. */
START_TEST(server_on_the_real_loop_answers_a_client_in_another_thread)
{
    struct real real = { 0 };
    struct ks_request_sink sink = { .accept = real_accept, .gone = real_gone };
    struct ks_net_limits limits = ks_net_limits_default();
    struct kafscale_error error = { 0 };
    struct ks_server *server;
    pthread_t client;
    uint32_t index;

    ck_assert_int_eq(ks_loop_new(NULL, NULL, &real.loop, &error), KAFSCALE_OK);
    ck_assert_int_eq(ks_server_new(ks_loop_env(real.loop), ks_loop_base(real.loop), &limits, &sink,
                                   &server, &error),
                     KAFSCALE_OK);
    ck_assert_int_eq(ks_server_listen(server, "127.0.0.1:0", &index, &error), KAFSCALE_OK);
    real.port = ks_server_port(server, index);
    ck_assert_int_eq(pthread_create(&client, NULL, real_client, &real), 0);
    ks_loop_run(real.loop);
    pthread_join(client, NULL);

    ck_assert_uint_eq(real.echoed_bytes, 200 * 1004);
    ck_assert_uint_eq(ks_server_counters(server).sent_bytes, 200 * 1004);
    ks_server_free(server);
    ks_loop_free(real.loop);
}
END_TEST

START_TEST(limits_that_make_no_sense_are_refused)
{
    struct net_fixture *f = net_fixture_new();
    struct kafscale_error error = { 0 };

    net_fixture_start(f);
    f->limits.memory_bytes_max = f->limits.frame_bytes_max - 1;
    ck_assert_int_eq(ks_net_limits_check(&f->limits, &error), KAFSCALE_INVALID);
    f->limits = ks_net_limits_default();
    f->limits.requests_pipelined_max = 0;
    ck_assert_int_eq(ks_net_limits_check(&f->limits, &error), KAFSCALE_INVALID);
    f->limits = ks_net_limits_default();
    f->limits.idle_ms_max = 0;
    ck_assert_int_eq(ks_net_limits_check(&f->limits, &error), KAFSCALE_INVALID);
    net_fixture_free(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("net listener");
    TCase *cases = tcase_create("listener");

    tcase_add_test(cases, port_zero_gives_a_port_that_serves);
    tcase_add_test(cases, requests_say_where_they_came_from);
    tcase_add_test(cases, taken_port_is_an_error_with_its_address);
    tcase_add_test(cases, stopped_listener_leaves_its_connections);
    tcase_add_test(cases, limits_of_connections_hold_and_free_again);
    tcase_add_test(cases, refusing_server_keeps_who_is_there);
    tcase_add_test(cases, without_descriptors_accepting_pauses_and_goes_on);
    tcase_add_test(cases, server_on_the_real_loop_answers_a_client_in_another_thread);
    tcase_add_test(cases, limits_that_make_no_sense_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
