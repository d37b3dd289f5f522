/* SPDX-License-Identifier: Apache-2.0 */
/* LEB128, low groups first; signed values are zigzag-coded before. */
#include "base/varint.h"

static uint64_t
zigzag(int64_t value)
{
    return (uint64_t) value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

size_t
ks_put_uvarlong(uint8_t *out, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        out[size++] = (uint8_t) (value | 0x80);
        value >>= 7;
    }
    out[size++] = (uint8_t) value;
    return size;
}

size_t
ks_put_varlong(uint8_t *out, int64_t value)
{
    return ks_put_uvarlong(out, zigzag(value));
}

size_t
ks_uvarlong_bytes(uint64_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

size_t
ks_varlong_bytes(int64_t value)
{
    return ks_uvarlong_bytes(zigzag(value));
}
