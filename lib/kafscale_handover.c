/* SPDX-License-Identifier: Apache-2.0 */
#include "kafscale_handover.h"

#define MARK_MADE 1u

/* How often who waits for the loop looks whether there still is one. */
#define LOOK_MS 50

static void
make(void *arg)
{
    struct ks_handover *handover = arg;

    handover->run(handover);
    ks_latch_raise(&handover->latch, MARK_MADE);
    ks_handover_leave(handover);
}

void
ks_handover_init(struct ks_handover *handover, struct kafscale_broker *broker,
                 void (*run)(struct ks_handover *), void (*drop)(struct ks_handover *))
{
    handover->call = (struct ks_task){ .run = make, .arg = handover };
    handover->broker = broker;
    handover->run = run;
    handover->drop = drop;
    ks_latch_init(&handover->latch);
    atomic_store(&handover->references, 2);
}

static bool
is_made(struct ks_handover *handover, int64_t wait_ms)
{
    return (ks_latch_wait(&handover->latch, MARK_MADE, wait_ms) & MARK_MADE) != 0;
}

static bool
is_over(struct kafscale_broker *broker)
{
    return atomic_load(&broker->state) == KAFSCALE_BROKER_NEW ||
           (ks_latch_wait(&broker->latch, MARK_STOPPED, 0) & MARK_STOPPED) != 0;
}

bool
ks_handover_await(struct ks_handover *handover)
{
    struct kafscale_broker *broker = handover->broker;

    if (is_over(broker)) {
        ks_handover_leave(handover); /* in place of the call */
        return false;
    }
    if (!broker->has_own_loop || ks_loop_thread_is_current(&broker->thread)) {
        make(handover);
        return true;
    }
    ks_loop_call(broker->loop, &handover->call);
    while (!is_made(handover, LOOK_MS) && !is_over(broker)) {
    }
    return is_made(handover, 0);
}

void
ks_handover_leave(struct ks_handover *handover)
{
    if (atomic_fetch_sub(&handover->references, 1) == 1) {
        ks_latch_deinit(&handover->latch);
        handover->drop(handover);
    }
}
