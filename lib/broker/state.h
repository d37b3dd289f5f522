/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a broker and the moves between them: one table, and one function that moves.
 */
#ifndef KS_BROKER_STATE_H
#define KS_BROKER_STATE_H

#include "base/base.h"

enum ks_broker_state {
    KS_BROKER_STARTING, /* the store is being read, nothing is served yet */
    KS_BROKER_READY,
    KS_BROKER_FENCED, /* another broker has taken over; nothing more is acknowledged */
    KS_BROKER_FAILED, /* an invariant is broken (durability 7) */
    KS_BROKER_STOPPING,
    KS_BROKER_STOPPED,
    KS_BROKER_STATE_COUNT
};

/* Whether the table allows this move. */
bool ks_broker_state_can_move(enum ks_broker_state from, enum ks_broker_state to);

/* Moves and logs; asserts that the table allows it. `why` may be NULL. */
void ks_broker_state_move(enum ks_broker_state *state, enum ks_broker_state to,
                          const struct ks_logger *logger, const char *why);

#endif
