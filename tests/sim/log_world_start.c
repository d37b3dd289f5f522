/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions lose their beginning, while others take them over, hand them on and read them. */
#include "sim/log_world_internal.h"

static uint64_t
draw(struct world *w, uint64_t below)
{
    return ks_env_random_u64(&w->v.env) % below;
}

/* Whether the offset is that of a record, but not of a batch's first. */
static bool
is_inside(const struct world *w, int index, int64_t offset)
{
    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        const struct producer *p = &w->producers[i];

        for (size_t j = 0; p->partition == index && j < p->count; j++) {
            const struct sent_batch *batch = &p->batches[j];

            if (batch->state == BATCH_ACKNOWLEDGED && batch->offset < offset &&
                offset < batch->offset + batch->count) {
                return true;
            }
        }
    }
    return false;
}

static void
on_raised(void *arg, enum kafscale_status status)
{
    struct broker *b = arg;
    struct world *w = b->world;
    struct raise *raise = &b->raise;

    raise->is_under_way = false;
    if (status != KAFSCALE_OK) {
        return;
    }
    w->events->starts_raised++;
    w->events->starts_inside += is_inside(w, raise->index, raise->offset);
    if (raise->offset > w->start_floor[raise->index]) {
        w->start_floor[raise->index] = raise->offset;
    }
}

static void
raise_start(struct broker *b, int index, struct ks_partition *partition)
{
    struct world *w = b->world;
    struct raise *raise = &b->raise;
    int64_t start = ks_partition_log_start(partition);
    int64_t end = ks_partition_high_watermark(partition);

    /* Mostly some of it; now and then all there is, or what has gone already. */
    *raise =
        (struct raise){ .index = index,
                        .offset = start + (int64_t) draw(w, (uint64_t) (end - start) / 2 + 1) };
    if (draw(w, 8) == 0) {
        raise->offset = draw(w, 2) == 0 ? end : (int64_t) draw(w, (uint64_t) start + 1);
    }
    if (raise->offset > w->start_wanted[index]) {
        w->start_wanted[index] = raise->offset;
    }
    w->events->operations++;
    raise->is_under_way =
        ks_log_raise_start(b->log, partition, raise->offset, on_raised, b) == KAFSCALE_OK;
}

void
world_raise_start(struct world *w)
{
    int index = (int) draw(w, WORLD_PARTITIONS);
    size_t first = (size_t) draw(w, WORLD_BROKERS);

    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        struct broker *b = &w->brokers[(first + i) % WORLD_BROKERS];
        struct ks_partition *partition = world_partition_of(b, index);

        if (partition != NULL && !b->raise.is_under_way && ks_log_status(b->log) == KAFSCALE_OK) {
            raise_start(b, index, partition);
            return;
        }
    }
}

void
world_set_retention(struct broker *b, const struct ks_partition_name *name)
{
    struct ks_retention retention = { .ms = -1, .bytes = b->world->retention_bytes };
    struct ks_partition *partition = ks_log_find(b->log, name);

    if (partition != NULL && retention.bytes >= 0) {
        ks_log_set_retention(b->log, partition, &retention);
    }
}
