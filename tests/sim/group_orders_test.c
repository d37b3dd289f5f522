/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every order in which a few things can happen to a group with three clients, nearest first, so
 * that what breaks is told by a shortest story. A state that was seen before is not gone on from.
 * From each one the clients also stop doing anything: whoever waits must be answered then.
 *
 *     group_orders_test [--plant NAME]     with a planted fault, one order must break
 */
#include "sim/plant.h"
#include "support/group_world.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS_MAX 24
#define SEEN_BITS_MIN 16

/* A way from a new world, shared by what comes behind it. */
struct path {
    uint8_t count;
    uint8_t events[STEPS_MAX];
};

struct paths {
    struct path *paths;
    size_t count;
    size_t capacity;
};

/* A set of digests; 0 stands for no digest. */
struct seen {
    uint64_t *digests;
    size_t capacity;
    size_t count;
};

struct search {
    const char *name;
    struct group_world_options options;
    const uint8_t *start; /* what happens first; GROUP_WORLD_EVENT_COUNT ends it */
    unsigned depth;       /* then so many things in any order */
    size_t states_min;    /* fewer: something is no longer looked at */
    size_t steps;
    struct seen seen;
    struct paths level;
    struct paths next;
    char broken[200];
};

/* --- What was seen ---------------------------------------------------------------------------- */

static bool
put(struct seen *seen, uint64_t digest)
{
    size_t place = (size_t) digest & (seen->capacity - 1);

    while (seen->digests[place] != 0 && seen->digests[place] != digest) {
        place = (place + 1) & (seen->capacity - 1);
    }
    if (seen->digests[place] == digest) {
        return false;
    }
    seen->digests[place] = digest;
    seen->count++;
    return true;
}

static void
grow(struct seen *seen)
{
    struct seen larger = { .capacity = seen->capacity == 0 ? (size_t) 1 << SEEN_BITS_MIN
                                                           : seen->capacity * 2 };

    larger.digests = calloc(larger.capacity, sizeof *larger.digests);
    if (larger.digests == NULL) {
        abort();
    }
    for (size_t i = 0; i < seen->capacity; i++) {
        if (seen->digests[i] != 0) {
            put(&larger, seen->digests[i]);
        }
    }
    free(seen->digests);
    *seen = larger;
}

static bool
is_new(struct seen *seen, uint64_t digest)
{
    if (seen->count * 2 >= seen->capacity) {
        grow(seen);
    }
    return put(seen, digest == 0 ? 1 : digest);
}

static void
keep(struct paths *paths, const struct path *path)
{
    if (!KS_RESERVE(paths->paths, paths->capacity, paths->count + 1)) {
        abort();
    }
    paths->paths[paths->count++] = *path;
}

/* --- Searching -------------------------------------------------------------------------------- */

static struct group_world *
replay(const struct search *search, const struct path *path)
{
    struct group_world *world = group_world_new(&search->options);

    for (size_t i = 0; i < path->count; i++) {
        group_world_happen(world, path->events[i], false);
    }
    return world;
}

static void
note_broken(struct search *search, const struct group_world *world, const struct path *path)
{
    if (group_world_broken(world) == NULL || search->broken[0] != '\0') {
        return;
    }
    snprintf(search->broken, sizeof search->broken, "%s", group_world_broken(world));
    printf("%s: %s, after\n", search->name, search->broken);
    for (size_t i = 0; i < path->count; i++) {
        printf("    %s\n", group_world_event_name(path->events[i]));
    }
}

/* One more event behind a path. */
static void
step(struct search *search, const struct path *path, unsigned event)
{
    struct path longer = *path;
    struct group_world *world = replay(search, path);

    longer.events[longer.count++] = (uint8_t) event;
    search->steps++;
    group_world_happen(world, event, true);
    note_broken(search, world, &longer);
    if (is_new(&search->seen, group_world_hash(world))) {
        keep(&search->next, &longer);
        group_world_drain(world);
        note_broken(search, world, &longer);
    }
    group_world_free(world);
}

