/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests wait in two lists until the state is new enough for them; what to do next is decided
 * in one place, run_next.
 */
#include "meta/object_log.h"

#include <assert.h>
#include <stdio.h>

#define CHUNK_ENTRIES 512u
#define STEP_ENTRIES 16u
#define LIST_KEYS_MAX 1000
#define RETRY_MS 50u
#define RETRY_MS_MAX 5000u
#define TIMEOUT_MS 30000u
#define TRIM_DELAY_MS 10000u
#define PENDING_COUNT_MAX 4096u
#define PENDING_BYTES_MAX ((size_t) 16 << 20)
#define STATE_BYTES_MAX ((size_t) 256 << 20)

/* --- Store requests -------------------------------------------------------------------------- */

static void
set_key(struct ks_meta_log_call *call, const char *kind, const char *number)
{
    int size = snprintf(call->key, sizeof call->key, "%s/__kafscale/meta/%s/%s", call->log->ns,
                        kind, number);

    assert(size > 0);
    assert((size_t) size < sizeof call->key);
}

void
ks_meta_log_key_entry(struct ks_meta_log_call *call, uint64_t seq)
{
    char number[24];

    snprintf(number, sizeof number, "%020llu", (unsigned long long) seq);
    set_key(call, "log", number);
}

void
ks_meta_log_key_snapshot(struct ks_meta_log_call *call, uint64_t chunk)
{
    char number[24];

    snprintf(number, sizeof number, "%llu", (unsigned long long) chunk);
    set_key(call, "snapshot", number);
}

void
ks_meta_log_key_mark(struct ks_meta_log_call *call, uint64_t chunk)
{
    char number[24];

    snprintf(number, sizeof number, "%llu", (unsigned long long) chunk);
    set_key(call, "trim", number);
}

void
ks_meta_log_key_snapshot_at(struct ks_meta_log_call *call, uint64_t seq)
{
    uint64_t chunk = ks_meta_log_chunk(call->log, seq);
    char number[48];

    if (seq % call->log->options.chunk_entries == 0) {
        ks_meta_log_key_snapshot(call, chunk);
        return;
    }
    snprintf(number, sizeof number, "%llu.%llu", (unsigned long long) chunk,
             (unsigned long long) seq);
    set_key(call, "snapshot", number);
}

uint64_t
ks_meta_log_chunk(const struct ks_meta_log *log, uint64_t seq)
{
    assert(seq > 0);

    return (seq - 1) / log->options.chunk_entries;
}

static void finish_close(struct ks_meta_log *log);

/* The store has answered: after a close only the count matters. */
static void
call_done(struct ks_meta_log_call *call, enum kafscale_status status,
          const struct kafscale_error *error)
{
    struct ks_meta_log *log = call->log;

    log->calls_in_flight--;
    if (log->is_closing) {
        finish_close(log);
        return;
    }
    call->status = status;
    call->error = (struct kafscale_error){ 0 };
    if (status != KAFSCALE_OK) {
        ks_error_set(&call->error, status, "%s",
                     error == NULL ? kafscale_status_text(status) : error->text);
    }
    call->done(call);
}

static void
on_get(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct ks_meta_log_call *call = arg;

    (void) object_bytes;
    call->body = body;
    call_done(call, status, error);
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_meta_log_call *call = arg;

    (void) is_truncated;
    call->entries = entries;
    call->entry_count = entry_count;
    call_done(call, status, error);
}

static void
on_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    call_done(arg, status, error);
}

void
ks_meta_log_get(struct ks_meta_log_call *call, void (*done)(struct ks_meta_log_call *call))
{
    call->get = (struct kafscale_get){ .key = call->key, .size_max = SIZE_MAX };
    call->done = done;
    call->log->calls_in_flight++;
    ks_store_get(call->log->store, &call->get, on_get, call);
}

