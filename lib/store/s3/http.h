/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 through libcurl on the broker's loop: a pool of connections that are kept, with and
 * without TLS. Private to store/s3.
 */
#ifndef KS_STORE_S3_HTTP_H
#define KS_STORE_S3_HTTP_H

#include "store/s3/transport.h"

struct ks_http_options {
    uint32_t connections_max;   /* to all servers together */
    int64_t connect_timeout_ms; /* name, connection and TLS handshake */
    const char *ca_file;        /* whom to trust instead of the system's list; NULL: the system's */
};

/* `options` are copied. The transport belongs to whoever frees it, before the loop ends. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_http_new(struct kafscale_loop loop,
                                                     const struct ks_http_options *options,
                                                     struct ks_s3_transport *transport_out,
                                                     struct kafscale_error *error);

#endif
