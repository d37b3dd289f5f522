/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting requests. A waiter stands in any number of places (the partitions of a Fetch) and has a
 * deadline. When something happens at one of its places it is woken once for everything that
 * happened in this turn of the loop, looks again, and goes on waiting or ends.
 */
#ifndef KS_BROKER_WAITING_H
#define KS_BROKER_WAITING_H

#include "base/base.h"

struct ks_waiter;

/* One waiter at one place. */
struct ks_waiter_link {
    struct ks_list link;
    struct ks_waiter *waiter;
};

struct ks_waiter {
    struct ks_env *env;
    struct ks_timer timer;
    struct ks_task task;
    struct ks_waiter_link *links;
    size_t link_count;
    size_t link_count_max;
    /* Called from the loop, never from inside whatever woke it. */
    void (*on_woken)(struct ks_waiter *waiter, bool is_due);
};

/* `links` is the caller's memory for up to `link_count_max` places. */
void ks_waiter_init(struct ks_waiter *waiter, struct ks_env *env, struct ks_waiter_link *links,
                    size_t link_count_max, void (*on_woken)(struct ks_waiter *waiter, bool is_due));

/* Stands at one more place, whose list has been initialised. */
void ks_waiter_stand(struct ks_waiter *waiter, struct ks_list *place);

/* The deadline, on the monotonic clock. */
void ks_waiter_set_deadline(struct ks_waiter *waiter, int64_t due_ms);

/* Wakes this one, as a place does. */
void ks_waiter_wake(struct ks_waiter *waiter);

/* Leaves every place; nothing is called any more. May be called again. */
void ks_waiter_end(struct ks_waiter *waiter);

/* Wakes all who stand here. They stay. */
void ks_place_wake(struct ks_list *place);

/* The place goes: all who stand here are woken and stand here no longer. */
void ks_place_close(struct ks_list *place);

#endif