void
ks_meta_log_list_snapshots(struct ks_meta_log_call *call,
                           void (*done)(struct ks_meta_log_call *call))
{
    set_key(call, "snapshot", "");
    call->list = (struct kafscale_list){ .prefix = call->key, .count_max = LIST_KEYS_MAX };
    call->done = done;
    call->log->calls_in_flight++;
    ks_store_list(call->log->store, &call->list, on_listed, call);
}

void
ks_meta_log_put(struct ks_meta_log_call *call, struct kafscale_slice bytes,
                void (*done)(struct ks_meta_log_call *call))
{
    call->part = (struct kafscale_part){ .bytes = bytes };
    call->put = (struct kafscale_put){
        .key = call->key,
        .parts = &call->part,
        .part_count = 1,
        .if_absent = !KS_META_LOG_HAS_FAULT(call->log, OVERWRITE),
    };
    call->done = done;
    call->log->calls_in_flight++;
    ks_store_put(call->log->store, &call->put, on_written, call);
}

void
ks_meta_log_remove(struct ks_meta_log_call *call, void (*done)(struct ks_meta_log_call *call))
{
    call->remove = (struct kafscale_remove){ .key = call->key };
    call->done = done;
    call->log->calls_in_flight++;
    ks_store_remove(call->log->store, &call->remove, on_written, call);
}

/* --- Answers --------------------------------------------------------------------------------- */

void
ks_meta_log_answer(struct ks_meta_log *log, struct ks_meta_request *request,
                   enum kafscale_status status, uint64_t revision,
                   const struct kafscale_error *error)
{
    assert(log->pending_count > 0);
    assert(log->pending_bytes >= request->bytes);

    log->pending_count--;
    log->pending_bytes -= request->bytes;
    ks_meta_requests_answer(&log->requests, request, status, revision, error);
}

static void
answer_all(struct ks_meta_log *log, struct ks_list *list, enum kafscale_status status,
           const struct kafscale_error *error)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(list)) != NULL) {
        ks_meta_log_answer(log, KS_CONTAINER(node, struct ks_meta_request, link), status, 0, error);
    }
}

/* The range of items that a read asks for. */
static void
find_range(const struct ks_meta_state *state, const struct kafscale_meta_read *read,
           size_t *first_out, size_t *count_out)
{
    size_t key_size = strlen(read->key);
    size_t first = ks_meta_state_lower_bound(state, read->key);
    size_t count = 0;

    while (first + count < state->item_count) {
        const char *key = state->items[first + count]->key;
        bool fits =
            read->is_prefix ? strncmp(key, read->key, key_size) == 0 : strcmp(key, read->key) == 0;

        if (!fits) {
            break;
        }
        count++;
    }
    *first_out = first;
    *count_out = count;
}

/* The state can only have become newer since the answer was decided. */
static void
answer_read(void *arg, const struct ks_meta_request *request)
{
    struct ks_meta_log *log = arg;
    struct kafscale_meta_entry single;
    struct kafscale_meta_entry *entries = &single;
    struct kafscale_error error = { 0 };
    size_t first;
    size_t count;

    find_range(&log->state, request->read, &first, &count);
    if (count > 1) {
        entries = ks_alloc_zero(count, sizeof *entries);
    }
    if (entries == NULL) {
        ks_error_set(&error, KAFSCALE_NO_MEMORY, "%s", kafscale_status_text(KAFSCALE_NO_MEMORY));
        request->read_done(request->arg, KAFSCALE_NO_MEMORY, NULL, 0, 0, &error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = ks_meta_item_entry(log->state.items[first + i]);
    }
    request->read_done(request->arg, KAFSCALE_OK, entries, count, log->state.revision, NULL);
    if (entries != &single) {
        ks_free(entries);
    }
}

void
ks_meta_log_became_valid(struct ks_meta_log *log, uint64_t round)
{
    struct ks_list *node = log->reads.next;

    log->state_round = round > log->state_round ? round : log->state_round;
    log->failures = 0;
    ks_chore_succeed(&log->chores[KS_META_LOG_CHORE_STEP], ks_env_now_ms(log->env));
    while (node != &log->reads) {
        struct ks_meta_request *request = KS_CONTAINER(node, struct ks_meta_request, link);

        node = node->next;
        if (request->ticket < log->state_round) {
            ks_list_remove(&request->link);
            ks_meta_log_answer(log, request, KAFSCALE_OK, 0, NULL);
        }
    }
}

static void
tell_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct ks_meta_log *log = arg;

    if (log->changed != NULL) {
        log->changed(log->changed_arg, entry, is_delete);
    }
}

