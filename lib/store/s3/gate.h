/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests are under way at once, and who is next. Writes come before reads, but not for
 * ever. When the server says that it is too much, fewer are let in, and then slowly more again.
 * Private to store/s3.
 */
#ifndef KS_STORE_S3_GATE_H
#define KS_STORE_S3_GATE_H

#include "base/base.h"

/* So many may wait; further ones are turned away. */
#define KS_S3_GATE_WAITING_MAX 8192

/* Whoever wants in. Zeroed but for the last three: doesn't wait. */
struct ks_s3_waiter {
    struct ks_list link;
    bool is_write;
    void (*on_turn)(void *arg); /* it is in; leave when done */
    void *arg;
};

struct ks_s3_gate {
    uint32_t limit_max;
    double limit; /* between 1 and limit_max */
    uint32_t in_flight;
    struct ks_list writes;
    struct ks_list reads;
    size_t waiting;
    uint32_t writes_in_a_row; /* let in while reads waited */
    int64_t lowered_ms;
    bool was_refused; /* the last answer asked for less */
    bool is_letting_in;
    bool is_shut;
};

void ks_s3_gate_init(struct ks_s3_gate *gate, uint32_t limit_max);

/*
 * Calls `on_turn` when there is room, perhaps before this returns. False: too many wait, and it
 * will not be called.
 */
KAFSCALE_MUST_CHECK bool ks_s3_gate_enter(struct ks_s3_gate *gate, struct ks_s3_waiter *waiter);

/* Stops waiting; does nothing for one that is in, or was never there. */
void ks_s3_gate_give_up(struct ks_s3_gate *gate, struct ks_s3_waiter *waiter);

/* Takes a place that nobody waits for; false: there is none. */
KAFSCALE_MUST_CHECK bool ks_s3_gate_slip_in(struct ks_s3_gate *gate);

/* Gives a place back and lets in who is next. */
void ks_s3_gate_leave(struct ks_s3_gate *gate);

/* Lets nobody in any more. */
void ks_s3_gate_shut(struct ks_s3_gate *gate);

/* The server asked for less: half of it, at most once a second. */
void ks_s3_gate_slow_down(struct ks_s3_gate *gate, int64_t now_ms);

/* Whether the server takes less than it is asked for. */
bool ks_s3_gate_is_slowed(const struct ks_s3_gate *gate);

/* The server did what it was asked. */
void ks_s3_gate_succeeded(struct ks_s3_gate *gate);

#endif
