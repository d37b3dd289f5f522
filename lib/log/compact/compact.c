/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partitions are due, and the life of a job. A partition waits with the young, by the time
 * at which their oldest bytes are old enough for its topic, or with those that are due.
 */
#include "log/compact/compact.h"

#include <assert.h>
#include <inttypes.h>

#define JOBS_MAX 2

/* Whatever a topic says: a segment costs three requests that change something. */
#define ROLL_MS_MIN (60 * INT64_C(1000))

static void poke(struct ks_log *log);

static bool
is_over(const struct ks_log *log)
{
    return log->is_freed || ks_log_status(log) != KAFSCALE_OK;
}

bool
ks_compact_is_over(const struct ks_compact_job *job)
{
    return is_over(job->log) || job->partition == NULL || job->partition->is_closed;
}

/* --- Which are due --------------------------------------------------------------------------- */

/* Topics of the broker itself keep their state otherwise (durability 2). */
static bool
is_internal(const struct ks_partition *partition)
{
    return strcmp(partition->topic_name, "__consumer_offsets") == 0 ||
           strcmp(partition->topic_name, "__transaction_state") == 0;
}

static bool
is_compacted_here(const struct ks_log *log, const struct ks_partition *partition)
{
    return log->options.segment_bytes > 0 && !partition->is_closed && !partition->is_gone &&
           !partition->compaction.is_stopped && partition->compaction.job == NULL &&
           partition->high_watermark > partition->reg.compacted_upto && !is_internal(partition);
}

size_t
ks_compact_limit(const struct ks_log *log, const struct ks_partition *partition)
{
    size_t limit = log->options.segment_bytes;
    size_t own = partition->compaction.limits.bytes_max;

    return own > 0 && own < limit ? own : limit;
}

static void
set_timer(struct ks_log *log)
{
    struct ks_compactor *compactor = &log->compactor;
    const struct ks_heap_node *first = ks_heap_first(&compactor->young);

    ks_env_cancel_timer(log->env, &compactor->timer);
    if (first != NULL && !is_over(log)) {
        ks_env_set_timer(log->env, &compactor->timer, first->key);
    }
}

static void
become_due(struct ks_log *log, struct ks_partition *partition)
{
    ks_heap_remove(&log->compactor.young, &partition->compaction.young);
    ks_list_append(&log->compactor.due, &partition->compaction.link);
    log->compactor.due_count++;
    partition->compaction.is_due = true;
    partition->compaction.due_ms = ks_env_now_ms(log->env);
    poke(log);
}

static void
on_timer(void *arg)
{
    struct ks_log *log = arg;
    const struct ks_heap_node *first;

    while ((first = ks_heap_first(&log->compactor.young)) != NULL &&
           first->key <= ks_env_now_ms(log->env)) {
        become_due(log, KS_CONTAINER(first, struct ks_partition, compaction.young));
    }
    set_timer(log);
}

static int64_t
draw_roll_ms(struct ks_log *log, const struct ks_segment_limits *limits)
{
    int64_t jitter_ms = limits->jitter_ms < limits->ms ? limits->jitter_ms : limits->ms;
    int64_t roll_ms = limits->ms;

    if (roll_ms == 0) {
        return 0;
    }
    if (jitter_ms > 0) {
        roll_ms -= (int64_t) (ks_env_random_u64(log->env) % (uint64_t) jitter_ms);
    }
    return roll_ms > ROLL_MS_MIN ? roll_ms : ROLL_MS_MIN;
}

/* How old its oldest bytes may become. */
static int64_t
age_max_ms(const struct ks_log *log, const struct ks_partition *partition)
{
    int64_t roll_ms = partition->compaction.roll_ms;
    int64_t limit_ms = log->options.compact_interval_ms;

    return roll_ms > 0 && roll_ms < limit_ms ? roll_ms : limit_ms;
}

/* How long ago what was replayed came, as far as wall clocks tell: an earlier run wrote it. */
static int64_t
take_age(struct ks_log *log, struct ks_partition *partition)
{
    int64_t age_ms = ks_env_wall_ms(log->env) - partition->compaction.replayed_ms;
    bool was_replayed = partition->compaction.replayed_ms > 0;

    partition->compaction.replayed_ms = 0;
    if (!was_replayed || age_ms < 0) {
        return 0;
    }
    return age_ms < log->options.compact_interval_ms ? age_ms : log->options.compact_interval_ms;
}