enum kafscale_status
ks_meta_log_apply(struct ks_meta_log *log, const struct ks_meta_batch *batch,
                  struct kafscale_error *error)
{
    bool is_own = ks_id_equals(&batch->writer, &log->options.incarnation);
    enum kafscale_status status =
        ks_meta_state_apply(&log->state, batch, tell_changed, log, &log->record);

    if (status != KAFSCALE_OK) {
        return ks_error_set(error, status, "metadata entry %llu: %s",
                            (unsigned long long) batch->seq, kafscale_status_text(status));
    }
    log->was_registered = log->was_registered || is_own;
    if (batch->seq % log->options.chunk_entries == 0 &&
        ks_meta_log_trimmer_add(log, &log->state, is_own) != KAFSCALE_OK) {
        ks_log(&log->env->logger, KAFSCALE_LOG_WARN, "no memory for a metadata snapshot seq=%llu",
               (unsigned long long) batch->seq);
    }
    if (is_own) {
        ks_meta_log_early_add(log, &log->state);
    }
    return KAFSCALE_OK;
}

/* --- Steps ----------------------------------------------------------------------------------- */

int64_t
ks_meta_log_backoff_ms(struct ks_meta_log *log, uint32_t failures)
{
    return ks_backoff_random_ms(log->env, log->options.retry_ms, log->options.retry_ms_max,
                                failures == 0 ? 0 : failures - 1);
}

static bool
has_work(const struct ks_meta_log *log)
{
    return log->attempt.is_active || !ks_list_is_empty(&log->reads) ||
           !ks_list_is_empty(&log->txns);
}

static void
run_next(void *arg)
{
    struct ks_meta_log *log = arg;

    if (log->step != KS_META_LOG_REST || log->stopped != KAFSCALE_OK) {
        return;
    }
    if (!has_work(log)) {
        ks_chore_rest(&log->chores[KS_META_LOG_CHORE_STEP]);
        return;
    }
    if (!log->is_loaded) {
        ks_meta_log_begin_start(log);
        return;
    }
    if (ks_meta_log_trimmer_is_full(log)) {
        return;
    }
    if (log->attempt.is_active) {
        ks_meta_log_begin_look(log);
        return;
    }
    if (!ks_list_is_empty(&log->txns) && ks_meta_log_begin_put(log)) {
        return;
    }
    if (has_work(log)) {
        ks_meta_log_begin_look(log);
    }
}

void
ks_meta_log_step_done(struct ks_meta_log *log)
{
    log->step = KS_META_LOG_REST;
    ks_env_defer(log->env, &log->next);
}

static void
on_retry_due(void *arg)
{
    struct ks_meta_log *log = arg;

    ks_meta_log_step_done(log);
}

static void
wait_to_retry(struct ks_meta_log *log)
{
    log->failures++;
    log->step = KS_META_LOG_WAIT;
    ks_env_set_timer(log->env, &log->retry,
                     ks_env_now_ms(log->env) + ks_meta_log_backoff_ms(log, log->failures));
}

void
ks_meta_log_step_failed(struct ks_meta_log *log, const struct kafscale_error *error)
{
    if (error->status == KAFSCALE_FAILED) {
        ks_meta_log_step_broken(log, error);
        return;
    }
    log->last_error = *error;
    ks_chore_fail(&log->chores[KS_META_LOG_CHORE_STEP], ks_env_now_ms(log->env), error->text);
    wait_to_retry(log);
}

