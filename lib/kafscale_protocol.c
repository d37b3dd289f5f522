/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec as programs see it: what protocol does with an arena and a writer of the caller's, with
 * both in one object that nobody needs to know from inside.
 */
#include "kafscale/messages.h"
#include "kafscale/protocol.h"

#include "protocol/protocol.h"
#include "record/record.h"

/* What was encoded lives until the codec is cleared, so each time has a writer of its own. */
struct encoding {
    struct encoding *next;
    struct kafka_writer writer;
};

struct kafscale_codec {
    struct ks_arena arena;
    struct encoding *encodings;
    size_t memory_bytes_max;
    size_t encoded_bytes;
    size_t elements_max;
};

/* --- What the library knows --- */

const char *
kafscale_kafka_error_name(int16_t code)
{
    return kafka_error_name(code);
}

bool
kafscale_kafka_error_is_retriable(int16_t code)
{
    return kafka_error_is_retriable(code);
}

const struct kafka_api_schema *
kafscale_api_find(int16_t key)
{
    return kafka_api_find(key);
}

const struct kafka_api_schema *
kafscale_api_at(size_t index)
{
    return index < kafka_api_count ? &kafka_apis[index] : NULL;
}

const struct kafka_message *
kafscale_message_at(size_t id)
{
    return id < kafka_message_count ? kafka_messages[id] : NULL;
}

const char *
kafscale_message_name(const struct kafka_message *message)
{
    return message->name;
}

size_t
kafscale_message_bytes(const struct kafka_message *message)
{
    return message->size_bytes;
}

const struct kafka_field *
kafscale_message_field(const struct kafka_message *message, size_t index)
{
    return index < message->field_count ? &message->fields[index] : NULL;
}

void
kafscale_message_init(const struct kafka_message *message, void *out)
{
    kafka_message_init(message, out);
}

static void
describe_records(const struct kafka_records *records, const char *name, void *arg,
                 const struct kafscale_describe *describe)
{
    const bool *is_with_records = arg;

    ks_describe_begin_list(describe, name);
    for (size_t i = 0; i < records->part_count && records->parts != NULL; i++) {
        struct kafscale_slice left = records->parts[i];

        while (left.size > 0) {
            size_t size = ks_batch_describe(left, *is_with_records, describe);

            left = size == 0 ? ks_slice(NULL, 0) : ks_slice(left.data + size, left.size - size);
        }
    }
    ks_describe_end(describe);
}

void
kafscale_message_describe(const struct kafka_message *message, int16_t version, const void *in,
                          bool is_with_records, const struct kafscale_describe *describe)
{
    kafka_message_describe(message, version, in, describe_records, &is_with_records, describe);
}

void
kafscale_message_visit_errors(const struct kafka_message *message, int16_t version, const void *in,
                              kafscale_kafka_error_visit *visit, void *arg)
{
    kafka_visit_errors(message, version, in, visit, arg);
}

/* --- Frames --- */

enum kafscale_status
kafscale_frame_size(struct kafscale_slice bytes, size_t frame_bytes_max, size_t *size_out,
                    struct kafscale_error *error)
{
    int32_t length;

    if (bytes.size < KAFKA_FRAME_LENGTH_BYTES) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "the length of the frame is not there yet");
    }
    length = kafka_frame_length(bytes.data);
    if (length < 0) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "a frame of %d bytes", length);
    }
    if (frame_bytes_max < KAFKA_FRAME_LENGTH_BYTES ||
        (size_t) length > frame_bytes_max - KAFKA_FRAME_LENGTH_BYTES) {
        return ks_error_set(error, KAFSCALE_TOO_LARGE, "a frame of %d bytes where %zu are allowed",
                            length, frame_bytes_max);
    }
    *size_out = KAFKA_FRAME_LENGTH_BYTES + (size_t) length;
    return KAFSCALE_OK;
}

