/* SPDX-License-Identifier: Apache-2.0 */
/* The countdown is one relaxed load in ordinary runs: no allocation pays for the tests. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t allocations_left = UINT64_MAX;
static atomic_bool fails_once;

static bool
should_fail(void)
{
    uint64_t left = atomic_load_explicit(&allocations_left, memory_order_relaxed);

    if (left == UINT64_MAX) {
        return false;
    }
    if (left == 0) {
        if (atomic_load(&fails_once)) {
            atomic_store(&allocations_left, UINT64_MAX);
        }
        return true;
    }
    atomic_store_explicit(&allocations_left, left - 1, memory_order_relaxed);
    return false;
}

uint64_t
ks_alloc_fail_after(uint64_t count)
{
    atomic_store(&fails_once, false);
    return atomic_exchange(&allocations_left, count);
}

void
ks_alloc_fail_once_after(uint64_t count)
{
    atomic_store(&allocations_left, count);
    atomic_store(&fails_once, true);
}

void *
ks_alloc(size_t size_bytes)
{
    return should_fail() ? NULL : malloc(size_bytes > 0 ? size_bytes : 1);
}

void *
ks_alloc_zero(size_t count, size_t element_bytes)
{
    return should_fail() ? NULL : calloc(count > 0 ? count : 1, element_bytes);
}

void *
ks_realloc(void *memory, size_t size_bytes)
{
    return should_fail() ? NULL : realloc(memory, size_bytes > 0 ? size_bytes : 1);
}

char *
ks_copy_text(const char *text)
{
    return ks_copy_text_of(text, strlen(text));
}

char *
ks_copy_text_of(const void *text, size_t bytes)
{
    char *copy = ks_alloc(bytes + 1);

    if (copy == NULL) {
        return NULL;
    }
    if (bytes > 0) {
        memcpy(copy, text, bytes);
    }
    copy[bytes] = '\0';
    return copy;
}

void
ks_free(void *memory)
{
    free(memory);
}
