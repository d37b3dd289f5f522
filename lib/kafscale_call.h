/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread has a broker's loop thread do, and waits for. */
#ifndef KAFSCALE_CALL_H
#define KAFSCALE_CALL_H

#include "kafscale_internal.h"

/* Embedded first in what the call is about; on the heap, zeroed, until both sides are done. */
struct ks_call {
    struct kafscale_broker *broker;
    /* On the loop thread, with a core; answers by ks_call_finish, at once or later. */
    void (*run)(struct ks_call *call);
    void (*deinit)(struct ks_call *call); /* of what is beside it; NULL: nothing */
    bool is_short; /* `run` answers at once: on the loop thread it is simply run */

    struct ks_task task;
    struct ks_latch latch;
    atomic_int references;
    enum kafscale_status status; /* once the latch was seen */
    struct kafscale_error error;
};

/*
 * Hands it over and waits, at most `timeout_ms` (negative: for ever). The caller still has to unref
 * it. KAFSCALE_UNAVAILABLE: it wasn't answered in time, and what it holds is the loop's.
 * KAFSCALE_INVALID: the broker doesn't run, or this is its loop thread and the call isn't short.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_call_make(struct ks_call *call,
                                                      struct kafscale_broker *broker,
                                                      int64_t timeout_ms,
                                                      struct kafscale_error *error);

void ks_call_finish(struct ks_call *call, enum kafscale_status status,
                    const struct kafscale_error *error);

void ks_call_unref(struct ks_call *call);

#endif
