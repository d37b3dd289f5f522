/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trimming the log (rules 6 and 7 of the metadata store, docs/durability.md), in the background:
 * the snapshot of a chunk's end; when it is durable and the mark before exists, the mark; when that
 * is durable, the early snapshots and the entries of the chunk and the snapshot before. Whoever
 * ended the chunk begins at once; the others wait, and do what it left undone. Each step may be
 * done twice.
 */
#include "meta/object_log.h"

#include <assert.h>

static void run_job(struct ks_meta_log *log);

static struct ks_meta_trim_job *
first_job(const struct ks_meta_log *log)
{
    const struct ks_list *jobs = &log->trimmer.jobs;

    return ks_list_is_empty(jobs) ? NULL : KS_CONTAINER(jobs->next, struct ks_meta_trim_job, link);
}

static void
free_job(struct ks_meta_log_trimmer *trimmer, struct ks_meta_trim_job *job)
{
    ks_list_remove(&job->link);
    trimmer->job_count--;
    ks_buffer_deinit(&job->bytes);
    ks_free(job);
}

static void
on_timer(void *arg)
{
    run_job(arg);
}

void
ks_meta_log_trimmer_init(struct ks_meta_log *log)
{
    struct ks_meta_log_trimmer *trimmer = &log->trimmer;

    ks_list_init(&trimmer->jobs);
    trimmer->timer.on_due = on_timer;
    trimmer->timer.arg = log;
    trimmer->call.log = log;
    for (size_t i = 0; i < KS_META_LOG_REMOVES; i++) {
        trimmer->removes[i].log = log;
    }
}

void
ks_meta_log_trimmer_stop(struct ks_meta_log *log)
{
    struct ks_meta_trim_job *job;

    ks_env_cancel_timer(log->env, &log->trimmer.timer);
    while ((job = first_job(log)) != NULL) {
        free_job(&log->trimmer, job);
    }
}

bool
ks_meta_log_trimmer_is_full(const struct ks_meta_log *log)
{
    return log->trimmer.job_count > KS_META_LOG_JOBS_MAX;
}

/* Sets the timer for the first job; with more behind it there is no grace left to give. */
static void
wait_for_first(struct ks_meta_log *log)
{
    struct ks_meta_log_trimmer *trimmer = &log->trimmer;
    struct ks_meta_trim_job *job = first_job(log);

    if (job == NULL || trimmer->is_busy || trimmer->is_stopped || trimmer->failures > 0) {
        return;
    }
    if (trimmer->job_count > 1) {
        job->due_ms = ks_env_now_ms(log->env);
    }
    ks_env_set_timer(log->env, &trimmer->timer, job->due_ms);
}

static struct ks_meta_trim_job *
new_job(struct ks_meta_log *log, uint64_t chunk, enum ks_meta_trim_step step, int64_t delay_ms)
{
    struct ks_meta_trim_job *job = ks_alloc_zero(1, sizeof *job);

    if (job == NULL) {
        return NULL;
    }
    job->chunk = chunk;
    job->step = step;
    job->due_ms = ks_env_now_ms(log->env) + delay_ms;
    ks_buffer_init(&job->bytes, SIZE_MAX);
    return job;
}

static void
enlist(struct ks_meta_log *log, struct ks_meta_trim_job *job)
{
    struct ks_list *place = &log->trimmer.jobs;

    if (KS_META_LOG_HAS_FAULT(log, MARK_ORDER) && !log->trimmer.is_busy) {
        place = place->next;
    }
    ks_list_insert(place, &job->link);
    log->trimmer.job_count++;
    wait_for_first(log);
}

