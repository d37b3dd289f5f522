/* SPDX-License-Identifier: Apache-2.0 */
/* A client acts at its ticks; between them answers come, or its connection goes. */
#include "sim/broker_world_internal.h"

#define TICK_MS_MAX 12
#define BACKOFF_MS_MAX 60

static void
tick_again(struct client *client)
{
    struct world *w = client->world;

    ks_env_set_timer(&w->v.env, &client->tick,
                     w->v.now_ms + 1 + (int64_t) world_draw(w, TICK_MS_MAX));
}

static void
on_tick(void *arg)
{
    struct client *client = arg;

    client->act(client);
    tick_again(client);
}

void
client_init(struct client *client, struct world *world)
{
    client->world = world;
    client->waits_since_ms = -1;
    client->tick.on_due = on_tick;
    client->tick.arg = client;
    tick_again(client);
}

static void
forget_line(struct client *client)
{
    struct world *w = client->world;

    client->line = NULL;
    client->process = NULL;
    client->waits_since_ms = -1;
    client->again_at_ms = w->v.now_ms + (int64_t) world_draw(w, BACKOFF_MS_MAX);
    client->lost(client);
}

void
client_deinit(struct client *client)
{
    ks_env_cancel_timer(&client->world->v.env, &client->tick);
    line_close(client->line, false);
    forget_line(client);
}

static void
on_lost(void *arg)
{
    struct client *client = arg;

    client->world->events->connections_lost++;
    forget_line(client);
}

static void
on_answered(void *arg, void *tag, const void *response)
{
    struct client *client = arg;

    client->answered(client, tag, response);
}

bool
client_connect(struct client *client)
{
    struct world *w = client->world;
    struct line_events events = { .arg = client, .answered = on_answered, .lost = on_lost };
    struct process *process;

    if (client->line != NULL) {
        return true;
    }
    process = w->v.now_ms < client->again_at_ms ? NULL : world_any_process(w);
    if (process == NULL) {
        return false;
    }
    client->line = line_open(process, &events);
    client->process = process;
    return true;
}

void
client_leave(struct client *client)
{
    struct world *w = client->world;
    bool is_half_open = world_draw(w, 4) == 0;

    if (client->line == NULL) {
        return;
    }
    w->events->lines_cut++;
    w->events->lines_half_open += is_half_open;
    line_close(client->line, is_half_open);
    forget_line(client);
}

bool
client_is_patient(struct client *client, int64_t patience_ms)
{
    if (client->waits_since_ms < 0 ||
        client->world->v.now_ms - client->waits_since_ms <= patience_ms) {
        return true;
    }
    client_leave(client);
    return false;
}
