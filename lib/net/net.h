/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of net: the event loop, and the server that carries requests between sockets and a
 * sink.
 */
#ifndef KS_NET_NET_H
#define KS_NET_NET_H

#include "net/latch.h"
#include "net/limits.h"
#include "net/listen_socket.h"
#include "net/loop.h"
#include "net/loop_thread.h"
#include "net/monotonic.h"
#include "net/server.h"

#endif
