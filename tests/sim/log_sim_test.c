/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation of the log: many seeds, each a world of its own. `log_sim_test --seed N`
 * replays one; `--seeds N` runs that many, from 1 or, as a part of a run, which need not meet
 * everything, from `--first N`; `--plant FAULT` (in the build that has them) breaks a rule and
 * succeeds when some seed notices.
 */
#include "sim/log_world.h"
#include "sim/plant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 3000

/* A count of zero means that the simulation never came to what it is for. */
static bool
must_have_happened(const struct world_events *events, uint64_t count)
{
    const struct {
        const char *name;
        uint64_t count;
    } list[] = {
#define EVENT(text, count) { text, count },
#include "sim/log_events.def"
#undef EVENT
        { "client operations per seed, in 200s", events->operations / count / 200 },
    };
    bool all = true;

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        printf("# %-45s %" PRIu64 "\n", list[i].name, list[i].count);
        all &= list[i].count > 0;
    }
    return all;
}

int
main(int argc, char **argv)
{
    struct world_events events = { 0 };
    uint64_t first = 1;
    uint64_t count = SEEDS_DEFAULT;
    bool is_planted = false;
    bool is_part = false;
    char reason[200];

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
            count = 1;
            is_part = true;
        } else if (strcmp(argv[i], "--first") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
            is_part = true;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            count = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--plant") == 0) {
            is_planted = true;
            if (!plant(argv[i + 1])) {
                return EXIT_FAILURE;
            }
        }
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!world_run(seed, &events, reason)) {
            printf("# seed %" PRIu64 ": %s\n", seed, reason);
            return is_planted ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (is_planted) {
        printf("# no seed of %" PRIu64 " noticed\n", count);
        return EXIT_FAILURE;
    }
    return must_have_happened(&events, count) || is_part ? EXIT_SUCCESS : EXIT_FAILURE;
}
