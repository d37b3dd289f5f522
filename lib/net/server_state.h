/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's listeners, connections and requests share. Private to this module.
 */
#ifndef KS_NET_SERVER_STATE_H
#define KS_NET_SERVER_STATE_H

#include "net/address.h"
#include "net/listener.h"
#include "net/memory_account.h"
#include "net/server.h"

/* What large requests may take of a turn of the loop; a small one never waits for more of them. */
#define KS_SERVER_HEAVY_MS_MAX 5

/* One recv takes up to this much when no frame is waiting for its rest. */
#define KS_SERVER_SCRATCH_BYTES (KS_FRAME_UNRESERVED_BYTES_MAX + 4)

struct ks_server {
    struct ks_env *env;
    struct event_base *base;
    struct ks_net_limits limits;
    struct ks_request_sink sink;
    struct ks_memory_account account;
    struct ks_address_counts addresses;
    struct ks_list connections; /* struct ks_connection, open or waiting to be freed */
    struct ks_list backlog;     /* struct ks_connection that sent more than its share of a turn */
    struct ks_task backlog_task;
    int64_t heavy_ms;       /* that large requests have taken of this turn of the loop */
    struct ks_list orphans; /* struct ks_net_request whose connection has gone */
    struct ks_listener listeners[KS_SERVER_LISTENERS_MAX];
    uint32_t listener_count;
    bool is_paused;
    bool is_refusing;
    int descriptor_max; /* higher ones are left to whoever must open a file */
    struct ks_log_quota refusals;
    struct ks_log_quota strangers;
    struct ks_log_quota pauses;
    struct ks_log_quota closes;
    uint8_t *scratch;
    struct ks_server_counters counters;
};

/* A connection was closed: there may be room for another one. */
void ks_server_connection_closed(struct ks_server *server);

/* Makes a connection of an accepted socket when the limits allow it; closes it when not. */
void ks_server_admit(struct ks_server *server, int fd, const struct sockaddr *peer,
                     uint32_t listener);

/* The first bytes of a connection, or of what follows a frame, are no legal length. */
void ks_server_note_stranger(struct ks_server *server, const char *client_address,
                             const uint8_t prefix[4]);

#endif
