/* SPDX-License-Identifier: Apache-2.0 */
/* Which header a frame has follows from its API and version alone. */
#include "protocol/header.h"

#include "protocol/protocol.h"
#include "protocol/tags.h"

#include <assert.h>

int32_t
kafka_frame_length(const uint8_t prefix[KAFKA_FRAME_LENGTH_BYTES])
{
    return (int32_t) ks_get_u32(prefix);
}

static bool
is_flexible(int16_t api_key, int16_t api_version)
{
    const struct kafka_api_schema *api = kafka_api_find(api_key);

    return api != NULL && api_version >= api->request->flexible_from;
}

int16_t
kafka_request_header_version(int16_t api_key, int16_t api_version)
{
    return is_flexible(api_key, api_version) ? 2 : 1;
}

int16_t
kafka_response_header_version(int16_t api_key, int16_t api_version)
{
    return api_key != KAFKA_API_API_VERSIONS && is_flexible(api_key, api_version) ? 1 : 0;
}

/* The client id keeps its two-byte length in flexible headers too. */
static struct kafscale_slice
take_client_id(struct ks_cursor *cursor)
{
    int16_t size = (int16_t) ks_cursor_u16(cursor);

    if (size == -1) {
        return (struct kafscale_slice){ 0 };
    }
    if (size < 0) {
        cursor->failed = true;
        return (struct kafscale_slice){ 0 };
    }
    return kafka_take_bytes(cursor, (size_t) size);
}

enum kafscale_status
kafka_request_header_decode(struct kafscale_slice frame, struct kafka_request_header *header_out,
                            struct kafscale_slice *body_out, struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(frame);
    struct kafka_request_header header = { 0 };

    header.api_key = (int16_t) ks_cursor_u16(&cursor);
    header.api_version = (int16_t) ks_cursor_u16(&cursor);
    header.correlation_id = (int32_t) ks_cursor_u32(&cursor);
    header.client_id = take_client_id(&cursor);
    if (kafka_request_header_version(header.api_key, header.api_version) >= 2) {
        kafka_skip_tags(&cursor);
    }
    if (ks_cursor_failed(&cursor)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "broken request header in a frame of %zu bytes", frame.size);
    }
    *header_out = header;
    *body_out = ks_slice(cursor.position, ks_cursor_left(&cursor));
    return KAFSCALE_OK;
}

enum kafscale_status
kafka_response_header_decode(struct kafscale_slice frame, int16_t api_key, int16_t api_version,
                             int32_t *correlation_id_out, struct kafscale_slice *body_out,
                             struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(frame);
    int32_t correlation_id = (int32_t) ks_cursor_u32(&cursor);

    if (kafka_response_header_version(api_key, api_version) >= 1) {
        kafka_skip_tags(&cursor);
    }
    if (ks_cursor_failed(&cursor)) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "broken response header in a frame of %zu bytes", frame.size);
    }
    *correlation_id_out = correlation_id;
    *body_out = ks_slice(cursor.position, ks_cursor_left(&cursor));
    return KAFSCALE_OK;
}

/*
 * The length is only known at the end; it overwrites the first four bytes, which are never a
 * reference.
 */
static enum kafscale_status
set_frame_length(struct kafka_writer *writer, struct kafscale_error *error)
{
    size_t size = kafka_writer_size(writer) - KAFKA_FRAME_LENGTH_BYTES;

    if (size > INT32_MAX) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "a frame of %zu bytes", size);
    }
    ks_put_u32(writer->copied.data, (uint32_t) size);
    return KAFSCALE_OK;
}

static void
write_request_header(const struct kafka_request_header *header, struct kafka_writer *writer)
{
    assert(header->client_id.size <= KAFKA_STRING_BYTES_MAX);

    ks_buffer_append_u32(&writer->copied, 0);
    ks_buffer_append_u16(&writer->copied, (uint16_t) header->api_key);
    ks_buffer_append_u16(&writer->copied, (uint16_t) header->api_version);
    ks_buffer_append_u32(&writer->copied, (uint32_t) header->correlation_id);
    ks_buffer_append_u16(&writer->copied, header->client_id.data == NULL
                                              ? UINT16_MAX
                                              : (uint16_t) header->client_id.size);
    ks_buffer_append(&writer->copied, header->client_id.data, header->client_id.size);
    if (kafka_request_header_version(header->api_key, header->api_version) >= 2) {
        kafka_writer_uvarint(writer, 0);
    }
}

enum kafscale_status
kafka_request_encode(const struct kafka_request_header *header, const void *request,
                     struct kafka_writer *writer, struct kafscale_error *error)
{
    const struct kafka_api_schema *api = kafka_api_find(header->api_key);
    enum kafscale_status status;

    assert(api != NULL);
    assert(kafka_writer_size(writer) == 0);

    write_request_header(header, writer);
    status = kafka_encode(api->request, header->api_version, request, writer, error);
    return status == KAFSCALE_OK ? set_frame_length(writer, error) : status;
}

enum kafscale_status
kafka_response_encode(const struct kafka_request_header *header, const void *response,
                      struct kafka_writer *writer, struct kafscale_error *error)
{
    const struct kafka_api_schema *api = kafka_api_find(header->api_key);
    enum kafscale_status status;

    assert(api != NULL);
    assert(kafka_writer_size(writer) == 0);

    ks_buffer_append_u32(&writer->copied, 0);
    ks_buffer_append_u32(&writer->copied, (uint32_t) header->correlation_id);
    if (kafka_response_header_version(header->api_key, header->api_version) >= 1) {
        kafka_writer_uvarint(writer, 0);
    }
    status = kafka_encode(api->response, header->api_version, response, writer, error);
    return status == KAFSCALE_OK ? set_frame_length(writer, error) : status;
}
