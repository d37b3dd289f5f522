/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producers sit in a hash table and in a list by last use, from whose head the idle ones are
 * dropped; those whose first batch was refused in a list of their own. Where memory is short these
 * get one of a few fixed places.
 */
#include "log/format/producer_state.h"

#include <assert.h>

/* One used this recently is never dropped to make room for another. */
#define KEEP_MS (10 * 60 * 1000)

/* Times may come from a store, so they may be any. */
static int64_t
idle_ms(int64_t used_ms, int64_t now_ms)
{
    return (int64_t) ((uint64_t) now_ms - (uint64_t) used_ms);
}

void
ks_producer_table_init(struct ks_producer_table *producers, uint64_t seed, uint32_t producers_max,
                       int64_t expiration_ms)
{
    *producers = (struct ks_producer_table){ .producers_max = producers_max,
                                             .expiration_ms = expiration_ms };
    ks_table_init(&producers->table, seed);
    ks_list_init(&producers->by_use);
    ks_list_init(&producers->refused);
}

static struct ks_producer *
oldest(const struct ks_list *list)
{
    return ks_list_is_empty(list) ? NULL : KS_CONTAINER(list->next, struct ks_producer, by_use);
}

static void
drop(struct ks_producer_table *producers, struct ks_producer *producer)
{
    ks_table_remove(&producers->table, &producer->node);
    ks_list_remove(&producer->by_use);
    producers->refused_count -= producer->batch_count == 0;
    ks_free(producer);
}

void
ks_producer_table_deinit(struct ks_producer_table *producers)
{
    if (producers->by_use.next == NULL) {
        return;
    }
    while (!ks_list_is_empty(&producers->by_use)) {
        drop(producers, oldest(&producers->by_use));
    }
    while (!ks_list_is_empty(&producers->refused)) {
        drop(producers, oldest(&producers->refused));
    }
    ks_table_deinit(&producers->table);
}

static struct ks_producer *
find(const struct ks_producer_table *producers, int64_t id)
{
    struct ks_table_node *node = ks_table_find(&producers->table, ks_slice(&id, sizeof id));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_producer, node);
}

static const struct ks_producer_refusal *
find_refusal(const struct ks_producer_table *producers, int64_t id)
{
    for (uint32_t i = 0; i < producers->refusal_count; i++) {
        if (producers->refusals[i].id == id) {
            return &producers->refusals[i];
        }
    }
    return NULL;
}

static void
drop_refusal(struct ks_producer_table *producers, const struct ks_producer_refusal *refusal)
{
    size_t index = (size_t) (refusal - producers->refusals);

    producers->refusal_count--;
    memmove(&producers->refusals[index], &producers->refusals[index + 1],
            (producers->refusal_count - index) * sizeof *refusal);
}

static void
add_refusal(struct ks_producer_table *producers, const struct ks_producer_refusal *refusal)
{
    if (producers->refusal_count == KS_PRODUCER_REFUSALS) {
        drop_refusal(producers, producers->refusals);
    }
    producers->refusals[producers->refusal_count++] = *refusal;
}

static void
drop_expired_refusals(struct ks_producer_table *producers, int64_t now_ms)
{
    while (producers->refusal_count > 0 &&
           idle_ms(producers->refusals[0].used_ms, now_ms) >= producers->expiration_ms) {
        drop_refusal(producers, producers->refusals);
    }
}

static void
drop_expired(struct ks_producer_table *producers, struct ks_list *list, int64_t now_ms)
{
    struct ks_producer *producer = oldest(list);

    while (producer != NULL && idle_ms(producer->used_ms, now_ms) >= producers->expiration_ms) {
        drop(producers, producer);
        producer = oldest(list);
    }
}

