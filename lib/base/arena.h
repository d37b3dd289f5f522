/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena holds what one request needs and is freed at once with it. It has a cap, so that a
 * hostile request can't grow it, and it is sticky: once an allocation failed, all later ones
 * do.
 */
#ifndef KS_BASE_ARENA_H
#define KS_BASE_ARENA_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct ks_arena_block;

struct ks_arena {
    struct ks_arena_block *blocks;
    size_t size_bytes;
    size_t size_bytes_max;
    bool failed;
};

void ks_arena_init(struct ks_arena *arena, size_t size_bytes_max);

/* Frees everything. Accepts a zeroed arena; the arena may be used again afterwards. */
void ks_arena_deinit(struct ks_arena *arena);

/*
 * Zeroed memory aligned for any type, valid until deinit; NULL when the cap or the memory is
 * reached.
 */
void *ks_arena_alloc(struct ks_arena *arena, size_t size_bytes);

/* The same for `count` elements; a product that overflows fails. */
void *ks_arena_alloc_array(struct ks_arena *arena, size_t count, size_t element_bytes);

/* A copy of `size` bytes with a final NUL. */
char *ks_arena_copy_text(struct ks_arena *arena, const void *text, size_t size);

/* The same as a slice; an empty one without memory. */
struct kafscale_slice ks_arena_copy_slice(struct ks_arena *arena, struct kafscale_slice slice);

bool ks_arena_failed(const struct ks_arena *arena);

#endif
