/* SPDX-License-Identifier: Apache-2.0 */
/* A socket that listens, whoever accepts from it. */
#ifndef KS_NET_LISTEN_SOCKET_H
#define KS_NET_LISTEN_SOCKET_H

#include "base/base.h"

/*
 * Listens on an address as people write it (net/address.h); a name is looked up, which may block.
 * The descriptor, non-blocking, is the caller's; *port_out is what the system chose where the text
 * says 0. KAFSCALE_INVALID: no such address. KAFSCALE_IO: it can't be had.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_listen_socket(const char *address, int backlog,
                                                          int *fd_out, uint16_t *port_out,
                                                          struct kafscale_error *error);

#endif
