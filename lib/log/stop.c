/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping. An orderly stop waits until all that was appended is durable and then releases all
 * partitions. If that takes too long it leaves without: the next start seals.
 */
#include "log/core.h"
#include "log/read/reread.h"

#include <assert.h>

static bool
is_drained(const struct ks_log *log)
{
    return ks_list_is_empty(&log->slots) && (log->open == NULL || log->open->body_bytes == 0);
}

static void
tell_stopped(void *arg)
{
    struct ks_log *log = arg;

    log->stopped(log->stopped_arg);
}

/*
 * Answers what still waits, and tells that all is over in the turn of the loop that follows
 * these answers.
 */
static void
complete(struct ks_log *log)
{
    ks_env_cancel_timer(log->env, &log->stop_timer);
    ks_env_cancel_task(&log->stop_task);
    log->is_stopped = true;
    if (log->status == KAFSCALE_OK) {
        log->status = KAFSCALE_STOPPED;
    }
    ks_writer_abandon(log, KS_APPEND_NOT_OWNER);
    ks_releases_continue(log);
    log->stop_task.run = tell_stopped;
    ks_env_defer(log->env, &log->stop_task);
    ks_log_begin(log);
    ks_readings_silence(log);
    ks_rereads_silence(log);
    ks_compact_silence(log);
    ks_cold_silence(log);
    ks_log_end(log);
}

/* One more step: drained -> released -> nothing under way -> stopped. */
static void
stop_step(void *arg)
{
    struct ks_log *log = arg;

    if (log->status == KAFSCALE_OK && !log->is_released) {
        if (log->opening != NULL) {
            return;
        }
        if (!is_drained(log) && !ks_is_planted(KS_PLANTED_FLUSH_BEFORE_RELEASE)) {
            ks_writer_schedule(log);
            return;
        }
        log->is_released = true;
        ks_releases_begin_stop(log);
    }
    if (log->busy == 0) {
        complete(log);
    }
}

void
ks_stop_continue(struct ks_log *log)
{
    if (!log->is_stopped) {
        ks_env_defer(log->env, &log->stop_task);
    }
}

static void
give_up(void *arg)
{
    struct ks_log *log = arg;

    ks_log(&log->env->logger, KAFSCALE_LOG_WARN,
           "stopping without the store's answers, the next start seals this log");
    complete(log);
}

void
ks_log_stop(struct ks_log *log, int64_t give_up_ms, void (*done)(void *arg), void *arg)
{
    assert(log->stopped == NULL);
    log->is_draining = true;
    log->stopped = done;
    log->stopped_arg = arg;
    log->stop_task = (struct ks_task){ .run = stop_step, .arg = log };
    log->stop_timer = (struct ks_timer){ .on_due = give_up, .arg = log };
    ks_env_set_timer(log->env, &log->stop_timer, ks_env_now_ms(log->env) + give_up_ms);
    ks_openings_hurry(log);
    ks_retention_end(log);
    ks_compact_hurry(log);
    ks_raises_hurry(log);
    ks_sweeps_hurry(log);
    ks_changes_hurry(log);
    ks_stop_continue(log);
}
