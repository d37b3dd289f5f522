/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated world of whole brokers: one bucket behind a store that misbehaves, brokers that are
 * started, killed, paused, stopped, cut off and out of memory, often two at once, and clients that
 * speak Kafka to them through connections that break. All from one seed.
 *
 * What is checked: what was acknowledged is in the log, once, at the offset told, in the order of
 * its producer and of real time; what a reader saw stays; nothing is there that nobody sent;
 * answers about the end of a partition and about topics are no older than freshness.ms; partitions
 * that were added stay, and changes of configurations that were acknowledged are in force at the
 * end; producer ids are given once; no broker fails; and once all trouble has ended everybody gets
 * on.
 */
#ifndef KS_TESTS_SIM_BROKER_WORLD_H
#define KS_TESTS_SIM_BROKER_WORLD_H

#include "sim/scenario.h"

struct broker_world_events {
#define EVENT(name, text) uint64_t name;
#include "sim/broker_events.def"
#undef EVENT
};

/*
 * Runs one seed of a scenario; false when a promise was broken, with the reason in `reason_out`.
 * Adds to `events`.
 */
bool broker_world_run(const struct scenario *scenario, uint64_t seed,
                      struct broker_world_events *events, char reason_out[200]);

#endif
