/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold: of each answer, and of the group at any time. */
#include "support/group_world_internal.h"

#include <stdio.h>

/* --- Digests ---------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t digest, uint64_t value)
{
    digest ^= value + 0x9e3779b97f4a7c15u + (digest << 6) + (digest >> 2);
    digest *= 0xff51afd7ed558ccdu;
    return digest ^ digest >> 33;
}

static uint64_t
mix_slice(uint64_t digest, struct kafscale_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        digest = mix(digest, text.data[i]);
    }
    return mix(digest, text.size);
}

/* --- Answers to joins ------------------------------------------------------------------------- */

/* Metadata is the client's letter; the list is in the order of the group. */
static uint64_t
check_list(struct group_world *world, const struct ks_group_join_answer *answer)
{
    struct ks_group_member *member = NULL;
    uint64_t digest = 0;

    world_demand(world, answer->member_count == ks_group_member_count(world->group),
                 "the leader is told %zu of %zu members", answer->member_count,
                 ks_group_member_count(world->group));
    for (size_t i = 0; i < answer->member_count; i++) {
        const struct ks_group_answer_member *listed = &answer->members[i];

        member = ks_group_next_member(world->group, member);
        if (member == NULL) {
            return digest;
        }
        world_demand(world, ks_slice_equals(listed->member_id, member->identity->member_id),
                     "the leader is told another member");
        world_demand(world,
                     listed->metadata.size == 2 &&
                         listed->metadata.data[0] == listed->member_id.data[0],
                     "the leader is told other metadata");
        digest = mix_slice(mix_slice(digest, listed->member_id), listed->metadata);
    }
    return digest;
}

/* One leader for each generation, and one list, unless it was told to skip the assignment. */
static void
check_leader(struct group_world *world, const struct world_client *client,
             const struct ks_group_join_answer *answer)
{
    struct world_generation *generation = world_generation(world, answer->generation);
    uint64_t digest = check_list(world, answer);

    world_demand(world, generation->leader < 0 || generation->leader == (int) client->index,
                 "generation %d has a second leader", (int) answer->generation);
    if (answer->is_assignment_skipped) {
        world_see(GROUP_WORLD_SKIPPED);
        return;
    }
    world_demand(world, generation->leader < 0 || generation->listed == digest,
                 "generation %d has a second list of members", (int) answer->generation);
    generation->leader = (int) client->index;
    generation->listed = digest;
}

static void
check_protocol(struct group_world *world, int32_t number, struct kafscale_slice protocol)
{
    struct world_generation *generation = world_generation(world, number);
    char letter = protocol.size == 0 ? '\0' : (char) protocol.data[0];

    world_demand(world, letter == 'r' || letter == 's', "no protocol was chosen");
    world_demand(world, generation->protocol == '\0' || generation->protocol == letter,
                 "generation %d has a second protocol", (int) number);
    generation->protocol = letter;
}

void
world_check_joined(struct group_world *world, const struct world_request *request,
                   const struct ks_group_join_answer *answer)
{
    const struct world_client *client = request->client;
    bool leads = ks_slice_equals(answer->leader_id, answer->member_id);

    world_demand(world, answer->generation == world->group->generation,
                 "a join is answered with generation %d", (int) answer->generation);
    world_demand(world,
                 world->group->state == KS_GROUP_COMPLETING_REBALANCE ||
                     world->group->state == KS_GROUP_STABLE,
                 "a join is answered in %s", ks_group_state_name(world->group->state));
    world_demand(world, ks_group_find_member(world->group, answer->member_id) != NULL,
                 "who has joined is no member");
    world_demand(world, leads == (answer->member_count > 0), "who leads isn't told the members");
    check_protocol(world, answer->generation, answer->protocol);
    if (leads) {
        check_leader(world, client, answer);
    }
    if (answer->generation == client->generation) {
        world_see(GROUP_WORLD_REPEATED);
    }
    if (world->group->state == KS_GROUP_STABLE && client->instance_id != NULL) {
        world_see(GROUP_WORLD_REPLACED);
    }
}

