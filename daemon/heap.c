/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glibc gives each thread a heap of its own that grows by one request at a time: with it, every
 * frame of the broker's thread cost a system call. And it maps and unmaps large blocks, so that
 * each frame and each read began on pages that the kernel had to clear first. Measured with both
 * changed: 10 % less CPU time for small batches into the memory store, 40 % less for reading
 * back from a directory.
 */
#include "heap.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

#define MAPPED_BYTES_MIN (8 << 20) /* frames, objects and blocks are smaller */
#define GROWTH_BYTES (4 << 20)     /* of address space; nothing is resident before it is used */
#define KEPT_BYTES (64 << 20)      /* free at the end of the heap */
#endif

void
heap_tune(void)
{
#ifdef __GLIBC__
    (void) mallopt(M_ARENA_MAX, 1);
    (void) mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    (void) mallopt(M_TOP_PAD, GROWTH_BYTES);
    (void) mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
}