void
ks_meta_log_step_broken(struct ks_meta_log *log, const struct kafscale_error *error)
{
    log->last_error = *error;
    ks_chore_fail(&log->chores[KS_META_LOG_CHORE_STEP], ks_env_now_ms(log->env), error->text);
    ks_meta_log_attempt_detach(log, error);
    if (error->status == KAFSCALE_FAILED) {
        ks_meta_log_stop(log, error);
        log->step = KS_META_LOG_REST;
        return;
    }
    ks_log(&log->env->logger, KAFSCALE_LOG_ERROR, "metadata log broken reason=%s", error->text);
    answer_all(log, &log->reads, error->status, error);
    answer_all(log, &log->txns, error->status, error);
    wait_to_retry(log);
}

void
ks_meta_log_stop(struct ks_meta_log *log, const struct kafscale_error *error)
{
    log->stopped = error->status;
    log->last_error = *error;
    answer_all(log, &log->reads, error->status, error);
    answer_all(log, &log->txns, error->status, error);
}

/* --- Time-outs ------------------------------------------------------------------------------- */

static int64_t
list_due_ms(const struct ks_list *list)
{
    return ks_list_is_empty(list) ? INT64_MAX
                                  : KS_CONTAINER(list->next, struct ks_meta_request, link)->due_ms;
}

static int64_t
attempt_due_ms(const struct ks_meta_log *log)
{
    for (uint32_t i = 0; log->attempt.is_active && i < log->attempt.request_count; i++) {
        if (log->attempt.requests[i] != NULL) {
            return log->attempt.requests[i]->due_ms;
        }
    }
    return INT64_MAX;
}

static void
set_deadline(struct ks_meta_log *log)
{
    int64_t due_ms = list_due_ms(&log->reads);

    if (list_due_ms(&log->txns) < due_ms) {
        due_ms = list_due_ms(&log->txns);
    }
    if (attempt_due_ms(log) < due_ms) {
        due_ms = attempt_due_ms(log);
    }
    if (due_ms == INT64_MAX) {
        ks_env_cancel_timer(log->env, &log->deadline);
        return;
    }
    ks_env_set_timer(log->env, &log->deadline, due_ms);
}

static void
expire(struct ks_meta_log *log, struct ks_list *list, int64_t now_ms,
       const struct kafscale_error *error)
{
    while (list_due_ms(list) <= now_ms) {
        struct ks_list *node = ks_list_take_first(list);

        ks_meta_log_answer(log, KS_CONTAINER(node, struct ks_meta_request, link),
                           KAFSCALE_UNAVAILABLE, 0, error);
    }
}

static void
on_deadline(void *arg)
{
    struct ks_meta_log *log = arg;
    int64_t now_ms = ks_env_now_ms(log->env);
    struct kafscale_error error = { 0 };

    ks_error_set(&error, KAFSCALE_UNAVAILABLE, "metadata log: no answer within %u ms%s%s",
                 log->options.timeout_ms, log->failures > 0 ? ": " : "",
                 log->failures > 0 ? log->last_error.text : "");
    expire(log, &log->reads, now_ms, &error);
    expire(log, &log->txns, now_ms, &error);
    if (attempt_due_ms(log) <= now_ms) {
        ks_meta_log_attempt_detach(log, &error);
    }
    set_deadline(log);
}

/* --- The operations -------------------------------------------------------------------------- */

/* Refuses at once what can't wait; false: refused. */
static bool
admit(struct ks_meta_log *log, struct ks_meta_request *request)
{
    enum kafscale_status status = KAFSCALE_OK;

    if (log->stopped != KAFSCALE_OK) {
        status = log->stopped;
    } else if (log->pending_count >= log->options.pending_count_max ||
               log->pending_bytes + request->bytes > log->options.pending_bytes_max) {
        status = KAFSCALE_FULL;
    }
    if (status != KAFSCALE_OK) {
        ks_meta_requests_answer(&log->requests, request, status, 0,
                                status == KAFSCALE_FULL ? NULL : &log->last_error);
        return false;
    }
    log->pending_count++;
    log->pending_bytes += request->bytes;
    request->ticket = request->read == NULL || request->read->is_fresh ? log->round : 0;
    request->due_ms = ks_env_now_ms(log->env) + log->options.timeout_ms;
    return true;
}

