/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libisal picks the fastest instructions at run time; it wants lengths as int and no inversion.
 *
 * Joining is arithmetic on polynomials over GF(2) modulo Castagnoli's: bytes that follow
 * multiply the checksum of those before them by x^8 each. A polynomial is held as the checksum
 * is: bit 31 is the coefficient of x^0.
 */
#include "base/crc32c.h"

#include <isa-l/crc.h>

#define PIECE_BYTES_MAX ((size_t) 1 << 30)

uint32_t
ks_crc32c(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    while (size > 0) {
        size_t piece = size < PIECE_BYTES_MAX ? size : PIECE_BYTES_MAX;

        /* The library takes a pointer to non-const but only reads. */
        crc = ~crc32_iscsi((unsigned char *) (uintptr_t) bytes, (int) piece, ~crc);
        bytes += piece;
        size -= piece;
    }
    return crc;
}

#define POLYNOMIAL 0x82f63b78u
#define ONE 0x80000000u

static uint32_t
multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (uint32_t bit = ONE; bit != 0; bit >>= 1) {
        product ^= (a & bit) != 0 ? b : 0;
        b = (b >> 1) ^ ((b & 1) != 0 ? POLYNOMIAL : 0);
    }
    return product;
}

/* x^(2^i); its powers come round again after 31 squarings. */
static const uint32_t powers[] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18,
    0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62,
    0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915,
    0x734d5309, 0xbc1ac763, 0x7d0722cc, 0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42,
};

#define POWER_COUNT (sizeof powers / sizeof powers[0])
#define BITS_PER_BYTE_LOG2 3

uint32_t
ks_crc32c_join(uint32_t first, uint32_t second, size_t second_bytes)
{
    for (size_t i = BITS_PER_BYTE_LOG2; second_bytes > 0; i++, second_bytes >>= 1) {
        if ((second_bytes & 1) != 0) {
            first = multiply(powers[i % POWER_COUNT], first);
        }
    }
    return first ^ second;
}
