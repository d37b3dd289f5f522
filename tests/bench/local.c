/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records through a broker in the same process, from one thread that sends to one that polls.
 *
 *     local RECORDS BYTES PARTITIONS [KEY VALUE]...
 *
 * The pairs are settings of the broker. Prints one line of JSON; CPU seconds are those of all
 * threads.
 */
#include <kafscale/consumer.h>
#include <kafscale/kafscale.h>
#include <kafscale/producer.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define VALUE_BYTES_MAX 1000000
#define WAIT_MS 60000

struct run {
    struct kafscale_broker *broker;
    long records;
    size_t value_bytes;
    int32_t partitions;
    long polled;
    long delivered;
};

static void
die(const char *what, const struct kafscale_error *error)
{
    fprintf(stderr, "local: %s: %s\n", what, error->text);
    exit(EXIT_FAILURE);
}

static double
cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double) (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double
seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static struct kafscale_broker *
start(char **settings)
{
    struct kafscale_options *options = kafscale_options_new();
    struct kafscale_error error = { 0 };
    struct kafscale_broker *broker;

    if (kafscale_options_set(options, "listen", "127.0.0.1:0", &error) != KAFSCALE_OK ||
        kafscale_options_set(options, "store", "memory", &error) != KAFSCALE_OK) {
        die("options", &error);
    }
    for (; settings[0] != NULL && settings[1] != NULL; settings += 2) {
        if (kafscale_options_set(options, settings[0], settings[1], &error) != KAFSCALE_OK) {
            die("options", &error);
        }
    }
    broker = kafscale_broker_new(options, &error);
    kafscale_options_free(options);
    if (broker == NULL || kafscale_broker_start(broker, NULL, &error) != KAFSCALE_OK ||
        kafscale_broker_wait_ready(broker, WAIT_MS, &error) != KAFSCALE_OK) {
        die("start", &error);
    }
    return broker;
}

static void
on_delivered(void *arg, const struct kafscale_delivery *delivery)
{
    struct run *run = arg;

    if (delivery->status != KAFSCALE_OK) {
        fprintf(stderr, "local: not delivered: %s\n", kafscale_status_text(delivery->status));
        exit(EXIT_FAILURE);
    }
    run->delivered++;
}

static void *
consume(void *arg)
{
    struct run *run = arg;
    struct kafscale_error error = { 0 };
    struct kafscale_consumer *consumer = kafscale_consumer_new(run->broker, NULL, &error);

    for (int32_t i = 0; consumer != NULL && i < run->partitions; i++) {
        if (kafscale_consumer_assign(consumer, "bench", i, 0, &error) != KAFSCALE_OK) {
            die("assign", &error);
        }
    }
    while (run->polled < run->records) {
        struct kafscale_fetched *fetched =
            consumer == NULL ? NULL : kafscale_consumer_poll(consumer, WAIT_MS, &error);
        struct kafscale_record record;

        if (fetched == NULL) {
            die("poll", &error);
        }
        while (kafscale_fetched_next(fetched, &record, &error) == KAFSCALE_OK) {
            run->polled++;
        }
        kafscale_fetched_free(fetched);
    }
    kafscale_consumer_free(consumer);
    return NULL;
}

static void
produce(struct run *run)
{
    static uint8_t value[VALUE_BYTES_MAX];
    struct kafscale_producer_options options = KAFSCALE_PRODUCER_OPTIONS;
    struct kafscale_record record = { .timestamp_ms = -1, .value = { value, run->value_bytes } };
    struct kafscale_error error = { 0 };
    struct kafscale_producer *producer;

    options.delivered = on_delivered;
    options.delivered_arg = run;
    producer = kafscale_producer_new(run->broker, &options, &error);
    if (producer == NULL) {
        die("producer", &error);
    }
    for (long i = 0; i < run->records; i++) {
        memcpy(value, &i, run->value_bytes < sizeof i ? run->value_bytes : sizeof i);
        if (kafscale_producer_send(producer, "bench", -1, &record, NULL, &error) != KAFSCALE_OK) {
            die("send", &error);
        }
    }
    if (kafscale_producer_flush(producer, WAIT_MS, &error) != KAFSCALE_OK) {
        die("flush", &error);
    }
    kafscale_producer_free(producer);
}

int
main(int argc, char **argv)
{
    struct run run = { 0 };
    double begun_cpu;
    double begun;
    double cpu;
    double elapsed;
    pthread_t thread;

    if (argc < 4) {
        fprintf(stderr, "usage: local RECORDS BYTES PARTITIONS [KEY VALUE]...\n");
        return 2;
    }
    run.records = strtol(argv[1], NULL, 10);
    run.value_bytes = (size_t) strtol(argv[2], NULL, 10);
    run.partitions = (int32_t) strtol(argv[3], NULL, 10);
    if (run.records <= 0 || run.value_bytes > VALUE_BYTES_MAX || run.partitions <= 0) {
        fprintf(stderr, "local: bad numbers\n");
        return 2;
    }
    run.broker = start(argv + 4);
    begun = seconds();
    begun_cpu = cpu_seconds();
    if (pthread_create(&thread, NULL, consume, &run) != 0) {
        return EXIT_FAILURE;
    }
    produce(&run);
    pthread_join(thread, NULL);
    cpu = cpu_seconds() - begun_cpu;
    elapsed = seconds() - begun;
    printf("{\"records\": %ld, \"seconds\": %.3f, \"cpu seconds\": %.3f, \"records/s\": %.0f, "
           "\"records per CPU second\": %.0f}\n",
           run.delivered, elapsed, cpu, (double) run.delivered / elapsed,
           (double) run.delivered / cpu);
    kafscale_broker_free(run.broker);
    return EXIT_SUCCESS;
}
