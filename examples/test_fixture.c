/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast and how many: starts brokers one after the other, each with a topic and a record that it
 * has acknowledged over TCP, and tells how long that took; then many at once from several threads.
 *
 *     cc test_fixture.c $(pkg-config --cflags --libs libkafscale) -lpthread
 *     ./a.out [brokers one after the other] [threads] [brokers in each]
 */
#include <kafscale/kafscale.h>
#include <kafscale/messages.h>
#include <kafscale/protocol.h>
#include <kafscale/records.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CODEC_BYTES (1u << 20)
#define BROKERS_MAX 100000

static void
check(int is_ok, const char *what, const char *why)
{
    if (!is_ok) {
        fprintf(stderr, "%s: %s\n", what, why);
        exit(EXIT_FAILURE);
    }
}

static double
now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

/* --- A client of a few lines ------------------------------------------------------------------ */

static int
connect_to(const char *address)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_port = htons((uint16_t) atoi(strrchr(address, ':') + 1));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(fd >= 0 && connect(fd, (struct sockaddr *) &to, sizeof to) == 0, address,
          "no connection");
    return fd;
}

static struct kafscale_blob *
one_record(void)
{
    struct kafscale_error error = { 0 };
    struct kafscale_batch_builder *builder = kafscale_batch_builder_new(NULL, &error);
    struct kafscale_record record = { .timestamp_ms = 1,
                                      .value = { (const uint8_t *) "hello", 5 } };
    struct kafscale_blob *batch;

    check(builder != NULL, "batch", error.text);
    check(kafscale_batch_builder_append(builder, &record, &error) == 0, "record", error.text);
    check(kafscale_batch_builder_finish(builder, &batch, &error) == 0, "batch", error.text);
    kafscale_batch_builder_free(builder);
    return batch;
}

static void
send_produce(struct kafscale_codec *codec, int fd, struct kafscale_slice batch)
{
    struct kafka_request_header header = { .api_key = KAFKA_API_PRODUCE, .api_version = 9 };
    struct kafka_produce_request_topic_partition partition = { .records = { .parts = &batch,
                                                                            .part_count = 1 } };
    struct kafka_produce_request_topic topic = { .name = { (const uint8_t *) "a", 1 },
                                                 .partitions = &partition,
                                                 .partitions_count = 1 };
    struct kafka_produce_request request = {
        .acks = -1, .timeout_ms = 30000, .topics = &topic, .topics_count = 1
    };
    struct kafscale_error error = { 0 };
    struct kafscale_encoded encoded;
    uint8_t bytes[512];

    check(kafscale_codec_encode_request(codec, &header, &request, &encoded, &error) == 0, "encode",
          error.text);
    check(encoded.size <= sizeof bytes, "encode", "too large");
    kafscale_encoded_copy(&encoded, bytes);
    check(send(fd, bytes, encoded.size, 0) == (ssize_t) encoded.size, "send", "cut");
}

static void
expect_acknowledged(struct kafscale_codec *codec, int fd)
{
    const struct kafka_produce_response *response;
    struct kafscale_error error = { 0 };
    uint8_t bytes[512];
    size_t frame_bytes = 0;
    size_t have = 0;
    int32_t correlation_id;
    void *message;

    while (kafscale_frame_size((struct kafscale_slice){ bytes, have }, sizeof bytes, &frame_bytes,
                               &error) != 0 ||
           have < frame_bytes) {
        ssize_t size = recv(fd, bytes + have, sizeof bytes - have, 0);

        check(size > 0, "recv", "the connection ended");
        have += (size_t) size;
        error = (struct kafscale_error){ 0 };
    }
    check(kafscale_codec_decode_response(codec, (struct kafscale_slice){ bytes, have },
                                         KAFKA_API_PRODUCE, 9, &correlation_id, &message,
                                         &error) == 0,
          "decode", error.text);
    response = message;
    check(response->topics[0].partitions[0].error_code == 0, "produce", "refused");
}

static void
produce(const char *address)
{
    struct kafscale_error error = { 0 };
    struct kafscale_codec *codec = kafscale_codec_new(KAFKA_MESSAGES_LAYOUT, CODEC_BYTES, &error);
    struct kafscale_blob *batch = one_record();
    int fd = connect_to(address);

    check(codec != NULL, "codec", error.text);
    send_produce(codec, fd, kafscale_blob_slice(batch));
    expect_acknowledged(codec, fd);
    close(fd);
    kafscale_blob_unref(batch);
    kafscale_codec_free(codec);
}

/* --- Brokers ---------------------------------------------------------------------------------- */

static struct kafscale_testing *
start(void)
{
    static const struct kafscale_testing_topic topic = { .name = "a", .partitions = 1 };
    struct kafscale_testing_options options = { .size = sizeof options,
                                                .topics = &topic,
                                                .topic_count = 1 };
    struct kafscale_error error = { 0 };
    struct kafscale_testing *testing = kafscale_testing_start(&options, &error);

    check(testing != NULL, "start", error.text);
    produce(kafscale_testing_bootstrap(testing));
    return testing;
}

static int
compare(const void *a, const void *b)
{
    double difference = *(const double *) a - *(const double *) b;

    return (difference > 0) - (difference < 0);
}

static void
one_after_the_other(int count)
{
    double *times_ms = calloc((size_t) count, sizeof *times_ms);
    double began_ms = now_ms();

    check(times_ms != NULL, "times", "no memory");
    for (int i = 0; i < count; i++) {
        double start_ms = now_ms();
        struct kafscale_testing *testing = start();

        times_ms[i] = now_ms() - start_ms;
        kafscale_testing_free(testing);
    }
    began_ms = now_ms() - began_ms;
    qsort(times_ms, (size_t) count, sizeof *times_ms, compare);
    printf("%d brokers one after the other: start and first acknowledged produce: "
           "median %.2f ms, p99 %.2f ms; with stop %.2f ms each\n",
           count, times_ms[count / 2], times_ms[count * 99 / 100], began_ms / count);
    free(times_ms);
}

static void *
run_many(void *arg)
{
    int count = *(const int *) arg;
    struct kafscale_testing **brokers = calloc((size_t) count, sizeof(*brokers));

    check(brokers != NULL, "brokers", "no memory");
    for (int i = 0; i < count; i++) {
        brokers[i] = start();
    }
    for (int i = 0; i < count; i++) {
        produce(kafscale_testing_bootstrap(brokers[i])); /* all of them are there */
    }
    for (int i = 0; i < count; i++) {
        kafscale_testing_free(brokers[i]);
    }
    free(brokers);
    return NULL;
}

static void
many_at_once(int thread_count, int count)
{
    pthread_t *threads = calloc((size_t) thread_count, sizeof *threads);
    double began_ms = now_ms();

    check(threads != NULL, "threads", "no memory");
    for (int i = 0; i < thread_count; i++) {
        check(pthread_create(&threads[i], NULL, run_many, &count) == 0, "thread", "not started");
    }
    for (int i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%d brokers at once, %d in each of %d threads: %.0f ms in all\n", thread_count * count,
           count, thread_count, now_ms() - began_ms);
    free(threads);
}

static int
number(int argc, char **argv, int index, int otherwise)
{
    int value = argc > index ? atoi(argv[index]) : otherwise;

    check(value > 0 && value <= BROKERS_MAX, "usage", "three positive numbers");
    return value;
}

int
main(int argc, char **argv)
{
    one_after_the_other(number(argc, argv, 1, 1000));
    many_at_once(number(argc, argv, 2, 10), number(argc, argv, 3, 10));
    return EXIT_SUCCESS;
}
