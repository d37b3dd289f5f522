/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata without a store, for tests: a transaction is a batch of one, applied to the shared
 * state when its turn comes.
 */
#include "meta/meta.h"
#include "meta/request.h"
#include "meta/state.h"

#include <assert.h>

struct ks_meta_bucket {
    struct ks_meta_state state;
    struct ks_list views;
    uint64_t number;
};

struct view {
    struct ks_list link;
    struct kafscale_meta_ops ops;
    struct ks_meta_bucket *bucket;
    struct ks_env *env;
    struct ks_meta_requests requests;
    struct ks_list waiting;
    struct ks_task task;
    kafscale_meta_changed *changed;
    void *changed_arg;
    kafscale_meta_close_done *close_done;
    void *close_arg;
};

struct ks_meta_bucket *
ks_meta_bucket_new(void)
{
    struct ks_meta_bucket *bucket = ks_alloc_zero(1, sizeof *bucket);

    if (bucket != NULL) {
        ks_list_init(&bucket->views);
    }
    return bucket;
}

void
ks_meta_bucket_free(struct ks_meta_bucket *bucket)
{
    if (bucket == NULL) {
        return;
    }
    assert(ks_list_is_empty(&bucket->views));

    ks_meta_state_deinit(&bucket->state);
    ks_free(bucket);
}

static void
tell_all(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct ks_meta_bucket *bucket = arg;

    for (struct ks_list *node = bucket->views.next; node != &bucket->views; node = node->next) {
        struct view *view = KS_CONTAINER(node, struct view, link);

        if (view->changed != NULL) {
            view->changed(view->changed_arg, entry, is_delete);
        }
    }
}

/* One writer stands for all: nobody asks for outcomes later. */
static void
run_txn(struct view *view, struct ks_meta_request *request)
{
    struct ks_meta_bucket *bucket = view->bucket;
    struct kafscale_meta_txn txn = *request->txn;
    struct ks_meta_batch batch = {
        .seq = bucket->state.seq + 1,
        .writer.bytes = { 1 },
        .number = ++bucket->number,
        .txns = &txn,
        .txn_count = 1,
    };
    struct ks_meta_writer record;
    uint64_t revision = 0;
    enum kafscale_status status =
        ks_meta_state_apply(&bucket->state, &batch, tell_all, bucket, &record);

    if (status == KAFSCALE_OK && !ks_meta_writer_outcome(&record, 0, &revision)) {
        status = KAFSCALE_CONFLICT;
    }
    ks_meta_requests_answer(&view->requests, request, status, revision, NULL);
}

static void
run_waiting(void *arg)
{
    struct view *view = arg;
    struct ks_list *node;

    while ((node = ks_list_take_first(&view->waiting)) != NULL) {
        run_txn(view, KS_CONTAINER(node, struct ks_meta_request, link));
    }
}

static bool
fits(const struct kafscale_meta_read *read, const char *key)
{
    return read->is_prefix ? strncmp(key, read->key, strlen(read->key)) == 0
                           : strcmp(key, read->key) == 0;
}

static void
answer_read(void *arg, const struct ks_meta_request *request)
{
    struct view *view = arg;
    const struct ks_meta_state *state = &view->bucket->state;
    size_t first = ks_meta_state_lower_bound(state, request->read->key);
    size_t count = 0;
    struct kafscale_meta_entry *entries;
    struct kafscale_error error = { 0 };

    while (first + count < state->item_count &&
           fits(request->read, state->items[first + count]->key)) {
        count++;
    }
    entries = ks_alloc_zero(count + 1, sizeof *entries);
    if (entries == NULL) {
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "%s", kafscale_status_text(KAFSCALE_NO_MEMORY));
        request->read_done(request->arg, KAFSCALE_NO_MEMORY, NULL, 0, 0, &error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = ks_meta_item_entry(state->items[first + i]);
    }
    request->read_done(request->arg, KAFSCALE_OK, entries, count, state->revision, NULL);
    ks_free(entries);
}

static void
memory_read(void *self, const struct kafscale_meta_read *read, kafscale_meta_read_done *done,
            void *arg)
{
    struct view *view = self;
    struct ks_meta_request *request = ks_meta_requests_read(&view->requests, read, done, arg);

    if (request != NULL) {
        ks_meta_requests_answer(&view->requests, request, KAFSCALE_OK, 0, NULL);
    }
}

static void
memory_txn(void *self, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done, void *arg)
{
    struct view *view = self;
    struct ks_meta_request *request = ks_meta_requests_txn(&view->requests, txn, done, arg);

    if (request != NULL) {
        ks_list_append(&view->waiting, &request->link);
        ks_env_defer(view->env, &view->task);
    }
}

static void
memory_watch(void *self, kafscale_meta_changed *changed, void *arg)
{
    struct view *view = self;

    view->changed = changed;
    view->changed_arg = arg;
}

static void
free_view(struct view *view)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&view->waiting)) != NULL) {
        ks_free(KS_CONTAINER(node, struct ks_meta_request, link));
    }
    ks_list_remove(&view->link);
    ks_env_cancel_task(&view->task);
    ks_meta_requests_deinit(&view->requests);
    ks_free(view);
}

static void
on_drained(void *arg)
{
    struct view *view = arg;
    kafscale_meta_close_done *done = view->close_done;
    void *done_arg = view->close_arg;

    if (done == NULL || !ks_meta_requests_are_told(&view->requests)) {
        return;
    }
    free_view(view);
    done(done_arg);
}

static void
memory_close(void *self, kafscale_meta_close_done *done, void *arg)
{
    struct view *view = self;
    struct ks_list *node;

    view->close_done = done;
    view->close_arg = arg;
    while ((node = ks_list_take_first(&view->waiting)) != NULL) {
        struct ks_meta_request *request = KS_CONTAINER(node, struct ks_meta_request, link);

        ks_meta_requests_answer(&view->requests, request, KAFSCALE_STOPPED, 0, NULL);
    }
    ks_env_defer(view->env, &view->requests.task);
}

static void
memory_abandon(void *self)
{
    free_view(self);
}

static const struct kafscale_meta_ops memory_ops = {
    .version = KAFSCALE_META_OPS_VERSION,
    .name = "memory",
    .read = memory_read,
    .txn = memory_txn,
    .watch = memory_watch,
    .close = memory_close,
    .abandon = memory_abandon,
};

struct kafscale_meta
ks_meta_memory_new(struct ks_env *env, struct ks_meta_bucket *bucket, size_t operations_max)
{
    struct view *view = ks_alloc_zero(1, sizeof *view);

    if (view == NULL) {
        return (struct kafscale_meta){ 0 };
    }
    if (ks_meta_requests_init(&view->requests, env, answer_read, on_drained, view) != KAFSCALE_OK) {
        ks_free(view);
        return (struct kafscale_meta){ 0 };
    }
    view->ops = memory_ops;
    view->ops.operations_max = operations_max;
    view->bucket = bucket;
    view->env = env;
    view->task = (struct ks_task){ .run = run_waiting, .arg = view };
    ks_list_init(&view->waiting);
    ks_list_append(&bucket->views, &view->link);
    return (struct kafscale_meta){ .ops = &view->ops, .self = view };
}
