/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka protocol without any input or output: frames, headers and messages, read and written
 * in every version of every API that the library knows (docs/protocol.md lists them). The structs
 * of the messages are in kafscale/messages.h, and examples/decode.c is a program that uses both.
 *
 * How a message is held, in every version of it:
 * - strings and bytes are slices; null is data == NULL, empty is data != NULL with size 0.
 *   Where null is not allowed, data == NULL is written as empty, so that a zeroed struct is
 *   valid;
 * - an array is a pointer and a count; count -1 is null;
 * - a nullable struct is a pointer, any other struct is held by value;
 * - fields that a version does not have hold their defaults, which need not be zero.
 *
 * What is decoded refers to the bytes it was decoded from, which must stay as long as it is used;
 * arrays and structs lie in the codec that decoded it. Bytes from anywhere may be decoded: what
 * they say decides nothing but the outcome, and no codec grows beyond its limit. Functions without
 * a codec may be called on any thread; `error` may be NULL everywhere.
 */
#ifndef KAFSCALE_PROTOCOL_H
#define KAFSCALE_PROTOCOL_H

#include "kafscale/bytes.h"
#include "kafscale/describe.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Error codes ------------------------------------------------------------------------------ */

/* The codes a Kafka client understands. Not to be mixed with enum kafscale_status. */
enum kafka_error {
#define KAFKA_ERROR(name, code, is_retriable) KAFKA_ERROR_##name = code,
#include "kafscale/kafka_error.def"
#undef KAFKA_ERROR
};

/* "OFFSET_OUT_OF_RANGE" for 1; "?" for a code that Kafka doesn't have. A constant text. */
KAFSCALE_EXPORT const char *kafscale_kafka_error_name(int16_t code);

/* Whether clients try again after this code. */
KAFSCALE_EXPORT bool kafscale_kafka_error_is_retriable(int16_t code);

/* --- What the library knows ------------------------------------------------------------------- */

/*
 * Record batches, in pieces that are sent one after the other without being copied. A zeroed
 * struct is empty; null needs `is_null`. Decoding gives null or exactly one piece, which may be
 * empty; kafscale/records.h opens it.
 */
struct kafka_records {
    const struct kafscale_slice *parts;
    size_t part_count;
    bool is_null;
};

/*
 * The description of one struct of kafscale/messages.h, which is all that is needed to read, write
 * and show it. Constant, as are the structs below: the library owns them and may append members to
 * them, so a program points to them and doesn't copy or count through arrays of them.
 */
struct kafka_message;

/* An API with its request and response, in the versions that can be decoded and encoded. */
struct kafka_api_schema {
    const char *name; /* "list_offsets" */
    const struct kafka_message *request;
    const struct kafka_message *response;
    int16_t key; /* an enum kafka_api_key */
    int16_t version_min;
    int16_t version_max;
};

/* What a field is in C. */
enum kafka_kind {
    KAFKA_KIND_BOOL,
    KAFKA_KIND_INT8,
    KAFKA_KIND_INT16,
    KAFKA_KIND_UINT16,
    KAFKA_KIND_INT32,
    KAFKA_KIND_INT64,
    KAFKA_KIND_FLOAT64, /* double */
    KAFKA_KIND_UUID,    /* 16 bytes */
    KAFKA_KIND_STRING,  /* struct kafscale_slice */
    KAFKA_KIND_BYTES,   /* struct kafscale_slice */
    KAFKA_KIND_RECORDS, /* struct kafka_records */
    KAFKA_KIND_STRUCT   /* a struct, by value; a pointer to one where it is nullable */
};

/* Bits of `flags` of a field: */
enum {
    KAFKA_FIELD_ARRAY = 1,        /* an array of its kind, instead of one */
    KAFKA_FIELD_IGNORABLE = 2,    /* may be dropped in versions without it, even when it is set */
    KAFKA_FIELD_DEFAULT_NULL = 4, /* the default is null, not empty */
    KAFKA_FIELD_ERROR = 8         /* an enum kafka_error */
};

/* Comes after every version, so it stands for "never". */
#define KAFKA_VERSION_NEVER INT16_MAX

/* A member of a struct: for programs that go through messages they weren't compiled for. */
struct kafka_field {
    const char *name;
    const struct kafka_message *element; /* of structs, else NULL */
    int64_t default_value;               /* of numbers */
    size_t offset;
    size_t count_offset; /* of arrays: where the int32_t with their count is */
    int16_t version_min;
    int16_t version_max;
    int16_t null_from; /* null is allowed from this version on; KAFKA_VERSION_NEVER: not at all */
    int16_t tag;       /* -1: at a fixed place */
    uint8_t kind;
    uint8_t flags;
};

