/* SPDX-License-Identifier: Apache-2.0 */
/* A queue in front of the store. */
#include "log/read/object_read.h"

#include "log/core.h"

#include <assert.h>

#define READS_MAX 3
#define COPIES_DISTRUSTED_MS 60000

void
ks_object_reads_init(struct ks_object_reads *reads, uint32_t count_max)
{
    *reads = (struct ks_object_reads){ .count_max = count_max > 0 ? count_max : 1 };
    ks_list_init(&reads->waiting);
    ks_list_init(&reads->under_way);
}

static void submit(struct ks_object_read *read);

static bool
is_over(const struct ks_log *log)
{
    return log->is_freed || log->is_stopped;
}

static void
start_waiting(struct ks_log *log)
{
    struct ks_object_reads *reads = &log->object_reads;

    while (reads->count < reads->count_max && !ks_list_is_empty(&reads->waiting)) {
        reads->waiting_count--;
        submit(KS_CONTAINER(ks_list_take_first(&reads->waiting), struct ks_object_read, link));
    }
}

/* `read` may be gone when this returns. */
static void
finish(struct ks_object_read *read, enum kafscale_status status, struct kafscale_blob *body,
       uint64_t object_bytes, const struct kafscale_error *error)
{
    struct ks_log *log = read->log;

    ks_list_remove(&read->link);
    log->object_reads.count--;
    read->done(read->arg, status, body, object_bytes, error);
    if (!is_over(log)) {
        start_waiting(log);
    }
    ks_log_end(log);
}

static void
retry(void *arg)
{
    struct ks_object_read *read = arg;

    read->log->object_reads.count--;
    ks_list_remove(&read->link);
    submit(read);
}

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct ks_object_read *read = arg;
    struct ks_log *log = read->log;

    read->attempts++;
    if (is_over(log)) {
        finish(read, KAFSCALE_STOPPED, NULL, 0, NULL);
        return;
    }
    if (status == KAFSCALE_OK || status == KAFSCALE_NOT_FOUND || status == KAFSCALE_FAILED ||
        read->attempts >= READS_MAX) {
        finish(read, status, body, object_bytes, error);
        return;
    }
    read->retry = (struct ks_timer){ .on_due = retry, .arg = read };
    ks_env_set_timer(log->env, &read->retry,
                     ks_env_now_ms(log->env) + ks_log_backoff_ms(log, read->attempts));
}

static void
submit(struct ks_object_read *read)
{
    struct ks_log *log = read->log;

    log->object_reads.count++;
    ks_list_append(&log->object_reads.under_way, &read->link);
    log->counters.cold_gets++;
    ks_store_get(log->store, &read->get, on_got, read);
}

void
ks_object_read_start(struct ks_object_read *read, struct ks_log *log, const char *key,
                     uint64_t position, size_t size_max, kafscale_get_done *done, void *arg)
{
    *read = (struct ks_object_read){
        .log = log,
        .get = { .key = key,
                 .position = position,
                 .size_max = size_max,
                 .takes_copy = ks_env_now_ms(log->env) >= log->object_reads.copies_from_ms },
        .done = done,
        .arg = arg,
    };
    ks_log_begin(log);
    ks_list_append(&log->object_reads.waiting, &read->link);
    log->object_reads.waiting_count++;
    start_waiting(log);
}

void
ks_object_reads_distrust(struct ks_log *log)
{
    log->object_reads.copies_from_ms = ks_env_now_ms(log->env) + COPIES_DISTRUSTED_MS;
}

bool
ks_object_reads_are_idle(const struct ks_log *log)
{
    const struct ks_object_reads *reads = &log->object_reads;

    return ks_list_is_empty(&reads->waiting) && reads->count * 4 < reads->count_max * 3;
}

/* The next one that no completion will come for; those that wait count as under way to end. */
static struct ks_object_read *
take_silent(struct ks_log *log)
{
    struct ks_object_reads *reads = &log->object_reads;

    if (!ks_list_is_empty(&reads->waiting)) {
        struct ks_list *node = ks_list_take_first(&reads->waiting);

        reads->waiting_count--;
        reads->count++;
        return KS_CONTAINER(node, struct ks_object_read, link);
    }
    for (struct ks_list *node = reads->under_way.next; node != &reads->under_way;
         node = node->next) {
        struct ks_object_read *read = KS_CONTAINER(node, struct ks_object_read, link);

        if (ks_env_timer_is_set(&read->retry)) {
            ks_env_cancel_timer(log->env, &read->retry);
            return read;
        }
    }
    return NULL;
}

void
ks_object_reads_silence(struct ks_log *log)
{
    struct ks_object_read *read;

    assert(is_over(log));
    while ((read = take_silent(log)) != NULL) {
        finish(read, KAFSCALE_STOPPED, NULL, 0, NULL);
    }
}

void
ks_object_reads_drop(struct ks_log *log)
{
    struct ks_object_reads *reads = &log->object_reads;
    struct ks_list *const lists[] = { &reads->waiting, &reads->under_way };

    for (size_t i = 0; i < sizeof lists / sizeof(*lists); i++) {
        struct ks_list *node;

        while ((node = ks_list_take_first(lists[i])) != NULL) {
            ks_env_cancel_timer(log->env, &KS_CONTAINER(node, struct ks_object_read, link)->retry);
        }
    }
    reads->count = 0;
}
