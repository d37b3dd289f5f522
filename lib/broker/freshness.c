/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at a time; it is as old as its beginning. Whoever asks while a slow one is under way is
 * served by the one after it.
 */
#include "broker/freshness.h"

#include <assert.h>

static void
answer_all(void *arg)
{
    struct ks_freshness *freshness = arg;
    struct ks_list *node;

    while ((node = ks_list_take_first(&freshness->answered)) != NULL) {
        struct ks_look *look = KS_CONTAINER(node, struct ks_look, link);

        look->done(look, look->status);
    }
}

static void
answer_later(struct ks_freshness *freshness, struct ks_look *look, enum kafscale_status status)
{
    look->status = status;
    ks_list_append(&freshness->answered, &look->link);
    ks_env_defer(freshness->env, &freshness->task);
}

/* Whether the look that has just ended was begun too long before this one was asked for. */
static bool
is_too_old_for(const struct ks_freshness *freshness, const struct ks_look *look)
{
    return look->asked_ms - freshness->tried_at_ms > freshness->freshness_ms;
}

static void
answer_waiting(struct ks_freshness *freshness, enum kafscale_status status)
{
    struct ks_list *node = freshness->waiting.next;

    while (node != &freshness->waiting) {
        struct ks_look *look = KS_CONTAINER(node, struct ks_look, link);

        node = node->next;
        if (status != KAFSCALE_OK || !is_too_old_for(freshness, look)) {
            ks_list_remove(&look->link);
            answer_later(freshness, look, status);
        }
    }
}

static void look_now(struct ks_freshness *freshness);

/* The worst of the two answers is the outcome. */
static void
take_answer(struct ks_freshness *freshness, enum kafscale_status status)
{
    assert(freshness->answers_due > 0);

    if (freshness->status != KAFSCALE_FENCED && status != KAFSCALE_OK) {
        freshness->status = status;
    }
    freshness->answers_due--;
    if (freshness->answers_due > 0) {
        return;
    }
    if (freshness->ended == KAFSCALE_OK && freshness->status == KAFSCALE_OK) {
        freshness->fresh_at_ms = freshness->tried_at_ms;
    }
    answer_waiting(freshness, freshness->status);
    if (!ks_list_is_empty(&freshness->waiting)) {
        look_now(freshness);
    }
}

static void
on_sole_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_freshness *freshness = arg;
    struct kafscale_slice own = ks_slice(freshness->incarnation.bytes, KS_ID_BYTES);

    (void) revision;
    if (status == KAFSCALE_FAILED) {
        freshness->events->failed(freshness->events->arg, error);
    }
    if (status == KAFSCALE_OK && (entry_count == 0 || !ks_slice_equals(entries[0].value, own))) {
        status = KAFSCALE_FENCED;
        freshness->events->fenced(freshness->events->arg,
                                  "another broker was started on this store");
    }
    take_answer(freshness, status);
}

static void
on_slot_seen(void *arg, enum kafscale_status status)
{
    take_answer(arg, status);
}

static void
look_now(struct ks_freshness *freshness)
{
    freshness->tried_at_ms = ks_env_now_ms(freshness->env);
    freshness->answers_due = 2;
    freshness->status = KAFSCALE_OK;
    freshness->looks++;
    freshness->read = (struct kafscale_meta_read){ .key = "sole", .is_fresh = true };
    ks_meta_read(freshness->meta, &freshness->read, on_sole_read, freshness);
    if (ks_log_look(freshness->log, on_slot_seen, freshness) != KAFSCALE_OK) {
        take_answer(freshness, KAFSCALE_NO_MEMORY);
    }
}

void
ks_freshness_init(struct ks_freshness *freshness, struct ks_env *env, struct ks_meta *meta,
                  struct ks_log *log, const struct ks_id *incarnation, int64_t known_ms,
                  int64_t freshness_ms, bool is_single_writer,
                  const struct ks_freshness_events *events)
{
    *freshness = (struct ks_freshness){ .env = env,
                                        .meta = meta,
                                        .log = log,
                                        .incarnation = *incarnation,
                                        .freshness_ms = freshness_ms,
                                        .is_single_writer = is_single_writer,
                                        .events = events };
    freshness->fresh_at_ms = known_ms;
    freshness->tried_at_ms = freshness->fresh_at_ms;
    ks_list_init(&freshness->waiting);
    ks_list_init(&freshness->answered);
    freshness->task.run = answer_all;
    freshness->task.arg = freshness;
}

bool
ks_freshness_is_fresh(const struct ks_freshness *freshness)
{
    return freshness->ended == KAFSCALE_OK &&
           (freshness->is_single_writer ||
            ks_env_now_ms(freshness->env) - freshness->fresh_at_ms <= freshness->freshness_ms);
}

static bool
may_look(const struct ks_freshness *freshness)
{
    return freshness->ended == KAFSCALE_OK && !freshness->is_single_writer &&
           freshness->answers_due == 0 &&
           ks_env_now_ms(freshness->env) - freshness->tried_at_ms >= freshness->freshness_ms;
}

void
ks_freshness_note(struct ks_freshness *freshness)
{
    if (may_look(freshness)) {
        look_now(freshness);
    }
}

void
ks_freshness_await(struct ks_freshness *freshness, struct ks_look *look)
{
    ks_freshness_note(freshness);
    if (freshness->ended != KAFSCALE_OK) {
        answer_later(freshness, look, freshness->ended);
    } else if (freshness->answers_due > 0) {
        look->asked_ms = ks_env_now_ms(freshness->env);
        ks_list_append(&freshness->waiting, &look->link);
    } else {
        answer_later(freshness, look, KAFSCALE_UNAVAILABLE);
    }
}

void
ks_freshness_cancel(struct ks_look *look)
{
    ks_list_remove(&look->link);
}

void
ks_freshness_end(struct ks_freshness *freshness, enum kafscale_status status)
{
    if (freshness->env == NULL || freshness->ended != KAFSCALE_OK) {
        return;
    }
    freshness->ended = status;
    answer_waiting(freshness, status);
}

void
ks_freshness_deinit(struct ks_freshness *freshness)
{
    if (freshness->env == NULL) {
        return;
    }
    assert(ks_list_is_empty(&freshness->waiting));
    assert(ks_list_is_empty(&freshness->answered));

    ks_env_cancel_task(&freshness->task);
}
