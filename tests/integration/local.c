/* SPDX-License-Identifier: Apache-2.0 */
#include "local.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct kafscale_slice
local_text(const char *bytes)
{
    return (struct kafscale_slice){ (const uint8_t *) bytes, strlen(bytes) };
}

struct kafscale_record
local_record(const char *value)
{
    return (struct kafscale_record){ .timestamp_ms = -1, .value = local_text(value) };
}

void
local_delivered(void *arg, const struct kafscale_delivery *delivery)
{
    struct local_seen *seen = arg;

    seen->last = delivery->status;
    seen->offset = delivery->offset;
    atomic_fetch_add(delivery->status == KAFSCALE_OK ? &seen->count : &seen->failed, 1);
}

struct kafscale_producer *
local_producer(struct kafscale_broker *broker, struct local_seen *seen)
{
    struct kafscale_producer_options options = KAFSCALE_PRODUCER_OPTIONS;
    struct kafscale_error error = { 0 };
    struct kafscale_producer *producer;

    options.delivered = local_delivered;
    options.delivered_arg = seen;
    producer = kafscale_producer_new(broker, &options, &error);
    ck_assert_msg(producer != NULL, "%s", error.text);
    return producer;
}

void
local_send(struct kafscale_producer *producer, const char *topic, int32_t partition,
           const char *value)
{
    struct kafscale_record record = local_record(value);
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_producer_send(producer, topic, partition, &record, NULL, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
}

void
local_flush(struct kafscale_producer *producer)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_producer_flush(producer, WAIT_MS, &error) == KAFSCALE_OK, "%s",
                  error.text);
}

struct kafscale_fetched *
local_next(struct kafscale_consumer *consumer)
{
    struct kafscale_error error = { 0 };
    struct kafscale_fetched *fetched = kafscale_consumer_poll(consumer, WAIT_MS, &error);

    ck_assert_msg(fetched != NULL, "%s", error.text);
    return fetched;
}

void
local_fail(struct kafscale_testing *testing, const char *api, uint32_t count,
           enum kafscale_testing_fate fate, int16_t code)
{
    struct kafscale_testing_fault fault = {
        .size = sizeof fault, .api = api, .count = count, .fate = fate, .error = code
    };
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_testing_fail_requests(testing, &fault, &error) == KAFSCALE_OK, "%s",
                  error.text);
}
