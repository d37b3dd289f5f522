/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a configuration: all of it is told, so that nobody has to find out one after
 * the other, and the first is why nothing can be done with it.
 */
#ifndef KAFSCALED_PROBLEM_H
#define KAFSCALED_PROBLEM_H

#include <kafscale/options.h>

struct problems {
    kafscale_log_write *warn; /* NULL: nobody is told */
    void *arg;
    struct kafscale_error first; /* zeroed: none */
    size_t count;
};

void problems_note(struct problems *problems, const struct kafscale_error *problem);

/* For problems that `warn` was told of already. */
void problems_keep(struct problems *problems, const struct kafscale_error *problem);

#endif
