/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record per request in flight. Records are used again oldest first and not freed before the
 * wrapper, so that a second completion finds a record at rest and is refused.
 */
#include "meta/meta.h"

#include <assert.h>

/* So many requests can be refused for want of memory within one turn of the loop. */
#define RESERVE_COUNT 64

enum call_state { CALL_IDLE, CALL_SUBMITTING, CALL_WAITING, CALL_REFUSED };

/* `refusal` completes what failed before its submission had returned. */
struct call {
    struct ks_list link;
    struct ks_meta *meta;
    enum call_state state;
    const struct kafscale_meta_read *read;
    kafscale_meta_read_done *read_done;
    kafscale_meta_txn_done *txn_done;
    void *arg;
    struct ks_task refusal;
    struct kafscale_error error;
};

struct ks_meta {
    struct ks_env *env;
    struct kafscale_meta inner;
    struct ks_list idle;
    size_t idle_count;
    struct ks_list busy;
    bool is_closing;
    bool is_inner_closed;
    kafscale_meta_close_done *close_done;
    void *close_arg;
};

static void
free_calls(struct ks_list *calls)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(calls)) != NULL) {
        struct call *call = KS_CONTAINER(node, struct call, link);

        ks_env_cancel_task(&call->refusal);
        ks_free(call);
    }
}

static void
free_meta(struct ks_meta *meta)
{
    free_calls(&meta->idle);
    free_calls(&meta->busy);
    ks_free(meta);
}

static void run_refusal(void *arg);

static struct call *
new_call(struct ks_meta *meta)
{
    struct call *call = ks_alloc_zero(1, sizeof *call);

    if (call != NULL) {
        call->meta = meta;
        call->refusal = (struct ks_task){ .run = run_refusal, .arg = call };
    }
    return call;
}

struct ks_meta *
ks_meta_new(struct ks_env *env, struct kafscale_meta inner)
{
    struct ks_meta *meta;

    assert(ks_meta_find_fault(&inner) == NULL);

    meta = ks_alloc_zero(1, sizeof *meta);
    if (meta == NULL) {
        return NULL;
    }
    meta->env = env;
    meta->inner = inner;
    ks_list_init(&meta->idle);
    ks_list_init(&meta->busy);
    for (; meta->idle_count < RESERVE_COUNT; meta->idle_count++) {
        struct call *call = new_call(meta);

        if (call == NULL) {
            free_meta(meta);
            return NULL;
        }
        ks_list_append(&meta->idle, &call->link);
    }
    return meta;
}

/* Once the backend is closed and the refusals are told, nothing can come any more. */
static void
finish_close(struct ks_meta *meta)
{
    kafscale_meta_close_done *done = meta->close_done;
    void *arg = meta->close_arg;

    if (!meta->is_inner_closed || !ks_list_is_empty(&meta->busy)) {
        return;
    }
    free_meta(meta);
    done(arg);
}

static void
deliver(struct call *call, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_meta *meta = call->meta;
    struct kafscale_error own = { 0 };
    struct call ended = *call;

    if (status != KAFSCALE_OK) {
        own.status = KAFSCALE_OK;
        ks_error_set(&own, status, "%s",
                     error == NULL ? kafscale_status_text(status) : error->text);
        error = &own;
    } else {
        error = NULL;
    }
    ks_list_remove(&call->link);
    call->state = CALL_IDLE;
    ks_list_append(&meta->idle, &call->link);
    meta->idle_count++;
    if (ended.read_done != NULL) {
        ended.read_done(ended.arg, status, entries, entry_count, revision, error);
    } else {
        ended.txn_done(ended.arg, status, revision, error);
    }
}

static void
run_refusal(void *arg)
{
    struct call *call = arg;
    struct ks_meta *meta = call->meta;
    struct kafscale_error error = call->error;

    deliver(call, error.status, NULL, 0, 0, &error);
    if (meta->is_closing) {
        finish_close(meta);
    }
}

static void
refuse(struct call *call, enum kafscale_status status, const char *why)
{
    call->state = CALL_REFUSED;
    call->error = (struct kafscale_error){ 0 };
    ks_error_set(&call->error, status, "metadata store '%s': %s", call->meta->inner.ops->name, why);
    ks_env_defer(call->meta->env, &call->refusal);
}

/* Whether a completion that arrives now is the one that is waited for. */
static bool
accept(struct call *call)
{
    const struct ks_meta *meta = call->meta;

    if (call->state == CALL_WAITING) {
        return true;
    }
    ks_log(&meta->env->logger, KAFSCALE_LOG_ERROR,
           "metadata store broke its contract store=%s reason=%s", meta->inner.ops->name,
           call->state == CALL_SUBMITTING ? "completed inside the call" : "completed twice");
    if (call->state == CALL_SUBMITTING) {
        refuse(call, KAFSCALE_FAILED, "completed before the call returned");
    }
    return false;
}

/* An answer against the contract reaches the caller as KAFSCALE_FAILED. */
static void
deliver_fault(struct call *call, const char *fault)
{
    const struct ks_meta *meta = call->meta;
    struct kafscale_error error = { 0 };

    ks_log(&meta->env->logger, KAFSCALE_LOG_ERROR,
           "metadata store broke its contract store=%s reason=%s", meta->inner.ops->name, fault);
    ks_error_set(&error, KAFSCALE_FAILED, "metadata store '%s' broke its contract: %s",
                 meta->inner.ops->name, fault);
    deliver(call, KAFSCALE_FAILED, NULL, 0, 0, &error);
}

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct call *call = arg;
    const char *fault = NULL;

    if (!accept(call)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        fault = ks_meta_find_fault_in_entries(call->read, entries, entry_count, revision);
    }
    if (fault != NULL) {
        deliver_fault(call, fault);
        return;
    }
    deliver(call, status, entries, entry_count, revision, error);
}

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    if (!accept(arg)) {
        return;
    }
    if (status == KAFSCALE_OK && revision == 0) {
        deliver_fault(arg, "a transaction at revision 0");
        return;
    }
    deliver(arg, status, NULL, 0, revision, error);
}