static void
go_on(struct search *search, const struct path *path)
{
    struct group_world *world = replay(search, path);
    bool can[GROUP_WORLD_EVENT_COUNT];

    for (unsigned event = 0; event < GROUP_WORLD_EVENT_COUNT; event++) {
        can[event] = group_world_can(world, event);
    }
    group_world_free(world);
    for (unsigned event = 0; event < GROUP_WORLD_EVENT_COUNT && search->broken[0] == '\0';
         event++) {
        if (can[event]) {
            step(search, path, event);
        }
    }
}

static void
go_through(struct search *search)
{
    struct path start = { 0 };

    while (search->start[start.count] != GROUP_WORLD_EVENT_COUNT) {
        start.events[start.count] = search->start[start.count];
        start.count++;
    }
    keep(&search->level, &start);
    for (unsigned i = 0; i < search->depth; i++) {
        struct paths spare = search->level;

        search->next.count = 0;
        for (size_t j = 0; j < search->level.count && search->broken[0] == '\0'; j++) {
            go_on(search, &search->level.paths[j]);
        }
        search->level = search->next;
        search->next = spare;
    }
    printf("%s: %zu states, %zu steps\n", search->name, search->seen.count, search->steps);
    free(search->seen.digests);
    free(search->level.paths);
    free(search->next.paths);
}

/* --- Where it begins -------------------------------------------------------------------------- */

#define EVENT(client, deed) ((client) *GROUP_WORLD_DEED_COUNT + GROUP_WORLD_##deed)

static const uint8_t from_nothing[] = { GROUP_WORLD_EVENT_COUNT };

/* Three members of old, the first one leads, everybody knows what it was assigned. */
static const uint8_t from_stable[] = {
    EVENT(0, JOIN), EVENT(1, JOIN), EVENT(2, JOIN),     EVENT(0, JOIN),          EVENT(0, SYNC),
    EVENT(1, SYNC), EVENT(2, SYNC), GROUP_WORLD_STORED, GROUP_WORLD_EVENT_COUNT,
};

static struct search searches[] = {
    { .name = "newcomers, one static",
      .options = { .is_modern = true, .static_clients = 1 },
      .start = from_nothing,
      .depth = 8,
      .states_min = 55000 },
    { .name = "newcomers",
      .options = { .is_modern = true },
      .start = from_nothing,
      .depth = 9,
      .states_min = 30000 },
    { .name = "newcomers of old", .start = from_nothing, .depth = 8, .states_min = 325000 },
    { .name = "newcomers who are waited for, one static",
      .options = { .initial_delay_ms = 3000, .static_clients = 1 },
      .start = from_nothing,
      .depth = 7,
      .states_min = 125000 },
    { .name = "members", .start = from_stable, .depth = 7, .states_min = 75000 },
    { .name = "members, one static",
      .options = { .static_clients = 1 },
      .start = from_stable,
      .depth = 7,
      .states_min = 90000 },
};

static bool
are_all_seen(void)
{
    bool result = true;

    for (int i = 0; i < GROUP_WORLD_SIGHT_COUNT; i++) {
        printf("%s: %llu\n", group_world_sight_name((enum group_world_sight) i),
               (unsigned long long) group_world_seen((enum group_world_sight) i));
        result = result && group_world_seen((enum group_world_sight) i) > 0;
    }
    return result;
}

int
main(int argc, char **argv)
{
    bool is_planted = argc == 3 && strcmp(argv[1], "--plant") == 0;
    bool is_broken = false;
    bool is_thin = false;

    if (is_planted && !plant(argv[2])) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof searches / sizeof *searches && !is_broken; i++) {
        go_through(&searches[i]);
        is_broken = searches[i].broken[0] != '\0';
        is_thin = is_thin || searches[i].seen.count < searches[i].states_min;
    }
    if (is_planted) {
        return is_broken ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return !is_broken && !is_thin && are_all_seen() ? EXIT_SUCCESS : EXIT_FAILURE;
}
