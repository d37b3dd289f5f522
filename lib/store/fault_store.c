/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each request becomes an operation with a copy of all it needs, since it may act long after
 * its caller is gone. An operation has a timer for its next effect and one for its answer, and
 * goes when neither is to come.
 */
#include "store/fault_script.h"

#include <assert.h>

struct ks_fault_store {
    struct kafscale_store_ops ops;
    struct ks_env *env;
    struct kafscale_store inner;
    struct ks_fault_script own;
    struct ks_fault_script *script; /* its own, or one that outlives it */
    struct ks_list operations;
    size_t in_flight;
    uint64_t counts[KS_FAULT_COUNT];
    bool is_crashed;
    bool is_cut;
    bool is_slowed;
    struct ks_task closing;
    kafscale_close_done *close_done;
    void *close_arg;
};

/* What the caller will be told. */
struct answer {
    enum kafscale_status status;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    struct kafscale_list_entry *entries;
    size_t entry_count;
    bool is_truncated;
    struct kafscale_error error;
};

struct operation {
    struct ks_list link;
    struct ks_fault_store *store;
    enum ks_store_operation kind;
    struct ks_fate fate;
    char *key;
    char *start_after;
    struct kafscale_part *parts;
    size_t part_count;
    struct kafscale_put put;
    struct kafscale_get get;
    struct kafscale_list list;
    struct kafscale_remove remove;
    union ks_store_done done;
    void *arg;
    struct ks_timer effect;
    struct ks_timer reply;
    size_t effect_count;
    bool is_acting;
    bool is_telling; /* the completion, which may be the place of the crash, has not returned */
    bool is_answered;
    struct answer answer;
};

static void
clear_answer(struct answer *answer)
{
    kafscale_blob_unref(answer->body);
    for (size_t i = 0; i < answer->entry_count; i++) {
        ks_free((void *) (uintptr_t) answer->entries[i].key);
    }
    ks_free(answer->entries);
    *answer = (struct answer){ 0 };
}

static void
free_operation(struct operation *operation)
{
    clear_answer(&operation->answer);
    for (size_t i = 0; i < operation->part_count; i++) {
        kafscale_blob_unref(operation->parts[i].owner);
    }
    ks_free(operation->parts);
    ks_free(operation->key);
    ks_free(operation->start_after);
    ks_free(operation);
}

static void
on_inner_closed(void *arg)
{
    struct ks_fault_store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;

    ks_fault_script_clear(&store->own);
    ks_free(store);
    done(done_arg);
}

static void
run_close(void *arg)
{
    struct ks_fault_store *store = arg;

    store->inner.ops->close(store->inner.self, on_inner_closed, store);
}

/* Frees an operation that is through, and goes on with a close that waited for it. */
static void
settle(struct operation *operation)
{
    struct ks_fault_store *store = operation->store;

    if (!operation->is_answered || operation->is_acting || operation->is_telling ||
        ks_env_timer_is_set(&operation->effect)) {
        return;
    }
    ks_list_remove(&operation->link);
    free_operation(operation);
    store->in_flight--;
    if (store->in_flight == 0 && store->close_done != NULL) {
        ks_env_defer(store->env, &store->closing);
    }
}

