/* SPDX-License-Identifier: Apache-2.0 */
/* Capacity doubles, so appending is linear in the end. */
#include "base/buffer.h"

#include "base/endian.h"
#include "base/memory.h"

#define CAPACITY_MIN 64u

void
ks_buffer_init(struct ks_buffer *buffer, size_t size_max)
{
    *buffer = (struct ks_buffer){ .size_max = size_max };
}

void
ks_buffer_deinit(struct ks_buffer *buffer)
{
    ks_free(buffer->data);
    *buffer = (struct ks_buffer){ .size_max = buffer->size_max };
}

void
ks_buffer_clear(struct ks_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

static bool
grow(struct ks_buffer *buffer, size_t size)
{
    size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity;
    uint8_t *data;

    while (capacity < size) {
        capacity = capacity > SIZE_MAX / 2 ? size : capacity * 2;
    }
    data = ks_realloc(buffer->data, capacity);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *
ks_buffer_extend(struct ks_buffer *buffer, size_t size)
{
    uint8_t *room;

    if (buffer->failed || size > buffer->size_max - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    if (buffer->size + size > buffer->capacity && !grow(buffer, buffer->size + size)) {
        buffer->failed = true;
        return NULL;
    }
    room = buffer->data + buffer->size;
    buffer->size += size;
    return room;
}

void
ks_buffer_append(struct ks_buffer *buffer, const void *data, size_t size)
{
    uint8_t *room = size == 0 ? NULL : ks_buffer_extend(buffer, size);

    if (room != NULL) {
        memcpy(room, data, size);
    }
}

void
ks_buffer_append_text(struct ks_buffer *buffer, const char *text)
{
    ks_buffer_append(buffer, text, strlen(text));
}

void
ks_buffer_append_u8(struct ks_buffer *buffer, uint8_t value)
{
    ks_buffer_append(buffer, &value, 1);
}

void
ks_buffer_append_u16(struct ks_buffer *buffer, uint16_t value)
{
    uint8_t *room = ks_buffer_extend(buffer, 2);

    if (room != NULL) {
        ks_put_u16(room, value);
    }
}

void
ks_buffer_append_u32(struct ks_buffer *buffer, uint32_t value)
{
    uint8_t *room = ks_buffer_extend(buffer, 4);

    if (room != NULL) {
        ks_put_u32(room, value);
    }
}

void
ks_buffer_append_u64(struct ks_buffer *buffer, uint64_t value)
{
    uint8_t *room = ks_buffer_extend(buffer, 8);

    if (room != NULL) {
        ks_put_u64(room, value);
    }
}
