/* SPDX-License-Identifier: Apache-2.0 */
/* One more interpreter of the tables. Arrays are short, since messages nest up to five deep. */
#include "support/random_message.h"

#include <assert.h>

#define ELEMENTS_MAX 3u

static void fill(struct ks_arena *arena, const struct kafka_message *message, int16_t version,
                 uint64_t *state, void *out);

uint64_t
random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct kafscale_slice
random_bytes(struct ks_arena *arena, uint64_t *state, bool is_string)
{
    uint64_t fate = random_next(state) % 64;
    size_t size = fate == 0 ? 200 : fate % 12;
    uint8_t *data;

    if (fate == 1 && !is_string) {
        size = KAFKA_REFERENCE_BYTES_MIN + 100;
    }
    data = ks_arena_alloc(arena, size + 1);
    assert(data != NULL);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t) ('a' + random_next(state) % 26);
    }
    return ks_slice(data, size);
}

static void
fill_records(struct ks_arena *arena, uint64_t *state, struct kafka_records *out)
{
    size_t count = random_next(state) % 4;
    struct kafscale_slice *parts = ks_arena_alloc_array(arena, count + 1, sizeof *parts);

    assert(parts != NULL);
    for (size_t i = 0; i < count; i++) {
        parts[i] = random_bytes(arena, state, false);
    }
    *out = (struct kafka_records){ .parts = parts, .part_count = count };
}

/* Numbers of any size, so that each byte is seen to move. */
static void
fill_number(const struct kafka_field *field, uint64_t *state, void *out)
{
    uint64_t bits = random_next(state) >> random_next(state) % 64;
    double real = (double) (bits % 1000) / 8;

    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_BOOL:
        *(bool *) out = bits % 2 != 0;
        break;
    case KAFKA_KIND_FLOAT64:
        memcpy(out, &real, sizeof real);
        break;
    case KAFKA_KIND_UUID:
        memcpy(out, &bits, sizeof bits);
        break;
    default:
        memcpy(out, &bits, kafka_field_element_bytes(field));
        break;
    }
}

static void
fill_value(struct ks_arena *arena, const struct kafka_field *field, int16_t version,
           uint64_t *state, void *out)
{
    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_STRING:
    case KAFKA_KIND_BYTES:
        *(struct kafscale_slice *) out =
            random_bytes(arena, state, field->kind == KAFKA_KIND_STRING);
        break;
    case KAFKA_KIND_RECORDS:
        fill_records(arena, state, out);
        break;
    case KAFKA_KIND_STRUCT:
        if (kafka_field_is_pointer(field)) {
            void *element = kafka_array_new(arena, field->element, 1);

            fill(arena, field->element, version, state, element);
            memcpy(out, &element, sizeof element);
        } else {
            fill(arena, field->element, version, state, out);
        }
        break;
    default:
        fill_number(field, state, out);
        break;
    }
}

static void
fill_array(struct ks_arena *arena, const struct kafka_field *field, int16_t version,
           uint64_t *state, uint8_t *out)
{
    size_t count = random_next(state) % (ELEMENTS_MAX + 1);
    size_t element_bytes = kafka_field_element_bytes(field);
    uint8_t *elements = field->kind == KAFKA_KIND_STRUCT
                            ? kafka_array_new(arena, field->element, count)
                            : ks_arena_alloc_array(arena, count, element_bytes);

    assert(elements != NULL || count == 0);
    for (size_t i = 0; i < count; i++) {
        fill_value(arena, field, version, state, elements + i * element_bytes);
    }
    memcpy(out + field->offset, &elements, sizeof elements);
    *(int32_t *) (void *) (out + field->count_offset) = (int32_t) count;
}

static void
set_null(const struct kafka_field *field, uint8_t *out)
{
    if (kafka_field_is_array(field)) {
        *(int32_t *) (void *) (out + field->count_offset) = -1;
    } else if (field->kind == KAFKA_KIND_RECORDS) {
        ((struct kafka_records *) (void *) (out + field->offset))->is_null = true;
    } else if (field->kind == KAFKA_KIND_STRUCT) {
        memset(out + field->offset, 0, sizeof(void *));
    } else {
        *(struct kafscale_slice *) (void *) (out + field->offset) = ks_slice(NULL, 0);
    }
}

/* `out` holds defaults, which stay in fields that the version doesn't have and in some others. */
static void
fill(struct ks_arena *arena, const struct kafka_message *message, int16_t version, uint64_t *state,
     void *out)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        uint64_t fate = random_next(state) % 8;
        bool is_required =
            (field->flags & KAFKA_FIELD_DEFAULT_NULL) != 0 && version < field->null_from;

        if (!kafka_field_in(field, version) || (fate == 0 && !is_required)) {
            continue;
        }
        if (fate == 1 && version >= field->null_from) {
            set_null(field, out);
        } else if (kafka_field_is_array(field)) {
            fill_array(arena, field, version, state, out);
        } else {
            fill_value(arena, field, version, state, (uint8_t *) out + field->offset);
        }
    }
}

