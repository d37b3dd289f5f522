/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping: no new work, the log drains, then the metadata store and the object store are closed,
 * each after all that uses it. Requests that wait are answered by whatever they wait for. A
 * metadata store that waits for an object store that doesn't answer is closed with it.
 */
#include "broker/broker_internal.h"

#include <assert.h>

/* --- The stores ------------------------------------------------------------------------------- */

static void
finish(struct ks_broker *broker)
{
    if (broker->meta != NULL || broker->store != NULL) {
        return;
    }
    ks_log_free(broker->log);
    broker->log = NULL;
    ks_coordinator_deinit(&broker->coordinator);
    ks_freshness_deinit(&broker->freshness);
    ks_appender_deinit(&broker->appender);
    ks_producer_ids_deinit(&broker->producer_ids);
    ks_gone_topics_deinit(&broker->gone_topics);
    ks_opener_deinit(&broker->opener);
    ks_topics_deinit(&broker->topics);
    ks_broker_move(broker, KS_BROKER_STOPPED, NULL);
    broker->stop_done(broker->stop_arg);
}

static void
on_store_closed(void *arg)
{
    struct ks_broker *broker = arg;

    broker->store = NULL;
    finish(broker);
}

/* Ends what the object store has under way, and with it what the metadata store waits for. */
static void
close_store(void *arg)
{
    struct ks_broker *broker = arg;

    ks_store_close(broker->store, on_store_closed, broker);
}

static void
on_meta_closed(void *arg)
{
    struct ks_broker *broker = arg;

    broker->meta = NULL;
    broker->meta_chores = NULL;
    ks_env_cancel_timer(broker->env, &broker->give_up);
    if (broker->store != NULL && !ks_store_is_closing(broker->store)) {
        close_store(broker);
        return;
    }
    finish(broker);
}

static void
close_stores(void *arg)
{
    struct ks_broker *broker = arg;

    ks_freshness_end(&broker->freshness, KAFSCALE_STOPPED);
    ks_meta_watch(broker->meta, NULL, NULL);
    broker->give_up = (struct ks_timer){ .on_due = close_store, .arg = broker };
    ks_env_set_timer(broker->env, &broker->give_up, broker->give_up_ms);
    ks_meta_close(broker->meta, on_meta_closed, broker);
}

/* --- The steps before ------------------------------------------------------------------------- */

static void
begin(void *arg)
{
    struct ks_broker *broker = arg;
    int64_t left_ms;

    ks_start_answer(broker, KAFSCALE_STOPPED, NULL);
    if (broker->log == NULL) {
        close_stores(broker);
        return;
    }
    if (!ks_preparer_is_idle(&broker->preparer, &broker->stop_task)) {
        return;
    }
    left_ms = broker->give_up_ms - ks_env_now_ms(broker->env);
    ks_log_stop(broker->log, left_ms > 0 ? left_ms : 0, close_stores, broker);
}

void
ks_broker_stop(struct ks_broker *broker, int64_t give_up_ms, void (*done)(void *arg), void *arg)
{
    assert(broker->stop_done == NULL);

    broker->stop_done = done;
    broker->stop_arg = arg;
    broker->give_up_ms = ks_env_now_ms(broker->env) + give_up_ms;
    ks_broker_move(broker, KS_BROKER_STOPPING, NULL);
    ks_start_cancel(broker);
    ks_identity_end(&broker->identity);
    ks_opener_end(&broker->opener);
    ks_coordinator_end(&broker->coordinator);
    ks_appender_end(&broker->appender);
    ks_topics_end(&broker->topics);
    ks_gone_topics_end(&broker->gone_topics);
    ks_producer_ids_end(&broker->producer_ids);
    broker->stop_task.run = begin;
    broker->stop_task.arg = broker;
    ks_env_defer(broker->env, &broker->stop_task);
}
