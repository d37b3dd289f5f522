/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Few batches, sent in turn: they stay in the processor's cache, so sending is one copy to the
 * kernel.
 */
#include "batches.h"
#include "load.h"
#include "requests.h"

#define POOL_COUNT 8
#define UNDER_WAY_BYTES ((size_t) 2 << 20)
#define UNDER_WAY_MIN 4
#define UNDER_WAY_MAX 48

static size_t
window_of(const struct worker *worker)
{
    size_t count = UNDER_WAY_BYTES / worker->batch_bytes;

    count = count < UNDER_WAY_MIN ? UNDER_WAY_MIN : count;
    return count < UNDER_WAY_MAX ? count : UNDER_WAY_MAX;
}

static void
send_all(struct worker *worker, struct wire *wire, struct load_batch *pool)
{
    size_t window = window_of(worker);
    int32_t partition = worker->index;
    size_t under_way = 0;

    for (size_t i = 0; worker->bytes < worker->bytes_wanted; i = (i + 1) % POOL_COUNT) {
        if (under_way == window) {
            await_produce(wire);
            under_way--;
        }
        send_produce(wire, worker->topic, partition, load_batch_next(&pool[i]));
        worker->bytes += pool[i].bytes.size;
        worker->records += (uint64_t) ks_batch_count_records(ks_buffer_slice(&pool[i].bytes));
        under_way++;
        partition += worker->connections;
        partition = partition < worker->partitions ? partition : worker->index;
    }
    while (under_way-- > 0) {
        await_produce(wire);
    }
}

void *
run_produce(void *arg)
{
    struct worker *worker = arg;
    struct load_batch pool[POOL_COUNT];
    uint64_t seed = 0x9e3779b97f4a7c15u * (uint64_t) (worker->index + 1);
    struct wire wire;

    for (size_t i = 0; i < POOL_COUNT; i++) {
        load_batch_init(&pool[i], worker->batch_bytes, worker->record_bytes, &seed);
    }
    wire_connect(&wire, worker->address);
    send_all(worker, &wire, pool);
    wire_close(&wire);
    for (size_t i = 0; i < POOL_COUNT; i++) {
        load_batch_deinit(&pool[i]);
    }
    return NULL;
}