/* Drops what has expired and, if the table is full, one that is idle. False: still full. */
static bool
make_room(struct ks_producer_table *producers, int64_t now_ms)
{
    struct ks_producer *producer;

    drop_expired(producers, &producers->by_use, now_ms);
    if (producers->table.count - producers->refused_count < producers->producers_max) {
        return true;
    }
    producer = oldest(&producers->by_use);
    if (producer == NULL || idle_ms(producer->used_ms, now_ms) < KEEP_MS) {
        return false;
    }
    drop(producers, producer);
    return true;
}

static const struct ks_producer_batch *
find_batch(const struct ks_producer *producer, int32_t first_sequence, int32_t last_sequence)
{
    for (uint8_t i = 0; i < producer->batch_count; i++) {
        const struct ks_producer_batch *batch = &producer->batches[i];

        if (batch->first_sequence == first_sequence && batch->last_sequence == last_sequence) {
            return batch;
        }
    }
    return NULL;
}

static int32_t
next_sequence(const struct ks_producer *producer)
{
    int32_t last;

    if (producer->batch_count == 0) {
        return producer->expected_sequence;
    }
    last = producer->batches[producer->batch_count - 1].last_sequence;
    return last == INT32_MAX ? 0 : last + 1;
}

/* The producer as it would be had there been memory. */
static const struct ks_producer *
find_refused(const struct ks_producer_table *producers, int64_t id, struct ks_producer *place)
{
    const struct ks_producer_refusal *refusal = find_refusal(producers, id);

    if (refusal == NULL) {
        return NULL;
    }
    *place = (struct ks_producer){ .id = id,
                                   .epoch = refusal->epoch,
                                   .expected_sequence = refusal->expected_sequence };
    return place;
}

enum ks_sequence_check
ks_producer_check(struct ks_producer_table *producers, int64_t id, int16_t epoch,
                  int32_t first_sequence, int32_t last_sequence, int64_t now_ms,
                  struct ks_producer_batch *original_out)
{
    const struct ks_producer *producer;
    const struct ks_producer_batch *original;
    struct ks_producer refused;
    bool is_next;

    drop_expired(producers, &producers->refused, now_ms);
    drop_expired_refusals(producers, now_ms);
    producer = find(producers, id);
    if (producer == NULL) {
        producer = find_refused(producers, id, &refused);
    }
    if (producer == NULL) {
        return make_room(producers, now_ms) ? KS_SEQUENCE_NEXT : KS_SEQUENCE_TOO_MANY;
    }
    if (epoch < producer->epoch) {
        return KS_SEQUENCE_OLD_EPOCH;
    }
    if (epoch == producer->epoch) {
        original = find_batch(producer, first_sequence, last_sequence);
        if (original != NULL) {
            *original_out = *original;
            return KS_SEQUENCE_DUPLICATE;
        }
    }
    is_next = first_sequence == (epoch == producer->epoch ? next_sequence(producer) : 0);
    if (!is_next) {
        return KS_SEQUENCE_OUT_OF_ORDER;
    }
    return producer->batch_count > 0 || make_room(producers, now_ms) ? KS_SEQUENCE_NEXT
                                                                     : KS_SEQUENCE_TOO_MANY;
}

/* A producer without batches. */
static struct ks_producer *
add(struct ks_producer_table *producers, int64_t id)
{
    struct ks_producer *producer = ks_alloc_zero(1, sizeof *producer);

    if (producer == NULL) {
        return NULL;
    }
    producer->id = id;
    if (ks_table_insert(&producers->table, &producer->node,
                        ks_slice(&producer->id, sizeof producer->id)) != KAFSCALE_OK) {
        ks_free(producer);
        return NULL;
    }
    producers->refused_count++;
    ks_list_append(&producers->refused, &producer->by_use);
    return producer;
}

