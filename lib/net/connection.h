/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of a client: frames in, responses out in the order of the requests, and an end
 * to patience. Private to this module.
 */
#ifndef KS_NET_CONNECTION_H
#define KS_NET_CONNECTION_H

#include "net/address.h"
#include "net/frame_reader.h"
#include "net/request.h"
#include "net/transport.h"

#include <event2/event_struct.h>

/* A stretch of time in which bytes must move; closed while nothing has to. */
struct ks_progress {
    bool is_open;
    uint64_t key; /* what has to move; another key begins another stretch */
    int64_t since_ms;
    uint64_t bytes;
};

struct ks_connection {
    struct ks_list link; /* in the server */
    struct ks_server *server;
    uint64_t number;                        /* from 1 on, in the order of their coming */
    struct ks_address_count *address_count; /* may be NULL */
    uint32_t listener;
    int fd; /* -1: closed, about to be freed */
    struct ks_transport transport;
    struct event read_event;
    struct event write_event;
    bool is_reading;  /* read_event is added */
    bool is_blocked;  /* output waits for write_event */
    bool is_ending;   /* an answer demanded the end: nothing more is read */
    bool is_muted;    /* until muted_until_ms: nothing more is read */
    bool is_settling; /* completions needn't ask for a turn */

    struct ks_frame_reader reader;
    struct ks_buffer carried; /* received, not taken yet: the pipeline or the memory was full */
    size_t carried_kept_bytes;
    uint64_t frame_count;
    uint32_t turn_request_count; /* taken since its last turn began */
    struct ks_list backlog_link; /* in the server, while it waits for its next turn */

    struct ks_list requests; /* struct ks_net_request, in order */
    uint32_t request_count;
    size_t output_bytes; /* held in memory by answers not yet taken */

    struct ks_task settle_task;
    struct ks_timer timer;
    int64_t active_ms;
    int64_t muted_until_ms;
    struct ks_progress input;
    struct ks_progress output;
    char client_address[KS_ADDRESS_TEXT_BYTES];
    uint16_t client_port;
};

/* Takes `fd`, non-blocking, and the count on KAFSCALE_OK. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_connection_new(struct ks_server *server, int fd,
                                                           const struct sockaddr *peer,
                                                           uint32_t listener,
                                                           struct ks_address_count *address_count);

/* Closes it; it is freed in a later turn. Not from within one of its own calls of the sink. */
void ks_connection_drop(struct ks_connection *connection, const char *reason);

/* Closes it if it is open. Not from within one of its own calls of the sink. */
void ks_connection_free(struct ks_connection *connection);

/* Has it look at the turn's end whether it may read and what it can send. */
void ks_connection_wake(struct ks_connection *connection);

/* Its next turn, from the server's backlog. */
void ks_connection_take_turn(struct ks_connection *connection);

/* From ks_net_request: `request` has its answer. */
void ks_connection_request_completed(struct ks_connection *connection,
                                     struct ks_net_request *request);

#endif
