/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in the tables, and the defaults they give. */
#include "protocol/protocol.h"

static const struct {
    const char *name;
    int16_t code;
    bool is_retriable;
} errors[] = {
#define KAFKA_ERROR(name, code, is_retriable) { #name, code, is_retriable },
#include "kafscale/kafka_error.def"
#undef KAFKA_ERROR
};

/* The codes are dense from the first one, -1, on. */
static bool
error_exists(int16_t code)
{
    return code >= -1 && (size_t) (code + 1) < sizeof errors / sizeof errors[0];
}

const char *
kafka_error_name(int16_t code)
{
    return error_exists(code) ? errors[code + 1].name : "?";
}

bool
kafka_error_is_retriable(int16_t code)
{
    return error_exists(code) && errors[code + 1].is_retriable;
}

const struct kafka_api_schema *
kafka_api_find(int16_t key)
{
    size_t low = 0;
    size_t high = kafka_api_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (kafka_apis[middle].key == key) {
            return &kafka_apis[middle];
        }
        if (kafka_apis[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

size_t
kafka_field_element_bytes(const struct kafka_field *field)
{
    static const uint8_t sizes[] = {
        [KAFKA_KIND_BOOL] = sizeof(bool),
        [KAFKA_KIND_INT8] = 1,
        [KAFKA_KIND_INT16] = 2,
        [KAFKA_KIND_UINT16] = 2,
        [KAFKA_KIND_INT32] = 4,
        [KAFKA_KIND_INT64] = 8,
        [KAFKA_KIND_FLOAT64] = sizeof(double),
        [KAFKA_KIND_UUID] = 16,
        [KAFKA_KIND_STRING] = sizeof(struct kafscale_slice),
        [KAFKA_KIND_BYTES] = sizeof(struct kafscale_slice),
        [KAFKA_KIND_RECORDS] = sizeof(struct kafka_records),
    };

    return field->kind == KAFKA_KIND_STRUCT ? field->element->size_bytes : sizes[field->kind];
}

static void
init_number(const struct kafka_field *field, void *out)
{
    int64_t value = field->default_value;

    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_BOOL:
        *(bool *) out = value != 0;
        break;
    case KAFKA_KIND_INT8:
        *(int8_t *) out = (int8_t) value;
        break;
    case KAFKA_KIND_INT16:
    case KAFKA_KIND_UINT16:
        *(uint16_t *) out = (uint16_t) value;
        break;
    case KAFKA_KIND_INT32:
        *(int32_t *) out = (int32_t) value;
        break;
    case KAFKA_KIND_INT64:
        *(int64_t *) out = value;
        break;
    case KAFKA_KIND_FLOAT64:
        *(double *) out = (double) value;
        break;
    default:
        break;
    }
}

void
kafka_field_init(const struct kafka_field *field, void *message)
{
    uint8_t *out = message;
    bool is_null = (field->flags & KAFKA_FIELD_DEFAULT_NULL) != 0;

    if (kafka_field_is_array(field)) {
        *(int32_t *) (void *) (out + field->count_offset) = is_null ? -1 : 0;
    } else if (field->kind == KAFKA_KIND_STRING || field->kind == KAFKA_KIND_BYTES) {
        *(struct kafscale_slice *) (void *) (out + field->offset) =
            is_null ? ks_slice(NULL, 0) : ks_slice("", 0);
    } else if (field->kind == KAFKA_KIND_RECORDS) {
        ((struct kafka_records *) (void *) (out + field->offset))->is_null = is_null;
    } else if (field->kind == KAFKA_KIND_STRUCT && !kafka_field_is_pointer(field)) {
        kafka_message_init(field->element, out + field->offset);
    } else {
        init_number(field, out + field->offset);
    }
}

void
kafka_message_init(const struct kafka_message *message, void *out)
{
    memset(out, 0, message->size_bytes);
    for (size_t i = 0; i < message->field_count; i++) {
        kafka_field_init(&message->fields[i], out);
    }
}

void *
kafka_array_new(struct ks_arena *arena, const struct kafka_message *message, size_t count)
{
    uint8_t *elements;

    if (count == 0) {
        return NULL;
    }
    elements = ks_arena_alloc_array(arena, count, message->size_bytes);
    if (elements == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        kafka_message_init(message, elements + i * message->size_bytes);
    }
    return elements;
}
