/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation of brokers: many seeds, each a world of its own, which takes one of the scenarios
 * given, in turn. `--seeds N` runs that many, `--seed N` replays one. SIM_LOG=1 in the environment
 * shows what the brokers log.
 */
#include "sim/broker_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SCENARIOS_MAX 32

static bool
must_have_happened(const struct broker_world_events *events, uint64_t count)
{
    const struct {
        const char *text;
        uint64_t count;
    } list[] = {
#define EVENT(name, text) { text, events->name },
#include "sim/broker_events.def"
#undef EVENT
        { "client operations per seed, in 200s", events->operations / count / 200 },
    };
    bool all = true;

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        printf("# %-70s %" PRIu64 "\n", list[i].text, list[i].count);
        all &= list[i].count > 0;
    }
    return all;
}

int
main(int argc, char **argv)
{
    static struct scenario scenarios[SCENARIOS_MAX];
    struct broker_world_events events = { 0 };
    size_t scenario_count = 0;
    uint64_t first = 1;
    uint64_t count = 2000;
    char reason[200];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            first = strtoull(argv[++i], NULL, 10);
            count = 1;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            count = strtoull(argv[++i], NULL, 10);
        } else if (scenario_count == SCENARIOS_MAX ||
                   !scenario_read(argv[i], &scenarios[scenario_count++])) {
            return EXIT_FAILURE;
        }
    }
    if (scenario_count == 0) {
        fprintf(stderr, "usage: broker_sim_test [--seed N | --seeds N] SCENARIO...\n");
        return EXIT_FAILURE;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        const struct scenario *scenario = &scenarios[seed % scenario_count];

        if (!broker_world_run(scenario, seed, &events, reason)) {
            printf("# seed %" PRIu64 " (%s): %s\n", seed, scenario->name, reason);
            return EXIT_FAILURE;
        }
    }
    return must_have_happened(&events, count) || count == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
