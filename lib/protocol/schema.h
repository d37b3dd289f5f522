/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that proto/generate.py makes of the schemas: one row a field, one table a struct.
 * They are constant data; the decoder, the encoder and the tests are interpreters of them.
 */
#ifndef KS_PROTOCOL_SCHEMA_H
#define KS_PROTOCOL_SCHEMA_H

#include "kafscale/protocol.h"

/* Comes after every version, so it stands for "never". */
#define KAFKA_VERSION_NEVER INT16_MAX

enum kafka_kind {
    KAFKA_KIND_BOOL,
    KAFKA_KIND_INT8,
    KAFKA_KIND_INT16,
    KAFKA_KIND_UINT16,
    KAFKA_KIND_INT32,
    KAFKA_KIND_INT64,
    KAFKA_KIND_FLOAT64,
    KAFKA_KIND_UUID,
    KAFKA_KIND_STRING,
    KAFKA_KIND_BYTES,
    KAFKA_KIND_RECORDS,
    KAFKA_KIND_STRUCT
};

/* An array of its kind, instead of one. */
#define KAFKA_FIELD_ARRAY 1u
/* May be dropped in versions that don't carry it, even when it is set. */
#define KAFKA_FIELD_IGNORABLE 2u
/* The default is null, not empty. */
#define KAFKA_FIELD_DEFAULT_NULL 4u
/* A code of kafka_error.def: what became of the request, or of a part of it. */
#define KAFKA_FIELD_ERROR 8u

struct kafka_field {
    const char *name;
    const struct kafka_message *element; /* of structs, else NULL */
    int64_t default_value;               /* of numbers */
    size_t offset;
    size_t count_offset; /* of arrays */
    int16_t version_min;
    int16_t version_max;
    int16_t null_from; /* null is allowed from this version on; KAFKA_VERSION_NEVER: not at all */
    int16_t tag;       /* -1: at a fixed place */
    uint8_t kind;
    uint8_t flags;
};

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

struct kafka_api_schema {
    const char *name;
    const struct kafka_message *request;
    const struct kafka_message *response;
    int16_t key;
    int16_t version_min;
    int16_t version_max;
};

/* All APIs there is a schema for, by rising key. */
extern const struct kafka_api_schema kafka_apis[];
extern const size_t kafka_api_count;

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
