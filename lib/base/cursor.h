/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor reads untrusted bytes. Every getter checks the bounds; after the first failure the
 * cursor stays failed and gives zeros, so a decoder checks once at the end. No other code does
 * arithmetic on input pointers.
 */
#ifndef KS_BASE_CURSOR_H
#define KS_BASE_CURSOR_H

#include "base/slice.h"

struct ks_cursor {
    const uint8_t *position;
    const uint8_t *end;
    bool failed;
};

static inline struct ks_cursor
ks_cursor(struct kafscale_slice bytes)
{
    return (struct ks_cursor){ .position = bytes.data,
                               .end = bytes.size > 0 ? bytes.data + bytes.size : bytes.data };
}

static inline size_t
ks_cursor_left(const struct ks_cursor *cursor)
{
    return cursor->failed ? 0 : (size_t) (cursor->end - cursor->position);
}

static inline bool
ks_cursor_failed(const struct ks_cursor *cursor)
{
    return cursor->failed;
}

/* `size` bytes, borrowed from the input; an empty slice when fewer are left. */
struct kafscale_slice ks_cursor_take(struct ks_cursor *cursor, size_t size);

/* Copies `size` bytes to `out`; zeros when fewer are left. */
void ks_cursor_copy(struct ks_cursor *cursor, void *out, size_t size);

uint8_t ks_cursor_u8(struct ks_cursor *cursor);
uint16_t ks_cursor_u16(struct ks_cursor *cursor);
uint32_t ks_cursor_u32(struct ks_cursor *cursor);
uint64_t ks_cursor_u64(struct ks_cursor *cursor);

/*
 * Unsigned LEB128 of at most 5 or 10 bytes whose spare bits are zero, as KIP-482 writes
 * lengths.
 */
uint32_t ks_cursor_uvarint(struct ks_cursor *cursor);
uint64_t ks_cursor_uvarlong(struct ks_cursor *cursor);

/* Zigzag-coded signed forms, as record batches write them. */
int32_t ks_cursor_varint(struct ks_cursor *cursor);
int64_t ks_cursor_varlong(struct ks_cursor *cursor);

#endif
