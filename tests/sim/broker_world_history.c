/* SPDX-License-Identifier: Apache-2.0 */
/* What clients came to know, and the last comparison of all of it. */
#include "sim/broker_world_internal.h"

#include <assert.h>
#include <stdlib.h>

void
history_deinit(struct history *history)
{
    free(history->values);
    free(history->ends);
}

static void
make_room(struct history *history, int64_t offset)
{
    int64_t capacity = history->capacity == 0 ? 256 : history->capacity;

    while (capacity <= offset) {
        capacity *= 2;
    }
    if (capacity == history->capacity) {
        return;
    }
    history->values = realloc(history->values, (size_t) capacity * sizeof *history->values);
    assert(history->values != NULL);
    for (int64_t i = history->capacity; i < capacity; i++) {
        history->values[i] = -1;
    }
    history->capacity = capacity;
}

bool
history_see(struct history *history, int64_t now_ms, int64_t offset, int64_t value)
{
    make_room(history, offset);
    if (history->values[offset] != -1 && history->values[offset] != value) {
        return false;
    }
    history->values[offset] = value;
    history_know_end(history, now_ms, offset + 1);
    return true;
}

void
history_know_end(struct history *history, int64_t now_ms, int64_t end)
{
    if (history->end_count > 0 && history->ends[history->end_count - 1].end >= end) {
        return;
    }
    if (history->end_count == history->end_capacity) {
        history->end_capacity = history->end_capacity == 0 ? 64 : 2 * history->end_capacity;
        history->ends = realloc(history->ends, history->end_capacity * sizeof *history->ends);
        assert(history->ends != NULL);
    }
    history->ends[history->end_count].at_ms = now_ms;
    history->ends[history->end_count].end = end;
    history->end_count++;
}

int64_t
history_end_at(const struct history *history, int64_t at_ms)
{
    size_t i = history->end_count;

    while (i > 0 && history->ends[i - 1].at_ms > at_ms) {
        i--;
    }
    return i == 0 ? 0 : history->ends[i - 1].end;
}

/* --- At the end ------------------------------------------------------------------------------- */

/* Every offset holds the next record of one of the producers, and none of theirs is missing. */
/* What was deleted has been seen by some reader, or by none. Gives how much by none. */
static int64_t
check_deleted(struct world *w, int index, int32_t *next)
{
    const struct history *history = &w->histories[index];
    int64_t unseen = 0;

    for (int64_t offset = 0; offset < w->starts[index]; offset++) {
        int64_t value = offset < history->capacity ? history->values[offset] : -1;
        int64_t producer = value >> 32;

        if (value < 0 || producer >= WORLD_PRODUCERS) {
            unseen++;
        } else if ((value & INT32_MAX) < next[producer]) {
            world_broken(w, "doubled or out of order", value & INT32_MAX, next[producer]);
        } else {
            unseen -= (value & INT32_MAX) - next[producer];
            next[producer] = (int32_t) (value & INT32_MAX) + 1;
        }
    }
    return unseen;
}

static void
check_partition(struct world *w, int index)
{
    const struct history *history = &w->histories[index];
    int64_t end = history_end_at(history, w->v.now_ms);
    int32_t next[WORLD_PRODUCERS] = { 0 };
    int64_t unseen = check_deleted(w, index, next);

    if (w->readers[0].positions[index] < end || end < history->latest_max) {
        world_broken(w, "a partition is shorter than it was", w->readers[0].positions[index], end);
    }
    for (int64_t offset = w->starts[index]; offset < end && !w->is_broken; offset++) {
        int64_t value = history->values[offset];
        int64_t producer = value >> 32;

        if (value < 0 || producer >= WORLD_PRODUCERS) {
            world_broken(w, "an offset holds what nobody sent there", index, offset);
            return;
        }
        /* Records may be missing where some were deleted unseen, and as many. */
        if ((value & INT32_MAX) < next[producer] || (value & INT32_MAX) > next[producer] + unseen) {
            world_broken(w, "lost, doubled or out of order", value & INT32_MAX, next[producer]);
            return;
        }
        unseen -= (value & INT32_MAX) - next[producer];
        next[producer] = (int32_t) (value & INT32_MAX) + 1;
    }
    for (int i = 0; i < WORLD_PRODUCERS && !w->is_broken; i++) {
        unseen -= w->producers[i].lanes[index].next_sequence - next[i];
    }
    if (!w->is_broken && unseen != 0) {
        world_broken(w, "acknowledged records are lost, or were never sent", unseen, index);
    }
}

/*
 * The topic that goes and comes was created a last time: of what was acknowledged, that which was
 * sent freshness.ms after the last deletion is there, and nothing from before it.
 */
static void
check_loose(struct world *w)
{
    const struct admin *admin = &w->admin;
    const struct history *history = &w->histories[WORLD_LOOSE];
    int64_t end = history_end_at(history, w->v.now_ms);
    bool is_there[LOOSE_MAX] = { false };

    for (int64_t offset = 0; offset < end; offset++) {
        int64_t number = history->values[offset];

        if (number < 0 || number >= admin->loose_count || is_there[number]) {
            world_broken(w, "a record nobody sent, or sent once and stored twice", number, offset);
            return;
        }
        is_there[number] = true;
        if (admin->loose[number].acknowledged_at_ms >= 0 &&
            admin->loose[number].acknowledged_at_ms < admin->deletion_begun_ms) {
            world_broken(w, "a record of a deleted topic is back", number, offset);
            return;
        }
    }
    for (int32_t i = 0; i < admin->loose_count; i++) {
        const struct loose_record *record = &admin->loose[i];

        if (record->acknowledged_at_ms >= 0 && !is_there[i] &&
            record->sent_at_ms > admin->deletion_done_ms + WORLD_FRESHNESS_MS) {
            world_broken(w, "acknowledged after the topic was created again, and lost", i,
                         record->sent_at_ms);
            return;
        }
    }
}

static void
note_batch(void *arg, const struct witness_batch *batch)
{
    (void) arg;
    (void) batch;
}

/* The store by itself holds what readers were given, to the last record. */
static void
walk_partition(struct world *w, int index)
{
    struct ks_partition_name name = { .topic = w->stays, .index = index };
    int64_t end;

    if (witness_walk(w->witness, &name, "stays", note_batch, NULL, &end) &&
        end < history_end_at(&w->histories[index], w->v.now_ms)) {
        world_broken(w, "the store holds less than was acknowledged", index, end);
    }
}

void
world_check_all(struct world *w)
{
    for (int index = 0; index < world_partitions(w) && !w->is_broken; index++) {
        check_partition(w, index);
        walk_partition(w, index);
    }
    if (!w->is_broken) {
        check_loose(w);
    }
}
