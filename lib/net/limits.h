/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients may make a broker spend: connections, memory, patience. Given at start,
 * unchanged from then on.
 */
#ifndef KS_NET_LIMITS_H
#define KS_NET_LIMITS_H

#include "base/base.h"

/* No request header is shorter: api key, version, correlation id. */
#define KS_FRAME_BYTES_MIN 8

/* What of a frame is read without a reservation of its whole length. */
#define KS_FRAME_UNRESERVED_BYTES_MAX ((size_t) 64 * 1024)

struct ks_net_limits {
    uint32_t connections_max;
    uint32_t connections_per_address_max; /* an IPv6 network of 64 bits counts as one address */
    uint32_t
        requests_pipelined_max; /* of a connection, from reading a frame to sending its answer */
    uint32_t frame_bytes_max;   /* without the length prefix; a longer one closes */
    size_t memory_bytes_max;    /* of all requests together; at least frame_bytes_max */
    size_t memory_reserve_bytes_max; /* beside it, for small frames when it is full */
    size_t output_bytes_max;         /* a connection with more unsent bytes isn't read */
    int64_t idle_ms_max;             /* without a request on the way */
    int64_t frame_ms_max;            /* from the first byte of a frame to 64 KiB or its end */
    int64_t reserved_window_ms;      /* a reserved frame must fill at the rate in each window */
    int64_t contended_window_ms;     /* instead of either of these, while others wait for memory */
    int64_t response_window_ms; /* answers must be taken, or move at the rate, in each window */
    uint32_t rate_bytes_per_s;
};

/* What an ordinary broker uses; a caller changes what it wants to. */
struct ks_net_limits ks_net_limits_default(void);

KAFSCALE_MUST_CHECK enum kafscale_status ks_net_limits_check(const struct ks_net_limits *limits,
                                                             struct kafscale_error *error);

#endif