/* The API of this key, NULL when the library doesn't know it. */
KAFSCALE_EXPORT const struct kafka_api_schema *kafscale_api_find(int16_t key);

/* The APIs by rising key, counting from 0; NULL past the last. */
KAFSCALE_EXPORT const struct kafka_api_schema *kafscale_api_at(size_t index);

/*
 * A struct by its place in enum kafka_message_id (kafscale/messages.h), also one that is part of
 * another; NULL past the last.
 */
KAFSCALE_EXPORT const struct kafka_message *kafscale_message_at(size_t id);

/* "list_offsets_request_topic" for struct kafka_list_offsets_request_topic. A constant text. */
KAFSCALE_EXPORT const char *kafscale_message_name(const struct kafka_message *message);

/* What sizeof gives for the struct. */
KAFSCALE_EXPORT size_t kafscale_message_bytes(const struct kafka_message *message);

/* The fields of a struct, counting from 0, those with tags last; NULL past the last. */
KAFSCALE_EXPORT const struct kafka_field *kafscale_message_field(
    const struct kafka_message *message, size_t index);

/*
 * Fills a struct of the caller's with the defaults of all its fields. A zeroed struct is not the
 * same: some defaults are -1 or null.
 */
KAFSCALE_EXPORT void kafscale_message_init(const struct kafka_message *message, void *out);

/*
 * Tells a visitor what a message says in this version, on the calling thread, inside of a struct
 * that the visitor has begun: a value for each field, nothing for null. Record batches are opened,
 * their checksums compared, if `is_with_records`. `in` may be any that was decoded, and any that
 * can be encoded.
 */
KAFSCALE_EXPORT void kafscale_message_describe(const struct kafka_message *message, int16_t version,
                                               const void *in, bool is_with_records,
                                               const struct kafscale_describe *describe);

/* Told of an error code. */
typedef void kafscale_kafka_error_visit(void *arg, int16_t code);

/*
 * Calls `visit` for each error code but 0 that a response of this version tells, also for those
 * inside of arrays, on the calling thread.
 */
KAFSCALE_EXPORT void kafscale_message_visit_errors(const struct kafka_message *message,
                                                   int16_t version, const void *in,
                                                   kafscale_kafka_error_visit *visit, void *arg);

/* --- Frames and headers ----------------------------------------------------------------------- */

/* What every frame begins with: the number of bytes that follow. */
#define KAFKA_FRAME_LENGTH_BYTES 4

/* What stands before the body of a request. */
struct kafka_request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct kafscale_slice client_id; /* borrows from the frame; data == NULL when null */
};

/*
 * How many bytes the frame takes that begins with `bytes`, its length included, whether or not they
 * are all there. KAFSCALE_NOT_FOUND: fewer than KAFKA_FRAME_LENGTH_BYTES. KAFSCALE_CORRUPT: a
 * negative length. KAFSCALE_TOO_LARGE: more than `frame_bytes_max`.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_frame_size(
    struct kafscale_slice bytes, size_t frame_bytes_max, size_t *size_out,
    struct kafscale_error *error);

/*
 * Splits a whole request frame into header and body, which both borrow from it. That the API or its
 * version is unknown is no failure here. KAFSCALE_CORRUPT: the length is not that of the frame, or
 * the header is broken.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_request_header_decode(
    struct kafscale_slice frame, struct kafka_request_header *header_out,
    struct kafscale_slice *body_out, struct kafscale_error *error);

/*
 * Splits a whole response frame. Only the request says what a response is: whoever waits for
 * several finds the request by the correlation id, the four bytes after the length. Fails as above.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_response_header_decode(
    struct kafscale_slice frame, int16_t api_key, int16_t api_version, int32_t *correlation_id_out,
    struct kafscale_slice *body_out, struct kafscale_error *error);

/* --- The codec -------------------------------------------------------------------------------- */

/*
 * Decodes and encodes, and is the memory of what it has decoded and encoded. It belongs to one
 * thread at a time.
 */
struct kafscale_codec;

/* The most array elements that a message may have in total, unless the codec is told otherwise. */
#define KAFSCALE_CODEC_ELEMENTS_MAX 100000u

/*
 * A codec that takes up to `memory_bytes_max` bytes for messages, and as many for what it encodes;
 * freed by the caller. `layout` is KAFKA_MESSAGES_LAYOUT of kafscale/messages.h. NULL, with `error`
 * filled in: KAFSCALE_NO_MEMORY, or KAFSCALE_UNSUPPORTED, when the program was compiled with other
 * structs than the library.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_codec *kafscale_codec_new(
    uint32_t layout, size_t memory_bytes_max, struct kafscale_error *error);

/* Frees it with all that it holds. Accepts NULL. */
KAFSCALE_EXPORT void kafscale_codec_free(struct kafscale_codec *codec);

