/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a log and its partitions; what each step does stands in the files beside this one. */
#include "log/read/bundle_read.h"
#include "log/read/reread.h"
#include "log/trim/trim.h"

#include <assert.h>

#define BACKOFF_FIRST_MS 10
#define BACKOFF_LAST_MS 2000

/* What the store said so long ago at most is why something fails. */
#define RECENT_MS 60000

static void
tell(void *arg)
{
    struct ks_log *log = arg;

    if (log->status == KAFSCALE_FENCED) {
        log->events.fenced(log->events.arg, &log->error);
    } else {
        log->events.failed(log->events.arg, &log->error);
    }
}

/* --- Chores ---------------------------------------------------------------------------------- */

static void
name_chores(struct ks_log *log)
{
    static const char *const names[KS_LOG_CHORE_COUNT] = {
        [KS_LOG_CHORE_FLUSH] = "flush",         [KS_LOG_CHORE_BUNDLE] = "bundle",
        [KS_LOG_CHORE_MERGE] = "merge",         [KS_LOG_CHORE_COMPACT] = "compaction",
        [KS_LOG_CHORE_RETENTION] = "retention", [KS_LOG_CHORE_SWEEP] = "sweep",
        [KS_LOG_CHORE_TRIM] = "trim",           [KS_LOG_CHORE_DELETE] = "deletion",
        [KS_LOG_CHORE_LEFTOVERS] = "leftovers",
    };

    for (int i = 0; i < KS_LOG_CHORE_COUNT; i++) {
        log->chores[i].name = names[i];
    }
}

void
ks_log_note_success(struct ks_log *log, enum ks_log_chore chore)
{
    ks_chore_succeed(&log->chores[chore], ks_env_now_ms(log->env));
}

void
ks_log_note_rest(struct ks_log *log, enum ks_log_chore chore)
{
    ks_chore_rest(&log->chores[chore]);
}

void
ks_log_note_failure(struct ks_log *log, enum ks_log_chore chore, const char *why)
{
    int64_t now_ms = ks_env_now_ms(log->env);
    int64_t at_ms;
    const struct kafscale_error *error = ks_store_last_error(log->store, &at_ms);

    if (why == NULL && error != NULL && now_ms - at_ms <= RECENT_MS) {
        why = error->text;
    }
    ks_chore_fail(&log->chores[chore], now_ms, why == NULL ? "memory is short" : why);
}

const struct ks_chore *
ks_log_chore(const struct ks_log *log, enum ks_log_chore chore)
{
    return &log->chores[chore];
}

/* --- The beginning and the end --------------------------------------------------------------- */

static void
free_partitions(struct ks_log *log)
{
    struct ks_table_node *node = ks_table_next(&log->partitions, NULL);

    while (node != NULL) {
        struct ks_partition *partition = KS_CONTAINER(node, struct ks_partition, node);
        struct ks_table_node *next = ks_table_next(&log->partitions, node);

        ks_table_remove(&log->partitions, node);
        ks_partition_free(partition);
        node = next;
    }
    ks_table_deinit(&log->partitions);
}

static void
really_free(struct ks_log *log)
{
    ks_writer_deinit(log);
    ks_bundle_entries_drop(log);
    ks_cold_deinit(log);
    free_partitions(log);
    ks_trimmer_free(log->trimmer);
    ks_free(log->sources);
    ks_free(log->ns);
    ks_free(log);
}

struct ks_log *
ks_log_new(struct ks_env *env, struct ks_store *store, struct ks_meta *meta,
           const struct ks_log_options *options, const struct ks_log_events *events)
{
    struct ks_log *log = ks_alloc_zero(1, sizeof *log);

    assert(events->committed != NULL);
    assert(events->flushed != NULL);
    assert(events->fenced != NULL);
    assert(events->failed != NULL);

    if (log == NULL) {
        return NULL;
    }
    log->env = env;
    log->store = store;
    log->meta = meta;
    log->options = *options;
    log->events = *events;
    name_chores(log);
    log->tell = (struct ks_task){ .run = tell, .arg = log };
    log->ns = ks_copy_text(options->ns);
    log->sources = ks_alloc(sizeof *log->sources);
    log->trimmer = ks_trimmer_new(log);
    if (log->ns == NULL || log->sources == NULL || log->trimmer == NULL) {
        ks_free(log->trimmer);
        ks_free(log->ns);
        ks_free(log->sources);
        ks_free(log);
        return NULL;
    }
    log->options.ns = log->ns;
    log->sources[0] = options->incarnation;
    log->source_count = 1;
    ks_table_init(&log->partitions, ks_env_random_u64(env));
    ks_writer_init(log);
    ks_list_init(&log->cache);
    ks_list_init(&log->wal_readings);
    ks_list_init(&log->bundle_readings);
    ks_list_init(&log->rereads);
    ks_list_init(&log->bundle_entries);
    ks_list_init(&log->looks);
    ks_list_init(&log->releases);
    ks_list_init(&log->openings);
    ks_changes_init(log);
    ks_list_init(&log->raises);
    ks_retention_init(log);
    ks_list_init(&log->sweeps);
    ks_list_init(&log->dead_topics);
    ks_cold_init(log);
    ks_compactor_init(log);
    if (ks_trimmer_begin(log) != KAFSCALE_OK) {
        really_free(log);
        return NULL;
    }
    return log;
}

