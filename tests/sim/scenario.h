/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a simulated world, as a text file. A line is a weight, a number of the world, or
 * something that happens at a time of its own; '#' begins a comment:
 *
 *     steps 100              so many draws of an action, then the world heals and is checked
 *     faults 40000           rates of the store's faults go up to so many millionths
 *     weight kill 3          how often an action is drawn, of the sum of all weights
 *     never-look             brokers believe that nobody else is there: a rule broken on purpose
 *     at 1500 pause          done once, this many ms after the beginning, whatever is drawn
 *
 * Actions: see enum scenario_action.
 */
#ifndef KS_TESTS_SIM_SCENARIO_H
#define KS_TESTS_SIM_SCENARIO_H

#include "base/base.h"

enum scenario_action {
    SCENARIO_NOTHING,
    SCENARIO_START, /* one more broker, which takes over */
    SCENARIO_KILL,  /* any broker */
    SCENARIO_KILL_ALL,
    SCENARIO_STOP,      /* any broker, in order */
    SCENARIO_PAUSE,     /* any broker, for a while */
    SCENARIO_OUTAGE,    /* any broker can't reach the store for a while */
    SCENARIO_STORM,     /* several brokers at once */
    SCENARIO_NO_MEMORY, /* any broker's allocations fail for an event or a few */
    SCENARIO_CUT_LINES, /* clients lose their connections */
    SCENARIO_REPLACE_TOPIC,
    SCENARIO_ACTION_COUNT
};

#define SCENARIO_TIMED_MAX 32

struct scenario {
    char name[64];
    uint32_t steps;
    uint32_t faults;
    bool never_look;
    bool no_conditions; /* the store takes no conditions: brokers must refuse it */
    uint32_t weights[SCENARIO_ACTION_COUNT];

    struct {
        int64_t at_ms;
        enum scenario_action action;
    } timed[SCENARIO_TIMED_MAX]; /* in order of time */
    size_t timed_count;
};

/* Reads a file; false, with a message on stderr, when it can't be read or understood. */
bool scenario_read(const char *path, struct scenario *scenario_out);

/* The action that `dice`, any number, stands for. */
enum scenario_action scenario_draw(const struct scenario *scenario, uint64_t dice);

#endif
