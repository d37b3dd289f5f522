/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that a fixture can do, from several threads at once, while a producer inside the
 * program sends: nothing is lost or crashes, and ThreadSanitizer has something to look at.
 * librdkafka is left out, since that doesn't see its threads.
 *
 * Usage: fixture_threads ROUNDS
 */
#include <kafscale/kafscale.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define RECORDS 500
#define LIMIT_MS 60000

static struct kafscale_testing *testing;
static atomic_int delivered;
static int rounds;

static void
check(int is_ok, const char *what, const struct kafscale_error *error)
{
    if (!is_ok) {
        fprintf(stderr, "%s: %d %s\n", what, (int) error->status, error->text);
        exit(EXIT_FAILURE);
    }
}

static void
visit(void *arg, const struct kafscale_testing_request *request)
{
    size_t *bytes = arg;

    *bytes += request->request_bytes + strlen(request->api) + strlen(request->client_id);
}

/* A restart that meets another one is refused, and says so. */
static void
end_broker(enum kafscale_testing_end end)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status = kafscale_testing_restart(testing, end, LIMIT_MS, &error);

    check(status == KAFSCALE_OK || status == KAFSCALE_INVALID, "restart", &error);
}

static void
fail_something(unsigned choice)
{
    struct kafscale_testing_fault fault = { .size = sizeof fault,
                                            .count = 1,
                                            .fate = (enum kafscale_testing_fate)(choice % 5),
                                            .error = 7 };
    struct kafscale_testing_store_fault store = {
        .size = sizeof store, .count = 1, .fate = (enum kafscale_testing_store_fate)(choice % 7)
    };
    struct kafscale_error error = { 0 };

    check(kafscale_testing_fail_requests(testing, &fault, &error) == KAFSCALE_OK, "fail", &error);
    check(kafscale_testing_fail_store(testing, &store, &error) == KAFSCALE_OK, "store", &error);
}

static void
act(unsigned choice)
{
    struct kafscale_error error = { 0 };
    enum kafscale_status status = KAFSCALE_OK;
    uint64_t count;
    size_t bytes = 0;

    switch (choice % 10) {
    case 0:
        end_broker(KAFSCALE_TESTING_KILLED);
        return;
    case 1:
        end_broker(KAFSCALE_TESTING_IN_ORDER);
        return;
    case 2:
        fail_something(choice / 10);
        return;
    case 3:
        status = kafscale_testing_visit_requests(testing, visit, &bytes, &error);
        break;
    case 4:
        status = kafscale_testing_count_requests(testing, "Produce", &count, &error);
        break;
    case 5:
        status = kafscale_testing_advance(testing, 1000, &error);
        break;
    case 6:
        status = kafscale_testing_drop_connections(testing, &error);
        break;
    case 7:
        status = kafscale_testing_clear_faults(testing, &error);
        break;
    case 8:
        status = kafscale_testing_pause(testing, choice / 10 % 2 == 0, &error);
        break;
    default:
        status = kafscale_testing_wait_records(testing, "a", 0, 0, 0, &error);
        status = status == KAFSCALE_UNAVAILABLE ? KAFSCALE_OK : status;
        break;
    }
    check(status == KAFSCALE_OK, "act", &error);
}

static void *
run(void *arg)
{
    unsigned seed = *(const unsigned *) arg;

    for (int i = 0; i < rounds; i++) {
        act((unsigned) rand_r(&seed));
    }
    return NULL;
}

static void
on_delivered(void *arg, const struct kafscale_delivery *delivery)
{
    (void) arg;
    if (delivery->status == KAFSCALE_OK) {
        atomic_fetch_add(&delivered, 1);
    }
}

static void *
produce(void *arg)
{
    struct kafscale_producer_options options = KAFSCALE_PRODUCER_OPTIONS;
    struct kafscale_record record = { .timestamp_ms = -1,
                                      .value = { (const uint8_t *) "value", 5 } };
    struct kafscale_error error = { 0 };
    struct kafscale_producer *producer;

    (void) arg;
    options.delivered = on_delivered;
    producer = kafscale_producer_new(kafscale_testing_broker(testing), &options, &error);
    check(producer != NULL, "producer", &error);
    for (int i = 0; i < RECORDS; i++) {
        enum kafscale_status status =
            kafscale_producer_send(producer, "a", 0, &record, NULL, &error);

        check(status == KAFSCALE_OK || status == KAFSCALE_UNAVAILABLE, "send", &error);
        error = (struct kafscale_error){ 0 };
    }
    check(kafscale_producer_flush(producer, LIMIT_MS, &error) == KAFSCALE_OK, "flush", &error);
    kafscale_producer_free(producer);
    return NULL;
}

int
main(int argc, char **argv)
{
    static const struct kafscale_testing_topic topic = { .name = "a", .partitions = 1 };
    struct kafscale_testing_options options = { .size = sizeof options,
                                                .topics = &topic,
                                                .topic_count = 1 };
    struct kafscale_error error = { 0 };
    unsigned seeds[THREADS] = { 1, 2, 3, 4 };
    pthread_t threads[THREADS];
    pthread_t producer;

    rounds = argc > 1 ? atoi(argv[1]) : 0;
    testing = kafscale_testing_start(&options, &error);
    check(testing != NULL, "start", &error);
    check(pthread_create(&producer, NULL, produce, NULL) == 0, "thread", &error);
    for (int i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, run, &seeds[i]) == 0, "thread", &error);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    check(kafscale_testing_clear_faults(testing, &error) == KAFSCALE_OK, "clear", &error);
    check(kafscale_testing_pause(testing, false, &error) == KAFSCALE_OK, "resume", &error);
    pthread_join(producer, NULL);
    check(kafscale_testing_wait_records(testing, "a", 0, atomic_load(&delivered), LIMIT_MS,
                                        &error) == KAFSCALE_OK,
          "records", &error);
    printf("%d of %d records were acknowledged, and are there\n", atomic_load(&delivered), RECORDS);
    kafscale_testing_free(testing);
    return EXIT_SUCCESS;
}
