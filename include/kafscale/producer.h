/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer inside the broker's process: no sockets, no other library. It is a client like all
 * others in what it is promised and what it is refused: always idempotent, acks=all, in order for
 * each partition, and sent again until delivery_timeout_ms is over.
 *
 *     kafscale_producer_new -> _send ... -> _flush -> _free
 *
 * Records gather in one batch for each partition while the store has others to make durable.
 * kafscale_producer_send() may be called from any thread, several at once.
 */
#ifndef KAFSCALE_PRODUCER_H
#define KAFSCALE_PRODUCER_H

#include "kafscale/broker.h"
#include "kafscale/records.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kafscale_producer;

/* How a record ended. Constant, borrowed for the call; the library may append members. */
struct kafscale_delivery {
    /*
     * KAFSCALE_OK: it is durable. KAFSCALE_UNKNOWN: it may be, and is not tried any more.
     * Else it is not stored: KAFSCALE_UNAVAILABLE: the time was over. KAFSCALE_INVALID,
     * KAFSCALE_TOO_LARGE: the broker refused it. KAFSCALE_STOPPED: producer or broker ended first.
     */
    enum kafscale_status status;
    int16_t kafka_error; /* an enum kafka_error: what the broker said last; 0: nothing */
    const char *topic;
    int32_t partition;
    int64_t offset; /* -1: not known */
    void *opaque;   /* what came with the record */
};

/*
 * Comes once for each record that was taken, on the broker's loop thread, in the order of its
 * partition. It must not wait for anything, nor free the producer; it may send.
 */
typedef void kafscale_delivered(void *arg, const struct kafscale_delivery *delivery);

/* Set out with KAFSCALE_PRODUCER_OPTIONS, which has the defaults. */
struct kafscale_producer_options {
    size_t size; /* sizeof(struct kafscale_producer_options) */
    const char *client_id;
    kafscale_delivered *delivered; /* NULL: nobody wants to know but kafscale_producer_flush */
    void *delivered_arg;
    size_t batch_bytes;          /* of the records of one batch, 1 KiB to 8 MiB */
    size_t buffer_bytes;         /* of all records that were taken and not delivered */
    int64_t linger_ms;           /* how long a batch waits for more records; 0 to 60,000 */
    int64_t delivery_timeout_ms; /* from when a batch is first sent; 1 to 86,400,000 */
    int64_t block_ms; /* how long send may wait for room, or to learn of a topic; 0: not at all */
};

#define KAFSCALE_PRODUCER_OPTIONS                                                             \
    {                                                                                         \
        sizeof(struct kafscale_producer_options), "kafscale-producer", NULL, NULL, 256 << 10, \
            32 << 20, 0, 120000, 60000                                                        \
    }

/*
 * A producer for a broker that was started and not stopped; it need not be READY yet. The options
 * are copied; NULL: the defaults. NULL, with `error` filled in: KAFSCALE_INVALID, _STOPPED or
 * _NO_MEMORY. Freed by the caller, before or after the broker. Any thread.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_producer *kafscale_producer_new(
    struct kafscale_broker *broker, const struct kafscale_producer_options *options,
    struct kafscale_error *error);

/*
 * Sends a copy of a record to a partition of a topic; -1: to the one that its key says, as Kafka's
 * own producer has it (murmur2), or without a key to any. record->offset isn't looked at; a
 * timestamp of -1 is now. `opaque` comes back with the delivery.
 *
 * KAFSCALE_OK: it was taken, and will be told of. Else it was not: KAFSCALE_FULL: no room within
 * block_ms. KAFSCALE_UNAVAILABLE: nothing could be learnt of the topic within block_ms.
 * KAFSCALE_NOT_FOUND: there is no such topic or partition. KAFSCALE_TOO_LARGE: it doesn't fit in a
 * batch. KAFSCALE_INVALID: a bad name, or a broken record. KAFSCALE_STOPPED. KAFSCALE_NO_MEMORY.
 *
 * Any thread. On the broker's loop thread (in callbacks, and for brokers on a loop of the host) it
 * never waits: block_ms is 0 there, and of a topic that wasn't asked for before nothing is known.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_producer_send(
    struct kafscale_producer *producer, const char *topic, int32_t partition,
    const struct kafscale_record *record, void *opaque, struct kafscale_error *error);

/*
 * Waits until all that was taken has been told of, at most `timeout_ms` (negative: for ever).
 * KAFSCALE_UNAVAILABLE: the time is over. KAFSCALE_INVALID: on the loop thread nobody can wait.
 * Lingering ends. Any other thread.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_producer_flush(
    struct kafscale_producer *producer, int64_t timeout_ms, struct kafscale_error *error);

/*
 * Ends a producer. What was not delivered is given up, and told of before this returns: flush
 * first. Accepts NULL. No other call may be under way. Any thread, but not from `delivered`; for a
 * broker on a loop of the host on the thread that runs it.
 */
KAFSCALE_EXPORT void kafscale_producer_free(struct kafscale_producer *producer);

#ifdef __cplusplus
}
#endif

#endif
