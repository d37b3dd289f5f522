/* SPDX-License-Identifier: Apache-2.0 */
/* A topic that a test wants to be there, without a client that asks for it. */
#ifndef KS_TESTING_CREATION_H
#define KS_TESTING_CREATION_H

#include "broker/broker.h"
#include "kafscale/testing.h"

struct ks_creation;

typedef void ks_creation_done(void *arg, enum kafscale_status status,
                              const struct kafscale_error *error);

/* Copies all of it; any thread. NULL, with `error`: a configuration that no topic has. */
struct ks_creation *ks_creation_new(const struct kafscale_testing_topic *topic,
                                    struct kafscale_error *error);

/* One that never began. Accepts NULL. */
void ks_creation_free(struct ks_creation *creation);

/*
 * Takes it. `done` comes once, also from inside the call: OK with every partition open, EXISTS,
 * INVALID, UNAVAILABLE, or FAILED. Loop thread.
 */
void ks_creation_begin(struct ks_creation *creation, struct ks_broker *broker,
                       ks_creation_done *done, void *arg);

#endif
