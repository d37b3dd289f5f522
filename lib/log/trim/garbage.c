/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting, a few objects at a time. What a failure or the death of the broker leaves is found by
 * a later start: a key below the mark is deleted whenever it is seen.
 */
#include "log/trim/trim.h"

#include <assert.h>

#define REMOVALS_AT_ONCE 2
#define TRIES_MAX 8

struct ks_removal {
    struct ks_list link;
    struct ks_trimmer *trimmer;
    char key[KS_BUNDLE_KEY_BYTES];
    struct kafscale_remove remove;
    struct ks_timer retry;
    uint32_t attempts;
};

static void submit(struct ks_removal *removal);
static void remove_next(struct ks_trimmer *trimmer);

static void
removal_free(struct ks_removal *removal)
{
    ks_env_cancel_timer(removal->trimmer->log->env, &removal->retry);
    ks_list_remove(&removal->link);
    removal->trimmer->removal_count--;
    ks_free(removal);
}

static void
submit_again(void *arg)
{
    struct ks_removal *removal = arg;

    if (ks_trimmer_is_over(removal->trimmer->log)) {
        removal_free(removal);
    } else {
        submit(removal);
    }
}

static void
on_removed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_removal *removal = arg;
    struct ks_trimmer *trimmer = removal->trimmer;
    struct ks_log *log = trimmer->log;

    log->counters.objects_deleted += status == KAFSCALE_OK;
    if (status == KAFSCALE_OK) {
        ks_log_note_success(log, KS_LOG_CHORE_DELETE);
    } else if (!ks_trimmer_is_over(log)) {
        ks_log_note_failure(log, KS_LOG_CHORE_DELETE, error->text);
    }
    if (status == KAFSCALE_OK || ks_trimmer_is_over(log) || removal->attempts >= TRIES_MAX) {
        removal_free(removal);
        remove_next(trimmer);
        if (trimmer->removal_count == 0) {
            ks_log_note_rest(log, KS_LOG_CHORE_DELETE);
        }
    } else {
        removal->retry = (struct ks_timer){ .on_due = submit_again, .arg = removal };
        ks_env_set_timer(log->env, &removal->retry,
                         ks_env_now_ms(log->env) + ks_log_backoff_ms(log, removal->attempts++));
    }
    ks_log_end(log);
}

static void
submit(struct ks_removal *removal)
{
    ks_log_begin(removal->trimmer->log);
    ks_store_remove(removal->trimmer->log->store, &removal->remove, on_removed, removal);
}

/* The first slot of the first range; false without memory: the range waits for the next call. */
static bool
remove_first(struct ks_trimmer *trimmer)
{
    struct ks_garbage *garbage = KS_CONTAINER(trimmer->garbage.next, struct ks_garbage, link);
    struct ks_log *log = trimmer->log;
    struct ks_removal *removal = ks_alloc_zero(1, sizeof *removal);

    if (removal == NULL) {
        return false;
    }
    removal->trimmer = trimmer;
    if (garbage->is_bundle) {
        ks_bundle_key(log->ns, &log->sources[garbage->source], &garbage->name, removal->key);
        garbage->next = garbage->end;
    } else {
        ks_wal_key(log->ns, &log->sources[garbage->source], garbage->next++, removal->key);
    }
    removal->remove = (struct kafscale_remove){ .key = removal->key };
    ks_list_append(&trimmer->removals, &removal->link);
    trimmer->removal_count++;
    if (garbage->next == garbage->end) {
        ks_list_remove(&garbage->link);
        ks_free(garbage);
    }
    submit(removal);
    return true;
}

static void
remove_next(struct ks_trimmer *trimmer)
{
    while (trimmer->removal_count < REMOVALS_AT_ONCE && !ks_list_is_empty(&trimmer->garbage) &&
           !ks_trimmer_is_over(trimmer->log)) {
        if (!remove_first(trimmer)) {
            return;
        }
    }
}

static void
add(struct ks_trimmer *trimmer, const struct ks_garbage *what)
{
    struct ks_garbage *garbage = ks_alloc_zero(1, sizeof *garbage);

    assert(what->next < what->end);

    if (garbage == NULL) {
        return;
    }
    *garbage = *what;
    ks_list_append(&trimmer->garbage, &garbage->link);
    remove_next(trimmer);
}

void
ks_garbage_add(struct ks_trimmer *trimmer, uint32_t source, uint64_t first, uint64_t end)
{
    add(trimmer, &(struct ks_garbage){ .source = source, .next = first, .end = end });
}

void
ks_garbage_add_bundle(struct ks_trimmer *trimmer, uint32_t source,
                      const struct ks_bundle_name *name)
{
    add(trimmer,
        &(struct ks_garbage){ .is_bundle = true, .source = source, .end = 1, .name = *name });
}

static void
drop_ranges(struct ks_trimmer *trimmer)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&trimmer->garbage)) != NULL) {
        ks_free(KS_CONTAINER(node, struct ks_garbage, link));
    }
}

void
ks_garbage_silence(struct ks_trimmer *trimmer)
{
    struct ks_list *next;

    drop_ranges(trimmer);
    for (struct ks_list *node = trimmer->removals.next; node != &trimmer->removals; node = next) {
        struct ks_removal *removal = KS_CONTAINER(node, struct ks_removal, link);

        next = node->next;
        if (ks_env_timer_is_set(&removal->retry)) {
            removal_free(removal);
        }
    }
}

void
ks_garbage_drop(struct ks_trimmer *trimmer)
{
    drop_ranges(trimmer);
    while (!ks_list_is_empty(&trimmer->removals)) {
        removal_free(KS_CONTAINER(trimmer->removals.next, struct ks_removal, link));
    }
}
