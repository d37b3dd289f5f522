/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder walks the table of a message and the bytes of a client side by side. Nothing in
 * the bytes decides how deep it goes or, beyond what the bytes could hold, how much it
 * allocates.
 */
#include "protocol/protocol.h"
#include "protocol/tags.h"

struct decoder {
    struct ks_cursor cursor;
    struct ks_arena *arena;
    size_t elements_left;
    int16_t version;
    bool is_flexible;
    enum kafscale_status status;     /* of the first failure other than running out of bytes */
    const struct kafka_field *field; /* where the first failure was */
    const char *problem;
};

static void decode_struct(struct decoder *decoder, const struct kafka_message *message, void *out);

static void
fail(struct decoder *decoder, enum kafscale_status status, const char *problem)
{
    if (decoder->problem == NULL) {
        decoder->status = status;
        decoder->problem = problem;
    }
    decoder->cursor.failed = true;
}

static void
decode_number(struct decoder *decoder, enum kafka_kind kind, void *out)
{
    struct ks_cursor *cursor = &decoder->cursor;
    uint64_t bits;

    switch (kind) {
    case KAFKA_KIND_BOOL:
        *(bool *) out = ks_cursor_u8(cursor) != 0;
        break;
    case KAFKA_KIND_INT8:
        *(int8_t *) out = (int8_t) ks_cursor_u8(cursor);
        break;
    case KAFKA_KIND_INT16:
    case KAFKA_KIND_UINT16:
        *(uint16_t *) out = ks_cursor_u16(cursor);
        break;
    case KAFKA_KIND_INT32:
        *(int32_t *) out = (int32_t) ks_cursor_u32(cursor);
        break;
    case KAFKA_KIND_INT64:
        *(int64_t *) out = (int64_t) ks_cursor_u64(cursor);
        break;
    case KAFKA_KIND_FLOAT64:
        bits = ks_cursor_u64(cursor);
        memcpy(out, &bits, sizeof bits);
        break;
    default:
        ks_cursor_copy(cursor, out, 16);
        break;
    }
}

/*
 * -1 for null, where that is allowed. Strings have short lengths in the old encoding, all else
 * has long ones.
 */
static int64_t
decode_length(struct decoder *decoder, const struct kafka_field *field, bool is_string)
{
    struct ks_cursor *cursor = &decoder->cursor;
    int64_t length;

    if (decoder->is_flexible) {
        length = (int64_t) ks_cursor_uvarint(cursor) - 1;
    } else if (is_string) {
        length = (int16_t) ks_cursor_u16(cursor);
    } else {
        length = (int32_t) ks_cursor_u32(cursor);
    }
    if (ks_cursor_failed(cursor)) {
        return 0;
    }
    if (length < -1 || (is_string && length > KAFKA_STRING_BYTES_MAX)) {
        fail(decoder, KAFSCALE_CORRUPT, "impossible length");
        return 0;
    }
    if (length == -1 && decoder->version < field->null_from) {
        fail(decoder, KAFSCALE_CORRUPT, "null is not allowed");
        return 0;
    }
    return length;
}

static struct kafscale_slice
decode_bytes(struct decoder *decoder, const struct kafka_field *field, bool is_string)
{
    int64_t length = decode_length(decoder, field, is_string);

    if (length < 0) {
        return (struct kafscale_slice){ 0 };
    }
    return kafka_take_bytes(&decoder->cursor, (size_t) length);
}

static void
decode_records(struct decoder *decoder, const struct kafka_field *field, struct kafka_records *out)
{
    struct kafscale_slice bytes = decode_bytes(decoder, field, false);
    struct kafscale_slice *part;

    *out = (struct kafka_records){ .is_null = bytes.data == NULL };
    if (out->is_null || ks_cursor_failed(&decoder->cursor)) {
        return;
    }
    part = ks_arena_alloc(decoder->arena, sizeof *part);
    if (part == NULL) {
        fail(decoder, KAFSCALE_NO_MEMORY, "no memory left for the request");
        return;
    }
    *part = bytes;
    out->parts = part;
    out->part_count = 1;
}

/* A struct that may be null has a byte before it, which is negative then. */
static void
decode_nullable_struct(struct decoder *decoder, const struct kafka_field *field, void *out)
{
    bool is_null = (int8_t) ks_cursor_u8(&decoder->cursor) < 0;
    void *element = NULL;

    if (is_null && decoder->version < field->null_from) {
        fail(decoder, KAFSCALE_CORRUPT, "null is not allowed");
    } else if (!is_null && !ks_cursor_failed(&decoder->cursor)) {
        element = ks_arena_alloc(decoder->arena, field->element->size_bytes);
        if (element == NULL) {
            fail(decoder, KAFSCALE_NO_MEMORY, "no memory left for the request");
            return;
        }
        decode_struct(decoder, field->element, element);
    }
    memcpy(out, &element, sizeof element);
}

