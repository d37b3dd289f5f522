/* SPDX-License-Identifier: Apache-2.0 */
/* The least a program does with an installed libkafscale: a broker, a record into it and out. */
#include <kafscale/kafscale.h>

#include <stdio.h>
#include <string.h>

static const char text[] = "a record";

static int
send_record(struct kafscale_broker *broker, struct kafscale_error *error)
{
    struct kafscale_record record = { .timestamp_ms = -1 };
    struct kafscale_producer *producer = kafscale_producer_new(broker, NULL, error);
    int is_sent;

    record.value.data = (const uint8_t *) text;
    record.value.size = sizeof text;
    is_sent =
        producer != NULL &&
        kafscale_producer_send(producer, "consumer", 0, &record, NULL, error) == KAFSCALE_OK &&
        kafscale_producer_flush(producer, 10000, error) == KAFSCALE_OK;
    kafscale_producer_free(producer);
    return is_sent;
}

static int
read_record(struct kafscale_broker *broker, struct kafscale_error *error)
{
    struct kafscale_consumer *consumer = kafscale_consumer_new(broker, NULL, error);
    struct kafscale_fetched *fetched = NULL;
    struct kafscale_record record;
    int is_read = 0;

    if (consumer != NULL &&
        kafscale_consumer_assign(consumer, "consumer", 0, KAFSCALE_OFFSET_EARLIEST, error) == 0) {
        fetched = kafscale_consumer_poll(consumer, 10000, error);
    }
    if (fetched != NULL && kafscale_fetched_next(fetched, &record, error) == KAFSCALE_OK) {
        is_read =
            record.value.size == sizeof text && memcmp(record.value.data, text, sizeof text) == 0;
    }
    kafscale_fetched_free(fetched);
    kafscale_consumer_free(consumer);
    return is_read;
}

static int
use_broker(const struct kafscale_options *options)
{
    struct kafscale_error error = { KAFSCALE_OK, "" };
    struct kafscale_broker *broker = kafscale_broker_new(options, &error);
    int is_ready = broker != NULL && kafscale_broker_start(broker, NULL, &error) == KAFSCALE_OK &&
                   kafscale_broker_wait_ready(broker, 10000, &error) == KAFSCALE_OK &&
                   send_record(broker, &error) && read_record(broker, &error);

    printf("kafscale %s on port %u: %s\n", kafscale_version(),
           is_ready ? (unsigned) kafscale_broker_port(broker) : 0u,
           is_ready ? "ready" : error.text);
    kafscale_broker_free(broker);
    return is_ready ? 0 : 1;
}

int
main(void)
{
    struct kafscale_options *options = kafscale_options_new();
    int result = 1;

    if (options != NULL && kafscale_options_set(options, "listen", "127.0.0.1:0", NULL) == 0 &&
        kafscale_options_set(options, "store", "memory", NULL) == 0) {
        result = use_broker(options);
    }
    kafscale_options_free(options);
    return result;
}
