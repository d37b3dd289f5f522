/* SPDX-License-Identifier: Apache-2.0 */
/* A word and its numbers a line: sscanf will do. */
#include "sim/scenario.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const action_names[SCENARIO_ACTION_COUNT] = {
    [SCENARIO_NOTHING] = "nothing",
    [SCENARIO_START] = "start",
    [SCENARIO_KILL] = "kill",
    [SCENARIO_KILL_ALL] = "kill-all",
    [SCENARIO_STOP] = "stop",
    [SCENARIO_PAUSE] = "pause",
    [SCENARIO_OUTAGE] = "outage",
    [SCENARIO_STORM] = "storm",
    [SCENARIO_NO_MEMORY] = "no-memory",
    [SCENARIO_CUT_LINES] = "cut-lines",
    [SCENARIO_REPLACE_TOPIC] = "replace-topic",
};

static bool
find_action(const char *name, enum scenario_action *action_out)
{
    for (int i = 0; i < SCENARIO_ACTION_COUNT; i++) {
        if (strcmp(action_names[i], name) == 0) {
            *action_out = (enum scenario_action) i;
            return true;
        }
    }
    return false;
}

static bool
read_timed(struct scenario *scenario, const char *line)
{
    enum scenario_action action;
    int64_t at_ms;
    char name[32];

    if (sscanf(line, "at %" SCNd64 " %31s", &at_ms, name) != 2 || !find_action(name, &action) ||
        scenario->timed_count == SCENARIO_TIMED_MAX ||
        (scenario->timed_count > 0 && scenario->timed[scenario->timed_count - 1].at_ms > at_ms)) {
        return false;
    }
    scenario->timed[scenario->timed_count].at_ms = at_ms;
    scenario->timed[scenario->timed_count].action = action;
    scenario->timed_count++;
    return true;
}

static bool
read_line(struct scenario *scenario, const char *line)
{
    enum scenario_action action;
    uint32_t number;
    char name[32];

    line += strspn(line, " \t");
    if (*line == '\0' || *line == '\n' || *line == '#') {
        return true;
    }
    if (sscanf(line, "steps %" SCNu32, &number) == 1) {
        scenario->steps = number;
        return true;
    }
    if (sscanf(line, "faults %" SCNu32, &number) == 1) {
        scenario->faults = number;
        return true;
    }
    if (sscanf(line, "%31s", name) == 1 && strcmp(name, "never-look") == 0) {
        scenario->never_look = true;
        return true;
    }
    if (sscanf(line, "%31s", name) == 1 && strcmp(name, "no-conditions") == 0) {
        scenario->no_conditions = true;
        return true;
    }
    if (sscanf(line, "weight %31s %" SCNu32, name, &number) == 2 && find_action(name, &action)) {
        scenario->weights[action] = number;
        return true;
    }
    return read_timed(scenario, line);
}

static void
take_name(struct scenario *scenario, const char *path)
{
    const char *slash = strrchr(path, '/');

    snprintf(scenario->name, sizeof scenario->name, "%s", slash == NULL ? path : slash + 1);
    scenario->name[strcspn(scenario->name, ".")] = '\0';
}

bool
scenario_read(const char *path, struct scenario *scenario_out)
{
    struct scenario scenario = { .weights = { [SCENARIO_NOTHING] = 1 } };
    FILE *file = fopen(path, "r");
    bool is_good = file != NULL;
    char line[200];

    if (file == NULL) {
        perror(path);
        return false;
    }
    take_name(&scenario, path);
    while (is_good && fgets(line, sizeof line, file) != NULL) {
        is_good = read_line(&scenario, line);
        if (!is_good) {
            fprintf(stderr, "%s: not understood: %s", path, line);
        }
    }
    fclose(file);
    if (is_good) {
        *scenario_out = scenario;
    }
    return is_good;
}

enum scenario_action
scenario_draw(const struct scenario *scenario, uint64_t dice)
{
    uint64_t sum = 0;

    for (int i = 0; i < SCENARIO_ACTION_COUNT; i++) {
        sum += scenario->weights[i];
    }
    dice %= sum;
    for (int i = 0; i < SCENARIO_ACTION_COUNT; i++) {
        if (dice < scenario->weights[i]) {
            return (enum scenario_action) i;
        }
        dice -= scenario->weights[i];
    }
    return SCENARIO_NOTHING;
}