/* Waits from since_ms on, for as long as the limits say now. */
static void
wait_young(struct ks_log *log, struct ks_partition *partition)
{
    struct ks_compaction *compaction = &partition->compaction;

    compaction->roll_ms = draw_roll_ms(log, &compaction->limits);
    ks_heap_insert(&log->compactor.young, &compaction->young,
                   compaction->since_ms + age_max_ms(log, partition));
    if (ks_heap_first(&log->compactor.young) == &compaction->young) {
        set_timer(log);
    }
}

static void
become_young(struct ks_log *log, struct ks_partition *partition)
{
    partition->compaction.since_ms = ks_env_now_ms(log->env) - take_age(log, partition);
    wait_young(log, partition);
}

/* Only what has come since it was counted last: sections may be thousands, and commits many. */
static size_t
count_bytes(struct ks_partition *partition, size_t limit)
{
    struct ks_compaction *compaction = &partition->compaction;

    if (compaction->counted_from != partition->reg.compacted_upto) {
        compaction->counted_from = partition->reg.compacted_upto;
        compaction->counted_upto = partition->reg.compacted_upto;
        compaction->bytes = 0;
    }
    compaction->bytes += ks_partition_bytes_from(partition, compaction->counted_upto, limit);
    compaction->counted_upto = partition->high_watermark;
    return compaction->bytes;
}

void
ks_compact_note(struct ks_log *log, struct ks_partition *partition)
{
    size_t limit = ks_compact_limit(log, partition);

    if (!is_compacted_here(log, partition) || is_over(log) || partition->compaction.is_due) {
        return;
    }
    if (!partition->compaction.young.is_inside) {
        become_young(log, partition);
    }
    if (count_bytes(partition, limit) >= limit) {
        become_due(log, partition);
    }
}

static void
leave(struct ks_log *log, struct ks_partition *partition)
{
    bool was_first = ks_heap_first(&log->compactor.young) == &partition->compaction.young;

    ks_heap_remove(&log->compactor.young, &partition->compaction.young);
    ks_list_remove(&partition->compaction.link);
    log->compactor.due_count -= partition->compaction.is_due ? 1 : 0;
    partition->compaction.is_due = false;
    if (was_first) {
        set_timer(log);
    }
}

/* --- Jobs ------------------------------------------------------------------------------------ */

static void
job_free(struct ks_compact_job *job)
{
    ks_env_cancel_timer(job->log->env, &job->retry);
    ks_list_remove(&job->link);
    job->log->compactor.job_count--;
    if (job->partition != NULL) {
        job->partition->compaction.job = NULL;
    }
    ks_compact_scatter(job);
    ks_producer_table_deinit(&job->producers);
    ks_producer_load_deinit(&job->state);
    ks_free(job->prefix);
    ks_free(job);
}

void
ks_compact_finish(struct ks_compact_job *job, bool is_done)
{
    struct ks_log *log = job->log;
    struct ks_partition *partition = job->partition;

    job_free(job);
    if (partition != NULL) {
        partition->compaction.failures = is_done ? 0 : partition->compaction.failures + 1;
        ks_compact_note(log, partition);
    }
    if (log->compactor.job_count == 0 && ks_list_is_empty(&log->compactor.due)) {
        ks_log_note_rest(log, KS_LOG_CHORE_COMPACT);
    }
    if (!is_over(log)) {
        poke(log);
    }
    ks_log_end(log);
}

void
ks_compact_alarm(struct ks_compact_job *job, const char *what)
{
    struct ks_log *log = job->log;

    ks_log(&log->env->logger, KAFSCALE_LOG_ERROR,
           "partition is not compacted any more, its write-ahead data is kept topic=%s "
           "partition=%" PRId32 " reason=%s",
           job->partition->topic_name, job->name.index, what);
    log->counters.compaction_alarms++;
    ks_log_note_failure(log, KS_LOG_CHORE_COMPACT, what);
    job->partition->compaction.is_stopped = true;
    ks_compact_finish(job, false);
}

static void
on_retry(void *arg)
{
    struct ks_compact_job *job = arg;

    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
        return;
    }
    job->again(job);
}

void
ks_compact_retry(struct ks_compact_job *job, void (*again)(struct ks_compact_job *job))
{
    struct ks_log *log = job->log;

    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
        return;
    }
    ks_log_note_failure(log, KS_LOG_CHORE_COMPACT, NULL);
    job->again = again;
    job->retry = (struct ks_timer){ .on_due = on_retry, .arg = job };
    ks_env_set_timer(log->env, &job->retry,
                     ks_env_now_ms(log->env) + ks_log_backoff_ms(log, job->attempts++));
}

/* --- From the register to the batches -------------------------------------------------------- */

static void read_register(struct ks_compact_job *job);