/*
 * Forgets everything that was decoded, encoded or taken from it, which must not be used any more.
 * Programs call it between one message and the next.
 */
KAFSCALE_EXPORT void kafscale_codec_clear(struct kafscale_codec *codec);

/* Sets how many array elements each message that is decoded may have in total. */
KAFSCALE_EXPORT void kafscale_codec_limit_elements(struct kafscale_codec *codec,
                                                   size_t elements_max);

/*
 * `count` structs with their defaults, to be filled in and encoded; valid until the codec is
 * cleared. NULL when `count` is 0, and when its memory is used up; then every decoding fails, too,
 * until it is cleared.
 */
KAFSCALE_EXPORT void *kafscale_codec_new_messages(struct kafscale_codec *codec,
                                                  const struct kafka_message *message,
                                                  size_t count);

/*
 * `size` zeroed bytes, aligned for any type, for arrays of numbers and copies of texts; valid and
 * NULL as above.
 */
KAFSCALE_EXPORT void *kafscale_codec_new_bytes(struct kafscale_codec *codec, size_t size);

/*
 * Reads the whole of `body` as a message of this version; `*message_out`, valid until the codec is
 * cleared, points to its struct. Tagged fields that aren't known are skipped.
 *
 * KAFSCALE_UNSUPPORTED: the message doesn't have this version. KAFSCALE_CORRUPT: it is no such
 * message, or bytes are left over. KAFSCALE_TOO_LARGE: more array elements than allowed.
 * KAFSCALE_NO_MEMORY: the codec's memory is used up.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_codec_decode(
    struct kafscale_codec *codec, const struct kafka_message *message, int16_t version,
    struct kafscale_slice body, void **message_out, struct kafscale_error *error);

/*
 * Reads a whole request frame, as kafscale_codec_decode(); KAFSCALE_UNSUPPORTED also for an API
 * that isn't known. Bytes after the message are ignored, as Kafka's brokers do: there are clients
 * that send some.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_codec_decode_request(
    struct kafscale_codec *codec, struct kafscale_slice frame,
    struct kafka_request_header *header_out, void **request_out, struct kafscale_error *error);

/*
 * Reads a whole response frame to a request of this API and version. A broker that doesn't know the
 * version of an ApiVersions request answers it in version 0, with the error code 35. Fails as
 * kafscale_codec_decode(), and with KAFSCALE_UNSUPPORTED for an API that isn't known.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_codec_decode_response(
    struct kafscale_codec *codec, struct kafscale_slice frame, int16_t api_key, int16_t api_version,
    int32_t *correlation_id_out, void **response_out, struct kafscale_error *error);

/*
 * What was encoded, in pieces to be sent one after the other, none of them empty. Small ones are in
 * the codec; large ones refer to the bytes and records of the message. Valid until the codec is
 * cleared and as long as those are.
 */
struct kafscale_encoded {
    const struct kafscale_slice *parts;
    size_t part_count;
    size_t size; /* of all of them, in bytes */
};

/*
 * Writes the body of a message.
 *
 * KAFSCALE_UNSUPPORTED: the message doesn't have this version. KAFSCALE_INVALID: a field is set
 * that the version can't carry, or to a value that it can't carry; `error` names it.
 * KAFSCALE_NO_MEMORY: the codec's memory is used up.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_codec_encode(
    struct kafscale_codec *codec, const struct kafka_message *message, int16_t version,
    const void *in, struct kafscale_encoded *encoded_out, struct kafscale_error *error);

/*
 * Writes a whole frame with the request that belongs to the header's key and version; failures as
 * above, and KAFSCALE_TOO_LARGE for a frame beyond 2 GiB.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_codec_encode_request(
    struct kafscale_codec *codec, const struct kafka_request_header *header, const void *request,
    struct kafscale_encoded *encoded_out, struct kafscale_error *error);

/* Writes a whole frame with the response to a request that had this header; failures as above. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_codec_encode_response(
    struct kafscale_codec *codec, const struct kafka_request_header *header, const void *response,
    struct kafscale_encoded *encoded_out, struct kafscale_error *error);

/* Copies all pieces to `out`, which has room for `encoded->size` bytes. */
KAFSCALE_EXPORT void kafscale_encoded_copy(const struct kafscale_encoded *encoded, void *out);

#ifdef __cplusplus
}
#endif

#endif