static void
tell(struct operation *operation)
{
    struct answer *answer = &operation->answer;
    const struct kafscale_error *error = NULL;

    if (answer->status != KAFSCALE_OK && answer->error.status != KAFSCALE_OK) {
        error = &answer->error;
    }
    switch (operation->kind) {
    case KS_STORE_PUT:
        operation->done.put(operation->arg, answer->status, error);
        return;
    case KS_STORE_GET:
        operation->done.get(operation->arg, answer->status, answer->body, answer->object_bytes,
                            error);
        return;
    case KS_STORE_LIST:
        operation->done.list(operation->arg, answer->status, answer->entries, answer->entry_count,
                             answer->is_truncated, error);
        return;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    operation->done.remove(operation->arg, answer->status, error);
}

static void
on_reply_due(void *arg)
{
    struct operation *operation = arg;

    operation->is_telling = true;
    tell(operation);
    operation->is_telling = false;
    operation->is_answered = true;
    settle(operation);
}

static void
reply_after(struct operation *operation, int64_t delay_ms)
{
    struct ks_env *env = operation->store->env;

    ks_env_set_timer(env, &operation->reply, ks_env_now_ms(env) + delay_ms);
}

static void
act_after(struct operation *operation, int64_t delay_ms)
{
    struct ks_env *env = operation->store->env;

    ks_env_set_timer(env, &operation->effect, ks_env_now_ms(env) + delay_ms);
}

/* Replaces what the inner store answered. */
static void
answer_instead(struct operation *operation, enum kafscale_status status, const char *what)
{
    clear_answer(&operation->answer);
    operation->answer.status = status;
    ks_error_set(&operation->answer.error, status, "'%s': injected fault: %s", operation->key,
                 what);
}

static void
damage_body(struct operation *operation)
{
    struct answer *answer = &operation->answer;
    size_t size = answer->body == NULL ? 0 : kafscale_blob_size(answer->body);
    size_t kept = operation->fate.fault == KS_FAULT_SHORT ? size / 2 : size;
    struct kafscale_blob *body;
    uint64_t bit;

    if (size == 0) {
        return;
    }
    body = kafscale_blob_new(kept);
    if (body == NULL) {
        return;
    }
    memcpy(kafscale_blob_data(body), kafscale_blob_data(answer->body), kept);
    if (operation->fate.fault == KS_FAULT_DAMAGE) {
        bit = ks_fault_script_random(operation->store->script) % (kept * 8);
        kafscale_blob_data(body)[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    kafscale_blob_unref(answer->body);
    answer->body = body;
}

static void
damage_entries(struct operation *operation)
{
    struct answer *answer = &operation->answer;
    size_t count = answer->entry_count;
    size_t kept = operation->fate.fault == KS_FAULT_SHORT ? (count + 1) / 2 : count - 1;

    if (count == 0 || (kept == 0 && answer->is_truncated)) {
        return;
    }
    if (operation->fate.fault == KS_FAULT_SHORT && kept < count) {
        answer->is_truncated = true;
    }
    for (size_t i = kept; i < count; i++) {
        ks_free((void *) (uintptr_t) answer->entries[i].key);
    }
    answer->entry_count = kept;
}

static void
damage(struct operation *operation)
{
    if (operation->answer.status != KAFSCALE_OK) {
        return;
    }
    if (operation->kind == KS_STORE_GET) {
        damage_body(operation);
    }
    if (operation->kind == KS_STORE_LIST) {
        damage_entries(operation);
    }
}

/* The effect has happened and `answer` holds what the inner store said. */
static void
acted(struct operation *operation)
{
    operation->is_acting = false;
    operation->effect_count++;
    if (operation->is_answered || ks_env_timer_is_set(&operation->reply)) {
        settle(operation);
        return;
    }
    switch (operation->fate.fault) {
    case KS_FAULT_TWICE:
        if (operation->effect_count == 1) {
            act_after(operation, 0);
            return;
        }
        break;
    case KS_FAULT_ECHO:
        act_after(operation, operation->fate.effect_ms);
        break;
    case KS_FAULT_ERROR_AFTER:
        answer_instead(operation, KAFSCALE_UNKNOWN, "error after effect");
        break;
    case KS_FAULT_SHORT:
    case KS_FAULT_DAMAGE:
        damage(operation);
        break;
    case KS_FAULT_NONE:
    case KS_FAULT_ERROR_BEFORE:
    case KS_FAULT_UNAVAILABLE:
    case KS_FAULT_LATE:
    case KS_FAULT_COUNT:
        break;
    }
    reply_after(operation, operation->fate.answer_ms);
}

/* Whether the inner store's words matter: not once the answer is given or decided. */
static bool
begin_answer(struct operation *operation, enum kafscale_status status,
             const struct kafscale_error *error)
{
    if (operation->is_answered || ks_env_timer_is_set(&operation->reply)) {
        return false;
    }
    clear_answer(&operation->answer);
    operation->answer.status = status;
    if (error != NULL) {
        operation->answer.error = *error;
    }
    return true;
}

static void
on_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct operation *operation = arg;

    (void) begin_answer(operation, status, error);
    acted(operation);
}

static void
on_read(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct operation *operation = arg;

    if (begin_answer(operation, status, error) && body != NULL) {
        operation->answer.body = kafscale_blob_ref(body);
        operation->answer.object_bytes = object_bytes;
    }
    acted(operation);
}

static void
copy_entries(struct answer *answer, const struct kafscale_list_entry *entries, size_t count)
{
    answer->entries = ks_alloc_zero(count + 1, sizeof entries[0]);
    for (size_t i = 0; i < count && answer->entries != NULL; i++) {
        char *key = ks_copy_text(entries[i].key);

        if (key == NULL) {
            break;
        }
        answer->entries[i] =
            (struct kafscale_list_entry){ .key = key, .object_bytes = entries[i].object_bytes };
        answer->entry_count++;
    }
    if (answer->entry_count < count || answer->entries == NULL) {
        clear_answer(answer);
        answer->status = KAFSCALE_NO_MEMORY;
    }
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct operation *operation = arg;

    if (begin_answer(operation, status, error) && status == KAFSCALE_OK) {
        operation->answer.is_truncated = is_truncated;
        copy_entries(&operation->answer, entries, entry_count);
    }
    acted(operation);
}

static void
on_effect_due(void *arg)
{
    struct operation *operation = arg;
    struct kafscale_store inner = operation->store->inner;

    operation->is_acting = true;
    switch (operation->kind) {
    case KS_STORE_PUT:
        inner.ops->put(inner.self, &operation->put, on_written, operation);
        return;
    case KS_STORE_GET:
        inner.ops->get(inner.self, &operation->get, on_read, operation);
        return;
    case KS_STORE_LIST:
        inner.ops->list(inner.self, &operation->list, on_listed, operation);
        return;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    inner.ops->remove(inner.self, &operation->remove, on_written, operation);
}

static void
start(struct operation *operation)
{
    struct ks_fault_store *store = operation->store;
    const struct ks_fate *fate = &operation->fate;

    operation->fate = store->is_cut
                          ? (struct ks_fate){ .fault = KS_FAULT_UNAVAILABLE }
                          : ks_fault_script_draw(store->script, operation->kind, operation->key);
    store->counts[fate->fault]++;
    switch (fate->fault) {
    case KS_FAULT_ERROR_BEFORE:
        answer_instead(operation, KAFSCALE_UNKNOWN, "error before effect");
        reply_after(operation, fate->answer_ms);
        return;
    case KS_FAULT_UNAVAILABLE:
        answer_instead(operation, KAFSCALE_UNAVAILABLE,
                       fate->why == NULL ? "store away" : fate->why);
        reply_after(operation, fate->answer_ms);
        return;
    case KS_FAULT_LATE:
        answer_instead(operation, KAFSCALE_UNKNOWN, "late effect");
        reply_after(operation, fate->answer_ms);
        act_after(operation, fate->effect_ms);
        return;
    case KS_FAULT_ECHO:
        act_after(operation, 0);
        return;
    case KS_FAULT_NONE:
    case KS_FAULT_ERROR_AFTER:
    case KS_FAULT_TWICE:
    case KS_FAULT_SHORT:
    case KS_FAULT_DAMAGE:
    case KS_FAULT_COUNT:
        break;
    }
    act_after(operation, fate->effect_ms);
}

static struct operation *
new_operation(struct ks_fault_store *store, enum ks_store_operation kind, const char *key,
              void *arg)
{
    struct operation *operation = ks_alloc_zero(1, sizeof *operation);

    assert(store->close_done == NULL);
    if (operation == NULL) {
        return NULL;
    }
    operation->key = ks_copy_text(key);
    if (operation->key == NULL) {
        ks_free(operation);
        return NULL;
    }
    operation->store = store;
    operation->kind = kind;
    operation->arg = arg;
    operation->effect.on_due = on_effect_due;
    operation->effect.arg = operation;
    operation->reply.on_due = on_reply_due;
    operation->reply.arg = operation;
    return operation;
}

static void
enlist(struct operation *operation)
{
    struct ks_fault_store *store = operation->store;

    ks_list_append(&store->operations, &operation->link);
    store->in_flight++;
    start(operation);
}

/* Parts without an owner are copied: they may be needed after the caller has gone. */
static bool
copy_parts(struct operation *operation, const struct kafscale_put *put)
{
    operation->parts = ks_alloc_zero(put->part_count + 1, sizeof operation->parts[0]);
    if (operation->parts == NULL) {
        return false;
    }
    for (size_t i = 0; i < put->part_count; i++) {
        struct kafscale_part part = put->parts[i];

        if (part.owner != NULL) {
            part.owner = kafscale_blob_ref(part.owner);
        } else {
            part.owner = kafscale_blob_new(part.bytes.size);
            if (part.owner == NULL) {
                return false;
            }
            if (part.bytes.size > 0) {
                memcpy(kafscale_blob_data(part.owner), part.bytes.data, part.bytes.size);
            }
            part.bytes = kafscale_blob_slice(part.owner);
        }
        operation->parts[operation->part_count++] = part;
    }
    return true;
}

static void
fault_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct ks_fault_store *store = self;
    struct operation *operation;

    if (store->is_crashed) {
        return;
    }
    operation = new_operation(store, KS_STORE_PUT, put->key, arg);
    if (operation == NULL || !copy_parts(operation, put)) {
        if (operation != NULL) {
            free_operation(operation);
        }
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    operation->put = (struct kafscale_put){
        .key = operation->key,
        .parts = operation->parts,
        .part_count = operation->part_count,
        .if_absent = put->if_absent,
    };
    operation->done.put = done;
    enlist(operation);
}

static void
fault_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct ks_fault_store *store = self;
    struct operation *operation;

    if (store->is_crashed) {
        return;
    }
    operation = new_operation(store, KS_STORE_GET, get->key, arg);
    if (operation == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, NULL);
        return;
    }
    operation->get = *get;
    operation->get.key = operation->key;
    operation->done.get = done;
    enlist(operation);
}

static void
fault_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct ks_fault_store *store = self;
    struct operation *operation;

    if (store->is_crashed) {
        return;
    }
    operation = new_operation(store, KS_STORE_LIST, list->prefix, arg);
    if (operation != NULL && list->start_after != NULL) {
        operation->start_after = ks_copy_text(list->start_after);
    }
    if (operation == NULL || (list->start_after != NULL && operation->start_after == NULL)) {
        if (operation != NULL) {
            free_operation(operation);
        }
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, false, NULL);
        return;
    }
    operation->list = (struct kafscale_list){
        .prefix = operation->key,
        .start_after = operation->start_after,
        .count_max = list->count_max,
    };
    operation->done.list = done;
    enlist(operation);
}

