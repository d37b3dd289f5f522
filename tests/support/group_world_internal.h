/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a world: its clients, what they were told, and what happened in each generation. */
#ifndef KS_TESTS_GROUP_WORLD_INTERNAL_H
#define KS_TESTS_GROUP_WORLD_INTERNAL_H

#include "group/group_internal.h"
#include "support/group_world.h"

/* Dynamic members are gone before a rebalance has taken its time, static ones after. */
#define WORLD_SESSION_MS 10000
#define WORLD_REBALANCE_MS 14000
#define WORLD_STATIC_SESSION_MS 30000
#define WORLD_ID_BYTES 8
#define WORLD_LISTED_MAX (GROUP_WORLD_CLIENTS * 8)
#define WORLD_GENERATIONS_MAX (GROUP_WORLD_EVENTS_MAX * 4)

enum world_request_state {
    WORLD_WAITS,
    WORLD_ANSWERED,
    WORLD_GONE,
};

struct world_request {
    struct world_client *client;
    bool is_sync;
    enum world_request_state state;
    int32_t generation; /* of a sync */
    char member_id[WORLD_ID_BYTES];
};

struct world_client {
    unsigned index;
    const char *instance_id;        /* NULL: dynamic */
    char member_id[WORLD_ID_BYTES]; /* empty: none */
    int32_t generation;             /* -1: none */
    bool leads;
    bool is_changed; /* which of its two lists of protocols it has joined with */
    unsigned id_count;
    struct world_request *last[2]; /* join and sync that it hopes for an answer to */
    char listed[WORLD_LISTED_MAX][WORLD_ID_BYTES]; /* the members, as the leader was told */
    size_t listed_count;
};

/* What clients were told of one generation. */
struct world_generation {
    char protocol;   /* its first letter; 0: not known yet */
    bool is_stored;  /* its assignment */
    int leader;      /* index of the client that was told the members; -1: none yet */
    uint64_t listed; /* a digest of what it was told */
};

/* What was asked for. */
struct world_store {
    uint64_t number;
    int32_t generation;
};

struct group_world {
    struct group_world_options options;
    struct ks_group_options group_options;
    struct ks_group_events events;
    struct ks_group *group;
    int64_t now_ms;
    struct world_client clients[GROUP_WORLD_CLIENTS];
    size_t request_count;
    size_t waiting_count;
    size_t store_first;
    size_t store_count;
    int32_t generation_before;
    int32_t generation_known; /* the last one that is in `generations` */
    bool is_refusing;         /* something can't be had just now */
    bool is_starving;         /* in the next event memory fails */
    uint64_t starving_k;
    char broken[160];

    /* From here on only what is counted above has been written to. */
    struct world_request requests[GROUP_WORLD_EVENTS_MAX];
    struct world_store stores[WORLD_GENERATIONS_MAX]; /* answered up to store_first */
    struct world_generation generations[WORLD_GENERATIONS_MAX];
};

/* Notes what is wrong, the first time. */
__attribute__((format(printf, 3, 4))) void world_demand(struct group_world *world, bool holds,
                                                        const char *format, ...);
void world_see(enum group_world_sight sight);

/* Looks at everything (group_world_check.c). */
void world_check(struct group_world *world);
void world_check_joined(struct group_world *world, const struct world_request *request,
                        const struct ks_group_join_answer *answer);
void world_check_synced(struct group_world *world, const struct world_request *request,
                        const struct ks_group_sync_answer *answer);

/* When something is due indeed. */
int64_t world_due_ms(const struct group_world *world);

/* See what is about to happen, or has happened. */
void world_watch_tick(const struct group_world *world);
void world_watch_store(const struct group_world *world, uint64_t number);
void world_watch_leader(const struct group_world *world, const char *leader_before);

/* The entry of a generation. */
struct world_generation *world_generation(struct group_world *world, int32_t generation);

/* Whose id it is; the first letter says so. */
static inline unsigned
world_client_of(const char *member_id)
{
    return (unsigned) (member_id[0] - 'a');
}

static inline struct ks_group_member *
world_member(const struct group_world *world, const struct world_client *client)
{
    return ks_group_find_member(world->group, ks_slice_of_text(client->member_id));
}

#endif
