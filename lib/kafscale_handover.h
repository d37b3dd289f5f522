/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call that another thread wants to be made on a broker's loop, and waits for. The broker may
 * end meanwhile: then the call is made when it is freed, after who waited has left, so what it
 * needs belongs to whoever is done with it last.
 */
#ifndef KS_KAFSCALE_HANDOVER_H
#define KS_KAFSCALE_HANDOVER_H

#include "kafscale_internal.h"

struct ks_handover {
    struct ks_task call;
    struct kafscale_broker *broker;
    void (*run)(struct ks_handover *handover);  /* on the loop thread */
    void (*drop)(struct ks_handover *handover); /* frees it; on either thread */
    struct ks_latch latch;
    atomic_int references;
};

void ks_handover_init(struct ks_handover *handover, struct kafscale_broker *broker,
                      void (*run)(struct ks_handover *), void (*drop)(struct ks_handover *));

/*
 * Makes the call, here if this is the thread of the loop. True: it was made, and what it has left
 * in the struct may be read. False: the broker doesn't run. Once, before ks_handover_leave.
 */
bool ks_handover_await(struct ks_handover *handover);
void ks_handover_leave(struct ks_handover *handover);

#endif