static void
on_state(struct ks_producer_load *state, enum kafscale_status status)
{
    struct ks_compact_job *job = KS_CONTAINER(state, struct ks_compact_job, state);

    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
    } else if (status != KAFSCALE_OK) {
        ks_producer_load_deinit(state);
        ks_compact_retry(job, read_register);
    } else if (state->is_lost && job->lost_at != job->base) {
        /* Lost it is only if the register, read after that, still says the same. */
        job->lost_at = job->base;
        ks_producer_load_deinit(state);
        ks_compact_retry(job, read_register);
    } else {
        job->has_state = true;
        ks_compact_gather(job);
    }
}

static void
load_state(struct ks_compact_job *job, const struct ks_register *reg)
{
    job->step = KS_COMPACT_STATE;
    job->state.done = on_state;
    if (ks_producer_load_start(&job->state, job->log, &job->name, job->prefix, reg) !=
        KAFSCALE_OK) {
        ks_compact_retry(job, read_register);
    }
}

/* The base is compacted_upto as just read. */
static void
take_register(struct ks_compact_job *job, const struct ks_register *reg)
{
    job->base = reg->compacted_upto;
    job->start = reg->log_start;
    job->last = -1;
    if (!ks_register_is_ours(job->log, job->partition, reg)) {
        /* Another broker's by now: nothing of it is to be done here any more. */
        job->partition->compaction.is_stopped = true;
        ks_compact_finish(job, false);
    } else if (job->base >= job->partition->high_watermark) {
        /* A zombie's doing, of which this broker hears later. */
        ks_compact_finish(job, false);
    } else if (job->base > 0) {
        load_state(job, reg);
    } else {
        ks_compact_gather(job);
    }
}

/* It may have to be tried again for want of memory. */
static bool
has_prefix(struct ks_compact_job *job)
{
    if (job->prefix == NULL) {
        job->prefix = ks_copy_text(job->partition->prefix);
    }
    return job->prefix != NULL;
}

static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_compact_job *job = arg;
    struct ks_register reg = { 0 };
    struct kafscale_error damage = { 0 };

    (void) revision;
    (void) error;
    if (ks_compact_is_over(job)) {
        ks_compact_finish(job, false);
    } else if (status != KAFSCALE_OK || !has_prefix(job)) {
        ks_compact_retry(job, read_register);
    } else if (entry_count != 1 ||
               ks_register_decode(entries[0].value, &reg, &damage) != KAFSCALE_OK) {
        ks_compact_finish(job, false);
    } else {
        take_register(job, &reg);
    }
    ks_register_deinit(&reg);
}

static void
read_register(struct ks_compact_job *job)
{
    job->step = KS_COMPACT_REGISTER;
    ks_register_key(&job->name, job->register_key);
    job->register_read = (struct kafscale_meta_read){ .key = job->register_key, .is_fresh = true };
    ks_meta_read(job->log->meta, &job->register_read, on_register, job);
}

/* --- Starting -------------------------------------------------------------------------------- */

static void
start_job(struct ks_log *log, struct ks_partition *partition)
{
    struct ks_compact_job *job = ks_alloc_zero(1, sizeof *job);

    if (job == NULL) {
        become_young(log, partition);
        return;
    }
    job->log = log;
    job->partition = partition;
    job->name = partition->name;
    job->lost_at = -1;
    job->attempts = partition->compaction.failures;
    partition->compaction.job = job;
    ks_list_append(&log->compactor.jobs, &job->link);
    log->compactor.job_count++;
    ks_log_begin(log);
    if (partition->compaction.failures > 0) {
        ks_compact_retry(job, read_register);
    } else {
        read_register(job);
    }
}

static bool
may_start(const struct ks_log *log)
{
    return !is_over(log) && log->compactor.job_count < JOBS_MAX &&
           !ks_list_is_empty(&log->compactor.due);
}

static void
start_jobs(void *arg)
{
    struct ks_log *log = arg;
    struct ks_compactor *compactor = &log->compactor;
    int64_t again_ms;

    if (may_start(log) && ks_pace_gives_way(&log->pace, ks_env_now_ms(log->env), &again_ms)) {
        ks_env_set_timer(log->env, &compactor->pause, again_ms);
        return;
    }
    while (may_start(log)) {
        struct ks_partition *partition =
            KS_CONTAINER(compactor->due.next, struct ks_partition, compaction.link);

        leave(log, partition);
        if (is_compacted_here(log, partition)) {
            start_job(log, partition);
        }
    }
}

