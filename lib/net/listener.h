/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket. When the process runs out of descriptors it stops accepting for a moment
 * instead of spinning on a socket that stays readable.
 */
#ifndef KS_NET_LISTENER_H
#define KS_NET_LISTENER_H

#include "base/base.h"

#include <event2/event_struct.h>

struct ks_server;

struct ks_listener {
    struct ks_server *server;
    uint32_t index;
    int fd; /* -1: stopped */
    bool is_pausing;
    uint16_t port;
    struct event event;
    struct ks_timer resume_timer;
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_listener_init(struct ks_listener *listener,
                                                          struct ks_server *server, uint32_t index,
                                                          const char *address,
                                                          struct kafscale_error *error);
void ks_listener_deinit(struct ks_listener *listener);

/* Accepts again if it had stopped for want of descriptors. */
void ks_listener_resume(struct ks_listener *listener);

#endif
