/* SPDX-License-Identifier: Apache-2.0 */
/* Two queues and a limit that falls by half and rises by one place per round of successes. */
#include "store/s3/gate.h"

#include <assert.h>

#define WRITES_IN_A_ROW_MAX 3
#define LOWERING_INTERVAL_MS 1000

void
ks_s3_gate_init(struct ks_s3_gate *gate, uint32_t limit_max)
{
    assert(limit_max > 0);

    *gate =
        (struct ks_s3_gate){ .limit_max = limit_max, .limit = limit_max, .lowered_ms = INT64_MIN };
    ks_list_init(&gate->writes);
    ks_list_init(&gate->reads);
}

static bool
has_room(const struct ks_s3_gate *gate)
{
    return !gate->is_shut && gate->in_flight < (uint32_t) gate->limit;
}

static struct ks_s3_waiter *
take_next(struct ks_s3_gate *gate)
{
    bool has_reads = !ks_list_is_empty(&gate->reads);
    bool is_write = !ks_list_is_empty(&gate->writes) &&
                    (!has_reads || gate->writes_in_a_row < WRITES_IN_A_ROW_MAX);
    struct ks_list *node = ks_list_take_first(is_write ? &gate->writes : &gate->reads);

    if (node == NULL) {
        return NULL;
    }
    gate->writes_in_a_row = is_write && has_reads ? gate->writes_in_a_row + 1 : 0;
    gate->waiting--;
    return KS_CONTAINER(node, struct ks_s3_waiter, link);
}

/* Whoever leaves again at once is followed from here, not from within its turn. */
static void
let_in(struct ks_s3_gate *gate)
{
    struct ks_s3_waiter *waiter;

    if (gate->is_letting_in) {
        return;
    }
    gate->is_letting_in = true;
    while (has_room(gate) && (waiter = take_next(gate)) != NULL) {
        gate->in_flight++;
        waiter->on_turn(waiter->arg);
    }
    gate->is_letting_in = false;
}

bool
ks_s3_gate_enter(struct ks_s3_gate *gate, struct ks_s3_waiter *waiter)
{
    assert(!ks_list_is_linked(&waiter->link));

    if (gate->waiting == KS_S3_GATE_WAITING_MAX) {
        return false;
    }
    ks_list_append(waiter->is_write ? &gate->writes : &gate->reads, &waiter->link);
    gate->waiting++;
    let_in(gate);
    return true;
}

void
ks_s3_gate_give_up(struct ks_s3_gate *gate, struct ks_s3_waiter *waiter)
{
    if (ks_list_is_linked(&waiter->link)) {
        ks_list_remove(&waiter->link);
        gate->waiting--;
    }
}

bool
ks_s3_gate_slip_in(struct ks_s3_gate *gate)
{
    if (gate->waiting > 0 || !has_room(gate)) {
        return false;
    }
    gate->in_flight++;
    return true;
}

void
ks_s3_gate_leave(struct ks_s3_gate *gate)
{
    assert(gate->in_flight > 0);

    gate->in_flight--;
    let_in(gate);
}

void
ks_s3_gate_slow_down(struct ks_s3_gate *gate, int64_t now_ms)
{
    gate->was_refused = true;
    if (gate->lowered_ms != INT64_MIN && now_ms - gate->lowered_ms < LOWERING_INTERVAL_MS) {
        return;
    }
    gate->lowered_ms = now_ms;
    gate->limit = gate->limit / 2 < 1 ? 1 : gate->limit / 2;
}

bool
ks_s3_gate_is_slowed(const struct ks_s3_gate *gate)
{
    return gate->was_refused || (gate->waiting > 0 && gate->limit < gate->limit_max);
}

void
ks_s3_gate_succeeded(struct ks_s3_gate *gate)
{
    double higher = gate->limit + 1 / gate->limit;

    gate->was_refused = false;
    gate->limit = higher > gate->limit_max ? gate->limit_max : higher;
}

void
ks_s3_gate_shut(struct ks_s3_gate *gate)
{
    gate->is_shut = true;
}
