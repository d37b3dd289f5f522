/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the load generator. Each runs as one thread with a connection and partitions of
 * its own: partition i belongs to connection i modulo their number.
 */
#ifndef KS_TESTS_BENCH_LOAD_H
#define KS_TESTS_BENCH_LOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS_MAX 64
#define PARTITIONS_MAX 10000

struct worker {
    const char *address;
    const char *topic;
    int32_t partitions;
    int32_t connections;
    int32_t index; /* of this connection */
    size_t batch_bytes;
    size_t record_bytes;
    uint64_t bytes_wanted;
    atomic_uint_fast64_t *followed; /* bytes that all of them have read, of bytes_wanted */

    /* Results. */
    uint64_t bytes;
    uint64_t records;
};

/* Sends batches as fast as they are acknowledged, some ahead, until there are enough bytes. */
void *run_produce(void *worker);

/* Reads its partitions from the first record to their ends and checks every batch's CRC. */
void *run_consume(void *worker);

/* Reads its partitions as they grow, until all together have read as much as is wanted. */
void *run_follow(void *worker);

/*
 * Sends batches of one record, `per_second`, to the partitions in turn, whether or not earlier
 * ones were answered, and prints how long the answers took. Each is counted from when it was
 * due, so that a broker that stalls can't hide it.
 */
void run_paced(const char *address, const char *topic, int32_t partitions, int32_t per_second,
               int32_t seconds);

#endif
