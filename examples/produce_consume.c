/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records through a broker in the same process, without sockets and without another library: one
 * is sent, and read again where it lies in the broker's memory. Build: cc produce_consume.c
 * $(pkg-config --cflags --libs libkafscale)
 */
#include <kafscale/kafscale.h>

#include <stdio.h>
#include <stdlib.h>

static void
check(int is_ok, const char *what, const struct kafscale_error *error)
{
    if (!is_ok) {
        fprintf(stderr, "%s: %s\n", what, error->text);
        exit(EXIT_FAILURE);
    }
}

static struct kafscale_broker *
start_broker(void)
{
    struct kafscale_error error = { 0 };
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_broker *broker;

    check(options != NULL, "options", &error);
    check(kafscale_options_set(options, "listen", "127.0.0.1:0", &error) == 0, "listen", &error);
    check(kafscale_options_set(options, "store", "memory", &error) == 0, "store", &error);
    broker = kafscale_broker_new(options, &error);
    kafscale_options_free(options);
    check(broker != NULL, "new", &error);
    check(kafscale_broker_start(broker, NULL, &error) == 0, "start", &error);
    return broker;
}

/* On the broker's thread, once for each record: now it is durable, or it can't be stored. */
static void
on_delivered(void *arg, const struct kafscale_delivery *delivery)
{
    int *delivered_count = arg;

    *delivered_count += delivery->status == KAFSCALE_OK;
}

static void
produce(struct kafscale_broker *broker)
{
    static const uint8_t greeting[] = "hello";
    struct kafscale_producer_options options = KAFSCALE_PRODUCER_OPTIONS;
    struct kafscale_record record = { .timestamp_ms = -1, .value = { greeting, 5 } };
    struct kafscale_error error = { 0 };
    struct kafscale_producer *producer;
    int delivered_count = 0;

    options.delivered = on_delivered;
    options.delivered_arg = &delivered_count;
    producer = kafscale_producer_new(broker, &options, &error);
    check(producer != NULL, "producer", &error);
    check(kafscale_producer_send(producer, "greetings", 0, &record, NULL, &error) == 0, "send",
          &error);
    check(kafscale_producer_flush(producer, 10000, &error) == 0, "flush", &error);
    kafscale_producer_free(producer);
    check(delivered_count == 1, "deliver", &error);
}

static void
consume(struct kafscale_broker *broker)
{
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *consumer = kafscale_consumer_new(broker, NULL, &error);
    struct kafscale_fetched *fetched;
    struct kafscale_record record;

    check(consumer != NULL, "consumer", &error);
    check(kafscale_consumer_assign(consumer, "greetings", 0, KAFSCALE_OFFSET_EARLIEST, &error) == 0,
          "assign", &error);
    fetched = kafscale_consumer_poll(consumer, 10000, &error);
    check(fetched != NULL, "poll", &error);
    while (kafscale_fetched_next(fetched, &record, &error) == 0) {
        printf("%.*s from offset %lld\n", (int) record.value.size, (const char *) record.value.data,
               (long long) record.offset);
    }
    kafscale_fetched_free(fetched);
    kafscale_consumer_free(consumer);
}

int
main(void)
{
    struct kafscale_broker *broker = start_broker();

    produce(broker);
    consume(broker);
    kafscale_broker_free(broker);
    return EXIT_SUCCESS;
}