enum kafscale_status
ks_meta_log_trimmer_add(struct ks_meta_log *log, const struct ks_meta_state *state, bool is_own)
{
    uint64_t chunk = ks_meta_log_chunk(log, state->seq);
    int64_t delay_ms = is_own ? 0 : (int64_t) log->options.trim_delay_ms;
    enum ks_meta_trim_step step = is_own ? KS_META_TRIM_SNAPSHOT : KS_META_TRIM_GRACE;
    struct ks_meta_trim_job *job = new_job(log, chunk, step, delay_ms);

    if (job == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_meta_snapshot_encode(&job->bytes, state, chunk);
    if (ks_buffer_failed(&job->bytes)) {
        ks_buffer_deinit(&job->bytes);
        ks_free(job);
        return KAFSCALE_NO_MEMORY;
    }
    enlist(log, job);
    return KAFSCALE_OK;
}

void
ks_meta_log_trimmer_loaded(struct ks_meta_log *log, uint64_t chunk)
{
    struct ks_meta_trim_job *job =
        new_job(log, chunk, KS_META_TRIM_LAST, (int64_t) log->options.trim_delay_ms);

    /* Without memory, what is left over stays until the next start. */
    if (job != NULL) {
        enlist(log, job);
    }
}

/* --- One job --------------------------------------------------------------------------------- */

static void
job_done(struct ks_meta_log *log)
{
    free_job(&log->trimmer, first_job(log));
    ks_chore_succeed(&log->chores[KS_META_LOG_CHORE_TRIM], ks_env_now_ms(log->env));
    log->trimmer.is_busy = false;
    log->trimmer.failures = 0;
    wait_for_first(log);
    /* Reading and writing may have waited for room. */
    ks_env_defer(log->env, &log->next);
}

static void
go_on(struct ks_meta_log *log, enum ks_meta_trim_step step)
{
    log->trimmer.failures = 0;
    first_job(log)->step = step;
    run_job(log);
}

static void
try_again(struct ks_meta_log *log, const struct kafscale_error *error)
{
    struct ks_meta_log_trimmer *trimmer = &log->trimmer;

    trimmer->is_busy = false;
    ks_chore_fail(&log->chores[KS_META_LOG_CHORE_TRIM], ks_env_now_ms(log->env), error->text);
    if (error->status == KAFSCALE_FAILED) {
        trimmer->is_stopped = true;
        return;
    }
    if (trimmer->failures++ == 0) {
        ks_log(&log->env->logger, KAFSCALE_LOG_WARN, "metadata trim waits reason=%s", error->text);
    }
    ks_env_set_timer(log->env, &trimmer->timer,
                     ks_env_now_ms(log->env) + ks_meta_log_backoff_ms(log, trimmer->failures));
}

static void
on_grace(struct ks_meta_log_call *call)
{
    if (call->status == KAFSCALE_OK) {
        go_on(call->log, KS_META_TRIM_LAST);
    } else if (call->status == KAFSCALE_NOT_FOUND) {
        call->log->counts[KS_META_LOG_CHUNKS_LEFT_BY_OTHERS]++;
        go_on(call->log, KS_META_TRIM_SNAPSHOT);
    } else {
        try_again(call->log, &call->error);
    }
}

static void
on_snapshot(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    enum ks_meta_trim_step next = KS_META_TRIM_PREVIOUS;

    if (call->status != KAFSCALE_OK && call->status != KAFSCALE_EXISTS) {
        try_again(log, &call->error);
        return;
    }
    if (KS_META_LOG_HAS_FAULT(log, MARK_EARLY) || KS_META_LOG_HAS_FAULT(log, DELETE)) {
        next = KS_META_TRIM_ENTRIES;
    }
    if (KS_META_LOG_HAS_FAULT(log, MARK_ORDER)) {
        next = KS_META_TRIM_MARK;
    }
    go_on(log, next);
}

static void
on_previous(struct ks_meta_log_call *call)
{
    if (call->status == KAFSCALE_OK) {
        go_on(call->log, KS_META_TRIM_MARK);
        return;
    }
    try_again(call->log, &call->error);
}

static void
on_marked(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    bool is_early = KS_META_LOG_HAS_FAULT(log, MARK_EARLY) && first_job(log)->bytes.size > 0;

    if (call->status != KAFSCALE_OK && call->status != KAFSCALE_EXISTS) {
        try_again(log, &call->error);
        return;
    }
    log->counts[KS_META_LOG_CHUNKS_TRIMMED] += call->status == KAFSCALE_OK;
    if (is_early) {
        ks_meta_log_key_snapshot(call, first_job(log)->chunk);
        ks_meta_log_put(call, ks_buffer_slice(&first_job(log)->bytes), on_snapshot);
        return;
    }
    go_on(log, KS_META_LOG_HAS_FAULT(log, DELETE) ? KS_META_TRIM_OLDER : KS_META_TRIM_EARLY);
}

static void
on_last(struct ks_meta_log_call *call)
{
    if (call->status == KAFSCALE_NOT_FOUND) {
        job_done(call->log);
    } else if (call->status == KAFSCALE_OK) {
        go_on(call->log, KS_META_TRIM_EARLY);
    } else {
        try_again(call->log, &call->error);
    }
}

static uint64_t
last_seq(const struct ks_meta_log *log, const struct ks_meta_trim_job *job)
{
    return (job->chunk + 1) * log->options.chunk_entries;
}

static void
on_removed(struct ks_meta_log_call *call)
{
    struct ks_meta_log *log = call->log;
    struct ks_meta_log_trimmer *trimmer = &log->trimmer;

    if (call->status != KAFSCALE_OK) {
        trimmer->has_failed = true;
        trimmer->call.error = call->error;
    }
    if (--trimmer->waiting > 0) {
        return;
    }
    if (trimmer->has_failed) {
        first_job(log)->next_seq = 0;
        try_again(log, &trimmer->call.error);
        return;
    }
    go_on(log, first_job(log)->step);
}

/*
 * A few at once, ascending, of what the step removes, which stands `stride` entries apart. False:
 * none is left.
 */
static bool
remove_some(struct ks_meta_log *log, struct ks_meta_trim_job *job, uint32_t stride,
            void (*set_key)(struct ks_meta_log_call *call, uint64_t seq))
{
    struct ks_meta_log_trimmer *trimmer = &log->trimmer;
    uint64_t end = last_seq(log, job);
    uint32_t count = 0;

    if (job->next_seq == 0) {
        job->next_seq = job->chunk * log->options.chunk_entries + stride;
    }
    for (; job->next_seq < end && count < KS_META_LOG_REMOVES; job->next_seq += stride) {
        set_key(&trimmer->removes[count++], job->next_seq);
    }
    trimmer->has_failed = false;
    trimmer->waiting = count;
    for (uint32_t i = 0; i < count; i++) {
        ks_meta_log_remove(&trimmer->removes[i], on_removed);
    }
    if (count == 0) {
        job->next_seq = 0;
    }
    return count > 0;
}

static void
remove_early(struct ks_meta_log *log, struct ks_meta_trim_job *job)
{
    if (!remove_some(log, job, log->options.step_entries, ks_meta_log_key_snapshot_at)) {
        go_on(log, KS_META_TRIM_ENTRIES);
    }
}

/* The last one goes only when all else is gone. */
static void
remove_entries(struct ks_meta_log *log, struct ks_meta_trim_job *job)
{
    if (!remove_some(log, job, 1, ks_meta_log_key_entry)) {
        go_on(log, KS_META_LOG_HAS_FAULT(log, DELETE) ? KS_META_TRIM_MARK : KS_META_TRIM_OLDER);
    }
}

static void on_finished(struct ks_meta_log_call *call);

static void
on_older_removed(struct ks_meta_log_call *call)
{
    if (call->status != KAFSCALE_OK) {
        try_again(call->log, &call->error);
        return;
    }
    if (KS_META_LOG_HAS_FAULT(call->log, MARK_GONE)) {
        ks_meta_log_key_mark(call, first_job(call->log)->chunk - 1);
        ks_meta_log_remove(call, on_finished);
        return;
    }
    go_on(call->log, KS_META_TRIM_FINISH);
}

static void
on_finished(struct ks_meta_log_call *call)
{
    if (call->status != KAFSCALE_OK) {
        try_again(call->log, &call->error);
        return;
    }
    job_done(call->log);
}

static void
remove_older(struct ks_meta_log *log, const struct ks_meta_trim_job *job)
{
    struct ks_meta_log_call *call = &log->trimmer.call;
    bool is_newest = KS_META_LOG_HAS_FAULT(log, NEWEST);

    if (job->chunk == 0 && !is_newest) {
        go_on(log, KS_META_TRIM_FINISH);
        return;
    }
    ks_meta_log_key_snapshot(call, is_newest ? job->chunk : job->chunk - 1);
    ks_meta_log_remove(call, on_older_removed);
}

static void
put_mark(struct ks_meta_log *log, const struct ks_meta_trim_job *job)
{
    struct ks_meta_log_trimmer *trimmer = &log->trimmer;

    ks_meta_mark_encode(trimmer->mark, job->chunk);
    ks_meta_log_key_mark(&trimmer->call, job->chunk);
    ks_meta_log_put(&trimmer->call, ks_slice(trimmer->mark, sizeof trimmer->mark), on_marked);
}

static void
look_at_previous(struct ks_meta_log *log, const struct ks_meta_trim_job *job)
{
    if (job->chunk == 0) {
        go_on(log, KS_META_TRIM_MARK);
        return;
    }
    ks_meta_log_key_mark(&log->trimmer.call, job->chunk - 1);
    ks_meta_log_get(&log->trimmer.call, on_previous);
}

static void
put_snapshot(struct ks_meta_log *log, const struct ks_meta_trim_job *job)
{
    if (KS_META_LOG_HAS_FAULT(log, MARK_EARLY)) {
        look_at_previous(log, job);
        return;
    }
    ks_meta_log_key_snapshot(&log->trimmer.call, job->chunk);
    ks_meta_log_put(&log->trimmer.call, ks_buffer_slice(&job->bytes), on_snapshot);
}

static void
run_job(struct ks_meta_log *log)
{
    struct ks_meta_trim_job *job = first_job(log);
    struct ks_meta_log_call *call = &log->trimmer.call;

    if (job == NULL || log->is_closing) {
        return;
    }
    log->trimmer.is_busy = true;
    switch (job->step) {
    case KS_META_TRIM_GRACE:
        ks_meta_log_key_mark(call, job->chunk);
        ks_meta_log_get(call, on_grace);
        return;
    case KS_META_TRIM_SNAPSHOT:
        put_snapshot(log, job);
        return;
    case KS_META_TRIM_PREVIOUS:
        look_at_previous(log, job);
        return;
    case KS_META_TRIM_MARK:
        put_mark(log, job);
        return;
    case KS_META_TRIM_LAST:
        ks_meta_log_key_entry(call, last_seq(log, job));
        ks_meta_log_get(call, on_last);
        return;
    case KS_META_TRIM_EARLY:
        remove_early(log, job);
        return;
    case KS_META_TRIM_ENTRIES:
        remove_entries(log, job);
        return;
    case KS_META_TRIM_OLDER:
        remove_older(log, job);
        return;
    case KS_META_TRIM_FINISH:
        ks_meta_log_key_entry(call, last_seq(log, job));
        ks_meta_log_remove(call, on_finished);
        return;
    }
}