/* Whatever the loop would call goes; the requests under way remain. */
static void
silence(struct ks_log *log)
{
    ks_env_cancel_task(&log->tell);
    ks_env_cancel_task(&log->cut_task);
    ks_env_cancel_task(&log->stop_task);
    ks_env_cancel_timer(log->env, &log->cut_timer);
    ks_env_cancel_timer(log->env, &log->stop_timer);
    ks_retention_end(log);
    ks_writer_silence(log);
    ks_trimmer_silence(log);
}

void
ks_log_free(struct ks_log *log)
{
    if (log == NULL) {
        return;
    }
    assert(!log->is_freed);
    log->is_freed = true;
    if (log->status == KAFSCALE_OK) {
        log->status = KAFSCALE_STOPPED;
    }
    /* What only waits for a timer goes at once; what is under way is waited for. */
    ks_log_begin(log);
    silence(log);
    ks_readings_silence(log);
    ks_rereads_silence(log);
    ks_compact_silence(log);
    ks_cold_silence(log);
    ks_releases_silence(log);
    ks_raises_silence(log);
    ks_sweeps_silence(log);
    ks_changes_silence(log);
    ks_openings_silence(log);
    ks_log_end(log);
}

void
ks_log_abandon(struct ks_log *log)
{
    if (log == NULL) {
        return;
    }
    assert(!log->is_freed);
    silence(log);
    ks_rereads_drop(log);
    ks_readings_drop(log);
    ks_cold_drop(log);
    ks_looks_drop(log);
    ks_releases_drop(log);
    ks_raises_drop(log);
    ks_sweeps_drop(log);
    ks_dead_topics_drop(log);
    ks_changes_drop(log);
    ks_openings_drop(log);
    ks_compact_drop(log);
    really_free(log);
}

void
ks_log_begin(struct ks_log *log)
{
    log->busy++;
}

void
ks_log_end(struct ks_log *log)
{
    assert(log->busy > 0);
    log->busy--;
    if (log->busy == 0 && log->is_freed) {
        really_free(log);
    } else if (log->stopped != NULL && !log->is_freed) {
        ks_stop_continue(log);
    }
}

enum kafscale_status
ks_log_status(const struct ks_log *log)
{
    return log->is_draining && log->status == KAFSCALE_OK ? KAFSCALE_STOPPED : log->status;
}

void
ks_log_fence(struct ks_log *log, const char *reason)
{
    if (log->status != KAFSCALE_OK) {
        return;
    }
    log->status = KAFSCALE_FENCED;
    (void) ks_error_set(&log->error, KAFSCALE_FENCED, "%s", reason);
    ks_env_defer(log->env, &log->tell);
    ks_writer_abandon(log, KS_APPEND_NOT_OWNER);
    ks_releases_continue(log);
}

void
ks_log_fail(struct ks_log *log, const struct kafscale_error *error)
{
    if (log->status != KAFSCALE_OK) {
        return;
    }
    log->status = KAFSCALE_FAILED;
    log->error = *error;
    log->error.status = KAFSCALE_FAILED;
    ks_env_defer(log->env, &log->tell);
    ks_writer_abandon(log, KS_APPEND_FAILED);
    ks_releases_continue(log);
}

uint32_t
ks_log_source(struct ks_log *log, const struct ks_id *incarnation)
{
    struct ks_id *sources;

    for (uint32_t i = 0; i < log->source_count; i++) {
        if (ks_id_equals(&log->sources[i], incarnation)) {
            return i;
        }
    }
    sources = ks_realloc(log->sources, (log->source_count + 1) * sizeof *sources);
    if (sources == NULL) {
        return UINT32_MAX;
    }
    log->sources = sources;
    sources[log->source_count] = *incarnation;
    return log->source_count++;
}

