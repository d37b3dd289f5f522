/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoder walks the table of a message and our struct side by side. A field that is set but
 * that the version can't carry is refused: dropping it silently would tell the client something
 * else than was meant.
 */
#include "protocol/protocol.h"

struct encoder {
    struct kafka_writer *writer;
    int16_t version;
    bool is_flexible;
    const struct kafka_field *field; /* where the first failure was */
    const char *problem;
};

static void encode_struct(struct encoder *encoder, const struct kafka_message *message,
                          const void *in);
static bool is_default_struct(const struct kafka_message *message, const void *in);

static void
refuse(struct encoder *encoder, const struct kafka_field *field, const char *problem)
{
    if (encoder->problem == NULL) {
        encoder->field = field;
        encoder->problem = problem;
    }
}

/* Pointers to any struct are read as pointers to void; C lets only memcpy do that. */
static const void *
load_pointer(const void *place)
{
    const void *pointer;

    memcpy(&pointer, place, sizeof pointer);
    return pointer;
}

static int32_t
array_count(const struct kafka_field *field, const uint8_t *message)
{
    return *(const int32_t *) (const void *) (message + field->count_offset);
}

static bool
is_default_number(const struct kafka_field *field, const void *in)
{
    static const uint8_t zeros[16] = { 0 };

    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_BOOL:
        return *(const bool *) in == (field->default_value != 0);
    case KAFKA_KIND_INT8:
        return *(const int8_t *) in == field->default_value;
    case KAFKA_KIND_INT16:
        return *(const int16_t *) in == field->default_value;
    case KAFKA_KIND_UINT16:
        return *(const uint16_t *) in == field->default_value;
    case KAFKA_KIND_INT32:
        return *(const int32_t *) in == field->default_value;
    case KAFKA_KIND_INT64:
        return *(const int64_t *) in == field->default_value;
    case KAFKA_KIND_FLOAT64:
        return memcmp(in, zeros, sizeof(double)) == 0;
    default:
        return memcmp(in, zeros, sizeof zeros) == 0;
    }
}

static size_t
records_bytes(const struct kafka_records *records)
{
    size_t size = 0;

    for (size_t i = 0; i < records->part_count && records->parts != NULL; i++) {
        size += records->parts[i].size;
    }
    return size;
}

/* No data means null only where a field can be null. */
static bool
is_default_slice(const struct kafka_field *field, const struct kafscale_slice *slice)
{
    if ((field->flags & KAFKA_FIELD_DEFAULT_NULL) != 0) {
        return slice->data == NULL;
    }
    return slice->size == 0 && (slice->data != NULL || field->null_from == KAFKA_VERSION_NEVER);
}

static bool
is_default(const struct kafka_field *field, const uint8_t *message)
{
    const void *in = message + field->offset;
    bool default_is_null = (field->flags & KAFKA_FIELD_DEFAULT_NULL) != 0;
    const struct kafka_records *records;

    if (kafka_field_is_array(field)) {
        return array_count(field, message) == (default_is_null ? -1 : 0);
    }
    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_STRING:
    case KAFKA_KIND_BYTES:
        return is_default_slice(field, in);
    case KAFKA_KIND_RECORDS:
        records = in;
        return records->is_null == default_is_null && records_bytes(records) == 0;
    case KAFKA_KIND_STRUCT:
        return kafka_field_is_pointer(field) ? load_pointer(in) == NULL
                                             : is_default_struct(field->element, in);
    default:
        return is_default_number(field, in);
    }
}

static bool
is_default_struct(const struct kafka_message *message, const void *in)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (!is_default(&message->fields[i], in)) {
            return false;
        }
    }
    return true;
}

static void
encode_number(struct encoder *encoder, enum kafka_kind kind, const void *in)
{
    struct ks_buffer *out = &encoder->writer->copied;
    uint64_t bits;

    switch (kind) {
    case KAFKA_KIND_BOOL:
        ks_buffer_append_u8(out, *(const bool *) in ? 1 : 0);
        break;
    case KAFKA_KIND_INT8:
        ks_buffer_append_u8(out, *(const uint8_t *) in);
        break;
    case KAFKA_KIND_INT16:
    case KAFKA_KIND_UINT16:
        ks_buffer_append_u16(out, *(const uint16_t *) in);
        break;
    case KAFKA_KIND_INT32:
        ks_buffer_append_u32(out, *(const uint32_t *) in);
        break;
    case KAFKA_KIND_INT64:
        ks_buffer_append_u64(out, *(const uint64_t *) in);
        break;
    case KAFKA_KIND_FLOAT64:
        memcpy(&bits, in, sizeof bits);
        ks_buffer_append_u64(out, bits);
        break;
    default:
        ks_buffer_append(out, in, 16);
        break;
    }
}

/* `length` is -1 for null. */
static void
encode_length(struct encoder *encoder, const struct kafka_field *field, int64_t length,
              bool is_string)
{
    struct kafka_writer *writer = encoder->writer;

    if (length < -1) {
        refuse(encoder, field, "a count that can't be");
    } else if (length > (is_string ? KAFKA_STRING_BYTES_MAX : INT32_MAX)) {
        refuse(encoder, field, "too long");
    } else if (length < 0 && encoder->version < field->null_from) {
        refuse(encoder, field, "null is not allowed");
    } else if (encoder->is_flexible) {
        kafka_writer_uvarint(writer, (uint64_t) (length + 1));
    } else if (is_string) {
        ks_buffer_append_u16(&writer->copied, (uint16_t) length);
    } else {
        ks_buffer_append_u32(&writer->copied, (uint32_t) length);
    }
}

