/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays that grow: a pointer to the elements, or NULL, and a size_t that says how many there is
 * room for. Whoever has the array counts what is in it.
 */
#ifndef KS_BASE_ARRAY_H
#define KS_BASE_ARRAY_H

#include "base/arena.h"

/*
 * Makes room for `count` elements in all, `elements` and `capacity` being those of the array
 * itself, which change if there was too little. It grows at least twofold, so that adding elements
 * one by one moves each a few times at most. False without memory; then nothing has changed.
 */
#define KS_RESERVE(elements, capacity, count) \
    ks_reserve(&(elements), &(capacity), (count), sizeof *(elements))

/* The same for an array in an arena; there is room for nothing but zeroes. */
#define KS_ARENA_RESERVE(arena, elements, capacity, count) \
    ks_arena_reserve((arena), &(elements), &(capacity), (count), sizeof *(elements))

/* What these stand for: `array` is the address of the pointer to the elements. */
bool ks_reserve(void *array, size_t *capacity, size_t count, size_t element_bytes);
bool ks_arena_reserve(struct ks_arena *arena, void *array, size_t *capacity, size_t count,
                      size_t element_bytes);

#endif
