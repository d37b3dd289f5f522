/* SPDX-License-Identifier: Apache-2.0 */
/* A request larger than a block gets one of its own. */
#include "base/arena.h"

#include "base/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES_MIN 4096u

struct ks_arena_block {
    struct ks_arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char data[];
};

void
ks_arena_init(struct ks_arena *arena, size_t size_bytes_max)
{
    *arena = (struct ks_arena){ .size_bytes_max = size_bytes_max };
}

void
ks_arena_deinit(struct ks_arena *arena)
{
    while (arena->blocks != NULL) {
        struct ks_arena_block *next = arena->blocks->next;

        ks_free(arena->blocks);
        arena->blocks = next;
    }
    arena->size_bytes = 0;
    arena->failed = false;
}

static struct ks_arena_block *
block_new(struct ks_arena *arena, size_t size_bytes)
{
    size_t size = size_bytes > BLOCK_BYTES_MIN ? size_bytes : BLOCK_BYTES_MIN;
    struct ks_arena_block *block;

    if (size > arena->size_bytes_max - arena->size_bytes) {
        size = size_bytes;
    }
    if (size > arena->size_bytes_max - arena->size_bytes || size > SIZE_MAX - sizeof *block) {
        return NULL;
    }
    block = ks_alloc(sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct ks_arena_block){ .next = arena->blocks, .size = size };
    arena->blocks = block;
    arena->size_bytes += size;
    return block;
}

void *
ks_arena_alloc(struct ks_arena *arena, size_t size_bytes)
{
    struct ks_arena_block *block = arena->blocks;
    size_t size;
    void *data;

    if (arena->failed || size_bytes > SIZE_MAX - alignof(max_align_t)) {
        arena->failed = true;
        return NULL;
    }
    size = (size_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (block == NULL || size > block->size - block->used) {
        block = block_new(arena, size);
    }
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    data = block->data + block->used;
    block->used += size;
    memset(data, 0, size_bytes);
    return data;
}

void *
ks_arena_alloc_array(struct ks_arena *arena, size_t count, size_t element_bytes)
{
    size_t size_bytes;

    if (__builtin_mul_overflow(count, element_bytes, &size_bytes)) {
        arena->failed = true;
        return NULL;
    }
    return ks_arena_alloc(arena, size_bytes);
}

char *
ks_arena_copy_text(struct ks_arena *arena, const void *text, size_t size)
{
    char *copy = size == SIZE_MAX ? NULL : ks_arena_alloc(arena, size + 1);

    if (copy != NULL && size > 0) {
        memcpy(copy, text, size);
    }
    return copy;
}

struct kafscale_slice
ks_arena_copy_slice(struct ks_arena *arena, struct kafscale_slice slice)
{
    const char *copy = ks_arena_copy_text(arena, slice.data, slice.size);

    return ks_slice(copy, copy == NULL ? 0 : slice.size);
}

bool
ks_arena_failed(const struct ks_arena *arena)
{
    return arena->failed;
}
