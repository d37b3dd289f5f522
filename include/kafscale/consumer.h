/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consumer inside the broker's process: records are read where they lie in the broker's memory,
 * without sockets and without a copy. It sees what every client sees: whole batches up to the high
 * watermark, which are durable.
 *
 *     kafscale_consumer_new -> _assign ...  -> _poll ... -> _free
 *                           -> _subscribe   -> _poll, _commit ... -> _free
 *
 * Records come by kafscale_consumer_poll() on a thread of the caller's, or with `fetched` set by
 * a callback on the broker's loop thread. Any function may be called from any thread.
 */
#ifndef KAFSCALE_CONSUMER_H
#define KAFSCALE_CONSUMER_H

#include "kafscale/broker.h"
#include "kafscale/records.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kafscale_consumer;

/* Positions that are not offsets: behind the last record, and at the first. */
enum { KAFSCALE_OFFSET_LATEST = -1, KAFSCALE_OFFSET_EARLIEST = -2 };

/* What a consumer does when its position is no longer, or not yet, in the log. */
enum kafscale_offset_reset {
    KAFSCALE_RESET_EARLIEST,
    KAFSCALE_RESET_LATEST,
    KAFSCALE_RESET_NONE /* the partition fails with OFFSET_OUT_OF_RANGE */
};

/*
 * Records of one partition, in order, or why there are none any more. Owned by whoever got it, and
 * freed by kafscale_fetched_free(); until then it keeps the broker's memory that it points into,
 * also when the consumer and the broker have gone. One thread at a time.
 */
struct kafscale_fetched;

/* Gives back what it keeps. Accepts NULL. */
KAFSCALE_EXPORT void kafscale_fetched_free(struct kafscale_fetched *fetched);

/* Valid as long as what was fetched. */
KAFSCALE_EXPORT const char *kafscale_fetched_topic(const struct kafscale_fetched *fetched);
KAFSCALE_EXPORT int32_t kafscale_fetched_partition(const struct kafscale_fetched *fetched);

/* How far the partition went when this was read: the offset behind its last durable record. */
KAFSCALE_EXPORT int64_t kafscale_fetched_high_watermark(const struct kafscale_fetched *fetched);

/*
 * An enum kafka_error: 0, or why this partition is read no more until it is assigned again; where
 * the topic's name is empty, why the consumer can't be in its group, until it subscribes again.
 * Then it has no records.
 */
KAFSCALE_EXPORT int16_t kafscale_fetched_error(const struct kafscale_fetched *fetched);

/*
 * The next record, whose bytes and headers are valid until the next call. KAFSCALE_NOT_FOUND:
 * there is none any more. KAFSCALE_CORRUPT, KAFSCALE_TOO_LARGE, KAFSCALE_NO_MEMORY: a batch can't
 * be opened; the next call goes on behind it.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_fetched_next(
    struct kafscale_fetched *fetched, struct kafscale_record *record_out,
    struct kafscale_error *error);

/*
 * Records of one partition, on the broker's loop thread: it must not wait, nor free the consumer.
 * What was fetched is the callee's, to be freed then or later on any thread.
 */
typedef void kafscale_fetched_records(void *arg, struct kafscale_fetched *fetched);

/* Set out with KAFSCALE_CONSUMER_OPTIONS, which has the defaults. */
struct kafscale_consumer_options {
    size_t size; /* sizeof(struct kafscale_consumer_options) */
    const char *client_id;
    kafscale_fetched_records *fetched; /* NULL: kafscale_consumer_poll */
    void *fetched_arg;
    size_t fetch_bytes;  /* of one answer, 1 KiB to 64 MiB; a larger batch comes whole */
    size_t buffer_bytes; /* of records that wait for poll: then nothing more is read */
    enum kafscale_offset_reset reset;
    const char *group_id;       /* NULL: it can't subscribe nor commit */
    int32_t session_timeout_ms; /* without a sign of life; the broker has limits for it */
    int32_t poll_interval_ms;   /* without a poll: it leaves the group, until the next one */
};

