/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where input pointers move. */
#include "base/cursor.h"

#include "base/endian.h"

struct kafscale_slice
ks_cursor_take(struct ks_cursor *cursor, size_t size)
{
    struct kafscale_slice bytes = { 0 };

    if (size > ks_cursor_left(cursor)) {
        cursor->failed = true;
        return bytes;
    }
    if (size > 0) {
        bytes = ks_slice(cursor->position, size);
        cursor->position += size;
    }
    return bytes;
}

void
ks_cursor_copy(struct ks_cursor *cursor, void *out, size_t size)
{
    struct kafscale_slice bytes = ks_cursor_take(cursor, size);

    if (size == 0) {
        return;
    }
    if (bytes.size == size) {
        memcpy(out, bytes.data, size);
    } else {
        memset(out, 0, size);
    }
}

uint8_t
ks_cursor_u8(struct ks_cursor *cursor)
{
    struct kafscale_slice bytes = ks_cursor_take(cursor, 1);

    return bytes.size == 1 ? bytes.data[0] : 0;
}

uint16_t
ks_cursor_u16(struct ks_cursor *cursor)
{
    struct kafscale_slice bytes = ks_cursor_take(cursor, 2);

    return bytes.size == 2 ? ks_get_u16(bytes.data) : 0;
}

uint32_t
ks_cursor_u32(struct ks_cursor *cursor)
{
    struct kafscale_slice bytes = ks_cursor_take(cursor, 4);

    return bytes.size == 4 ? ks_get_u32(bytes.data) : 0;
}

uint64_t
ks_cursor_u64(struct ks_cursor *cursor)
{
    struct kafscale_slice bytes = ks_cursor_take(cursor, 8);

    return bytes.size == 8 ? ks_get_u64(bytes.data) : 0;
}

/* `bits` is 32 or 64; a last byte with bits beyond it is refused. */
static uint64_t
take_varint(struct ks_cursor *cursor, unsigned bits)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = ks_cursor_u8(cursor);
        uint64_t low = byte & 0x7fu;

        if (shift + 7 > bits && low >> (bits - shift) != 0) {
            break;
        }
        value |= low << shift;
        if ((byte & 0x80u) == 0) {
            return cursor->failed ? 0 : value;
        }
    }
    cursor->failed = true;
    return 0;
}

uint32_t
ks_cursor_uvarint(struct ks_cursor *cursor)
{
    return (uint32_t) take_varint(cursor, 32);
}

uint64_t
ks_cursor_uvarlong(struct ks_cursor *cursor)
{
    return take_varint(cursor, 64);
}

int32_t
ks_cursor_varint(struct ks_cursor *cursor)
{
    uint32_t raw = ks_cursor_uvarint(cursor);

    return (int32_t) (raw >> 1 ^ (0u - (raw & 1u)));
}

int64_t
ks_cursor_varlong(struct ks_cursor *cursor)
{
    uint64_t raw = ks_cursor_uvarlong(cursor);

    return (int64_t) (raw >> 1 ^ (0u - (raw & 1u)));
}
