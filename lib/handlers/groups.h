/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of groups share: the coordinator's words in Kafka's, and what is said when this
 * broker can't speak for any group.
 */
#ifndef KS_HANDLERS_GROUPS_H
#define KS_HANDLERS_GROUPS_H

#include "handlers/internal.h"

/* The one place where the coordinator's errors become Kafka's. */
int16_t ks_kafka_group_error(enum ks_group_error error);

/*
 * As ks_request_is_fresh, but not for as long as a store that is away is asked again: who waits for
 * an answer sends no other heartbeat.
 */
bool ks_group_is_fresh(struct ks_request *request, void (*on_looked)(struct ks_request *request));

/*
 * After ks_group_is_fresh: 0, or the code with which clients look for the coordinator again.
 * Without a look: 0 while the broker is READY.
 */
int16_t ks_group_doubt(const struct ks_request *request);

/*
 * What becomes of a JoinGroup or SyncGroup whose client goes, for request->on_gone: request->state
 * is its waiter.
 */
void ks_group_waiter_is_gone(struct ks_request *request);

struct ks_coordinator *ks_request_coordinator(const struct ks_request *request);

/*
 * A request about groups may not wait for ever for what is durable: sets the timer to
 * offsets.commit.timeout.ms from now.
 */
void ks_group_set_timeout(struct ks_request *request, struct ks_timer *timer,
                          void (*on_due)(void *arg), void *arg);

/* "" for a text that isn't there, where a version has no null. */
struct kafscale_slice ks_text_or_empty(struct kafscale_slice text);

#endif
