/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Kafka client without a network: encodes requests, puts them into a broker as a connection
 * does, and decodes what comes back. Everything here fails the running test when it can't do its
 * work.
 */
#ifndef KS_TESTS_SUPPORT_CLIENT_H
#define KS_TESTS_SUPPORT_CLIENT_H

#include "protocol/protocol.h"
#include "record/record.h"
#include "support/broker_fixture.h"

/* One request and its answer. */
struct test_call {
    struct test_broker *broker;
    struct ks_exchange exchange;
    int16_t key;
    int16_t version;
    bool is_done;
    enum ks_answer_kind kind;
    struct ks_buffer bytes; /* of the answer */
    struct ks_arena arena;  /* of what was decoded */
    size_t owned_bytes;     /* in parts that have an owner */
    int32_t throttle_ms;    /* for which a carrier would take nothing more */
};

/* Sends a request of this API and version; returns at once. */
struct test_call *call_begin(struct test_broker *broker, int16_t key, int16_t version,
                             const void *request);

/* Sends these bytes, a frame without its length. */
struct test_call *call_begin_raw(struct test_broker *broker, struct kafscale_slice frame);

/* Lets virtual time run until the answer is there, and decodes it: the struct of the response. */
const void *call_response(struct test_call *call);

/* Waits until the call is done in whatever way. */
enum ks_answer_kind call_wait(struct test_call *call);

/* The asker goes: tells the handlers. */
void call_leave(struct test_call *call);

void call_free(struct test_call *call);

/* begin and response in one; the call is to be freed. */
const void *call(struct test_broker *broker, int16_t key, int16_t version, const void *request,
                 struct test_call **call_out);

/* --- What tests do all the time --------------------------------------------------------------- */

/* Creates a topic; its error code. */
int16_t client_create(struct test_broker *broker, const char *name, int32_t partitions);
int16_t client_delete(struct test_broker *broker, const char *name);

struct client_batch {
    const char *topic;
    int32_t partition;
    int64_t producer_id; /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t sequence;
    int64_t timestamp; /* of the first record; the following ones are one more each */
    int32_t count;     /* of records; values are "value 0", "value 1" ... */
    int16_t acks;
    int codec; /* an enum ks_batch_codec */
    /* Of which records have a key: bit i tells of record i. */
    uint32_t keyed;
};

/* A batch with a topic and partition, one record, not idempotent, of now, acks all. */
struct client_batch client_batch(const char *topic, int32_t partition);

/* Sends Produce; `timeout_ms` as given. */
struct test_call *client_produce_begin(struct test_broker *broker, const struct client_batch *batch,
                                       int32_t timeout_ms);

/* The same with these bytes for records. */
struct test_call *client_produce_bytes_begin(struct test_broker *broker,
                                             const struct client_batch *batch,
                                             struct kafscale_slice records, int32_t timeout_ms);

/* The error code and base offset of the one partition of a Produce. */
int16_t client_produced(struct test_call *call, int64_t *offset_out);

/* All in one, with version 9: the error code. */
int16_t client_produce(struct test_broker *broker, const struct client_batch *batch,
                       int64_t *offset_out);

/* Sends Fetch version 11 of one partition. */
struct test_call *client_fetch_begin(struct test_broker *broker, const char *topic,
                                     int32_t partition, int64_t offset, int32_t wait_ms);

/* The same of partitions 0 and 1. */
struct test_call *client_fetch_two_begin(struct test_broker *broker, const char *topic,
                                         int64_t offset, int32_t wait_ms);

/* The one partition of a Fetch, or both. */
const struct kafka_fetch_response_topic_partition *client_fetched(struct test_call *call);
const struct kafka_fetch_response_topic_partition *client_fetched_two(struct test_call *call);

/* What a broker tells of a metric, with labels as they are written; -1: nothing. */
double client_metric(const struct test_broker *broker, const char *name, const char *labels);

/* How many records a partition's answer holds; batches must be whole and their checksums right. */
size_t client_count_records(const struct kafka_records *records);

#endif
