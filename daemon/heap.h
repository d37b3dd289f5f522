/* SPDX-License-Identifier: Apache-2.0 */
/* The process's allocator is the program's business, so it is set here and not in the library. */
#ifndef KAFSCALED_HEAP_H
#define KAFSCALED_HEAP_H

/* Suits the heap to frames and objects; before the first thread. Does nothing without glibc. */
void heap_tune(void);

#endif
