/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that no handler has made. An error answer has the shape of its request: where a client
 * named topics, partitions or groups, its answer names the same ones, each with the code. That is
 * read off the tables of the messages, so it holds for every API in every version.
 *
 * Free of state; any thread.
 */
#ifndef KS_TESTING_MIRROR_H
#define KS_TESTING_MIRROR_H

#include "protocol/protocol.h"

struct ks_mirror {
    int16_t error;
    int32_t throttle_ms;
    /* For Metadata: without a broker in it no client takes the answer for one. Port 0: none. */
    int32_t node_id;
    int32_t port;
    const char *host;
};

/*
 * The answer, without a frame's length, to a request whose body this is; the caller's to unref.
 * KAFSCALE_UNSUPPORTED: no such API or version. KAFSCALE_CORRUPT: the body can't be read.
 * KAFSCALE_NO_MEMORY.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_mirror_error(const struct kafka_request_header *header,
                                                         struct kafscale_slice body,
                                                         const struct ks_mirror *mirror,
                                                         struct kafscale_blob **answer_out);

/*
 * A copy of an answer (without a frame's length) that asks its client to hold back; as it was where
 * the version has no such field.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_mirror_throttle(
    const struct kafka_request_header *header, struct kafscale_slice answer, int32_t throttle_ms,
    struct kafscale_blob **answer_out);

#endif
