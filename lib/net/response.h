/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response is the bytes of one answer on their way out: references to what has an owner,
 * copies of the rest, the length prefix in front.
 */
#ifndef KS_NET_RESPONSE_H
#define KS_NET_RESPONSE_H

#include "handlers/handlers.h"

#include <sys/uio.h>

struct ks_response_piece;

/* Zeroed: nothing to send. */
struct ks_response {
    struct ks_response_piece *pieces;
    size_t piece_count;
    size_t piece_index;      /* the first one that isn't sent whole */
    size_t piece_sent_bytes; /* of that one */
    size_t left_bytes;       /* to be sent */
    size_t kept_bytes;       /* sent, of the owner whose bytes are being sent */
    size_t held_bytes;       /* in memory: what is left, and what is kept */
};

/*
 * Takes what the answer says. KAFSCALE_TOO_LARGE: more than a length prefix can say. On failure
 * the response stays as it was.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_response_init(struct ks_response *response,
                                                          const struct ks_answer *answer);
void ks_response_deinit(struct ks_response *response);

/* Fills in up to `count_max` of the pieces that aren't sent; returns how many. */
size_t ks_response_gather(const struct ks_response *response, struct iovec *pieces_out,
                          size_t count_max);

/* Says that up to `size` bytes were sent; returns how many of them were this response's. */
size_t ks_response_advance(struct ks_response *response, size_t size);

#endif