void *
random_message_new(struct ks_arena *arena, const struct kafka_message *message, int16_t version,
                   uint64_t *state)
{
    void *out = kafka_array_new(arena, message, 1);

    assert(out != NULL);
    fill(arena, message, version, state, out);
    return out;
}

/* The pieces in one, on the heap. */
static struct kafscale_slice
joined_new(const struct kafka_records *records)
{
    struct ks_buffer buffer;

    ks_buffer_init(&buffer, SIZE_MAX);
    ks_buffer_append(&buffer, "", 1); /* never without memory, even when empty */
    for (size_t i = 0; i < records->part_count; i++) {
        ks_buffer_append(&buffer, records->parts[i].data, records->parts[i].size);
    }
    assert(!ks_buffer_failed(&buffer));
    return ks_buffer_slice(&buffer);
}

static bool
records_equal(const struct kafka_records *a, const struct kafka_records *b)
{
    struct kafscale_slice joined_a;
    struct kafscale_slice joined_b;
    bool is_equal;

    if (a->is_null || b->is_null) {
        return a->is_null == b->is_null;
    }
    joined_a = joined_new(a);
    joined_b = joined_new(b);
    is_equal = ks_slice_equals(joined_a, joined_b);
    ks_free((uint8_t *) (uintptr_t) joined_a.data);
    ks_free((uint8_t *) (uintptr_t) joined_b.data);
    return is_equal;
}

/* Null and empty are not the same, unless the field can't be null. */
static bool
slices_equal(const struct kafka_field *field, const struct kafscale_slice *a,
             const struct kafscale_slice *b)
{
    if (field->null_from != KAFKA_VERSION_NEVER && (a->data == NULL) != (b->data == NULL)) {
        return false;
    }
    return ks_slice_equals(*a, *b);
}

static bool
values_equal(const struct kafka_field *field, const void *a, const void *b)
{
    const void *pointer_a;
    const void *pointer_b;

    switch ((enum kafka_kind) field->kind) {
    case KAFKA_KIND_STRING:
    case KAFKA_KIND_BYTES:
        return slices_equal(field, a, b);
    case KAFKA_KIND_RECORDS:
        return records_equal(a, b);
    case KAFKA_KIND_STRUCT:
        if (!kafka_field_is_pointer(field)) {
            return messages_equal(field->element, a, b);
        }
        memcpy(&pointer_a, a, sizeof pointer_a);
        memcpy(&pointer_b, b, sizeof pointer_b);
        if (pointer_a == NULL || pointer_b == NULL) {
            return pointer_a == pointer_b;
        }
        return messages_equal(field->element, pointer_a, pointer_b);
    default:
        return memcmp(a, b, kafka_field_element_bytes(field)) == 0;
    }
}

static bool
arrays_equal(const struct kafka_field *field, const uint8_t *a, const uint8_t *b)
{
    int32_t count = *(const int32_t *) (const void *) (a + field->count_offset);
    size_t element_bytes = kafka_field_element_bytes(field);
    const uint8_t *elements_a;
    const uint8_t *elements_b;

    if (count != *(const int32_t *) (const void *) (b + field->count_offset)) {
        return false;
    }
    memcpy(&elements_a, a + field->offset, sizeof elements_a);
    memcpy(&elements_b, b + field->offset, sizeof elements_b);
    for (int32_t i = 0; i < count; i++) {
        if (!values_equal(field, elements_a + (size_t) i * element_bytes,
                          elements_b + (size_t) i * element_bytes)) {
            return false;
        }
    }
    return true;
}

bool
messages_equal(const struct kafka_message *message, const void *a, const void *b)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];
        const uint8_t *bytes_a = a;
        const uint8_t *bytes_b = b;
        bool is_equal = kafka_field_is_array(field)
                            ? arrays_equal(field, bytes_a, bytes_b)
                            : values_equal(field, bytes_a + field->offset, bytes_b + field->offset);

        if (!is_equal) {
            return false;
        }
    }
    return true;
}

struct kafscale_slice
writer_bytes(struct kafka_writer *writer, struct ks_arena *arena)
{
    size_t size = kafka_writer_size(writer);
    uint8_t *data = ks_arena_alloc(arena, size + 1);
    const struct kafscale_slice *parts;
    size_t part_count;
    size_t position = 0;
    enum kafscale_status status = kafka_writer_finish(writer, &parts, &part_count);

    assert(status == KAFSCALE_OK);
    assert(data != NULL);
    for (size_t i = 0; i < part_count; i++) {
        assert(parts[i].size > 0);
        memcpy(data + position, parts[i].data, parts[i].size);
        position += parts[i].size;
    }
    assert(position == size);
    return ks_slice(data, size);
}
