/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a simulated world: all trouble is over, one broker takes everything, producers get
 * their answers, and what a fresh reader finds is compared with what was acknowledged. Twice: once
 * as the log gives it, once as the witness finds it in the store.
 */
#include "sim/log_world_internal.h"

/* What must come next, from one partition's log_start on. */
struct expected {
    struct world *world;
    int index;
    size_t next[WORLD_PRODUCERS]; /* batches of each */
};

static bool
all_acknowledged(const struct world *w)
{
    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        for (size_t j = 0; j < w->producers[i].count; j++) {
            if (w->producers[i].batches[j].state != BATCH_ACKNOWLEDGED) {
                return false;
            }
        }
    }
    return true;
}

/* Batches that end below the start may have gone. */
static void
expect_from(struct expected *expected, struct world *w, int index, int64_t start)
{
    *expected = (struct expected){ .world = w, .index = index };
    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        const struct producer *p = &w->producers[i];
        size_t *next = &expected->next[i];

        while (p->partition == index && *next < p->count &&
               p->batches[*next].offset + p->batches[*next].count <= start) {
            (*next)++;
        }
    }
}

static void
expect_batch(void *arg, const struct witness_batch *found)
{
    struct expected *expected = arg;
    struct world *w = expected->world;
    int64_t id = found->producer_id;
    const struct producer *p = id < 0 || id >= WORLD_PRODUCERS ? NULL : &w->producers[id];
    const struct sent_batch *batch;

    if (p == NULL || p->partition != expected->index || expected->next[id] >= p->count) {
        world_broken(w, "an offset holds what nobody sent there", expected->index,
                     found->base_offset);
        return;
    }
    batch = &p->batches[expected->next[id]++];
    if (found->first_sequence != batch->sequence) {
        world_broken(w, "lost, doubled or out of order", found->first_sequence, batch->sequence);
    } else if (found->base_offset != batch->offset ||
               found->last_offset != batch->offset + batch->count - 1) {
        world_broken(w, "acknowledged at another offset", batch->offset, found->base_offset);
    }
}

static void
expect_end(const struct expected *expected)
{
    struct world *w = expected->world;

    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        const struct producer *p = &w->producers[i];

        if (p->partition == expected->index && expected->next[i] != p->count) {
            world_broken(w, "an acknowledged batch is lost", (int64_t) i,
                         (int64_t) expected->next[i]);
        }
    }
}

/* What readers saw from log_start on, whoever they were and wherever it was then. */
static void
check_seen(struct world *w, int index, int64_t start, int64_t end)
{
    struct expected expected;

    expect_from(&expected, w, index, start);
    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        const struct producer *p = &w->producers[i];

        for (size_t j = expected.next[i]; p->partition == index && j < p->count; j++) {
            const struct sent_batch *batch = &p->batches[j];

            if (batch->offset >= end || w->seen_id[index][batch->offset] != p->id ||
                w->seen_sequence[index][batch->offset] != batch->sequence) {
                world_broken(w, "an acknowledged batch is lost", p->id, batch->sequence);
            }
        }
    }
}

static void
read_partition(struct world *w, struct broker *b, int index)
{
    struct ks_partition *partition = world_partition_of(b, index);
    int64_t start = partition == NULL ? 0 : ks_partition_log_start(partition);
    int64_t end = partition == NULL ? -1 : ks_partition_high_watermark(partition);

    if (start < w->start_floor[index] ||
        (start > w->start_wanted[index] && w->retention_bytes < 0)) {
        world_broken(w, "log_start isn't where it was put", start, w->start_floor[index]);
    }
    w->events->starts_retained += start > w->start_wanted[index];
    for (int64_t offset = start; offset < end && !w->is_broken;) {
        int64_t next = world_read_from(w, b->log, partition, index, offset);

        if (next <= offset) {
            world_broken(w, "a read below the high watermark brought nothing", index, offset);
        }
        offset = next;
    }
    if (!w->is_broken) {
        check_seen(w, index, start, end);
    }
}

static void
walk_partition(struct world *w, struct broker *b, int index)
{
    struct ks_partition_name name = { .topic = w->topic, .index = index };
    struct ks_partition *partition = world_partition_of(b, index);
    struct expected expected;
    int64_t end;

    expect_from(&expected, w, index, ks_partition_log_start(partition));
    if (!witness_walk(w->witness, &name, "t", expect_batch, &expected, &end) || w->is_broken) {
        return;
    }
    if (end != ks_partition_high_watermark(partition)) {
        world_broken(w, "what is in the store doesn't reach the high watermark", index, end);
    }
    expect_end(&expected);
}

void
world_finish(struct world *w)
{
    struct broker *b = &w->brokers[0];

    w->is_over = true;
    ks_fault_store_clear(w->faults);
    w->flaky.rate = 0;
    w->is_peaceful = false;
    virtual_env_run_for(&w->v, 5000 * WORLD_BROKERS);
    world_broker_crash(b);
    world_open(b, true);
    for (int i = 0; i < 400 && !w->is_broken && !all_acknowledged(w); i++) {
        virtual_env_run_for(&w->v, 100);
        for (size_t j = 0; j < WORLD_PRODUCERS; j++) {
            world_producer_step(&w->producers[j], b);
        }
    }
    if (!w->is_broken && !all_acknowledged(w)) {
        world_broken(w, "producers are stuck after all trouble has ended", 0, 0);
    }
    virtual_env_run_for(&w->v, 1000);
    for (int index = 0; index < WORLD_PARTITIONS && !w->is_broken; index++) {
        read_partition(w, b, index);
        if (!w->is_broken) {
            walk_partition(w, b, index);
        }
    }
}
