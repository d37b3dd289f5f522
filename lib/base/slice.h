/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices: borrowed bytes. The struct is public (kafscale/bytes.h); these are its helpers.
 */
#ifndef KS_BASE_SLICE_H
#define KS_BASE_SLICE_H

#include "kafscale/bytes.h"

#include <stdbool.h>
#include <string.h>

static inline struct kafscale_slice
ks_slice(const void *data, size_t size)
{
    return (struct kafscale_slice){ .data = data, .size = size };
}

static inline struct kafscale_slice
ks_slice_of_text(const char *text)
{
    return ks_slice(text, strlen(text));
}

static inline bool
ks_slice_equals(struct kafscale_slice a, struct kafscale_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