/* One value: the field itself, or one element of it when it is an array. */
static void
decode_value(struct decoder *decoder, const struct kafka_field *field, void *out)
{
    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_STRING:
        *(struct kafscale_slice *) out = decode_bytes(decoder, field, true);
        break;
    case KAFKA_KIND_BYTES:
        *(struct kafscale_slice *) out = decode_bytes(decoder, field, false);
        break;
    case KAFKA_KIND_RECORDS:
        decode_records(decoder, field, out);
        break;
    case KAFKA_KIND_STRUCT:
        if (kafka_field_is_pointer(field)) {
            decode_nullable_struct(decoder, field, out);
        } else {
            decode_struct(decoder, field->element, out);
        }
        break;
    default:
        decode_number(decoder, (enum kafka_kind) field->kind, out);
        break;
    }
}

/* The fewest bytes a value takes. Structs in structs count little: a lower bound is enough. */
static size_t
value_bytes_min(const struct decoder *decoder, const struct kafka_field *field)
{
    size_t length_bytes = decoder->is_flexible ? 1 : 4;

    if (kafka_field_is_array(field)) {
        return length_bytes;
    }
    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_STRING:
        return decoder->is_flexible ? 1 : 2;
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS:
        return length_bytes;
    case KAFKA_KIND_STRUCT:
        return decoder->is_flexible || kafka_field_is_pointer(field) ? 1 : 0;
    default:
        return kafka_field_element_bytes(field);
    }
}

static size_t
struct_bytes_min(const struct decoder *decoder, const struct kafka_message *message)
{
    size_t size = decoder->is_flexible ? 1 : 0;

    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];

        if (field->tag < 0 && kafka_field_in(field, decoder->version)) {
            size += value_bytes_min(decoder, field);
        }
    }
    return size > 0 ? size : 1;
}

static size_t
element_bytes_min(const struct decoder *decoder, const struct kafka_field *field)
{
    struct kafka_field element = *field;

    if (field->kind == KAFKA_KIND_STRUCT) {
        return struct_bytes_min(decoder, field->element);
    }
    element.flags &= (uint8_t) ~KAFKA_FIELD_ARRAY;
    return value_bytes_min(decoder, &element);
}

/* Memory for as many elements as the bytes that are left could hold, and never for more. */
static uint8_t *
elements_new(struct decoder *decoder, const struct kafka_field *field, size_t count)
{
    uint8_t *elements;

    if (count > ks_cursor_left(&decoder->cursor) / element_bytes_min(decoder, field)) {
        fail(decoder, KAFSCALE_CORRUPT, "more elements than bytes");
        return NULL;
    }
    if (count > decoder->elements_left) {
        fail(decoder, KAFSCALE_TOO_LARGE, "too many elements");
        return NULL;
    }
    decoder->elements_left -= count;
    elements = ks_arena_alloc_array(decoder->arena, count, kafka_field_element_bytes(field));
    if (elements == NULL) {
        fail(decoder, KAFSCALE_NO_MEMORY, "no memory left for the request");
    }
    return elements;
}

static void
decode_array(struct decoder *decoder, const struct kafka_field *field, uint8_t *message)
{
    int64_t count = decode_length(decoder, field, false);
    size_t element_bytes = kafka_field_element_bytes(field);
    uint8_t *elements = NULL;

    if (count > 0) {
        elements = elements_new(decoder, field, (size_t) count);
    }
    for (int64_t i = 0; elements != NULL && i < count && !ks_cursor_failed(&decoder->cursor); i++) {
        decode_value(decoder, field, elements + (size_t) i * element_bytes);
    }
    memcpy(message + field->offset, &elements, sizeof elements);
    *(int32_t *) (void *) (message + field->count_offset) = (int32_t) count;
}

static void
decode_field(struct decoder *decoder, const struct kafka_field *field, uint8_t *message)
{
    if (kafka_field_is_array(field)) {
        decode_array(decoder, field, message);
    } else {
        decode_value(decoder, field, message + field->offset);
    }
    if (ks_cursor_failed(&decoder->cursor) && decoder->field == NULL) {
        decoder->field = field;
    }
}

