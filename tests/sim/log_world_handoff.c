/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions change hands without anybody's death: a broker releases some of its partitions with
 * appends under way, and any broker, itself included, opens them next.
 */
#include "sim/log_world_internal.h"

static uint64_t
draw(struct world *w, uint64_t below)
{
    return ks_env_random_u64(&w->v.env) % below;
}

bool
world_is_held(const struct world *w, const struct ks_partition_name *name)
{
    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        const struct broker *b = &w->brokers[i];

        if (ks_log_status(b->log) != KAFSCALE_OK) {
            continue;
        }
        if (ks_log_find(b->log, name) != NULL) {
            return true;
        }
        for (size_t j = 0; b->is_opening && j < b->open.count; j++) {
            if (memcmp(&b->names[j], name, sizeof *name) == 0) {
                return true;
            }
        }
    }
    return false;
}

void
world_note_open(struct broker *b, const struct ks_partition_name *name)
{
    struct world *w = b->world;
    int index = name->index;

    if (!ks_id_equals(&name->topic, &w->topic)) {
        return;
    }
    w->events->opened_again += b->had[index];
    w->events->returned += b->had[index] && !ks_id_equals(&w->last_owner[index], &b->incarnation);
    b->had[index] = true;
    w->last_owner[index] = b->incarnation;
}

static size_t
count_under_way(const struct broker *b, int index)
{
    const struct world *w = b->world;
    size_t count = 0;

    for (size_t i = 0; i < WORLD_PRODUCERS; i++) {
        const struct producer *p = &w->producers[i];

        for (size_t j = p->acknowledged_upto; p->partition == index && j < p->count; j++) {
            count += p->batches[j].is_in_flight && p->batches[j].append.arg == b;
        }
    }
    return count;
}

static void
on_released(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct broker *b = arg;
    struct world *w = b->world;

    (void) error;
    b->is_releasing = false;
    for (size_t i = 0; i < b->release_count; i++) {
        w->events->hand_offs += b->release_results[i] == KAFSCALE_OK;
        if (status == KAFSCALE_OK && ks_log_find(b->log, &b->release_names[i]) != NULL) {
            world_broken(w, "a released partition is still there", b->release_names[i].index, 0);
        }
        if (b->release_results[i] == KAFSCALE_OK &&
            count_under_way(b, b->release_names[i].index) > 0) {
            world_broken(w, "released before an append was answered", b->release_names[i].index, 0);
        }
    }
    if (!w->is_over) {
        world_open(&w->brokers[draw(w, WORLD_BROKERS)], true);
    }
}

static bool
has_any(struct broker *b)
{
    for (int32_t i = 0; i < WORLD_PARTITIONS; i++) {
        struct ks_partition_name name = { .topic = b->world->topic, .index = i };

        if (ks_log_find(b->log, &name) != NULL) {
            return true;
        }
    }
    return false;
}

static void
hand_off(struct broker *b)
{
    struct world *w = b->world;
    struct ks_log_release release = { .names = b->release_names, .results = b->release_results };

    for (int32_t i = 0; i < WORLD_PARTITIONS; i++) {
        struct ks_partition_name name = { .topic = w->topic, .index = i };

        if (draw(w, 3) > 0 && ks_log_find(b->log, &name) != NULL) {
            b->release_names[release.count++] = name;
            w->events->hand_offs_under_way += count_under_way(b, i) > 0;
        }
    }
    if (release.count == 0) {
        return;
    }
    w->events->operations++;
    b->release_count = release.count;
    b->is_releasing = ks_log_release(b->log, &release, on_released, b) == KAFSCALE_OK;
}

void
world_hand_off(struct broker *b)
{
    struct world *w = b->world;
    size_t first = (size_t) (b - w->brokers);

    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        b = &w->brokers[(first + i) % WORLD_BROKERS];
        if (!b->is_releasing && !b->is_stopping && ks_log_status(b->log) == KAFSCALE_OK &&
            has_any(b)) {
            hand_off(b);
            return;
        }
    }
}
