/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of handlers: the Kafka protocol on top of a broker. Requests come as exchanges
 * (handlers/exchange.h), in the order of their connections; each is answered once, at once or
 * when what it waits for has happened.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_HANDLERS_HANDLERS_H
#define KS_HANDLERS_HANDLERS_H

#include "broker/broker.h"
#include "handlers/exchange.h"

struct ks_handlers;

/* Borrows the broker, which must outlive it. NULL when memory is short. */
struct ks_handlers *ks_handlers_new(struct ks_broker *broker);

/* No request may be under way: once the broker is STOPPED all have been answered. Accepts NULL. */
void ks_handlers_free(struct ks_handlers *handlers);

/* Where a carrier puts its requests; valid as long as the handlers. */
const struct ks_request_sink *ks_handlers_sink(const struct ks_handlers *handlers);

/* Adds what is known of requests to a reading. */
void ks_handlers_read_metrics(const struct ks_handlers *handlers, struct ks_metrics *metrics);

/* Requests accepted and not yet finished. */
size_t ks_handlers_request_count(const struct ks_handlers *handlers);

#endif