/* --- Answers to syncs ------------------------------------------------------------------------- */

void
world_check_synced(struct group_world *world, const struct world_request *request,
                   const struct ks_group_sync_answer *answer)
{
    char expected[24];

    world_see(GROUP_WORLD_STABLE);
    world_demand(world, world->group->state == KS_GROUP_STABLE, "a sync is answered in %s",
                 ks_group_state_name(world->group->state));
    world_demand(world, request->generation == world->group->generation,
                 "a sync of generation %d is answered", (int) request->generation);
    world_demand(world, world_generation(world, request->generation)->is_stored,
                 "generation %d is told before it is stored", (int) request->generation);
    check_protocol(world, request->generation, answer->protocol);
    snprintf(expected, sizeof expected, "%d%c", (int) request->generation,
             (char) ('a' + request->client->index));
    world_demand(world, ks_slice_equals(answer->assignment, ks_slice_of_text(expected)),
                 "%s is assigned %.*s", expected, (int) answer->assignment.size,
                 (const char *) answer->assignment.data);
}

/* --- The group -------------------------------------------------------------------------------- */

/* What waits where, and what the group has counted of it. */
static void
check_waits(struct group_world *world)
{
    static const enum ks_group_state states[] = {
        [KS_MEMBER_WAITS_FOR_JOIN] = KS_GROUP_PREPARING_REBALANCE,
        [KS_MEMBER_WAITS_FOR_STORE] = KS_GROUP_STABLE,
        [KS_MEMBER_WAITS_FOR_SYNC] = KS_GROUP_COMPLETING_REBALANCE,
    };
    const struct ks_group *group = world->group;
    size_t counts[4] = { 0 };
    size_t silent_count = 0;

    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        counts[member->wait]++;
        silent_count += !member->has_synced;
        world_demand(world, member->wait == KS_MEMBER_ACTS || states[member->wait] == group->state,
                     "a member waits for %d in %s", (int) member->wait,
                     ks_group_state_name(group->state));
        world_demand(world, (member->former != NULL) == (member->wait == KS_MEMBER_WAITS_FOR_STORE),
                     "a former identity is left");
        world_demand(world, ks_group_find_member(group, member->identity->member_id) == member,
                     "an id is used twice");
        world_demand(world,
                     !ks_member_is_static(member) ||
                         ks_group_find_instance(group, member->identity->instance_id) == member,
                     "an instance is used twice");
    }
    world_demand(world, counts[KS_MEMBER_WAITS_FOR_JOIN] == group->joined_count,
                 "%zu members have joined", group->joined_count);
    world_demand(world, silent_count == group->silent_count, "%zu members are silent",
                 group->silent_count);
    world_demand(world, group->by_waiter.count == world->waiting_count,
                 "%zu requests wait and the group knows %zu", world->waiting_count,
                 group->by_waiter.count);
}

static void
check_phase(struct group_world *world)
{
    const struct ks_group *group = world->group;
    bool is_rebalancing = group->state == KS_GROUP_PREPARING_REBALANCE;

    world_demand(world, (group->state == KS_GROUP_EMPTY) == (group->member_count == 0),
                 "%zu members in %s", group->member_count, ks_group_state_name(group->state));
    world_demand(world, is_rebalancing == (group->join_due_ms != KS_GROUP_NEVER),
                 "the join phase is due in %s", ks_group_state_name(group->state));
    world_demand(world,
                 !is_rebalancing || group->is_initial || group->pending.count > 0 ||
                     group->joined_count < group->member_count,
                 "everybody has joined and nobody is told");
    world_demand(world, group->sync_number == 0 || group->state == KS_GROUP_COMPLETING_REBALANCE,
                 "an assignment is on its way in %s", ks_group_state_name(group->state));
    world_demand(world,
                 (group->sync_due_ms != KS_GROUP_NEVER) <=
                     (group->silent_count > 0 && !is_rebalancing),
                 "nobody is silent");
}

