/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server takes connections on any number of listeners, cuts what they send into requests,
 * hands these to a sink and sends the answers in the order of the requests. It keeps clients
 * within limits (net/limits.h). All of it belongs to the loop thread, and no call of this
 * header may come from within the sink, except ks_server_pause.
 */
#ifndef KS_NET_SERVER_H
#define KS_NET_SERVER_H

#include "handlers/handlers.h"
#include "net/limits.h"

struct event_base;
struct ks_server;

#define KS_SERVER_LISTENERS_MAX 32

/* Sums since the start, but for the first three, which are of now. */
struct ks_server_counters {
    uint64_t connections;
    uint64_t requests_waiting; /* accepted, not completed; also those whose connection has gone */
    uint64_t memory_bytes;     /* in the account and the reserve */
    uint64_t connections_accepted;
    uint64_t connections_refused; /* over a limit */
    uint64_t connections_dropped; /* closed for breaking a rule or a time limit */
    uint64_t requests;
    uint64_t received_bytes;
    uint64_t sent_bytes;
};

/* Borrows `env` and `base`; copies `limits` and `sink`. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_server_new(struct ks_env *env, struct event_base *base,
                                                       const struct ks_net_limits *limits,
                                                       const struct ks_request_sink *sink,
                                                       struct ks_server **server_out,
                                                       struct kafscale_error *error);

/*
 * Closes listeners and connections at once: the sink hears `gone` of every waiting exchange,
 * and may complete them later, also after this returned. Accepts NULL.
 */
void ks_server_free(struct ks_server *server);

/*
 * Listens on "host:port" (net/address.h). *listener_out is the index, counting from 0 in the
 * order of these calls, which requests carry in their context.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_server_listen(struct ks_server *server,
                                                          const char *address,
                                                          uint32_t *listener_out,
                                                          struct kafscale_error *error);

/* The port it is bound to: what the system chose when 0 was asked for. */
uint16_t ks_server_port(const struct ks_server *server, uint32_t listener);

/*
 * Serves a connected stream socket as if it had come in on `listener`. Takes `fd` on
 * KAFSCALE_OK.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_server_adopt(struct ks_server *server, int fd,
                                                         uint32_t listener,
                                                         struct kafscale_error *error);

/* Closes the listeners; connections stay. */
void ks_server_stop_listening(struct ks_server *server);

/*
 * While paused no new request is taken; frames that have begun to fill their memory are still
 * read to their end.
 */
void ks_server_pause(struct ks_server *server, bool is_paused);

/* Closes all connections; listeners stay. */
void ks_server_drop_connections(struct ks_server *server, const char *reason);

/* While refusing, whoever connects is closed at once; connections that there are stay. */
void ks_server_refuse(struct ks_server *server, bool is_refusing);

/*
 * Other limits, but for the largest frame, which ks_net_limits_check() accepts. They hold for
 * connections that there are too; those beyond a number stay.
 */
void ks_server_set_limits(struct ks_server *server, const struct ks_net_limits *limits);

struct ks_server_counters ks_server_counters(const struct ks_server *server);

#endif
