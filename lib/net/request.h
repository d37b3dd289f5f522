/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is an exchange with what the network keeps of it: its place in the order of its
 * connection, the memory it has reserved, and its response. It outlives its connection when the
 * sink is not done with it. Private to this module.
 */
#ifndef KS_NET_REQUEST_H
#define KS_NET_REQUEST_H

#include "net/address.h"
#include "net/memory_account.h"
#include "net/response.h"

struct ks_connection;
struct ks_server;

struct ks_net_request {
    struct ks_exchange exchange;
    struct ks_list link;              /* in its connection, or in the server's orphans */
    struct ks_connection *connection; /* NULL: gone */
    struct ks_server *server;         /* NULL: gone */
    struct ks_reservation reservation;
    struct ks_memory_claim claim; /* for the answer, until it is there */
    size_t held_bytes;            /* charged for what its handler keeps while it waits */
    struct ks_response response;
    enum ks_answer_kind kind; /* once it is complete */
    int32_t throttle_ms;      /* the same */
    bool is_complete;
    char client_address[KS_ADDRESS_TEXT_BYTES];
};

/* Takes `frame` and the granted reservation; NULL, taking nothing, when memory is short. */
struct ks_net_request *ks_net_request_new(struct ks_connection *connection,
                                          struct kafscale_blob *frame,
                                          const struct ks_reservation *reservation);

/* Out of any list. It must be complete. */
void ks_net_request_free(struct ks_net_request *request);

/* Takes it out of its connection, which goes: freed if complete, else the sink is told. */
void ks_net_request_abandon(struct ks_net_request *request);

/* The server goes; the request waits for its completion alone. */
void ks_net_request_forget_server(struct ks_net_request *request);

#endif
