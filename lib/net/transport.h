/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport carries the bytes of one connection: plain TCP here, TLS behind the same three
 * operations. Operations never block; the connection waits for the descriptor when it is told
 * to.
 */
#ifndef KS_NET_TRANSPORT_H
#define KS_NET_TRANSPORT_H

#include "base/base.h"

#include <sys/uio.h>

/* As many pieces as one send may have. */
#define KS_TRANSPORT_PIECES_MAX 64

enum ks_transport_result {
    KS_TRANSPORT_OK,
    KS_TRANSPORT_AGAIN, /* nothing moved: wait until the descriptor is ready */
    KS_TRANSPORT_END    /* the peer closed, or the connection broke */
};

struct ks_transport_ops {
    /* Up to `size` bytes to `out`; with KS_TRANSPORT_OK *size_out is at least 1. */
    enum ks_transport_result (*recv)(void *self, int fd, void *out, size_t size, size_t *size_out);
    /* Some first bytes of the pieces; with KS_TRANSPORT_OK *size_out is at least 1. */
    enum ks_transport_result (*send)(void *self, int fd, const struct iovec *pieces,
                                     size_t piece_count, size_t *size_out);
    /* Frees `self`, not the descriptor. */
    void (*close)(void *self);
};

struct ks_transport {
    const struct ks_transport_ops *ops;
    void *self;
};

/* Straight to the socket. Nothing to free. */
struct ks_transport ks_transport_plain(void);

#endif
