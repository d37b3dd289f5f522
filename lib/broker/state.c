/* SPDX-License-Identifier: Apache-2.0 */
/* The table of states: a row per state with the states it may be left for. */
#include "broker/state.h"

#include <assert.h>
#include <string.h>

#define TO(state) (1u << (state))

struct state_row {
    const char *message;
    unsigned next;                 /* bits of states */
    enum kafscale_log_level level; /* of the line that says it was entered */
};

static const struct state_row rows[KS_BROKER_STATE_COUNT] = {
    [KS_BROKER_STARTING] = { "broker starting",
                             TO(KS_BROKER_READY) | TO(KS_BROKER_FENCED) | TO(KS_BROKER_FAILED) |
                                 TO(KS_BROKER_STOPPING),
                             KAFSCALE_LOG_INFO },
    [KS_BROKER_READY] = { "broker ready",
                          TO(KS_BROKER_FENCED) | TO(KS_BROKER_FAILED) | TO(KS_BROKER_STOPPING),
                          KAFSCALE_LOG_INFO },
    [KS_BROKER_FENCED] = { "broker fenced", TO(KS_BROKER_FAILED) | TO(KS_BROKER_STOPPING),
                           KAFSCALE_LOG_ERROR },
    [KS_BROKER_FAILED] = { "broker failed", TO(KS_BROKER_STOPPING), KAFSCALE_LOG_ERROR },
    [KS_BROKER_STOPPING] = { "broker stopping", TO(KS_BROKER_STOPPED), KAFSCALE_LOG_INFO },
    [KS_BROKER_STOPPED] = { "broker stopped", 0, KAFSCALE_LOG_INFO },
};

bool
ks_broker_state_can_move(enum ks_broker_state from, enum ks_broker_state to)
{
    assert(from < KS_BROKER_STATE_COUNT);
    assert(to < KS_BROKER_STATE_COUNT);

    return (rows[from].next & TO(to)) != 0;
}

void
ks_broker_state_move(enum ks_broker_state *state, enum ks_broker_state to,
                     const struct ks_logger *logger, const char *why)
{
    const char *was = rows[*state].message + strlen("broker ");
    struct kafscale_log_field fields[] = {
        { .name = "was", .value = was, .size = strlen(was) },
        { .name = "error", .value = why, .size = why == NULL ? 0 : strlen(why) },
    };

    assert(ks_broker_state_can_move(*state, to));

    ks_log_fields(logger, rows[to].level, rows[to].message, fields, why == NULL ? 1 : 2);
    *state = to;
}
