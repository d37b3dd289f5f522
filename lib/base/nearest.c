/* SPDX-License-Identifier: Apache-2.0 */
/* The number of letters to add, leave out or change (Levenshtein), one row at a time. */
#include "base/nearest.h"

#include <string.h>

void
ks_nearest_begin(struct ks_nearest *nearest, const char *typed, size_t size)
{
    size_t limit = size / 3 > 0 ? size / 3 : 1;

    *nearest = (struct ks_nearest){
        .typed = typed, .size = size, .best = NULL, .best_distance = limit + 1
    };
}

static char
fold(char c)
{
    if (c == '_' || c == '-') {
        return '.';
    }
    return (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t
least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;

    return smaller < c ? smaller : c;
}

/* Both are at most KS_NEAREST_BYTES_MAX long. */
static size_t
distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[KS_NEAREST_BYTES_MAX + 1];

    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t above = row[j];
            size_t change = diagonal + (fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1);

            row[j] = least(above + 1, row[j - 1] + 1, change);
            diagonal = above;
        }
    }
    return row[b_size];
}

void
ks_nearest_offer(struct ks_nearest *nearest, const char *name)
{
    size_t size = strlen(name);
    size_t found;

    if (size > KS_NEAREST_BYTES_MAX || nearest->size > KS_NEAREST_BYTES_MAX) {
        return;
    }
    found = distance(nearest->typed, nearest->size, name, size);
    if (found < nearest->best_distance) {
        nearest->best = name;
        nearest->best_distance = found;
    }
}
