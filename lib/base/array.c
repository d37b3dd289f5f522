/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers to all kinds of elements come as bytes: a `void *` may stand for none of them. */
#include "base/array.h"

#include "base/memory.h"

#include <stdint.h>
#include <string.h>

#define CAPACITY_MIN 4u

/* 0: no memory has room for so many. */
static size_t
larger_capacity(size_t capacity, size_t count, size_t element_bytes)
{
    size_t count_max = SIZE_MAX / element_bytes;

    capacity = capacity > count_max / 2 ? count_max : capacity * 2;
    if (capacity < CAPACITY_MIN) {
        capacity = CAPACITY_MIN;
    }
    if (capacity < count) {
        capacity = count;
    }
    return capacity <= count_max ? capacity : 0;
}

bool
ks_reserve(void *array, size_t *capacity, size_t count, size_t element_bytes)
{
    size_t larger;
    void *elements;

    if (count <= *capacity) {
        return true;
    }
    larger = larger_capacity(*capacity, count, element_bytes);
    memcpy(&elements, array, sizeof elements);
    elements = larger == 0 ? NULL : ks_realloc(elements, larger * element_bytes);
    if (elements == NULL) {
        return false;
    }
    memcpy(array, &elements, sizeof elements);
    *capacity = larger;
    return true;
}

bool
ks_arena_reserve(struct ks_arena *arena, void *array, size_t *capacity, size_t count,
                 size_t element_bytes)
{
    size_t larger;
    void *before;
    void *elements;

    if (count <= *capacity) {
        return true;
    }
    larger = larger_capacity(*capacity, count, element_bytes);
    elements = larger == 0 ? NULL : ks_arena_alloc_array(arena, larger, element_bytes);
    if (elements == NULL) {
        return false;
    }
    if (*capacity > 0) {
        memcpy(&before, array, sizeof before);
        memcpy(elements, before, *capacity * element_bytes);
    }
    memcpy(array, &elements, sizeof elements);
    *capacity = larger;
    return true;
}
