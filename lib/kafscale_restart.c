/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker that is tested ends and begins again within its process: loop, listeners and the HTTP
 * port stay, everything that knows a record goes. From the outside it is as if the process had
 * ended, except that a client that connects meanwhile is accepted before it is cut off.
 */
#include "kafscale_internal.h"

static void
begin_again(struct kafscale_broker *broker)
{
    struct kafscale_error error = { 0 };

    if (ks_make_core(broker, &error) != KAFSCALE_OK) {
        ks_end_badly(broker, KAFSCALE_BROKER_FAILED, &error);
        return;
    }
    ks_server_refuse(broker->server, broker->is_refusing);
    ks_begin_core(broker);
}

static void
on_ended(void *arg)
{
    struct kafscale_broker *broker = arg;

    broker->restart.is_ending = false;
    if (broker->is_tearing_down) {
        ks_finish_stop(broker);
        return;
    }
    ks_server_drop_connections(broker->server, "the broker is restarted");
    ks_free_core(broker);
    begin_again(broker);
}

/* The core can't be freed from inside its own call. */
static void
on_core_stopped(void *arg)
{
    struct kafscale_broker *broker = arg;

    broker->restart.task = (struct ks_task){ .run = on_ended, .arg = broker };
    ks_env_defer(ks_loop_env(broker->loop), &broker->restart.task);
}

enum kafscale_status
ks_restart(struct kafscale_broker *broker, bool is_kill,
           void (*done)(void *arg, enum kafscale_status status, const struct kafscale_error *error),
           void *arg, struct kafscale_error *error)
{
    int64_t drain_ms = ks_option_number(broker->options, KS_OPTION_stop_timeout_ms);

    if (broker->is_tearing_down || broker->restart.is_active || broker->core == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "the broker is ending or beginning already");
    }
    broker->restart =
        (struct ks_restart){ .done = done, .arg = arg, .is_active = true, .is_ending = true };
    ks_move(broker, KAFSCALE_BROKER_STARTING, NULL);
    ks_server_refuse(broker->server, true);
    ks_server_pause(broker->server, true);
    if (is_kill) {
        ks_testing_cut_store(broker->testing);
        ks_server_drop_connections(broker->server, "the broker was killed");
    }
    ks_broker_unlisten(&broker->listener);
    ks_broker_stop(broker->core, is_kill ? 0 : drain_ms, on_core_stopped, broker);
    return KAFSCALE_OK;
}

void
ks_testing_refuse(struct kafscale_broker *broker, bool is_refusing)
{
    broker->is_refusing = is_refusing;
    if (!broker->restart.is_ending) {
        ks_server_refuse(broker->server, is_refusing);
    }
}

void
ks_restart_note(struct kafscale_broker *broker, enum kafscale_status status,
                const struct kafscale_error *error)
{
    struct ks_restart *restart = &broker->restart;

    if (!restart->is_active) {
        return;
    }
    restart->is_active = false;
    if (restart->done != NULL) {
        restart->done(restart->arg, status, error);
    }
}
