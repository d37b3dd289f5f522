/* SPDX-License-Identifier: Apache-2.0 */
/* The table of states: a row per state with the states it may be left for. */
#include "group/group_internal.h"

#include <assert.h>

#define TO(state) (1u << (state))

struct state_row {
    const char *name; /* which clients parse */
    unsigned next;    /* bits of states */
};

/* Without members left, a rebalance ends in EMPTY; what was stored with members begins STABLE. */
static const struct state_row rows[KS_GROUP_STATE_COUNT] = {
    [KS_GROUP_EMPTY] = { "Empty", TO(KS_GROUP_PREPARING_REBALANCE) | TO(KS_GROUP_STABLE) |
                                      TO(KS_GROUP_DEAD) },
    [KS_GROUP_PREPARING_REBALANCE] = { "PreparingRebalance", TO(KS_GROUP_COMPLETING_REBALANCE) |
                                                                 TO(KS_GROUP_EMPTY) |
                                                                 TO(KS_GROUP_DEAD) },
    [KS_GROUP_COMPLETING_REBALANCE] = { "CompletingRebalance",
                                        TO(KS_GROUP_STABLE) | TO(KS_GROUP_PREPARING_REBALANCE) |
                                            TO(KS_GROUP_DEAD) },
    [KS_GROUP_STABLE] = { "Stable", TO(KS_GROUP_PREPARING_REBALANCE) | TO(KS_GROUP_DEAD) },
    [KS_GROUP_DEAD] = { "Dead", 0 },
};

const char *
ks_group_state_name(enum ks_group_state state)
{
    assert(state < KS_GROUP_STATE_COUNT);

    return rows[state].name;
}

bool
ks_group_can_move(enum ks_group_state from, enum ks_group_state to)
{
    assert(from < KS_GROUP_STATE_COUNT);
    assert(to < KS_GROUP_STATE_COUNT);

    return (rows[from].next & TO(to)) != 0;
}

void
ks_group_move(struct ks_group *group, enum ks_group_state to)
{
    assert(ks_group_can_move(group->state, to));

    group->state = to;
}
