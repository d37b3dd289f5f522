/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server on real sockets and a virtual clock, with a sink that echoes or holds requests. Time
 * limits of minutes pass in microseconds, and nothing depends on how fast the machine is.
 */
#ifndef KS_TESTS_UNIT_NET_FIXTURE_H
#define KS_TESTS_UNIT_NET_FIXTURE_H

#include "net/net.h"
#include "support/virtual_env.h"

#define HELD_MAX 4096

enum sink_mode {
    SINK_ECHO, /* answers with the payload, the first four bytes copied, the rest by reference */
    SINK_HOLD  /* keeps exchanges in `held` until the test completes them */
};

struct net_fixture {
    struct virtual_env v;
    struct event_base *base;
    struct ks_net_limits limits; /* set before net_fixture_start */
    struct ks_server *server;
    enum sink_mode mode;
    bool completes_when_gone;
    struct ks_exchange *held[HELD_MAX];
    size_t held_count;
    size_t accepted_count;
    size_t gone_count;
};

struct net_fixture *net_fixture_new(void);
void net_fixture_start(struct net_fixture *f);
void net_fixture_free(struct net_fixture *f);

/* A connected socket whose other end the server serves; non-blocking. */
int net_fixture_connect(struct net_fixture *f);

/* Lets everything happen that can happen without time passing. */
void net_fixture_pump(struct net_fixture *f);
void net_fixture_pass(struct net_fixture *f, int64_t duration_ms);

/* Echoes a held exchange, answers nothing, or asks for the end of its connection. */
void net_fixture_echo(struct ks_exchange *exchange);
void net_fixture_complete(struct ks_exchange *exchange, enum ks_answer_kind kind);

/* Echoes it, and has the connection taken for too busy for so long. */
void net_fixture_throttle(struct ks_exchange *exchange, int32_t throttle_ms);

/* Sends a frame of `frame_bytes` bytes whose first four are `id`; the rest follows from both. */
void client_send_frame(struct net_fixture *f, int fd, uint32_t id, size_t frame_bytes);

/* Sends all of it, the server reading meanwhile; false when the server closed. */
bool client_send(struct net_fixture *f, int fd, const void *bytes, size_t size);

/* Takes an echoed frame off the stream and checks every byte of it. */
void client_expect_frame(struct net_fixture *f, int fd, uint32_t id, size_t frame_bytes);

/*
 * Whether the server closed the connection, with nothing more to read; or is open, with nothing
 * to read now.
 */
bool client_is_closed(int fd);
bool client_is_quiet(int fd);

#endif