static void
fault_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
             void *arg)
{
    struct ks_fault_store *store = self;
    struct operation *operation;

    if (store->is_crashed) {
        return;
    }
    operation = new_operation(store, KS_STORE_REMOVE, remove->key, arg);
    if (operation == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    operation->remove.key = operation->key;
    operation->done.remove = done;
    enlist(operation);
}

static void
fault_close(void *self, kafscale_close_done *done, void *arg)
{
    struct ks_fault_store *store = self;

    assert(store->close_done == NULL);

    store->close_done = done;
    store->close_arg = arg;
    store->closing = (struct ks_task){ .run = run_close, .arg = store };
    if (store->in_flight == 0) {
        ks_env_defer(store->env, &store->closing);
    }
}

static bool
fault_is_slowed(void *self)
{
    const struct ks_fault_store *store = self;

    return store->is_slowed;
}

struct kafscale_store
ks_fault_store_new(struct ks_env *env, struct kafscale_store inner,
                   struct ks_fault_store **control_out)
{
    struct ks_fault_store *store = ks_alloc_zero(1, sizeof *store);

    if (store == NULL) {
        return (struct kafscale_store){ 0 };
    }
    store->ops = (struct kafscale_store_ops){
        .version = KAFSCALE_STORE_OPS_VERSION,
        .name = inner.ops->name,
        .window = inner.ops->window,
        .flush_interval_ms = inner.ops->flush_interval_ms,
        .put = fault_put,
        .get = fault_get,
        .list = fault_list,
        .remove = fault_remove,
        .close = fault_close,
        .is_slowed = fault_is_slowed,
    };
    store->env = env;
    store->inner = inner;
    ks_fault_script_init(&store->own);
    store->script = &store->own;
    ks_list_init(&store->operations);
    *control_out = store;
    return (struct kafscale_store){ .ops = &store->ops, .self = store };
}

void
ks_fault_store_next(struct ks_fault_store *control, enum ks_store_operation operation,
                    const char *key_part, struct ks_fate fate, uint32_t count)
{
    bool is_added = ks_fault_script_next(control->script, operation, key_part, fate, count);

    assert(is_added);
    (void) is_added;
}

void
ks_fault_store_slow_down(struct ks_fault_store *control, bool is_slowed)
{
    control->is_slowed = is_slowed;
}

void
ks_fault_store_clear(struct ks_fault_store *control)
{
    ks_fault_script_clear(control->script);
}

void
ks_fault_store_set_rates(struct ks_fault_store *control, const struct ks_fault_rates *rates,
                         uint64_t seed)
{
    control->script->rates = *rates;
    control->script->random_state = seed;
}

static void
orphan(struct operation *operation)
{
    struct ks_fault_store *store = operation->store;

    operation->is_answered = true;
    ks_env_cancel_timer(store->env, &operation->reply);
    if (ks_env_timer_is_set(&operation->effect)) {
        if (ks_fault_script_random(store->script) % 2 == 0) {
            ks_env_cancel_timer(store->env, &operation->effect);
        } else {
            act_after(operation,
                      ks_fault_script_random_ms(store->script, store->script->rates.late_ms_max));
        }
    }
    settle(operation);
}

void
ks_fault_store_crash(struct ks_fault_store *control)
{
    struct ks_list *node = control->operations.next;

    control->is_crashed = true;
    while (node != &control->operations) {
        struct operation *operation = KS_CONTAINER(node, struct operation, link);

        node = node->next;
        orphan(operation);
    }
}

void
ks_fault_store_follow(struct ks_fault_store *control, struct ks_fault_script *script)
{
    control->script = script;
}

/* One that acts now goes on, as a request on its way to another machine does. */
static void
cut_off(struct operation *operation)
{
    struct ks_fault_store *store = operation->store;

    if (operation->is_answered || operation->is_telling) {
        return;
    }
    answer_instead(operation, KAFSCALE_UNKNOWN, "cut off");
    reply_after(operation, 0);
    if (ks_env_timer_is_set(&operation->effect)) {
        if (ks_fault_script_random(store->script) % 2 == 0) {
            ks_env_cancel_timer(store->env, &operation->effect);
        } else {
            act_after(operation, 0);
        }
    }
}

void
ks_fault_store_cut(struct ks_fault_store *control)
{
    control->is_cut = true;
    for (struct ks_list *node = control->operations.next; node != &control->operations;
         node = node->next) {
        cut_off(KS_CONTAINER(node, struct operation, link));
    }
}

uint64_t
ks_fault_store_count(const struct ks_fault_store *control, enum ks_fault fault)
{
    return control->counts[fault];
}

size_t
ks_fault_store_in_flight(const struct ks_fault_store *control)
{
    return control->in_flight;
}