static void
poke(struct ks_log *log)
{
    if (may_start(log) && !ks_env_timer_is_set(&log->compactor.pause)) {
        ks_env_defer(log->env, &log->compactor.task);
    }
}

/* --- Looking --------------------------------------------------------------------------------- */

static int64_t
greater(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

/* The young are in the order in which they become due, which is not quite that of their ages. */
void
ks_compactor_read(const struct ks_log *log, struct ks_log_backlog *backlog_out)
{
    const struct ks_compactor *compactor = &log->compactor;
    const struct ks_heap_node *young = ks_heap_first(&compactor->young);
    int64_t now_ms = ks_env_now_ms(log->env);
    int64_t due_ms = 0;
    int64_t old_ms = 0;

    if (young != NULL) {
        old_ms = now_ms -
                 KS_CONTAINER(young, struct ks_partition, compaction.young)->compaction.since_ms;
    }
    if (!ks_list_is_empty(&compactor->due)) {
        const struct ks_partition *first =
            KS_CONTAINER(compactor->due.next, struct ks_partition, compaction.link);

        due_ms = now_ms - first->compaction.due_ms;
        old_ms = greater(old_ms, now_ms - first->compaction.since_ms);
    }
    for (struct ks_list *node = compactor->jobs.next; node != &compactor->jobs; node = node->next) {
        const struct ks_compact_job *job = KS_CONTAINER(node, struct ks_compact_job, link);

        if (job->partition != NULL) {
            due_ms = greater(due_ms, now_ms - job->partition->compaction.due_ms);
            old_ms = greater(old_ms, now_ms - job->partition->compaction.since_ms);
        }
    }
    backlog_out->compactions_due = compactor->due_count + compactor->job_count;
    backlog_out->compaction_due_ms = due_ms;
    backlog_out->uncompacted_ms = old_ms;
}

/* --- The life of the log --------------------------------------------------------------------- */

void
ks_compactor_init(struct ks_log *log)
{
    struct ks_compactor *compactor = &log->compactor;

    ks_list_init(&compactor->due);
    ks_list_init(&compactor->jobs);
    compactor->timer = (struct ks_timer){ .on_due = on_timer, .arg = log };
    compactor->pause = (struct ks_timer){ .on_due = start_jobs, .arg = log };
    compactor->task = (struct ks_task){ .run = start_jobs, .arg = log };
}

void
ks_compact_forget(struct ks_log *log, struct ks_partition *partition)
{
    leave(log, partition);
    if (partition->compaction.job != NULL) {
        partition->compaction.job->partition = NULL;
        partition->compaction.job = NULL;
    }
}

void
ks_log_set_segment_limits(struct ks_log *log, struct ks_partition *partition,
                          const struct ks_segment_limits *limits)
{
    struct ks_compaction *compaction = &partition->compaction;

    compaction->limits = *limits;
    compaction->counted_from = -1;
    if (compaction->young.is_inside) {
        ks_heap_remove(&log->compactor.young, &compaction->young);
        wait_young(log, partition);
        set_timer(log);
    }
    ks_compact_note(log, partition);
}

void
ks_compact_hurry(struct ks_log *log)
{
    for (struct ks_list *node = log->compactor.jobs.next; node != &log->compactor.jobs;
         node = node->next) {
        struct ks_compact_job *job = KS_CONTAINER(node, struct ks_compact_job, link);

        if (ks_env_timer_is_set(&job->retry)) {
            ks_env_set_timer(log->env, &job->retry, ks_env_now_ms(log->env));
        }
    }
}

/* A read that a freed log doesn't answer any more is waited for by nobody. */
void
ks_compact_silence(struct ks_log *log)
{
    struct ks_list *node = log->compactor.jobs.next;

    ks_env_cancel_timer(log->env, &log->compactor.timer);
    ks_env_cancel_timer(log->env, &log->compactor.pause);
    ks_env_cancel_task(&log->compactor.task);
    while (node != &log->compactor.jobs) {
        struct ks_compact_job *job = KS_CONTAINER(node, struct ks_compact_job, link);

        node = node->next;
        if (ks_env_timer_is_set(&job->retry) || (job->is_reading && log->is_freed)) {
            ks_compact_finish(job, false);
        }
    }
}

void
ks_compact_drop(struct ks_log *log)
{
    ks_env_cancel_timer(log->env, &log->compactor.timer);
    ks_env_cancel_timer(log->env, &log->compactor.pause);
    ks_env_cancel_task(&log->compactor.task);
    while (!ks_list_is_empty(&log->compactor.jobs)) {
        job_free(KS_CONTAINER(log->compactor.jobs.next, struct ks_compact_job, link));
    }
}