/* A whole frame without its length. */
static enum kafscale_status
cut_length(struct kafscale_slice *frame, struct kafscale_error *error)
{
    size_t size = 0;

    if (frame->size < KAFKA_FRAME_LENGTH_BYTES ||
        kafscale_frame_size(*frame, SIZE_MAX, &size, NULL) != KAFSCALE_OK || size != frame->size) {
        return ks_error_set(error, KAFSCALE_CORRUPT,
                            "%zu bytes are not a frame of the length that it states", frame->size);
    }
    *frame = ks_slice(frame->data + KAFKA_FRAME_LENGTH_BYTES, size - KAFKA_FRAME_LENGTH_BYTES);
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_request_header_decode(struct kafscale_slice frame, struct kafka_request_header *header_out,
                               struct kafscale_slice *body_out, struct kafscale_error *error)
{
    enum kafscale_status status = cut_length(&frame, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    return kafka_request_header_decode(frame, header_out, body_out, error);
}

enum kafscale_status
kafscale_response_header_decode(struct kafscale_slice frame, int16_t api_key, int16_t api_version,
                                int32_t *correlation_id_out, struct kafscale_slice *body_out,
                                struct kafscale_error *error)
{
    enum kafscale_status status = cut_length(&frame, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    return kafka_response_header_decode(frame, api_key, api_version, correlation_id_out, body_out,
                                        error);
}

/* --- The codec's memory --- */

struct kafscale_codec *
kafscale_codec_new(uint32_t layout, size_t memory_bytes_max, struct kafscale_error *error)
{
    struct kafscale_codec *codec;

    if (layout != kafka_messages_layout) {
        ks_error_set(error, KAFSCALE_UNSUPPORTED,
                     "the program was compiled with messages of another version of the library "
                     "(layout %08x, the library has %08x)",
                     layout, kafka_messages_layout);
        return NULL;
    }
    codec = ks_alloc_zero(1, sizeof *codec);
    if (codec == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a codec");
        return NULL;
    }
    ks_arena_init(&codec->arena, memory_bytes_max);
    codec->memory_bytes_max = memory_bytes_max;
    codec->elements_max = KAFSCALE_CODEC_ELEMENTS_MAX;
    return codec;
}

void
kafscale_codec_free(struct kafscale_codec *codec)
{
    if (codec != NULL) {
        kafscale_codec_clear(codec);
        ks_free(codec);
    }
}

static void
free_encoding(struct encoding *encoding)
{
    kafka_writer_deinit(&encoding->writer);
    ks_free(encoding);
}

void
kafscale_codec_clear(struct kafscale_codec *codec)
{
    while (codec->encodings != NULL) {
        struct encoding *next = codec->encodings->next;

        free_encoding(codec->encodings);
        codec->encodings = next;
    }
    codec->encoded_bytes = 0;
    ks_arena_deinit(&codec->arena);
}

void
kafscale_codec_limit_elements(struct kafscale_codec *codec, size_t elements_max)
{
    codec->elements_max = elements_max;
}

void *
kafscale_codec_new_messages(struct kafscale_codec *codec, const struct kafka_message *message,
                            size_t count)
{
    return kafka_array_new(&codec->arena, message, count);
}

void *
kafscale_codec_new_bytes(struct kafscale_codec *codec, size_t size)
{
    return ks_arena_alloc(&codec->arena, size);
}

/* --- Decoding --- */

static enum kafscale_status
decode(struct kafscale_codec *codec, const struct kafka_message *message, int16_t version,
       struct kafscale_slice body, size_t left_max, void **message_out,
       struct kafscale_error *error)
{
    struct kafka_decode_limits limits = { .elements_max = codec->elements_max,
                                          .left_max = left_max };
    void *decoded = kafka_array_new(&codec->arena, message, 1);
    enum kafscale_status status;

    if (decoded == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY,
                            "the codec has no memory left for a %s: it holds up to %zu bytes",
                            message->name, codec->memory_bytes_max);
    }
    status = kafka_decode_within(message, version, body, &limits, &codec->arena, decoded, error);
    if (status == KAFSCALE_OK) {
        *message_out = decoded;
    }
    return status;
}

enum kafscale_status
kafscale_codec_decode(struct kafscale_codec *codec, const struct kafka_message *message,
                      int16_t version, struct kafscale_slice body, void **message_out,
                      struct kafscale_error *error)
{
    return decode(codec, message, version, body, 0, message_out, error);
}

static enum kafscale_status
unknown_api(int16_t key, struct kafscale_error *error)
{
    return ks_error_set(error, KAFSCALE_UNSUPPORTED, "there is no API with the key %d", key);
}

enum kafscale_status
kafscale_codec_decode_request(struct kafscale_codec *codec, struct kafscale_slice frame,
                              struct kafka_request_header *header_out, void **request_out,
                              struct kafscale_error *error)
{
    struct kafka_request_header header;
    const struct kafka_api_schema *api;
    struct kafscale_slice body;
    enum kafscale_status status = kafscale_request_header_decode(frame, &header, &body, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    api = kafka_api_find(header.api_key);
    if (api == NULL) {
        return unknown_api(header.api_key, error);
    }
    status = decode(codec, api->request, header.api_version, body, SIZE_MAX, request_out, error);
    if (status == KAFSCALE_OK) {
        *header_out = header;
    }
    return status;
}

enum kafscale_status
kafscale_codec_decode_response(struct kafscale_codec *codec, struct kafscale_slice frame,
                               int16_t api_key, int16_t api_version, int32_t *correlation_id_out,
                               void **response_out, struct kafscale_error *error)
{
    const struct kafka_api_schema *api = kafka_api_find(api_key);
    struct kafscale_slice body;
    int32_t correlation_id;
    enum kafscale_status status;

    if (api == NULL) {
        return unknown_api(api_key, error);
    }
    status =
        kafscale_response_header_decode(frame, api_key, api_version, &correlation_id, &body, error);
    if (status == KAFSCALE_OK) {
        status = decode(codec, api->response, api_version, body, 0, response_out, error);
    }
    if (status == KAFSCALE_OK) {
        *correlation_id_out = correlation_id;
    }
    return status;
}

/* --- Encoding --- */

static struct encoding *
encoding_new(struct kafscale_codec *codec, struct kafscale_error *error)
{
    struct encoding *encoding = ks_alloc_zero(1, sizeof *encoding);

    if (encoding == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to encode a message");
        return NULL;
    }
    kafka_writer_init(&encoding->writer, codec->memory_bytes_max - codec->encoded_bytes);
    return encoding;
}

/* Keeps what was written, unless `status` says that it failed. */
static enum kafscale_status
keep(struct kafscale_codec *codec, struct encoding *encoding, enum kafscale_status status,
     struct kafscale_encoded *encoded_out, struct kafscale_error *error)
{
    struct kafscale_encoded encoded = { .size = kafka_writer_size(&encoding->writer) };

    if (status == KAFSCALE_OK && kafka_writer_finish(&encoding->writer, &encoded.parts,
                                                     &encoded.part_count) != KAFSCALE_OK) {
        status = ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory to encode a message");
    }
    if (status != KAFSCALE_OK) {
        free_encoding(encoding);
        return status;
    }
    codec->encoded_bytes += encoding->writer.copied.size;
    encoding->next = codec->encodings;
    codec->encodings = encoding;
    *encoded_out = encoded;
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_codec_encode(struct kafscale_codec *codec, const struct kafka_message *message,
                      int16_t version, const void *in, struct kafscale_encoded *encoded_out,
                      struct kafscale_error *error)
{
    struct encoding *encoding = encoding_new(codec, error);

    if (encoding == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    return keep(codec, encoding, kafka_encode(message, version, in, &encoding->writer, error),
                encoded_out, error);
}

static enum kafscale_status
check_header(const struct kafka_request_header *header, struct kafscale_error *error)
{
    if (kafka_api_find(header->api_key) == NULL) {
        return unknown_api(header->api_key, error);
    }
    if (header->client_id.size > KAFKA_STRING_BYTES_MAX ||
        (header->client_id.data == NULL && header->client_id.size > 0)) {
        return ks_error_set(error, KAFSCALE_INVALID, "a client id of %zu bytes",
                            header->client_id.size);
    }
    return KAFSCALE_OK;
}

typedef enum kafscale_status frame_encode(const struct kafka_request_header *header,
                                          const void *message, struct kafka_writer *writer,
                                          struct kafscale_error *error);

static enum kafscale_status
encode_frame(struct kafscale_codec *codec, const struct kafka_request_header *header,
             const void *message, frame_encode *encode, struct kafscale_encoded *encoded_out,
             struct kafscale_error *error)
{
    enum kafscale_status status = check_header(header, error);
    struct encoding *encoding;

    if (status != KAFSCALE_OK) {
        return status;
    }
    encoding = encoding_new(codec, error);
    if (encoding == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    return keep(codec, encoding, encode(header, message, &encoding->writer, error), encoded_out,
                error);
}

enum kafscale_status
kafscale_codec_encode_request(struct kafscale_codec *codec,
                              const struct kafka_request_header *header, const void *request,
                              struct kafscale_encoded *encoded_out, struct kafscale_error *error)
{
    return encode_frame(codec, header, request, kafka_request_encode, encoded_out, error);
}

enum kafscale_status
kafscale_codec_encode_response(struct kafscale_codec *codec,
                               const struct kafka_request_header *header, const void *response,
                               struct kafscale_encoded *encoded_out, struct kafscale_error *error)
{
    return encode_frame(codec, header, response, kafka_response_encode, encoded_out, error);
}

void
kafscale_encoded_copy(const struct kafscale_encoded *encoded, void *out)
{
    uint8_t *place = out;

    for (size_t i = 0; i < encoded->part_count; i++) {
        memcpy(place, encoded->parts[i].data, encoded->parts[i].size);
        place += encoded->parts[i].size;
    }
}
