/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load on our own codec: one thread a connection, each with partitions of its own. Batches are
 * distinct and not compressed. Prints one line of JSON, the generator's own CPU time in it.
 */
#include "load.h"

#include "requests.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BATCH_BYTES_MAX (16 << 20)

static const char usage[] = "usage: load ADDRESS create TOPIC PARTITIONS\n"
                            "       load ADDRESS produce TOPIC PARTITIONS CONNECTIONS "
                            "BATCH_BYTES RECORD_BYTES TOTAL_MIB\n"
                            "       load ADDRESS consume TOPIC PARTITIONS CONNECTIONS\n"
                            "       load ADDRESS follow TOPIC PARTITIONS CONNECTIONS TOTAL_MIB\n"
                            "       load ADDRESS paced TOPIC PARTITIONS PER_SECOND SECONDS";

static int32_t
number(const char *text, int32_t lowest, int32_t highest)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*end != '\0' || end == text || value < lowest || value > highest) {
        die("'%s' is not a number from %d to %d", text, lowest, highest);
    }
    return (int32_t) value;
}

static double
seconds_of(struct timeval time)
{
    return (double) time.tv_sec + (double) time.tv_usec / 1e6;
}

static double
cpu_seconds(void)
{
    struct rusage usage_now;

    getrusage(RUSAGE_SELF, &usage_now);
    return seconds_of(usage_now.ru_utime) + seconds_of(usage_now.ru_stime);
}

/* --- Many connections ------------------------------------------------------------------------- */

static void
run_workers(const struct worker *pattern, void *(*run)(void *worker))
{
    struct worker workers[CONNECTIONS_MAX];
    pthread_t threads[CONNECTIONS_MAX];
    struct worker sum = { 0 };
    int64_t begun_us = now_us();
    double seconds;

    for (int32_t i = 0; i < pattern->connections; i++) {
        workers[i] = *pattern;
        workers[i].index = i;
        if (pthread_create(&threads[i], NULL, run, &workers[i]) != 0) {
            die("no thread");
        }
    }
    for (int32_t i = 0; i < pattern->connections; i++) {
        pthread_join(threads[i], NULL);
        sum.bytes += workers[i].bytes;
        sum.records += workers[i].records;
    }
    seconds = (double) (now_us() - begun_us) / 1e6;
    printf("{\"bytes\": %llu, \"records\": %llu, \"seconds\": %.3f, \"cpu_seconds\": %.3f}\n",
           (unsigned long long) sum.bytes, (unsigned long long) sum.records, seconds,
           cpu_seconds());
}

/* --- Commands --------------------------------------------------------------------------------- */

/* Each gets the words after its own name. */

static void
create(const char *address, char **words)
{
    struct wire wire;

    wire_connect(&wire, address);
    create_topic(&wire, words[0], number(words[1], 1, PARTITIONS_MAX));
    wire_close(&wire);
    printf("{}\n");
}

static struct worker
pattern_of(const char *address, char **words)
{
    struct worker pattern = { .address = address,
                              .topic = words[0],
                              .partitions = number(words[1], 1, PARTITIONS_MAX),
                              .connections = number(words[2], 1, CONNECTIONS_MAX) };

    if (pattern.connections > pattern.partitions) {
        die("more connections than partitions");
    }
    return pattern;
}

static void
produce(const char *address, char **words)
{
    struct worker pattern = pattern_of(address, words);

    pattern.batch_bytes = (size_t) number(words[3], 1, BATCH_BYTES_MAX);
    pattern.record_bytes = (size_t) number(words[4], 1, BATCH_BYTES_MAX);
    pattern.bytes_wanted =
        ((uint64_t) number(words[5], 1, 1 << 20) << 20) / (uint64_t) pattern.connections;
    run_workers(&pattern, run_produce);
}

static void
consume(const char *address, char **words)
{
    struct worker pattern = pattern_of(address, words);

    run_workers(&pattern, run_consume);
}

static void
follow(const char *address, char **words)
{
    struct worker pattern = pattern_of(address, words);
    atomic_uint_fast64_t followed = 0;

    pattern.bytes_wanted = (uint64_t) number(words[3], 1, 1 << 20) << 20;
    pattern.followed = &followed;
    run_workers(&pattern, run_follow);
}

static void
paced(const char *address, char **words)
{
    run_paced(address, words[0], number(words[1], 1, PARTITIONS_MAX), number(words[2], 1, 100000),
              number(words[3], 1, 3600));
}

static const struct command {
    const char *name;
    int word_count;
    void (*run)(const char *address, char **words);
} commands[] = {
    { "create", 2, create }, { "produce", 6, produce }, { "consume", 3, consume },
    { "follow", 4, follow }, { "paced", 4, paced },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[2], commands[i].name) == 0 && argc == 3 + commands[i].word_count) {
            commands[i].run(argv[1], argv + 3);
            return EXIT_SUCCESS;
        }
    }
    die("%s", usage);
}
