/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients of the crash test: idempotent producers at full speed, each on a thread of its own,
 * a reader that follows all partitions, and a final reader. All are librdkafka with default
 * settings but for idempotence and quicker reconnects, and all write what they do and see into
 * one history.
 */
#ifndef KS_TESTS_CRASH_CLIENTS_H
#define KS_TESTS_CRASH_CLIENTS_H

#include "history.h"

#include <pthread.h>

enum { CLIENTS_PRODUCERS_MAX = 16, CLIENTS_PARTITIONS = 10 };

struct clients;

/* What they do. Texts are borrowed. */
struct clients_plan {
    const char *topic;
    uint64_t seed;
    int32_t producer_count;
    const char *queue_messages; /* that each producer may have on the way */

    /*
     * The topic's retention; 0: neither. Then nobody follows the log, and a final reader begins
     * where it begins by then.
     */
    int64_t retention_ms;
    int64_t retention_bytes;
};

/* Of one topic, with what brokers asked of its clients. */
struct clients_throttling {
    uint64_t count;
    int ms_max;
};

/* Does not wait for a broker. */
struct clients *clients_new(uint16_t port, const struct clients_plan *plan);
void clients_free(struct clients *clients);

/* Makes the topic, trying again until it is there; false after `wait_ms`. */
bool clients_create_topic(struct clients *clients, int64_t wait_ms);

/* Starts producers and live reader. */
void clients_start(struct clients *clients);

/* How many records were acknowledged so far. */
uint64_t clients_acknowledged_count(struct clients *clients);

/* Waits until that many records are acknowledged; false after `wait_ms`. */
bool clients_wait_acknowledged(struct clients *clients, uint64_t count, int64_t wait_ms);

/*
 * Lets the producers finish what they began and ends their threads; false: something is still
 * open after `wait_ms`.
 */
bool clients_stop_producers(struct clients *clients, int64_t wait_ms);

/*
 * Lets the live reader come to the end of the log and ends it; false: it got nothing for `wait_ms`
 * before it was there.
 */
bool clients_stop_reader(struct clients *clients, int64_t wait_ms);

/* Asks where the partitions of a topic with retention begin now; false: not told. */
bool clients_note_starts(struct clients *clients);

/*
 * A fresh reader takes every partition from its begin to its end; false: it got nothing for
 * `wait_ms` before it was there.
 */
bool clients_read_all(struct clients *clients, int64_t wait_ms);

/* The history, once all threads have ended. */
struct history *clients_history(const struct clients *clients);

struct clients_throttling clients_throttling(struct clients *clients);

/* Errors of clients that no crash explains, in words; NULL when there was none. */
const char *clients_complaint(const struct clients *clients);

#endif
