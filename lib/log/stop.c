/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping. An orderly stop waits until all that was appended is durable and then
 * writes the closed ends into the chains, so that the next owner has nothing to seal. If that
 * takes too long it leaves without: the next start seals.
 */
#include "log/core.h"

#include <assert.h>

#define RELEASES_PER_TRANSACTION 500
#define REGISTER_BYTES_MAX (512u << 10)
/* Long chains: a transaction of the metadata log has 8 MiB at most. */
#define TRANSACTION_BYTES_MAX (4u << 20)

/* One transaction of closed ends. */
struct release {
    struct ks_list link;
    struct ks_log *log;
    struct ks_arena arena;
    struct kafscale_meta_compare *compares;
    struct kafscale_meta_operation *operations;
    char (*topic_keys)[KS_REGISTER_KEY_BYTES];
    char (*keys)[KS_REGISTER_KEY_BYTES];
    size_t count;
    size_t count_max;
    size_t bytes;
    struct kafscale_meta_txn txn;
};

static void
release_free(struct release *release)
{
    ks_list_remove(&release->link);
    ks_arena_deinit(&release->arena);
    ks_free(release);
}

/* A release that did not happen costs the next start a seal, no more: it is not tried again. */
static void
on_released(void *arg, enum kafscale_status status, uint64_t revision,
            const struct kafscale_error *error)
{
    struct release *release = arg;
    struct ks_log *log = release->log;

    (void) revision;
    if (status != KAFSCALE_OK && !log->is_freed) {
        ks_log(&log->env->logger, KAFSCALE_LOG_WARN,
               "partitions not released, the next start seals their log: %s", error->text);
    }
    release_free(release);
    ks_log_end(log);
}

static struct release *
release_new(struct ks_log *log)
{
    struct release *release = ks_alloc_zero(1, sizeof *release);
    size_t operations_max = ks_meta_operations_max(log->meta);
    size_t count_max = operations_max == 0 ? RELEASES_PER_TRANSACTION : operations_max / 2;

    if (release == NULL) {
        return NULL;
    }
    release->log = log;
    release->count_max = count_max > 0 ? count_max : 1;
    ks_arena_init(&release->arena, SIZE_MAX / 2);
    release->compares =
        ks_arena_alloc_array(&release->arena, 2 * release->count_max, sizeof *release->compares);
    release->operations =
        ks_arena_alloc_array(&release->arena, release->count_max, sizeof *release->operations);
    release->topic_keys =
        ks_arena_alloc_array(&release->arena, release->count_max, sizeof *release->topic_keys);
    release->keys =
        ks_arena_alloc_array(&release->arena, release->count_max, sizeof *release->keys);
    if (ks_arena_failed(&release->arena)) {
        release_free(release);
        return NULL;
    }
    return release;
}

/* The register with the closed end, encoded into the release; false without memory. */
static bool
release_add(struct release *release, const struct ks_partition *partition)
{
    struct ks_log *log = release->log;
    size_t i = release->count;
    struct ks_register reg;
    struct ks_buffer value;
    uint8_t *copy;

    if (ks_register_copy(&partition->reg, &reg) != KAFSCALE_OK) {
        return false;
    }
    assert(reg.chain_count > 0);
    reg.state = KS_REGISTER_RELEASED;
    reg.chain[reg.chain_count - 1].closed_end = log->sequence_next;
    ks_buffer_init(&value, REGISTER_BYTES_MAX);
    ks_register_encode(&reg, &value);
    copy = ks_buffer_failed(&value) ? NULL : ks_arena_alloc(&release->arena, value.size);
    if (copy != NULL) {
        memcpy(copy, value.data, value.size);
        ks_register_key(&partition->name, release->keys[i]);
        ks_topic_key(&partition->name.topic, release->topic_keys[i]);
        release->compares[2 * i] =
            (struct kafscale_meta_compare){ .key = release->topic_keys[i], .any_version = true };
        release->compares[2 * i + 1] =
            (struct kafscale_meta_compare){ .key = release->keys[i],
                                            .version = partition->register_version };
        release->operations[i] =
            (struct kafscale_meta_operation){ .key = release->keys[i],
                                              .value = ks_slice(copy, value.size) };
        release->count++;
        release->bytes += value.size;
    }
    ks_buffer_deinit(&value);
    ks_register_deinit(&reg);
    return copy != NULL;
}

static void
submit(struct release *release)
{
    if (release == NULL || release->count == 0) {
        if (release != NULL) {
            release_free(release);
        }
        return;
    }
    release->txn = (struct kafscale_meta_txn){ .compares = release->compares,
                                               .compare_count = 2 * release->count,
                                               .operations = release->operations,
                                               .operation_count = release->count };
    ks_list_append(&release->log->releases, &release->link);
    ks_log_begin(release->log);
    ks_meta_txn(release->log->meta, &release->txn, on_released, release);
}

static void
release_all(struct ks_log *log)
{
    struct release *release = NULL;

    for (struct ks_table_node *node = ks_table_next(&log->partitions, NULL); node != NULL;
         node = ks_table_next(&log->partitions, node)) {
        const struct ks_partition *partition = KS_CONTAINER(node, struct ks_partition, node);

        if (release == NULL) {
            release = release_new(log);
        }
        if (release == NULL || !release_add(release, partition)) {
            break;
        }
        if (release->count == release->count_max || release->bytes >= TRANSACTION_BYTES_MAX) {
            submit(release);
            release = NULL;
        }
    }
    submit(release);
}

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
    log->stop_task.run = tell_stopped;
    ks_env_defer(log->env, &log->stop_task);
    ks_log_begin(log);
    ks_readings_silence(log);
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
        release_all(log);
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
    ks_stop_continue(log);
}

void
ks_releases_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->releases)) {
        release_free(KS_CONTAINER(log->releases.next, struct release, link));
    }
}
