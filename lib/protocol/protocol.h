/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of protocol: the Kafka wire format, without any input or output.
 *
 * Messages are the generated structs of kafscale/messages.h; one decoder and one encoder serve
 * all of them by their tables (protocol/schema.h). Functions take no time, hold no state and
 * may run on any thread.
 */
#ifndef KS_PROTOCOL_PROTOCOL_H
#define KS_PROTOCOL_PROTOCOL_H

#include "base/base.h"
#include "kafscale/messages.h"
#include "protocol/describe.h"
#include "protocol/header.h"
#include "protocol/schema.h"
#include "protocol/writer.h"

/* Array elements a message may have in total, unless the caller says otherwise. */
#define KAFKA_ELEMENTS_MAX 100000u
/* The longest string, in bytes; the old encoding can't carry more. */
#define KAFKA_STRING_BYTES_MAX INT16_MAX

/* NULL when there is no schema for the key. Whether a version is offered is not decided here. */
const struct kafka_api_schema *kafka_api_find(int16_t key);

/* "OFFSET_OUT_OF_RANGE" for 1, "?" for a code that Kafka doesn't have. */
const char *kafka_error_name(int16_t code);

/* Whether clients try again after this code. */
bool kafka_error_is_retriable(int16_t code);

typedef void kafka_error_visit(void *arg, int16_t code);

/*
 * Calls `visit` for each error code but NONE that a message of this version tells, also for those
 * inside arrays.
 */
void kafka_visit_errors(const struct kafka_message *message, int16_t version, const void *in,
                        kafka_error_visit *visit, void *arg);

/*
 * Fills a struct with the defaults of all its fields. A zeroed struct is not the same: some
 * defaults are -1 or null.
 */
void kafka_message_init(const struct kafka_message *message, void *out);

/* `count` structs with their defaults; NULL when the arena is full, or when the count is 0. */
void *kafka_array_new(struct ks_arena *arena, const struct kafka_message *message, size_t count);

/*
 * Reads the whole of `body` into the struct `out` of the message. Strings, bytes and records
 * borrow from `body`, arrays are in the arena. Fields the version doesn't have get their
 * defaults, unknown tagged fields are skipped.
 *
 * KAFSCALE_UNSUPPORTED: the schema doesn't have this version. KAFSCALE_CORRUPT: not such a
 * message, or bytes are left over. KAFSCALE_TOO_LARGE: more array elements than allowed.
 * KAFSCALE_NO_MEMORY: the arena is full. `out` is untouched then.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_decode(const struct kafka_message *message,
                                                      int16_t version, struct kafscale_slice body,
                                                      struct ks_arena *arena, void *out,
                                                      struct kafscale_error *error);

struct kafka_decode_limits {
    size_t elements_max; /* of arrays, in total */
    size_t left_max;     /* bytes that may follow the message */
};

/* The same within limits of the caller's. */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_decode_within(
    const struct kafka_message *message, int16_t version, struct kafscale_slice body,
    const struct kafka_decode_limits *limits, struct ks_arena *arena, void *out,
    struct kafscale_error *error);

/*
 * The same for what a client sent: bytes after the message are ignored, as Kafka's brokers do.
 * librdkafka 2.3 to 2.16 leaves three of them behind when it asks for the metadata of all topics.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_decode_request(const struct kafka_message *message,
                                                              int16_t version,
                                                              struct kafscale_slice body,
                                                              struct ks_arena *arena, void *out,
                                                              struct kafscale_error *error);

/*
 * Appends a message to the writer, which afterwards borrows the large bytes and records of
 * `in`.
 *
 * KAFSCALE_UNSUPPORTED: the schema doesn't have this version. KAFSCALE_INVALID: a field is set
 * that the version can't carry, or to a value it can't carry. KAFSCALE_NO_MEMORY: the writer is
 * full. What the writer holds is then of no use.
 */
KAFSCALE_MUST_CHECK enum kafscale_status kafka_encode(const struct kafka_message *message,
                                                      int16_t version, const void *in,
                                                      struct kafka_writer *writer,
                                                      struct kafscale_error *error);

#endif