static void
enqueue(struct ks_meta_log *log, struct ks_list *list, struct ks_meta_request *request)
{
    if (!admit(log, request)) {
        return;
    }
    ks_list_append(list, &request->link);
    if (!ks_env_timer_is_set(&log->deadline)) {
        set_deadline(log);
    }
    ks_env_defer(log->env, &log->next);
}

static void
log_read(void *self, const struct kafscale_meta_read *read, kafscale_meta_read_done *done,
         void *arg)
{
    struct ks_meta_log *log = self;
    struct ks_meta_request *request = ks_meta_requests_read(&log->requests, read, done, arg);
    bool is_known = log->state_round > 0 && log->stopped == KAFSCALE_OK;

    assert(!log->is_closing);

    if (request == NULL) {
        return;
    }
    if (is_known && (!read->is_fresh || KS_META_LOG_HAS_FAULT(log, TAIL))) {
        ks_meta_requests_answer(&log->requests, request, KAFSCALE_OK, 0, NULL);
        return;
    }
    enqueue(log, &log->reads, request);
}

static void
log_txn(void *self, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done, void *arg)
{
    struct ks_meta_log *log = self;
    struct ks_meta_request *request = ks_meta_requests_txn(&log->requests, txn, done, arg);

    assert(!log->is_closing);

    if (request == NULL) {
        return;
    }
    request->bytes = ks_meta_entry_txn_bytes(txn);
    if (request->bytes > KS_META_ENTRY_BYTES_MAX - KS_META_ENTRY_FRAME_BYTES) {
        request->bytes = 0;
        ks_meta_requests_answer(&log->requests, request, KAFSCALE_TOO_LARGE, 0, NULL);
        return;
    }
    enqueue(log, &log->txns, request);
}

static void
log_watch(void *self, kafscale_meta_changed *changed, void *arg)
{
    struct ks_meta_log *log = self;

    log->changed = changed;
    log->changed_arg = arg;
}

/* --- Life ------------------------------------------------------------------------------------ */

static void
free_log(struct ks_meta_log *log)
{
    ks_env_cancel_task(&log->next);
    ks_env_cancel_timer(log->env, &log->retry);
    ks_env_cancel_timer(log->env, &log->deadline);
    ks_meta_log_trimmer_stop(log);
    ks_meta_log_early_deinit(log);
    ks_meta_log_drop_look(log);
    ks_meta_state_deinit(&log->state);
    ks_buffer_deinit(&log->attempt.bytes);
    ks_meta_requests_deinit(&log->requests);
    ks_free(log->ns);
    ks_free(log);
}

static void
finish_close(struct ks_meta_log *log)
{
    kafscale_meta_close_done *done = log->close_done;
    void *arg = log->close_arg;

    if (log->calls_in_flight > 0 || !ks_meta_requests_are_told(&log->requests) ||
        ks_list_is_linked(&log->requests.task.link)) {
        return;
    }
    free_log(log);
    done(arg);
}

static void
on_drained(void *arg)
{
    struct ks_meta_log *log = arg;

    if (log->is_closing) {
        finish_close(log);
    }
}

static void
log_close(void *self, kafscale_meta_close_done *done, void *arg)
{
    struct ks_meta_log *log = self;
    struct kafscale_error error = { 0 };

    assert(!log->is_closing);

    ks_error_set(&error, KAFSCALE_STOPPED, "metadata log: closed");
    answer_all(log, &log->reads, KAFSCALE_STOPPED, &error);
    answer_all(log, &log->txns, KAFSCALE_STOPPED, &error);
    ks_meta_log_attempt_detach(log, &error);
    log->is_closing = true;
    log->changed = NULL;
    log->close_done = done;
    log->close_arg = arg;
    ks_env_cancel_task(&log->next);
    ks_env_cancel_timer(log->env, &log->retry);
    ks_env_cancel_timer(log->env, &log->deadline);
    ks_env_cancel_timer(log->env, &log->trimmer.timer);
    /* The round of completions that this asks for ends in finish_close. */
    ks_env_defer(log->env, &log->requests.task);
}

