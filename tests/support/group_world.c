/* SPDX-License-Identifier: Apache-2.0 */
/* What clients do, and what they make of the answers. */
#include "support/group_world_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DRAIN_STEPS_MAX 1000

static uint64_t sights[GROUP_WORLD_SIGHT_COUNT];

const char *
group_world_sight_name(enum group_world_sight sight)
{
    static const char *const names[GROUP_WORLD_SIGHT_COUNT] = {
        [GROUP_WORLD_STABLE] = "stable",     [GROUP_WORLD_EXTENDED] = "first wait extended",
        [GROUP_WORLD_REPLACED] = "replaced", [GROUP_WORLD_SKIPPED] = "assignment skipped",
        [GROUP_WORLD_ABSENT] = "absent",     [GROUP_WORLD_ELECTED] = "another elected",
        [GROUP_WORLD_SILENT] = "silent",     [GROUP_WORLD_EXPIRED] = "expired",
        [GROUP_WORLD_LATE] = "stored late",  [GROUP_WORLD_REPEATED] = "answer repeated",
    };

    return names[sight];
}

uint64_t
group_world_seen(enum group_world_sight sight)
{
    return sights[sight];
}

void
world_see(enum group_world_sight sight)
{
    sights[sight]++;
}

void
world_demand(struct group_world *world, bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds || world->broken[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    vsnprintf(world->broken, sizeof world->broken, format, arguments);
    va_end(arguments);
}

const char *
group_world_broken(const struct group_world *world)
{
    return world->broken[0] == '\0' ? NULL : world->broken;
}

struct world_generation *
world_generation(struct group_world *world, int32_t generation)
{
    if (generation < 0 || generation >= WORLD_GENERATIONS_MAX) {
        world_demand(world, false, "generation %d", (int) generation);
        generation = 0;
    }
    while (world->generation_known < generation) {
        world->generation_known++;
        world->generations[world->generation_known] = (struct world_generation){ .leader = -1 };
    }
    return &world->generations[generation];
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void
keep_id(char *id, struct kafscale_slice text)
{
    size_t bytes = text.size < WORLD_ID_BYTES - 1 ? text.size : WORLD_ID_BYTES - 1;

    if (bytes > 0) {
        memcpy(id, text.data, bytes);
    }
    id[bytes] = '\0';
}

static void
forget(struct world_client *client)
{
    client->member_id[0] = '\0';
    client->generation = -1;
    client->leads = false;
}

/*
 * Whether it is the one that the client hopes for: the last, or an earlier one after its failure.
 */
static bool
is_hoped_for(const struct world_client *client, const struct world_request *request)
{
    const struct world_request *last = client->last[request->is_sync];

    return last == request || (last == NULL && client->member_id[0] != '\0' &&
                               strcmp(client->member_id, request->member_id) == 0);
}

/* False: the client doesn't care for it. */
static bool
close_request(struct group_world *world, struct world_request *request)
{
    struct world_client *client = request->client;

    world_demand(world, request->state == WORLD_WAITS, "%s is answered though it %s",
                 request->member_id, request->state == WORLD_GONE ? "is gone" : "was answered");
    if (request->state != WORLD_WAITS) {
        return false;
    }
    request->state = WORLD_ANSWERED;
    world->waiting_count--;
    if (!is_hoped_for(client, request)) {
        return false;
    }
    client->last[request->is_sync] = NULL;
    return true;
}

/* It begins anew if it is told that it isn't a member. */
static void
believe_error(struct group_world *world, struct world_client *client, enum ks_group_error error)
{
    world_demand(world, error != KS_GROUP_NOT_AVAILABLE || world->is_refusing,
                 "client %u is refused for nothing", client->index);
    world_demand(world, error != KS_GROUP_FENCED_INSTANCE || client->instance_id != NULL,
                 "client %u is fenced", client->index);
    world_demand(world, error != KS_GROUP_FULL, "a group without limit is full");
    world_demand(world, error != KS_GROUP_INCONSISTENT_PROTOCOL, "protocols differ");
    if (error == KS_GROUP_UNKNOWN_MEMBER || error == KS_GROUP_FENCED_INSTANCE) {
        forget(client);
    }
}

static void
believe_joined(struct world_client *client, const struct ks_group_join_answer *answer)
{
    keep_id(client->member_id, answer->member_id);
    client->generation = answer->generation;
    client->leads = ks_slice_equals(answer->leader_id, answer->member_id);
    client->listed_count = 0;
    for (size_t i = 0; i < answer->member_count && i < WORLD_LISTED_MAX; i++) {
        keep_id(client->listed[client->listed_count++], answer->members[i].member_id);
    }
}

static void
on_joined(void *arg, void *waiter, const struct ks_group_join_answer *answer)
{
    struct group_world *world = arg;
    struct world_request *request = waiter;
    struct world_client *client = request->client;
    bool is_last = close_request(world, request);

    world_demand(world, !request->is_sync, "a sync is answered as a join");
    if (answer->error == KS_GROUP_OK) {
        world_check_joined(world, request, answer);
    }
    if (!is_last) {
        return;
    }
    if (answer->error == KS_GROUP_OK) {
        believe_joined(client, answer);
    } else if (answer->error == KS_GROUP_MEMBER_ID_REQUIRED) {
        keep_id(client->member_id, answer->member_id);
    } else {
        believe_error(world, client, answer->error);
    }
}

static void
on_synced(void *arg, void *waiter, const struct ks_group_sync_answer *answer)
{
    struct group_world *world = arg;
    struct world_request *request = waiter;
    bool is_last = close_request(world, request);

    world_demand(world, request->is_sync, "a join is answered as a sync");
    if (answer->error == KS_GROUP_OK) {
        world_check_synced(world, request, answer);
    } else if (is_last) {
        believe_error(world, request->client, answer->error);
    }
}

static void
on_store(void *arg, struct ks_group *group, uint64_t number)
{
    struct group_world *world = arg;

    world_demand(world, number == group->store_number, "stored under another number");
    world_demand(world, world->store_count < WORLD_GENERATIONS_MAX, "stored without end");
    if (world->store_count < WORLD_GENERATIONS_MAX) {
        world->stores[world->store_count++] =
            (struct world_store){ .number = number, .generation = group->generation };
    }
}

/* Who waits for an answer is alive. */
static void
on_expelled(void *arg, const struct ks_group *group, struct kafscale_slice member_id,
            enum ks_group_expulsion why)
{
    const struct ks_group_member *member = ks_group_find_member(group, member_id);

    (void) why;
    world_demand(arg, member != NULL && member->waiter == NULL, "who waits is put out");
}

/* --- A world ---------------------------------------------------------------------------------- */

struct group_world *
group_world_new(const struct group_world_options *options)
{
    static const char *const instances[GROUP_WORLD_CLIENTS] = { "i", "j", "k" };
    struct group_world *world = malloc(sizeof *world);

    if (world == NULL) {
        abort();
    }
    memset(world, 0, offsetof(struct group_world, requests));
    world->options = *options;
    world->group_options.initial_delay_ms = options->initial_delay_ms;
    world->group_options.size_max = SIZE_MAX;
    world->events = (struct ks_group_events){ .arg = world,
                                              .joined = on_joined,
                                              .synced = on_synced,
                                              .store = on_store,
                                              .expelled = on_expelled };
    world->generations[0] = (struct world_generation){ .leader = -1 };
    for (unsigned i = 0; i < GROUP_WORLD_CLIENTS; i++) {
        world->clients[i].index = i;
        world->clients[i].generation = -1;
        world->clients[i].instance_id =
            (options->static_clients & (1u << i)) != 0 ? instances[i] : NULL;
    }
    world->now_ms = 1000;
    world->group = ks_group_new(ks_slice_of_text("g"), &world->group_options, &world->events);
    if (world->group == NULL) {
        abort();
    }
    return world;
}

void
group_world_free(struct group_world *world)
{
    world->is_refusing = true;
    ks_group_end(world->group, KS_GROUP_NOT_AVAILABLE);
    ks_group_free(world->group);
    free(world);
}

/* --- Deeds ------------------------------------------------------------------------------------ */

static struct world_request *
open_request(struct group_world *world, struct world_client *client, bool is_sync)
{
    struct world_request *request = &world->requests[world->request_count++];

    *request = (struct world_request){ .client = client,
                                       .is_sync = is_sync,
                                       .generation = client->generation };
    memcpy(request->member_id, client->member_id, WORLD_ID_BYTES);
    client->last[is_sync] = request;
    world->waiting_count++;
    return request;
}

static struct kafscale_slice
instance_of(const struct world_client *client)
{
    return client->instance_id == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(client->instance_id);
}

static struct ks_group_claim
claim_of(const struct world_client *client)
{
    return (struct ks_group_claim){ .member_id = ks_slice_of_text(client->member_id),
                                    .instance_id = instance_of(client),
                                    .generation = client->generation };
}

/* The metadata is the client's letter, and whether it has changed; so is the preference. */
static void
join(struct group_world *world, struct world_client *client)
{
    char metadata[2] = { (char) ('a' + client->index), client->is_changed ? '1' : '0' };
    struct ks_group_protocol protocols[2] = {
        { ks_slice_of_text(client->is_changed ? "sticky" : "range"), ks_slice(metadata, 2) },
        { ks_slice_of_text(client->is_changed ? "range" : "sticky"), ks_slice(metadata, 2) },
    };
    char new_id[24];
    struct ks_group_join join = {
        .waiter = open_request(world, client, false),
        .member_id = ks_slice_of_text(client->member_id),
        .instance_id = instance_of(client),
        .client_id = ks_slice_of_text("c"),
        .client_host = ks_slice_of_text("h"),
        .protocol_type = ks_slice_of_text("consumer"),
        .protocols = protocols,
        .protocol_count = 2,
        .session_timeout_ms =
            client->instance_id == NULL ? WORLD_SESSION_MS : WORLD_STATIC_SESSION_MS,
        .rebalance_timeout_ms = WORLD_REBALANCE_MS,
        .must_know_member_id = world->options.is_modern,
        .can_skip_assignment = world->options.is_modern,
    };

    client->id_count += client->member_id[0] == '\0';
    snprintf(new_id, sizeof new_id, "%c%u", (char) ('a' + client->index), client->id_count);
    join.new_member_id = ks_slice_of_text(new_id);
    ks_group_join(world->group, &join, world->now_ms);
}

static void
join_changed(struct group_world *world, struct world_client *client)
{
    client->is_changed = !client->is_changed;
    join(world, client);
}

/* Each member is assigned its generation and its client's letter. */
static void
sync_group(struct group_world *world, struct world_client *client)
{
    struct ks_group_assignment assignments[WORLD_LISTED_MAX];
    char texts[WORLD_LISTED_MAX][16];
    struct ks_group_sync sync = {
        .claim = claim_of(client),
        .assignments = assignments,
        .assignment_count = client->leads ? client->listed_count : 0,
    };

    for (size_t i = 0; i < sync.assignment_count; i++) {
        int bytes = snprintf(texts[i], sizeof texts[i], "%d%c", (int) client->generation,
                             client->listed[i][0]);

        assignments[i].member_id = ks_slice_of_text(client->listed[i]);
        assignments[i].assignment = ks_slice(texts[i], (size_t) bytes);
    }
    sync.waiter = open_request(world, client, true);
    ks_group_sync(world->group, &sync, world->now_ms);
}

static enum ks_group_error
expected_heartbeat(const struct group_world *world, const struct world_client *client)
{
    const struct ks_group_member *member =
        client->instance_id == NULL
            ? world_member(world, client)
            : ks_group_find_instance(world->group, ks_slice_of_text(client->instance_id));

    if (member == NULL) {
        return KS_GROUP_UNKNOWN_MEMBER;
    }
    if (!ks_slice_equals(member->identity->member_id, ks_slice_of_text(client->member_id))) {
        return KS_GROUP_FENCED_INSTANCE;
    }
    if (client->generation != world->group->generation) {
        return KS_GROUP_ILLEGAL_GENERATION;
    }
    return world->group->state == KS_GROUP_PREPARING_REBALANCE ? KS_GROUP_REBALANCE_IN_PROGRESS
                                                               : KS_GROUP_OK;
}

static void
heartbeat(struct group_world *world, struct world_client *client)
{
    enum ks_group_error expected = expected_heartbeat(world, client);
    struct ks_group_claim claim = claim_of(client);
    enum ks_group_error error = ks_group_heartbeat(world->group, &claim, world->now_ms);
    const struct ks_group_member *member = world_member(world, client);

    world_demand(world, error == expected, "a heartbeat of %s is told %d instead of %d",
                 client->member_id, (int) error, (int) expected);
    if (error == KS_GROUP_OK && member != NULL && member->wait == KS_MEMBER_ACTS) {
        world_demand(world, member->session_due_ms == world->now_ms + member->session_timeout_ms,
                     "a heartbeat of %s is no sign of life", client->member_id);
    }
    believe_error(world, client, error);
}

static void
leave(struct group_world *world, struct world_client *client)
{
    bool was_member = world_member(world, client) != NULL;
    bool is_known =
        was_member || ks_group_is_pending(world->group, ks_slice_of_text(client->member_id));
    enum ks_group_error error = ks_group_leave(world->group, ks_slice_of_text(client->member_id),
                                               instance_of(client), world->now_ms);

    world_demand(world, (error == KS_GROUP_OK) == is_known, "%s leaves: %d", client->member_id,
                 (int) error);
    world_demand(world, world_member(world, client) == NULL, "%s has left and is a member",
                 client->member_id);
    forget(client);
}

static void
hang_up(struct group_world *world, struct world_client *client)
{
    bool is_sync = client->last[0] == NULL;
    struct world_request *request = client->last[is_sync];

    request->state = WORLD_GONE;
    world->waiting_count--;
    client->last[is_sync] = NULL;
    ks_group_waiter_gone(world->group, request, world->now_ms);
}

static void
start_again(struct group_world *world, struct world_client *client)
{
    (void) world;
    forget(client);
}

static bool
can_always(const struct world_client *client)
{
    (void) client;
    return true;
}

static bool
has_id(const struct world_client *client)
{
    return client->member_id[0] != '\0';
}

static bool
has_generation(const struct world_client *client)
{
    return has_id(client) && client->generation >= 0;
}

static bool
has_request(const struct world_client *client)
{
    return client->last[0] != NULL || client->last[1] != NULL;
}

static const struct deed {
    const char *name;
    bool (*can)(const struct world_client *client);
    void (*happen)(struct group_world *world, struct world_client *client);
} deeds[GROUP_WORLD_DEED_COUNT] = {
    [GROUP_WORLD_JOIN] = { "joins", can_always, join },
    [GROUP_WORLD_JOIN_CHANGED] = { "joins otherwise", can_always, join_changed },
    [GROUP_WORLD_SYNC] = { "syncs", has_generation, sync_group },
    [GROUP_WORLD_HEARTBEAT] = { "beats", has_generation, heartbeat },
    [GROUP_WORLD_LEAVE] = { "leaves", has_id, leave },
    [GROUP_WORLD_GONE] = { "hangs up", has_request, hang_up },
    [GROUP_WORLD_FORGET] = { "starts again", has_id, start_again },
};

/* --- What happens without them ---------------------------------------------------------------- */

static void
tick(struct group_world *world, int64_t now_ms)
{
    world_demand(world, now_ms >= world->now_ms, "due in the past");
    world->now_ms = now_ms;
    world_watch_tick(world);
    ks_group_tick(world->group, world->now_ms);
    world_demand(world, ks_group_due_ms(world->group) > world->now_ms, "still due after a tick");
}

/* A tick may come too early; nothing happens then. */
static void
pass_time(struct group_world *world)
{
    int64_t due_ms = world_due_ms(world);

    while (ks_group_due_ms(world->group) < due_ms && world->broken[0] == '\0') {
        tick(world, ks_group_due_ms(world->group));
    }
    tick(world, due_ms);
}

void
group_world_pass(struct group_world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;

    while (ks_group_due_ms(world->group) <= end_ms && world->broken[0] == '\0') {
        tick(world, ks_group_due_ms(world->group));
    }
    world->now_ms = end_ms;
    world_check(world);
}

static void
answer_store(struct group_world *world, bool is_stored)
{
    const struct world_store *store = &world->stores[world->store_first++];

    if (is_stored) {
        world_generation(world, store->generation)->is_stored = true;
    }
    world_watch_store(world, store->number);
    world->is_refusing = !is_stored;
    ks_group_stored(world->group, store->number, is_stored, world->now_ms);
    world->is_refusing = false;
}

bool
group_world_can(const struct group_world *world, unsigned event)
{
    if (world->request_count >= GROUP_WORLD_EVENTS_MAX) {
        return false;
    }
    if (event < GROUP_WORLD_TIME) {
        /* More members than a client can list would be assigned nothing. */
        return ks_group_member_count(world->group) < WORLD_LISTED_MAX &&
               deeds[event % GROUP_WORLD_DEED_COUNT].can(
                   &world->clients[event / GROUP_WORLD_DEED_COUNT]);
    }
    if (event == GROUP_WORLD_TIME) {
        return world_due_ms(world) != KS_GROUP_NEVER;
    }
    return world->store_first < world->store_count;
}

const char *
group_world_event_name(unsigned event)
{
    static char name[32];

    if (event == GROUP_WORLD_TIME) {
        return "time passes";
    }
    if (event > GROUP_WORLD_TIME) {
        return event == GROUP_WORLD_STORED ? "it is stored" : "it can't be stored";
    }
    snprintf(name, sizeof name, "%c %s", (char) ('a' + event / GROUP_WORLD_DEED_COUNT),
             deeds[event % GROUP_WORLD_DEED_COUNT].name);
    return name;
}

static void
note_leader(const struct group_world *world, char *id)
{
    id[0] = '\0';
    if (world->group->leader != NULL) {
        keep_id(id, world->group->leader->identity->member_id);
    }
}

static void
let_happen(struct group_world *world, unsigned event)
{
    if (event < GROUP_WORLD_TIME) {
        deeds[event % GROUP_WORLD_DEED_COUNT].happen(
            world, &world->clients[event / GROUP_WORLD_DEED_COUNT]);
    } else if (event == GROUP_WORLD_TIME) {
        pass_time(world);
    } else {
        answer_store(world, event == GROUP_WORLD_STORED);
    }
}

void
group_world_starve(struct group_world *world, uint64_t k)
{
    world->is_starving = true;
    world->starving_k = k;
}

void
group_world_happen(struct group_world *world, unsigned event, bool is_checked)
{
    char leader[WORLD_ID_BYTES];

    note_leader(world, leader);
    if (world->is_starving) {
        world->is_refusing = true;
        ks_alloc_fail_once_after(world->starving_k);
    }
    let_happen(world, event);
    ks_alloc_fail_after(UINT64_MAX);
    world->is_starving = false;
    world->is_refusing = false;
    if (is_checked) {
        world_check(world);
        world_watch_leader(world, leader);
    }
    world->generation_before = world->group->generation;
}

/* The store answers sooner than sessions end. */
void
group_world_drain(struct group_world *world)
{
    for (int i = 0; i < DRAIN_STEPS_MAX; i++) {
        if (group_world_can(world, GROUP_WORLD_STORED)) {
            answer_store(world, true);
        } else if (group_world_can(world, GROUP_WORLD_TIME)) {
            pass_time(world);
        } else {
            break;
        }
        world_check(world);
    }
    world_demand(world, world->waiting_count == 0, "%zu requests are never answered",
                 world->waiting_count);
    world_demand(world, ks_group_is_unused(world->group), "the group never becomes empty: %s",
                 ks_group_state_name(world->group->state));
}