void
ks_producer_note_refused(struct ks_producer_table *producers, int64_t id, int16_t epoch,
                         int32_t first_sequence, int64_t now_ms)
{
    struct ks_producer *producer;

    if (find(producers, id) != NULL || find_refusal(producers, id) != NULL) {
        return;
    }
    if (producers->refused_count > 0 && producers->refused_count >= producers->producers_max) {
        drop(producers, oldest(&producers->refused));
    }
    producer = add(producers, id);
    if (producer == NULL) {
        add_refusal(producers, &(struct ks_producer_refusal){ .id = id,
                                                              .used_ms = now_ms,
                                                              .expected_sequence = first_sequence,
                                                              .epoch = epoch });
        return;
    }
    producer->epoch = epoch;
    producer->expected_sequence = first_sequence;
    producer->used_ms = now_ms;
}

/* Beyond the limit the idle ones go, as long as they are idle. */
static void
drop_surplus(struct ks_producer_table *producers, int64_t now_ms)
{
    while (producers->table.count - producers->refused_count > producers->producers_max &&
           idle_ms(oldest(&producers->by_use)->used_ms, now_ms) >= KEEP_MS) {
        drop(producers, oldest(&producers->by_use));
    }
}

enum kafscale_status
ks_producer_note(struct ks_producer_table *producers, int64_t id, int16_t epoch,
                 const struct ks_producer_batch *batch, int64_t now_ms)
{
    struct ks_producer *producer = find(producers, id);
    const struct ks_producer_refusal *refusal;

    assert(id >= 0);

    if (producer == NULL) {
        producer = add(producers, id);
    }
    if (producer == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    refusal = find_refusal(producers, id);
    if (refusal != NULL) {
        drop_refusal(producers, refusal);
    }
    producers->refused_count -= producer->batch_count == 0;
    if (producer->epoch != epoch ||
        idle_ms(producer->used_ms, now_ms) >= producers->expiration_ms) {
        producer->batch_count = 0;
    }
    if (producer->batch_count == KS_PRODUCER_BATCHES) {
        memmove(&producer->batches[0], &producer->batches[1],
                (KS_PRODUCER_BATCHES - 1) * sizeof producer->batches[0]);
        producer->batch_count--;
    }
    producer->epoch = epoch;
    producer->batches[producer->batch_count++] = *batch;
    producer->used_ms = now_ms;
    ks_list_remove(&producer->by_use);
    ks_list_append(&producers->by_use, &producer->by_use);
    drop_surplus(producers, now_ms);
    return KAFSCALE_OK;
}

enum kafscale_status
ks_producer_restore(struct ks_producer_table *producers, const struct ks_producer *stored)
{
    struct ks_producer *producer;

    assert(stored->batch_count > 0);
    assert(stored->batch_count <= KS_PRODUCER_BATCHES);

    if (find(producers, stored->id) != NULL) {
        return KAFSCALE_CORRUPT;
    }
    producer = add(producers, stored->id);
    if (producer == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    producers->refused_count--;
    ks_list_remove(&producer->by_use);
    ks_list_append(&producers->by_use, &producer->by_use);
    producer->epoch = stored->epoch;
    producer->batch_count = stored->batch_count;
    producer->used_ms = stored->used_ms;
    memcpy(producer->batches, stored->batches, sizeof producer->batches);
    return KAFSCALE_OK;
}

void
ks_producer_table_prune(struct ks_producer_table *producers)
{
    const struct ks_producer *newest;

    if (ks_list_is_empty(&producers->by_use)) {
        return;
    }
    newest = KS_CONTAINER(producers->by_use.previous, const struct ks_producer, by_use);
    drop_expired(producers, &producers->by_use, newest->used_ms);
    drop_surplus(producers, newest->used_ms);
}

static void
move_list(struct ks_list *to, struct ks_list *from)
{
    struct ks_list *node;

    ks_list_init(to);
    while ((node = ks_list_take_first(from)) != NULL) {
        ks_list_append(to, node);
    }
}

void
ks_producer_table_move(struct ks_producer_table *to, struct ks_producer_table *from)
{
    *to = *from;
    move_list(&to->by_use, &from->by_use);
    move_list(&to->refused, &from->refused);
    *from = (struct ks_producer_table){ 0 };
}