static void
encode_slice(struct encoder *encoder, const struct kafka_field *field,
             const struct kafscale_slice *slice, bool is_string)
{
    bool is_null = slice->data == NULL && field->null_from != KAFKA_VERSION_NEVER;

    if (slice->data == NULL && slice->size > 0) {
        refuse(encoder, field, "a size without bytes");
        return;
    }
    encode_length(encoder, field, is_null ? -1 : (int64_t) slice->size, is_string);
    kafka_writer_append(encoder->writer, *slice);
}

static void
encode_records(struct encoder *encoder, const struct kafka_field *field,
               const struct kafka_records *records)
{
    if (records->parts == NULL && records->part_count > 0 && !records->is_null) {
        refuse(encoder, field, "a count without elements");
        return;
    }
    encode_length(encoder, field, records->is_null ? -1 : (int64_t) records_bytes(records), false);
    for (size_t i = 0; i < records->part_count && !records->is_null; i++) {
        if (records->parts[i].data == NULL && records->parts[i].size > 0) {
            refuse(encoder, field, "a size without bytes");
            return;
        }
        kafka_writer_append(encoder->writer, records->parts[i]);
    }
}

static void
encode_nullable_struct(struct encoder *encoder, const struct kafka_field *field,
                       const void *element)
{
    if (element == NULL && encoder->version < field->null_from) {
        refuse(encoder, field, "null is not allowed");
        return;
    }
    ks_buffer_append_u8(&encoder->writer->copied, element == NULL ? UINT8_MAX : 1);
    if (element != NULL) {
        encode_struct(encoder, field->element, element);
    }
}

static void
encode_value(struct encoder *encoder, const struct kafka_field *field, const void *in)
{
    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_STRING:
        encode_slice(encoder, field, in, true);
        break;
    case KAFKA_KIND_BYTES:
        encode_slice(encoder, field, in, false);
        break;
    case KAFKA_KIND_RECORDS:
        encode_records(encoder, field, in);
        break;
    case KAFKA_KIND_STRUCT:
        if (kafka_field_is_pointer(field)) {
            encode_nullable_struct(encoder, field, load_pointer(in));
        } else {
            encode_struct(encoder, field->element, in);
        }
        break;
    default:
        encode_number(encoder, (enum kafka_kind) field->kind, in);
        break;
    }
}

static void
encode_field(struct encoder *encoder, const struct kafka_field *field, const uint8_t *message)
{
    const uint8_t *elements;
    int32_t count;

    if (!kafka_field_is_array(field)) {
        encode_value(encoder, field, message + field->offset);
        return;
    }
    count = array_count(field, message);
    elements = load_pointer(message + field->offset);
    if (count > 0 && elements == NULL) {
        refuse(encoder, field, "a count without elements");
        return;
    }
    encode_length(encoder, field, count, false);
    for (int32_t i = 0; i < count && encoder->problem == NULL; i++) {
        encode_value(encoder, field, elements + (size_t) i * kafka_field_element_bytes(field));
    }
}

static bool
is_tagged_now(const struct encoder *encoder, const struct kafka_field *field,
              const uint8_t *message)
{
    return field->tag >= 0 && kafka_field_in(field, encoder->version) &&
           !is_default(field, message);
}

/* A tagged field is left out when it says nothing. */
static void
encode_tags(struct encoder *encoder, const struct kafka_message *message, const uint8_t *in)
{
    uint64_t count = 0;

    for (size_t i = 0; i < message->field_count; i++) {
        count += is_tagged_now(encoder, &message->fields[i], in);
    }
    kafka_writer_uvarint(encoder->writer, count);
    for (size_t i = 0; i < message->field_count && count > 0; i++) {
        const struct kafka_field *field = &message->fields[i];

        if (is_tagged_now(encoder, field, in)) {
            size_t start;

            kafka_writer_uvarint(encoder->writer, (uint64_t) field->tag);
            start = kafka_writer_size(encoder->writer);
            encode_field(encoder, field, in);
            kafka_writer_prefix_size(encoder->writer, start);
        }
    }
}

static void
encode_struct(struct encoder *encoder, const struct kafka_message *message, const void *in)
{
    for (size_t i = 0; i < message->field_count && encoder->problem == NULL; i++) {
        const struct kafka_field *field = &message->fields[i];

        if (!kafka_field_in(field, encoder->version)) {
            if ((field->flags & KAFKA_FIELD_IGNORABLE) == 0 && !is_default(field, in)) {
                refuse(encoder, field, "set, but not in this version");
            }
        } else if (field->tag < 0) {
            encode_field(encoder, field, in);
        }
    }
    if (encoder->is_flexible && encoder->problem == NULL) {
        encode_tags(encoder, message, in);
    }
}

enum kafscale_status
kafka_encode(const struct kafka_message *message, int16_t version, const void *in,
             struct kafka_writer *writer, struct kafscale_error *error)
{
    struct encoder encoder = { .writer = writer,
                               .version = version,
                               .is_flexible = version >= message->flexible_from };

    if (version < message->version_min || version > message->version_max) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "%s has no version %d", message->name,
                            version);
    }
    encode_struct(&encoder, message, in);
    if (encoder.problem != NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "%s v%d, field '%s': %s", message->name,
                            version, encoder.field->name, encoder.problem);
    }
    if (kafka_writer_failed(writer)) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a %s", message->name);
    }
    return KAFSCALE_OK;
}