/* A record; refused already when memory was short and it is of the reserve. */
static struct call *
take_call(struct ks_meta *meta, void *arg)
{
    struct call *call = NULL;

    if (meta->idle_count <= RESERVE_COUNT) {
        call = new_call(meta);
    }
    if (call == NULL) {
        struct ks_list *node = ks_list_take_first(&meta->idle);

        assert(node != NULL);
        call = KS_CONTAINER(node, struct call, link);
        if (meta->idle_count-- <= RESERVE_COUNT) {
            refuse(call, KAFSCALE_NO_MEMORY, "out of memory");
        }
    }
    if (call->state != CALL_REFUSED && meta->is_closing) {
        refuse(call, KAFSCALE_STOPPED, "closing");
    }
    if (call->state != CALL_REFUSED) {
        call->state = CALL_SUBMITTING;
    }
    call->read_done = NULL;
    call->txn_done = NULL;
    call->arg = arg;
    ks_list_append(&meta->busy, &call->link);
    return call;
}

static void
submitted(struct call *call)
{
    if (call->state == CALL_SUBMITTING) {
        call->state = CALL_WAITING;
    }
}

/* Printable and not too long; a prefix may be empty. */
static const char *
fault_in_key(const char *key, bool is_prefix)
{
    size_t size = strlen(key);

    for (size_t i = 0; i < size; i++) {
        if (key[i] < 0x20 || key[i] > 0x7e) {
            return "a key that is not printable";
        }
    }
    if (size > KAFSCALE_META_KEY_BYTES_MAX) {
        return "a key that is too long";
    }
    return size == 0 && !is_prefix ? "an empty key" : NULL;
}

static const char *
fault_in_txn(const struct ks_meta *meta, const struct kafscale_meta_txn *txn)
{
    size_t count_max = meta->inner.ops->operations_max;
    const char *fault = NULL;

    if (count_max > 0 && (txn->compare_count > count_max || txn->operation_count > count_max)) {
        return "more operations than a transaction may have";
    }
    for (size_t i = 0; i < txn->compare_count && fault == NULL; i++) {
        fault = fault_in_key(txn->compares[i].key, false);
    }
    for (size_t i = 0; i < txn->operation_count && fault == NULL; i++) {
        fault = fault_in_key(txn->operations[i].key, false);
    }
    return fault;
}

static bool
has_large_value(const struct kafscale_meta_txn *txn)
{
    for (size_t i = 0; i < txn->operation_count; i++) {
        if (!txn->operations[i].is_delete &&
            txn->operations[i].value.size > KAFSCALE_META_VALUE_BYTES_MAX) {
            return true;
        }
    }
    return false;
}

void
ks_meta_read(struct ks_meta *meta, const struct kafscale_meta_read *read,
             kafscale_meta_read_done *done, void *arg)
{
    struct call *call = take_call(meta, arg);
    const char *fault = fault_in_key(read->key, read->is_prefix);

    call->read = read;
    call->read_done = done;
    if (call->state == CALL_REFUSED) {
        return;
    }
    if (fault != NULL) {
        refuse(call, KAFSCALE_INVALID, fault);
        return;
    }
    meta->inner.ops->read(meta->inner.self, read, on_read, call);
    submitted(call);
}

void
ks_meta_txn(struct ks_meta *meta, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done,
            void *arg)
{
    struct call *call = take_call(meta, arg);
    const char *fault = fault_in_txn(meta, txn);

    call->txn_done = done;
    if (call->state == CALL_REFUSED) {
        return;
    }
    if (fault != NULL) {
        refuse(call, KAFSCALE_INVALID, fault);
        return;
    }
    if (has_large_value(txn)) {
        refuse(call, KAFSCALE_TOO_LARGE, "a value that is too large");
        return;
    }
    meta->inner.ops->txn(meta->inner.self, txn, on_txn, call);
    submitted(call);
}

void
ks_meta_watch(struct ks_meta *meta, kafscale_meta_changed *changed, void *arg)
{
    meta->inner.ops->watch(meta->inner.self, changed, arg);
}

size_t
ks_meta_operations_max(const struct ks_meta *meta)
{
    return meta->inner.ops->operations_max;
}

static bool
has_waiting(const struct ks_meta *meta)
{
    for (const struct ks_list *node = meta->busy.next; node != &meta->busy; node = node->next) {
        if (KS_CONTAINER(node, struct call, link)->state == CALL_WAITING) {
            return true;
        }
    }
    return false;
}

static void
on_inner_closed(void *arg)
{
    struct ks_meta *meta = arg;

    meta->is_inner_closed = true;
    if (has_waiting(meta)) {
        /* A late completion would meet freed memory; leaking is the lesser evil. */
        ks_log(&meta->env->logger, KAFSCALE_LOG_ERROR,
               "metadata store broke its contract, closed with requests in flight");
        meta->close_done(meta->close_arg);
        return;
    }
    finish_close(meta);
}

void
ks_meta_close(struct ks_meta *meta, kafscale_meta_close_done *done, void *arg)
{
    assert(!meta->is_closing);

    meta->is_closing = true;
    meta->close_done = done;
    meta->close_arg = arg;
    meta->inner.ops->close(meta->inner.self, on_inner_closed, meta);
}

void
ks_meta_abandon(struct ks_meta *meta)
{
    assert(meta->inner.ops->abandon != NULL);

    meta->inner.ops->abandon(meta->inner.self);
    free_meta(meta);
}
