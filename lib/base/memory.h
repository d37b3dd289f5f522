/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's allocator. One place, so that tests can fail the n-th allocation.
 */
#ifndef KS_BASE_MEMORY_H
#define KS_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Uninitialised memory, or NULL. */
void *ks_alloc(size_t size_bytes);

/* Zeroed memory for `count` elements, or NULL; an overflow fails. */
void *ks_alloc_zero(size_t count, size_t element_bytes);

/* As realloc; on failure `memory` stays as it is. */
void *ks_realloc(void *memory, size_t size_bytes);

/* A heap copy of a string, or NULL. */
char *ks_copy_text(const char *text);

/* The same of bytes that have no final NUL, `bytes` of them. */
char *ks_copy_text_of(const void *text, size_t bytes);

void ks_free(void *memory);

/*
 * For tests: lets `count` allocations succeed and fails every later one; UINT64_MAX, the
 * initial state, never fails. Returns how many were left to succeed. Process-wide.
 */
uint64_t ks_alloc_fail_after(uint64_t count);

/* The same, but the state is UINT64_MAX again once one allocation has failed. */
void ks_alloc_fail_once_after(uint64_t count);

#endif
