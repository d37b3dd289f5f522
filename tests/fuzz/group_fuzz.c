/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to one consumer group: the first byte says what group and clients it is, each byte
 * behind it is an event, some time, or memory that is short. Whatever happens, the group keeps its
 * rules, and when nothing happens any more everybody is answered and it becomes empty.
 */
#include "fuzz/fuzz.h"
#include "support/group_world.h"

#include <stdio.h>

#define PASS_FIRST 240 /* up to 255: so many half seconds */
#define PASS_MS 500
#define STARVE_FIRST 224 /* up to 239: the allocation that fails */

static void
demand_whole(const struct group_world *world)
{
    const char *broken = group_world_broken(world);

    if (broken != NULL) {
        fprintf(stderr, "%s\n", broken);
    }
    demand(broken == NULL);
}

static void
let_happen(struct group_world *world, uint8_t byte)
{
    unsigned event = byte % GROUP_WORLD_EVENT_COUNT;

    if (byte >= PASS_FIRST) {
        group_world_pass(world, (byte - PASS_FIRST + 1) * PASS_MS);
    } else if (byte >= STARVE_FIRST) {
        group_world_starve(world, byte - STARVE_FIRST);
    } else if (group_world_can(world, event)) {
        group_world_happen(world, event, true);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct group_world_options options = { 0 };
    struct group_world *world;

    if (size == 0 || size > GROUP_WORLD_EVENTS_MAX) {
        return 0;
    }
    options.static_clients = data[0] & 7u;
    options.is_modern = (data[0] & 8u) != 0;
    options.initial_delay_ms = (data[0] & 16u) != 0 ? 3000 : 0;
    world = group_world_new(&options);
    for (size_t i = 1; i < size; i++) {
        let_happen(world, data[i]);
        demand_whole(world);
    }
    group_world_drain(world);
    demand_whole(world);
    group_world_free(world);
    return 0;
}