static const struct kafka_field *
find_tag(const struct kafka_message *message, int16_t version, int64_t tag)
{
    for (size_t i = message->field_count; i > 0 && message->fields[i - 1].tag >= 0; i--) {
        if (message->fields[i - 1].tag == tag && kafka_field_in(&message->fields[i - 1], version)) {
            return &message->fields[i - 1];
        }
    }
    return NULL;
}

/* A tagged field is a small world of its own: it must fill its bytes exactly. */
static void
decode_tagged(struct decoder *decoder, const struct kafka_field *field, struct kafscale_slice body,
              uint8_t *message)
{
    struct ks_cursor rest = decoder->cursor;

    decoder->cursor = ks_cursor(body);
    decode_field(decoder, field, message);
    if (ks_cursor_left(&decoder->cursor) > 0) {
        fail(decoder, KAFSCALE_CORRUPT, "bytes left over in a tagged field");
    }
    rest.failed = ks_cursor_failed(&decoder->cursor);
    decoder->cursor = rest;
}

static void
decode_tags(struct decoder *decoder, const struct kafka_message *message, uint8_t *out)
{
    uint32_t count = ks_cursor_uvarint(&decoder->cursor);
    int64_t tag = -1;

    for (uint32_t i = 0; i < count && !ks_cursor_failed(&decoder->cursor); i++) {
        const struct kafka_field *field;
        struct kafscale_slice body;

        kafka_take_tag(&decoder->cursor, &tag, &body);
        field = find_tag(message, decoder->version, tag);
        if (field != NULL && !ks_cursor_failed(&decoder->cursor)) {
            decode_tagged(decoder, field, body, out);
        }
    }
}

/* `out` is zeroed. */
static void
decode_struct(struct decoder *decoder, const struct kafka_message *message, void *out)
{
    for (size_t i = 0; i < message->field_count && !ks_cursor_failed(&decoder->cursor); i++) {
        const struct kafka_field *field = &message->fields[i];

        if (field->tag < 0 && kafka_field_in(field, decoder->version)) {
            decode_field(decoder, field, out);
        } else {
            kafka_field_init(field, out);
        }
    }
    if (decoder->is_flexible) {
        decode_tags(decoder, message, out);
    }
}

static enum kafscale_status
explain(const struct decoder *decoder, const struct kafka_message *message,
        struct kafscale_error *error)
{
    const char *problem = decoder->problem != NULL ? decoder->problem : "the bytes end too early";
    enum kafscale_status status = decoder->problem != NULL ? decoder->status : KAFSCALE_CORRUPT;

    return ks_error_set(error, status, "%s v%d, field '%s': %s", message->name, decoder->version,
                        decoder->field != NULL ? decoder->field->name : "tags", problem);
}

enum kafscale_status
kafka_decode_within(const struct kafka_message *message, int16_t version,
                    struct kafscale_slice body, const struct kafka_decode_limits *limits,
                    struct ks_arena *arena, void *out, struct kafscale_error *error)
{
    struct decoder decoder = { .cursor = ks_cursor(body),
                               .arena = arena,
                               .elements_left = limits->elements_max,
                               .version = version,
                               .is_flexible = version >= message->flexible_from };
    void *decoded;

    if (version < message->version_min || version > message->version_max) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "%s has no version %d", message->name,
                            version);
    }
    decoded = ks_arena_alloc(arena, message->size_bytes);
    if (decoded == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory left for a %s", message->name);
    }
    decode_struct(&decoder, message, decoded);
    if (ks_cursor_failed(&decoder.cursor)) {
        return explain(&decoder, message, error);
    }
    if (ks_cursor_left(&decoder.cursor) > limits->left_max) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "%s v%d: %zu bytes left over", message->name,
                            version, ks_cursor_left(&decoder.cursor));
    }
    memcpy(out, decoded, message->size_bytes);
    return KAFSCALE_OK;
}

enum kafscale_status
kafka_decode(const struct kafka_message *message, int16_t version, struct kafscale_slice body,
             struct ks_arena *arena, void *out, struct kafscale_error *error)
{
    struct kafka_decode_limits limits = { .elements_max = KAFKA_ELEMENTS_MAX };

    return kafka_decode_within(message, version, body, &limits, arena, out, error);
}

enum kafscale_status
kafka_decode_request(const struct kafka_message *message, int16_t version,
                     struct kafscale_slice body, struct ks_arena *arena, void *out,
                     struct kafscale_error *error)
{
    struct kafka_decode_limits limits = { .elements_max = KAFKA_ELEMENTS_MAX,
                                          .left_max = SIZE_MAX };

    return kafka_decode_within(message, version, body, &limits, arena, out, error);
}
