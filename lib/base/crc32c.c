/* SPDX-License-Identifier: Apache-2.0 */
/* libisal picks the fastest instructions at run time; it wants lengths as int and no inversion. */
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