int64_t
ks_log_backoff_ms(struct ks_log *log, uint32_t attempts)
{
    return ks_backoff_random_ms(log->env, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, attempts);
}

struct ks_partition *
ks_log_find(struct ks_log *log, const struct ks_partition_name *name)
{
    struct ks_table_node *node = ks_table_find(&log->partitions, ks_slice(name, sizeof *name));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_partition, node);
}

size_t
ks_log_partition_count(const struct ks_log *log)
{
    return log->partitions.count;
}

void
ks_log_forget(struct ks_log *log, struct ks_partition *partition)
{
    ks_table_remove(&log->partitions, &partition->node);
    partition->is_gone = true;
    partition->user = NULL;
    ks_list_remove(&partition->retained);
    ks_releases_forget(log, partition);
    ks_compact_forget(log, partition);
    ks_expiry_forget(partition);
    ks_changes_forget(log, partition);
    ks_raises_forget(log, partition);
    ks_readings_forget(log, partition);
    ks_cache_drop_partition(log, partition);
    ks_writer_forget(log, partition);
    if (partition->section_count == 0) {
        ks_partition_free(partition);
    }
    ks_trim_advance(log);
}

void
ks_log_append(struct ks_log *log, struct ks_partition *partition, struct ks_append *append)
{
    append->partition = partition;
    append->base_offset = -1;
    append->link = (struct ks_list){ 0 };
    append->task = (struct ks_task){ 0 };
    if (log->status == KAFSCALE_FAILED) {
        ks_append_answer(log, append, KS_APPEND_FAILED);
        return;
    }
    if (log->status != KAFSCALE_OK || log->is_draining || partition->is_closed ||
        partition->is_gone) {
        ks_append_answer(log, append, KS_APPEND_NOT_OWNER);
        return;
    }
    ks_writer_append(log, append);
}

void
ks_log_pass_over(struct ks_log *log, struct ks_partition *partition, const struct ks_batch *batch)
{
    int64_t now_ms = ks_env_wall_ms(log->env);
    struct ks_producer_batch original;
    enum ks_sequence_check check;

    if (batch->producer_id < 0) {
        return;
    }
    check =
        ks_producer_check(&partition->producers, batch->producer_id, batch->producer_epoch,
                          batch->base_sequence, ks_batch_last_sequence(batch), now_ms, &original);
    if (check == KS_SEQUENCE_NEXT || check == KS_SEQUENCE_TOO_MANY) {
        ks_producer_note_refused(&partition->producers, batch->producer_id, batch->producer_epoch,
                                 batch->base_sequence, now_ms);
    }
}

static int64_t
behind_ms(const struct ks_log *log)
{
    const struct ks_slot *oldest = ks_list_is_empty(&log->slots)
                                       ? log->open
                                       : KS_CONTAINER(log->slots.next, struct ks_slot, link);
    int64_t waited_ms = oldest == NULL ? 0 : ks_env_now_ms(log->env) - oldest->first_append_ms;

    return waited_ms <= log->options.flush_interval_ms ? 0
                                                       : waited_ms - log->options.flush_interval_ms;
}

void
ks_log_get_counters(const struct ks_log *log, struct ks_log_counters *counters_out)
{
    *counters_out = log->counters;
    counters_out->unflushed_bytes = log->unflushed_bytes;
    counters_out->behind_ms = behind_ms(log);
    counters_out->cold_waiting = log->object_reads.waiting_count;
    counters_out->cache_bytes = log->cache_bytes;
    counters_out->block_cache_bytes = log->blocks.bytes;
}

static uint64_t
count_pending(const struct ks_log *log)
{
    uint64_t count = 0;

    for (struct ks_list *node = log->trimmer->trails.next; node != &log->trimmer->trails;
         node = node->next) {
        const struct ks_trail *trail = KS_CONTAINER(node, struct ks_trail, link);

        count += trail->end - trail->mark;
    }
    return count;
}

void
ks_log_read_backlog(const struct ks_log *log, struct ks_log_backlog *backlog_out)
{
    *backlog_out = (struct ks_log_backlog){ .objects = count_pending(log) };
    ks_compactor_read(log, backlog_out);
}