#define KAFSCALE_CONSUMER_OPTIONS                                                           \
    {                                                                                       \
        sizeof(struct kafscale_consumer_options), "kafscale-consumer", NULL, NULL, 4 << 20, \
            16 << 20, KAFSCALE_RESET_EARLIEST, NULL, 45000, 300000                          \
    }

/*
 * A consumer for a broker that was started and not stopped; it reads nothing yet. The options are
 * copied; NULL: the defaults. NULL, with `error` filled in: KAFSCALE_INVALID, _STOPPED or
 * _NO_MEMORY. Freed by the caller, before or after the broker. Any thread.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_consumer *kafscale_consumer_new(
    struct kafscale_broker *broker, const struct kafscale_consumer_options *options,
    struct kafscale_error *error);

/*
 * Reads a partition from `offset` on, or from KAFSCALE_OFFSET_EARLIEST or _LATEST; one that is
 * read already goes on there, and what waits for poll of it is dropped. KAFSCALE_INVALID: a bad
 * name or number. KAFSCALE_STOPPED. KAFSCALE_NO_MEMORY. A topic that isn't there is waited for.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_consumer_assign(
    struct kafscale_consumer *consumer, const char *topic, int32_t partition, int64_t offset,
    struct kafscale_error *error);

/* Reads a partition no more; what waits for poll of it is dropped. Fails as assign does. */
KAFSCALE_EXPORT enum kafscale_status kafscale_consumer_unassign(struct kafscale_consumer *consumer,
                                                                const char *topic,
                                                                int32_t partition,
                                                                struct kafscale_error *error);

/*
 * Makes it a member of its group, by Kafka's classic protocol with the assignors range and
 * roundrobin: with others, also those that come over the network, it shares the partitions of
 * these topics, and reads its own from what the group has committed, or as `reset` says. Instead
 * of an earlier subscription; no topics: it leaves the group. A topic that isn't there is waited
 * for.
 *
 * When members come or go the partitions are shared anew. That happens in a poll, which then gives
 * nothing any more of what it had: what was given before should be done with, and committed. With
 * a callback it happens at any time.
 *
 * KAFSCALE_INVALID: no group_id, a bad name, or kafscale_consumer_assign was called, which in turn
 * is refused from now on. KAFSCALE_TOO_LARGE. KAFSCALE_STOPPED. KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_consumer_subscribe(
    struct kafscale_consumer *consumer, const char *const *topics, size_t topic_count,
    struct kafscale_error *error);

/*
 * Commits what this consumer was given, all of it: the next one to read goes on behind. Waits until
 * that is durable, at most `timeout_ms` (negative: for ever; 0: not at all, and what becomes of it
 * isn't told). Records of a callback count as given when it is called.
 *
 * KAFSCALE_CONFLICT: the group has gone on without this consumer, and others read again what it
 * was given since its last commit. KAFSCALE_UNAVAILABLE: not within the time, or not for now.
 * KAFSCALE_INVALID: no group_id, or this is the loop thread and timeout_ms isn't 0.
 * KAFSCALE_FAILED: refused, for instance for a topic that was deleted. KAFSCALE_STOPPED.
 * KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_consumer_commit(
    struct kafscale_consumer *consumer, int64_t timeout_ms, struct kafscale_error *error);

/*
 * The next records of any partition, waited for at most `timeout_ms` (negative: for ever). NULL,
 * with `error` filled in: KAFSCALE_NOT_FOUND: none came within the time. KAFSCALE_STOPPED: the
 * broker has ended. KAFSCALE_INVALID: records go to a callback, or this is the loop thread and
 * timeout_ms isn't 0.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_fetched *kafscale_consumer_poll(
    struct kafscale_consumer *consumer, int64_t timeout_ms, struct kafscale_error *error);

/*
 * Ends a consumer; no callback comes after this has returned. Accepts NULL. No other call may be
 * under way. Any thread, but not from `fetched`; for a broker on a loop of the host on the thread
 * that runs it.
 */
KAFSCALE_EXPORT void kafscale_consumer_free(struct kafscale_consumer *consumer);

#ifdef __cplusplus
}
#endif

#endif
