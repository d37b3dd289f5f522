/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation of brokers: many seeds, each a world of its own, which takes one of the scenarios
 * given, in turn. `--seeds N` runs that many, from 1 or, as a part of a run, which need not meet
 * everything, from `--first N`; `--seed N` replays one; `--plant FAULT` (in the build that has
 * them) breaks a rule and `--must-break` succeeds when some seed notices. SIM_LOG=1 in the
 * environment shows what the brokers log.
 */
#include "sim/broker_world.h"
#include "sim/plant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SCENARIOS_MAX 32

struct arguments {
    struct scenario scenarios[SCENARIOS_MAX];
    size_t scenario_count;
    uint64_t first;
    uint64_t count;
    bool is_part;
    bool must_break;
};

/* On a store without conditions brokers refuse to serve, and nothing else happens. */
static bool
is_expected(const struct arguments *arguments, bool is_refusal)
{
    for (size_t i = 0; i < arguments->scenario_count; i++) {
        if (arguments->scenarios[i].no_conditions == is_refusal) {
            return true;
        }
    }
    return false;
}

static bool
must_have_happened(const struct broker_world_events *events, const struct arguments *arguments)
{
    const struct {
        const char *text;
        uint64_t count;
        bool is_refusal;
    } list[] = {
#define EVENT(name, text) { text, events->name, &events->name == &events->refusals },
#include "sim/broker_events.def"
#undef EVENT
        { "client operations per seed, in 200s", events->operations / arguments->count / 200,
          false },
    };
    bool all = true;

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        printf("# %-70s %" PRIu64 "\n", list[i].text, list[i].count);
        all &= list[i].count > 0 || !is_expected(arguments, list[i].is_refusal);
    }
    return all;
}

static bool
read_arguments(int argc, char **argv, struct arguments *arguments)
{
    bool is_good = true;

    for (int i = 1; i < argc && is_good; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            arguments->first = strtoull(argv[++i], NULL, 10);
            arguments->count = 1;
            arguments->is_part = true;
        } else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc) {
            arguments->first = strtoull(argv[++i], NULL, 10);
            arguments->is_part = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            arguments->count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--plant") == 0 && i + 1 < argc) {
            is_good = plant(argv[++i]);
        } else if (strcmp(argv[i], "--must-break") == 0) {
            arguments->must_break = true;
        } else {
            is_good = arguments->scenario_count < SCENARIOS_MAX &&
                      scenario_read(argv[i], &arguments->scenarios[arguments->scenario_count++]);
        }
    }
    if (is_good && arguments->scenario_count == 0) {
        fprintf(stderr, "usage: broker_sim_test [--seed N | --seeds N] SCENARIO...\n");
        is_good = false;
    }
    return is_good;
}

int
main(int argc, char **argv)
{
    static struct arguments arguments = { .first = 1, .count = 2000 };
    struct broker_world_events events = { 0 };
    uint64_t end;
    char reason[200];

    if (!read_arguments(argc, argv, &arguments)) {
        return EXIT_FAILURE;
    }
    end = arguments.first + arguments.count;
    for (uint64_t seed = arguments.first; seed < end; seed++) {
        const struct scenario *scenario = &arguments.scenarios[seed % arguments.scenario_count];

        if (!broker_world_run(scenario, seed, &events, reason)) {
            printf("# seed %" PRIu64 " (%s): %s\n", seed, scenario->name, reason);
            return arguments.must_break ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (arguments.must_break) {
        printf("# no seed of %" PRIu64 " noticed\n", arguments.count);
        return EXIT_FAILURE;
    }
    return must_have_happened(&events, &arguments) || arguments.is_part ? EXIT_SUCCESS
                                                                        : EXIT_FAILURE;
}
