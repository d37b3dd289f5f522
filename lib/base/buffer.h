/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buffer is bytes that grow at the end, up to a cap. It is sticky: after a failed append it
 * stays as it was and every later append does nothing, so that one check at the end is enough.
 */
#ifndef KS_BASE_BUFFER_H
#define KS_BASE_BUFFER_H

#include "base/slice.h"

struct ks_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max;
    bool failed;
};

void ks_buffer_init(struct ks_buffer *buffer, size_t size_max);
void ks_buffer_deinit(struct ks_buffer *buffer);

/* Empties it, keeps the memory and clears the failure. */
void ks_buffer_clear(struct ks_buffer *buffer);

void ks_buffer_append(struct ks_buffer *buffer, const void *data, size_t size);

/* A text without its final NUL. */
void ks_buffer_append_text(struct ks_buffer *buffer, const char *text);

/* Room for `size` bytes at the end, counted as appended and uninitialised; NULL when failed. */
uint8_t *ks_buffer_extend(struct ks_buffer *buffer, size_t size);

/* Big-endian integers, as Kafka and our formats write them. */
void ks_buffer_append_u8(struct ks_buffer *buffer, uint8_t value);
void ks_buffer_append_u16(struct ks_buffer *buffer, uint16_t value);
void ks_buffer_append_u32(struct ks_buffer *buffer, uint32_t value);
void ks_buffer_append_u64(struct ks_buffer *buffer, uint64_t value);

static inline bool
ks_buffer_failed(const struct ks_buffer *buffer)
{
    return buffer->failed;
}

static inline struct kafscale_slice
ks_buffer_slice(const struct ks_buffer *buffer)
{
    return ks_slice(buffer->data, buffer->size);
}

#endif
