/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One group with a few clients that do anything in any order: what a fuzzer and a search through
 * all orders have in common. Clients believe what they are told; after each event everything that
 * must hold at all times is looked at, in what they were told and inside the group.
 */
#ifndef KS_TESTS_GROUP_WORLD_H
#define KS_TESTS_GROUP_WORLD_H

#include "group/group.h"

#define GROUP_WORLD_CLIENTS 3
#define GROUP_WORLD_EVENTS_MAX 400 /* in one life */

/* What a client may do, then what else may happen. */
enum group_world_deed {
    GROUP_WORLD_JOIN,
    GROUP_WORLD_JOIN_CHANGED, /* with other metadata and another preference */
    GROUP_WORLD_SYNC,
    GROUP_WORLD_HEARTBEAT,
    GROUP_WORLD_LEAVE,
    GROUP_WORLD_GONE,   /* nobody waits for its request any more */
    GROUP_WORLD_FORGET, /* it starts again and knows nothing */
    GROUP_WORLD_DEED_COUNT,
    GROUP_WORLD_TIME = GROUP_WORLD_DEED_COUNT * GROUP_WORLD_CLIENTS, /* until something is due */
    GROUP_WORLD_STORED,
    GROUP_WORLD_NOT_STORED,
    GROUP_WORLD_EVENT_COUNT
};

struct group_world_options {
    int64_t initial_delay_ms;
    unsigned static_clients; /* bits */
    bool is_modern;          /* newcomers need an id, leaders may skip the assignment */
};

struct group_world;

struct group_world *group_world_new(const struct group_world_options *options);
void group_world_free(struct group_world *world);

/* Whether the event can happen now: clients without an id send no heartbeats, for example. */
bool group_world_can(const struct group_world *world, unsigned event);

/* "a joins", for stories; borrowed until the next call. */
const char *group_world_event_name(unsigned event);

/* Must be able to. `is_checked`: looks at everything then. */
void group_world_happen(struct group_world *world, unsigned event, bool is_checked);

/* Time passes, and nobody does anything. */
void group_world_pass(struct group_world *world, int64_t ms);

/* The next event finds no memory for its k-th allocation. */
void group_world_starve(struct group_world *world, uint64_t k);

/* Nobody does anything any more: whoever waits must be answered, and the group become empty. */
void group_world_drain(struct group_world *world);

/* What has not held, or NULL. */
const char *group_world_broken(const struct group_world *world);

/* The same for worlds that differ in nothing that could matter from now on. */
uint64_t group_world_hash(const struct group_world *world);

/* How often an unlikely thing has happened, over all worlds; for tests that must have seen it. */
enum group_world_sight {
    GROUP_WORLD_STABLE,
    GROUP_WORLD_EXTENDED, /* the first wait */
    GROUP_WORLD_REPLACED, /* a static member, without a rebalance */
    GROUP_WORLD_SKIPPED,  /* an assignment */
    GROUP_WORLD_ABSENT,   /* a static member, when the others had joined */
    GROUP_WORLD_ELECTED,  /* another leader, though the one before is a member */
    GROUP_WORLD_SILENT,   /* a member that did not sync was dropped */
    GROUP_WORLD_EXPIRED,  /* a session */
    GROUP_WORLD_LATE,     /* the answer of the store to an earlier generation */
    GROUP_WORLD_REPEATED, /* the answer to a join */
    GROUP_WORLD_SIGHT_COUNT
};
const char *group_world_sight_name(enum group_world_sight sight);
uint64_t group_world_seen(enum group_world_sight sight);

#endif
