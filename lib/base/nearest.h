/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody may have meant who has mistyped a name. */
#ifndef KS_BASE_NEAREST_H
#define KS_BASE_NEAREST_H

#include <stddef.h>

#define KS_NEAREST_BYTES_MAX 64

/* Of one search. Begun with the name as it was typed; `best` is NULL while nothing is near. */
struct ks_nearest {
    const char *typed;
    size_t size;
    const char *best;
    size_t best_distance;
};

void ks_nearest_begin(struct ks_nearest *nearest, const char *typed, size_t size);

/*
 * Keeps the name, which is borrowed, if it is nearer than those before. Near is what one letter in
 * three changes at most; upper and lower case, '.', '_' and '-' are the same.
 */
void ks_nearest_offer(struct ks_nearest *nearest, const char *name);

#endif