static void
free_requests(struct ks_list *list)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(list)) != NULL) {
        ks_free(KS_CONTAINER(node, struct ks_meta_request, link));
    }
}

static void
log_abandon(void *self)
{
    struct ks_meta_log *log = self;

    free_requests(&log->reads);
    free_requests(&log->txns);
    for (uint32_t i = 0; log->attempt.is_active && i < log->attempt.request_count; i++) {
        ks_free(log->attempt.requests[i]);
    }
    free_log(log);
}

static const struct kafscale_meta_ops log_ops = {
    .version = KAFSCALE_META_OPS_VERSION,
    .name = "object log",
    .read = log_read,
    .txn = log_txn,
    .watch = log_watch,
    .close = log_close,
    .abandon = log_abandon,
};

static void
set_default(uint32_t *option, uint32_t value)
{
    *option = *option == 0 ? value : *option;
}

static void
set_options(struct ks_meta_log *log, const struct ks_meta_log_options *options)
{
    struct ks_meta_log_options *own = &log->options;

    *own = *options;
    own->ns = log->ns;
    set_default(&own->chunk_entries, CHUNK_ENTRIES);
    set_default(&own->step_entries, STEP_ENTRIES);
    set_default(&own->retry_ms, RETRY_MS);
    set_default(&own->retry_ms_max, RETRY_MS_MAX);
    set_default(&own->timeout_ms, TIMEOUT_MS);
    set_default(&own->trim_delay_ms, TRIM_DELAY_MS);
    set_default(&own->pending_count_max, PENDING_COUNT_MAX);
    own->pending_bytes_max =
        own->pending_bytes_max == 0 ? PENDING_BYTES_MAX : own->pending_bytes_max;
    own->state_bytes_max = own->state_bytes_max == 0 ? STATE_BYTES_MAX : own->state_bytes_max;
    log->ops = log_ops;
    log->ops.operations_max = own->operations_max;
}

static void
set_timers(struct ks_meta_log *log)
{
    ks_list_init(&log->reads);
    ks_list_init(&log->txns);
    log->next = (struct ks_task){ .run = run_next, .arg = log };
    log->retry.on_due = on_retry_due;
    log->retry.arg = log;
    log->deadline.on_due = on_deadline;
    log->deadline.arg = log;
    log->call.log = log;
    ks_meta_log_trimmer_init(log);
    ks_meta_log_early_init(log);
}

const uint64_t *
ks_meta_log_counts(const struct kafscale_meta *log)
{
    assert(log->ops->read == log_read);

    return ((const struct ks_meta_log *) log->self)->counts;
}

const struct ks_chore *
ks_meta_log_chores(const struct kafscale_meta *log)
{
    assert(log->ops->read == log_read);

    return ((const struct ks_meta_log *) log->self)->chores;
}

struct kafscale_meta
ks_meta_log_new(struct ks_env *env, struct ks_store *store,
                const struct ks_meta_log_options *options)
{
    struct ks_meta_log *log;

    assert(options->ns != NULL);
    assert(strlen(options->ns) <= KS_META_LOG_NS_BYTES_MAX);
    assert(!ks_id_is_zero(&options->incarnation));

    log = ks_alloc_zero(1, sizeof *log);
    if (log == NULL) {
        return (struct kafscale_meta){ 0 };
    }
    log->env = env;
    log->store = store;
    log->ns = ks_copy_text(options->ns);
    if (log->ns == NULL ||
        ks_meta_requests_init(&log->requests, env, answer_read, on_drained, log) != KAFSCALE_OK) {
        ks_free(log->ns);
        ks_free(log);
        return (struct kafscale_meta){ 0 };
    }
    set_options(log, options);
    set_timers(log);
    log->chores[KS_META_LOG_CHORE_STEP].name = "metadata";
    log->chores[KS_META_LOG_CHORE_TRIM].name = "metadata_trim";
    return (struct kafscale_meta){ .ops = &log->ops, .self = log };
}
