/* SPDX-License-Identifier: Apache-2.0 */
#include "problem.h"

void
problems_keep(struct problems *problems, const struct kafscale_error *problem)
{
    problems->count++;
    if (problems->first.status == KAFSCALE_OK) {
        problems->first = *problem;
    }
}

void
problems_note(struct problems *problems, const struct kafscale_error *problem)
{
    struct kafscale_log_event event = { .level = KAFSCALE_LOG_ERROR,
                                        .message = problem->text,
                                        .line = problem->text };

    if (problems->warn != NULL) {
        problems->warn(problems->arg, &event);
    }
    problems_keep(problems, problem);
}
