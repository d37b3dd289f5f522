/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzz targets share. A target takes any bytes; it may refuse them, but what it demands must
 * hold for all of them. Inputs that are taken must come back the same from what is written of them.
 */
#ifndef KS_TESTS_FUZZ_H
#define KS_TESTS_FUZZ_H

#include "base/base.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert, whatever the build says of that. */
static inline void
demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* A copy in memory of exactly its size, which may be changed; the caller frees it. */
static inline uint8_t *
copy_bytes(struct kafscale_slice bytes)
{
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);

    demand(copy != NULL);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

#endif
