/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A digest of all that can matter for what happens next. Times count from now and generations from
 * the group's; ids count by whether somebody still knows them; dynamic clients are as good as each
 * other, so the least digest over all ways to name them stands for all.
 */
#include "support/group_world_internal.h"

/* The clients in the order in which they are told of. */
struct naming {
    unsigned name[GROUP_WORLD_CLIENTS];   /* of a client */
    unsigned client[GROUP_WORLD_CLIENTS]; /* of a name */
};

static uint64_t
mix(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * 0xff51afd7ed558ccdu;
    return digest ^ digest >> 32;
}

static uint64_t
mix_time(const struct group_world *world, uint64_t digest, int64_t time_ms)
{
    return mix(digest,
               time_ms == KS_GROUP_NEVER ? UINT64_MAX : (uint64_t) (time_ms - world->now_ms));
}

/* Whose id it is, and whether that client knows it still. */
static uint64_t
mix_id(const struct group_world *world, uint64_t digest, const struct naming *naming,
       struct kafscale_slice id)
{
    const struct world_client *client = &world->clients[id.data[0] - 'a'];
    bool is_known = ks_slice_equals(id, ks_slice_of_text(client->member_id));

    return mix(digest, naming->name[client->index] * 2 + is_known);
}

static uint64_t
mix_member(const struct group_world *world, uint64_t digest, const struct naming *naming,
           const struct ks_group_member *member)
{
    const struct ks_group_protocols *protocols = member->protocols;
    unsigned bits = (unsigned) member->wait << 8 |
                    (unsigned) (member == world->group->leader) << 4 |
                    (unsigned) member->knows_its_id << 3 | (unsigned) member->has_synced << 2 |
                    (unsigned) (member->assignment.size > 0) << 1 |
                    (unsigned) (protocols->offers[0].metadata.data[1] == '1');
    const struct world_request *request = member->waiter;

    digest = mix_id(world, digest, naming, member->identity->member_id);
    digest = mix(digest, bits);
    if (member->wait == KS_MEMBER_ACTS) {
        return mix_time(world, digest, member->session_due_ms);
    }
    digest = mix(digest, member->wait == KS_MEMBER_WAITS_FOR_STORE
                             ? member->store_number - world->group->store_number
                             : 1);
    return mix(digest, naming->name[request->client->index] * 2 +
                           (request->client->last[request->is_sync] == request));
}

static uint64_t
mix_client(const struct group_world *world, uint64_t digest, const struct world_client *client)
{
    int32_t behind = client->generation < 0 ? -1 : world->group->generation - client->generation;
    unsigned bits = (unsigned) (client->last[1] != NULL) << 6 | (unsigned) client->leads << 5 |
                    (unsigned) client->is_changed << 4 |
                    (unsigned) (client->member_id[0] != '\0') << 3 |
                    (unsigned) (client->last[0] != NULL) << 2 | (unsigned) (behind < 0) << 1 |
                    (unsigned) (behind > 0);

    return mix(digest, bits);
}

/* The sum of each: a table has no order. */
static uint64_t
mix_pending(const struct group_world *world, uint64_t digest, const struct naming *naming)
{
    const struct ks_group *group = world->group;
    uint64_t sum = 0;

    for (struct ks_table_node *node = ks_table_next(&group->pending, NULL); node != NULL;
         node = ks_table_next(&group->pending, node)) {
        const struct ks_group_pending *id = KS_CONTAINER(node, struct ks_group_pending, node);

        sum += mix_time(world, mix_id(world, 7, naming, node->key), id->due_ms);
    }
    return mix(digest, sum);
}

static uint64_t
mix_stores(const struct group_world *world, uint64_t digest)
{
    for (size_t i = world->store_first; i < world->store_count; i++) {
        digest = mix(digest, world->group->store_number - world->stores[i].number);
    }
    return mix(digest, world->group->sync_number == 0
                           ? UINT64_MAX
                           : world->group->store_number - world->group->sync_number);
}

static uint64_t
hash_with(const struct group_world *world, const struct naming *naming)
{
    const struct ks_group *group = world->group;
    uint64_t digest = mix(1, (uint64_t) group->state);

    digest = mix(digest, group->protocol == NULL ? 0 : (uint64_t) group->protocol->name[0]);
    digest = mix(digest, group->is_initial ? 1 + group->has_newcomer : 0);
    digest = mix_time(world, digest, group->is_initial ? group->initial_end_ms : KS_GROUP_NEVER);
    digest = mix_time(world, digest, group->join_due_ms);
    digest = mix_time(world, digest, group->sync_due_ms);
    for (struct ks_group_member *member = ks_group_next_member(group, NULL); member != NULL;
         member = ks_group_next_member(group, member)) {
        digest = mix_member(world, digest, naming, member);
    }
    digest = mix_pending(world, digest, naming);
    digest = mix_stores(world, digest);
    for (unsigned i = 0; i < GROUP_WORLD_CLIENTS; i++) {
        digest = mix_client(world, digest, &world->clients[naming->client[i]]);
    }
    return digest;
}

/* Whether both kinds of clients keep to their own places. */
static bool
is_fair(const struct group_world *world, const unsigned *client)
{
    for (unsigned i = 0; i < GROUP_WORLD_CLIENTS; i++) {
        if (client[i] != i && (world->clients[i].instance_id != NULL ||
                               world->clients[client[i]].instance_id != NULL)) {
            return false;
        }
    }
    return true;
}

uint64_t
group_world_hash(const struct group_world *world)
{
    static const unsigned orders[][GROUP_WORLD_CLIENTS] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                                            { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct naming naming;
        uint64_t digest;

        if (!is_fair(world, orders[i])) {
            continue;
        }
        for (unsigned j = 0; j < GROUP_WORLD_CLIENTS; j++) {
            naming.client[j] = orders[i][j];
            naming.name[orders[i][j]] = j;
        }
        digest = hash_with(world, &naming);
        least = digest < least ? digest : least;
    }
    return least;
}