/* A group in a generation has all that this takes. */
static void
check_generation(struct group_world *world)
{
    const struct ks_group *group = world->group;

    world_demand(world, group->generation >= world->generation_before, "generation %d after %d",
                 (int) group->generation, (int) world->generation_before);
    if (group->state != KS_GROUP_COMPLETING_REBALANCE && group->state != KS_GROUP_STABLE) {
        return;
    }
    world_demand(world, world_generation(world, group->generation)->leader >= 0,
                 "nobody was told that it leads");
    world_demand(world, group->protocol != NULL, "no protocol was chosen");
    world_demand(world,
                 group->protocol == NULL || group->protocol->supporters == group->member_count,
                 "a protocol was chosen that not all have");
}

/* A static member may be away for a while; nobody else is in a generation without knowing. */
static void
check_told(struct group_world *world)
{
    const struct ks_group *group = world->group;

    if (group->state != KS_GROUP_COMPLETING_REBALANCE && group->state != KS_GROUP_STABLE) {
        return;
    }
    for (size_t i = 0; i < GROUP_WORLD_CLIENTS; i++) {
        const struct world_client *client = &world->clients[i];

        if (client->member_id[0] == '\0' || world_member(world, client) == NULL ||
            client->generation == group->generation) {
            continue;
        }
        world_demand(world, client->instance_id != NULL, "%s knows generation %d of %d",
                     client->member_id, (int) client->generation, (int) group->generation);
        world_see(GROUP_WORLD_ABSENT);
    }
}

static int64_t
earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t
world_due_ms(const struct group_world *world)
{
    const struct ks_group *group = world->group;
    int64_t due_ms = earliest(group->join_due_ms, group->sync_due_ms);

    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait == KS_MEMBER_ACTS) {
            due_ms = earliest(due_ms, member->session_due_ms);
        }
    }
    for (struct ks_table_node *node = ks_table_next(&group->pending, NULL); node != NULL;
         node = ks_table_next(&group->pending, node)) {
        due_ms = earliest(due_ms, KS_CONTAINER(node, struct ks_group_pending, node)->due_ms);
    }
    return due_ms;
}

static void
check_due(struct group_world *world)
{
    int64_t due_ms = world_due_ms(world);

    world_demand(world, ks_group_due_ms(world->group) <= due_ms, "due %lld ms late",
                 (long long) (ks_group_due_ms(world->group) - due_ms));
    world_demand(world, due_ms > world->now_ms, "something is overdue");
}

void
world_check(struct group_world *world)
{
    check_waits(world);
    check_phase(world);
    check_generation(world);
    check_told(world);
    check_due(world);
}

/* --- Sights ----------------------------------------------------------------------------------- */

void
world_watch_tick(const struct group_world *world)
{
    const struct ks_group *group = world->group;

    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        if (member->wait != KS_MEMBER_ACTS) {
            continue;
        }
        if (member->session_due_ms <= world->now_ms) {
            world_see(GROUP_WORLD_EXPIRED);
        } else if (group->sync_due_ms <= world->now_ms && !member->has_synced) {
            world_see(GROUP_WORLD_SILENT);
        }
    }
    if (group->is_initial && group->has_newcomer && group->join_due_ms <= world->now_ms &&
        group->initial_end_ms > world->now_ms) {
        world_see(GROUP_WORLD_EXTENDED);
    }
}

void
world_watch_store(const struct group_world *world, uint64_t number)
{
    if (number != world->group->sync_number &&
        world->group->state == KS_GROUP_COMPLETING_REBALANCE) {
        world_see(GROUP_WORLD_LATE);
    }
}

void
world_watch_leader(const struct group_world *world, const char *leader_before)
{
    const struct ks_group_member *before =
        ks_group_find_member(world->group, ks_slice_of_text(leader_before));

    if (before != NULL && before != world->group->leader) {
        world_see(GROUP_WORLD_ELECTED);
    }
}
