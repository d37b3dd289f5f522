/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the generated message structs (kafscale/messages.h) are made of.
 *
 * How a message is held, in every version of it:
 * - strings and bytes are slices; null is data == NULL, empty is data != NULL with size 0.
 *   Where null is not allowed, data == NULL is written as empty, so that a zeroed struct is
 *   valid;
 * - an array is a pointer and a count; count -1 is null;
 * - a nullable struct is a pointer, any other struct is held by value;
 * - fields that a version does not have hold their defaults, which need not be zero.
 */
#ifndef KAFSCALE_PROTOCOL_H
#define KAFSCALE_PROTOCOL_H

#include "kafscale/bytes.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The codes a Kafka client understands. Not to be mixed with enum kafscale_status. */
enum kafka_error {
#define KAFKA_ERROR(name, code, is_retriable) KAFKA_ERROR_##name = code,
#include "kafscale/kafka_error.def"
#undef KAFKA_ERROR
};

/*
 * Record batches, in pieces that are sent one after the other without being copied. A zeroed
 * struct is empty; null needs `is_null`. Decoding gives null or exactly one piece, which may be
 * empty.
 */
struct kafka_records {
    const struct kafscale_slice *parts;
    size_t part_count;
    bool is_null;
};

/* The description of one struct: what the codec needs to read and write it. */
struct kafka_message;

#ifdef __cplusplus
}
#endif

#endif
