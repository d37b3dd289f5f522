/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames and headers. A frame is a 4-byte length and that many bytes: a header, then the body.
 */
#ifndef KS_PROTOCOL_HEADER_H
#define KS_PROTOCOL_HEADER_H

#include "protocol/schema.h"
#include "protocol/writer.h"

/* The length in front of a frame; negative when a client sends nonsense. */
int32_t kafka_frame_length(const uint8_t prefix[KAFKA_FRAME_LENGTH_BYTES]);

/* 1, or 2 in flexible versions; 1 for an API without schema. */
int16_t kafka_request_header_version(int16_t api_key, int16_t api_version);

/*
 * 0, or 1 in flexible versions. ApiVersions is always 0: a client that asks with a version the
 * broker doesn't know must still find the error code.
 */
int16_t kafka_response_header_version(int16_t api_key, int16_t api_version);

/*
 * Splits a request, without its length, into header and body; both borrow from it. An unknown
 * key or version is no failure here: whoever dispatches decides. KAFSCALE_CORRUPT when the
 * header itself is broken.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_request_header_decode(
    struct kafscale_slice frame, struct kafka_request_header *header_out,
    struct kafscale_slice *body_out, struct kafscale_error *error);

/* The correlation id and the body of a response, as a client reads it. */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_response_header_decode(
    struct kafscale_slice frame, int16_t api_key, int16_t api_version, int32_t *correlation_id_out,
    struct kafscale_slice *body_out, struct kafscale_error *error);

/*
 * Writes a whole frame, length first, to a fresh writer. `message` is that of the API of
 * `header`; failures are those of kafka_encode, and KAFSCALE_TOO_LARGE for a frame beyond 2
 * GiB.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_request_encode(
    const struct kafka_request_header *header, const void *request, struct kafka_writer *writer,
    struct kafscale_error *error);

/*
 * The response to a request with that header; of it, only key, version and correlation id
 * matter.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_response_encode(
    const struct kafka_request_header *header, const void *response, struct kafka_writer *writer,
    struct kafscale_error *error);

#endif
