/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that proto/generate.py makes of the schemas: one row a field (struct kafka_field of
 * kafscale/protocol.h), one table a struct. They are constant data; the decoder, the encoder and
 * the tests are interpreters of them.
 */
#ifndef KS_PROTOCOL_SCHEMA_H
#define KS_PROTOCOL_SCHEMA_H

#include "kafscale/message_tables.h"
#include "kafscale/protocol.h"

/* Fields at fixed places come first, in the order of the wire; then the tagged ones, rising. */
struct kafka_message {
    const char *name;
    const struct kafka_field *fields;
    size_t field_count;
    size_t size_bytes;
    int16_t version_min;
    int16_t version_max;
    int16_t flexible_from;
};

/* All APIs there is a schema for, by rising key. */
extern const struct kafka_api_schema kafka_apis[];
extern const size_t kafka_api_count;

/* All structs, by enum kafka_message_id. */
extern const struct kafka_message *const kafka_messages[];
extern const size_t kafka_message_count;

/* KAFKA_MESSAGES_LAYOUT of the library. */
extern const uint32_t kafka_messages_layout;

static inline bool
kafka_field_in(const struct kafka_field *field, int16_t version)
{
    return version >= field->version_min && version <= field->version_max;
}

static inline bool
kafka_field_is_array(const struct kafka_field *field)
{
    return (field->flags & KAFKA_FIELD_ARRAY) != 0;
}

/* A struct that may be null is held by pointer. */
static inline bool
kafka_field_is_pointer(const struct kafka_field *field)
{
    return field->kind == KAFKA_KIND_STRUCT && !kafka_field_is_array(field) &&
           field->null_from != KAFKA_VERSION_NEVER;
}

/* The bytes one element takes in memory. */
size_t kafka_field_element_bytes(const struct kafka_field *field);

/* Sets one field of a zeroed message to its default. */
void kafka_field_init(const struct kafka_field *field, void *message);

#endif
