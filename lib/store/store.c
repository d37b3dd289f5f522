/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record per request in flight. Records are used again oldest first and not freed before
 * the store, so that a second completion finds a record at rest and is refused, instead of
 * finding another's memory.
 */
#include "store/store.h"

#include "store/trouble.h"

#include <assert.h>

enum call_state { CALL_IDLE, CALL_SUBMITTING, CALL_WAITING, CALL_REFUSED };

/* A request in flight. `early` completes what failed before its submission had returned. */
struct call {
    struct ks_list link;
    struct ks_store *store;
    enum call_state state;
    enum ks_store_operation operation;
    union ks_store_request request;
    union ks_store_done done;
    void *arg;
    int64_t begun_ms;
    struct ks_task early;
    enum kafscale_status early_status;
};

struct ks_store {
    struct ks_env *env;
    struct kafscale_store inner;
    struct ks_store_counters counters;
    struct ks_store_health health;
    struct ks_store_trouble writing;
    struct ks_store_trouble reading;
    struct kafscale_error last_error;
    int64_t last_error_ms;
    struct ks_list idle;
    size_t idle_count;
    struct ks_list busy;
    kafscale_close_done *close_done;
    void *close_arg;
    struct ks_task expiry; /* answers for a store that can't be asked */
    kafscale_expiry_done *expiry_done;
    void *expiry_arg;
};

/* The answer on its way to the caller. */
struct answer {
    enum kafscale_status status;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    const struct kafscale_list_entry *entries;
    size_t entry_count;
    bool is_truncated;
    struct kafscale_error error;
};

static const char *const operation_names[KS_STORE_OPERATION_COUNT] = { "PUT", "GET", "LIST",
                                                                       "DELETE" };

const char *
ks_store_operation_name(enum ks_store_operation operation)
{
    return operation_names[operation];
}

static void
free_calls(struct ks_list *calls)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(calls)) != NULL) {
        ks_free(KS_CONTAINER(node, struct call, link));
    }
}

static struct call *
new_call(struct ks_store *store)
{
    struct call *call = ks_alloc_zero(1, sizeof *call);

    if (call != NULL) {
        call->store = store;
    }
    return call;
}

static void
free_store(struct ks_store *store)
{
    ks_env_cancel_task(&store->expiry);
    free_calls(&store->idle);
    free_calls(&store->busy);
    ks_free(store);
}

struct ks_store *
ks_store_new(struct ks_env *env, struct kafscale_store inner)
{
    struct ks_store *store;

    assert(ks_store_find_fault(&inner) == NULL);

    store = ks_alloc_zero(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->env = env;
    store->inner = inner;
    ks_store_set_health(store, &ks_health_defaults);
    store->writing = (struct ks_store_trouble){
        .message = "can't write to the store, and try again until it can be done",
        .store = inner.ops->name
    };
    store->reading = (struct ks_store_trouble){
        .message = "can't read from the store, and try again until it can be done",
        .store = inner.ops->name
    };
    ks_list_init(&store->idle);
    ks_list_init(&store->busy);
    for (; store->idle_count < KS_STORE_RESERVE_COUNT; store->idle_count++) {
        struct call *call = new_call(store);

        if (call == NULL) {
            free_store(store);
            return NULL;
        }
        ks_list_append(&store->idle, &call->link);
    }
    return store;
}

static void on_early(void *arg);

/*
 * A record for a new request; `refused_out` says that it is of the reserve, good for a refusal
 * only.
 */
static struct call *
take_call(struct ks_store *store, enum ks_store_operation operation, void *arg, bool *refused_out)
{
    struct call *call = NULL;

    *refused_out = false;
    if (store->idle_count <= KS_STORE_RESERVE_COUNT) {
        call = new_call(store);
        *refused_out = call == NULL;
    }
    if (call == NULL) {
        struct ks_list *node = ks_list_take_first(&store->idle);

        assert(node != NULL);
        call = KS_CONTAINER(node, struct call, link);
        store->idle_count--;
    }
    assert(call->state == CALL_IDLE);
    ks_list_append(&store->busy, &call->link);
    call->state = CALL_SUBMITTING;
    call->operation = operation;
    call->arg = arg;
    call->begun_ms = ks_env_now_ms(store->env);
    call->early = (struct ks_task){ .run = on_early, .arg = call };
    call->early_status = KAFSCALE_OK;
    store->counters.in_flight++;
    store->counters.requests[operation]++;
    return call;
}

static const char *
key_of(const struct call *call)
{
    switch (call->operation) {
    case KS_STORE_PUT:
        return call->request.put->key;
    case KS_STORE_GET:
        return call->request.get->key;
    case KS_STORE_LIST:
        return call->request.list->prefix;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    return call->request.remove->key;
}

/* Turns the answer into KAFSCALE_FAILED. */
static void
refuse(const struct call *call, struct answer *answer, const char *what)
{
    struct ks_store *store = call->store;

    store->counters.breaches++;
    ks_log(&store->env->logger, KAFSCALE_LOG_ERROR,
           "store broke its contract store=%s operation=%s key=%s reason=%s",
           store->inner.ops->name, operation_names[call->operation], key_of(call), what);
    *answer = (struct answer){ .status = KAFSCALE_FAILED };
    ks_error_set(&answer->error, KAFSCALE_FAILED, "store '%s' broke its contract: %s",
                 store->inner.ops->name, what);
}

static bool
is_read(enum ks_store_operation operation)
{
    return operation == KS_STORE_GET || operation == KS_STORE_LIST;
}

/*
 * A DELETE that succeeds doesn't tell that there is room again; what a close ends tells nothing.
 */
static void
note_trouble(struct ks_store *store, enum ks_store_operation operation, const struct answer *answer)
{
    struct ks_store_trouble *trouble = is_read(operation) ? &store->reading : &store->writing;

    if (store->close_done != NULL) {
        return;
    }
    switch (answer->status) {
    case KAFSCALE_OK:
    case KAFSCALE_EXISTS:
    case KAFSCALE_NOT_FOUND:
        if (operation != KS_STORE_REMOVE) {
            ks_store_trouble_end(trouble, store->env);
        }
        return;
    case KAFSCALE_CORRUPT:
    case KAFSCALE_FAILED:
        return;
    default:
        ks_store_trouble_note(trouble, store->env, &answer->error);
    }
}

static bool
is_failure(enum kafscale_status status)
{
    return status != KAFSCALE_OK && status != KAFSCALE_EXISTS && status != KAFSCALE_NOT_FOUND;
}

static void
note_time(const struct call *call, const struct answer *answer)
{
    struct ks_store *store = call->store;
    int64_t now_ms = ks_env_now_ms(store->env);

    ks_histogram_add(&store->counters.durations[call->operation], now_ms - call->begun_ms);
    ks_store_health_note(&store->health, now_ms, now_ms - call->begun_ms,
                         is_failure(answer->status));
}

/*
 * Ends the request: the record goes back first, so that the completion may submit again and
 * close.
 */
static void
deliver(struct call *call, struct answer *answer)
{
    struct ks_store *store = call->store;
    struct call ended = *call;
    const struct kafscale_error *error = NULL;

    if (answer->status != KAFSCALE_OK) {
        if (answer->error.status == KAFSCALE_OK) {
            ks_error_set(&answer->error, answer->status, "%s of '%s': %s",
                         operation_names[call->operation], key_of(call),
                         kafscale_status_text(answer->status));
        }
        error = &answer->error;
        if (is_failure(answer->status)) {
            store->counters.errors[call->operation]++;
            store->last_error = answer->error;
            store->last_error_ms = ks_env_now_ms(store->env);
        }
    }
    note_trouble(store, call->operation, answer);
    note_time(call, answer);
    store->counters.in_flight--;
    ks_list_remove(&call->link);
    call->state = CALL_IDLE;
    ks_list_append(&store->idle, &call->link);
    store->idle_count++;

    switch (ended.operation) {
    case KS_STORE_PUT:
        ended.done.put(ended.arg, answer->status, error);
        return;
    case KS_STORE_GET:
        ended.done.get(ended.arg, answer->status, answer->body, answer->object_bytes, error);
        return;
    case KS_STORE_LIST:
        ended.done.list(ended.arg, answer->status, answer->entries, answer->entry_count,
                        answer->is_truncated, error);
        return;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    ended.done.remove(ended.arg, answer->status, error);
}

static void
on_early(void *arg)
{
    struct call *call = arg;
    struct answer answer = { .status = call->early_status };

    if (call->early_status == KAFSCALE_FAILED) {
        refuse(call, &answer, "completed before the submission returned");
    }
    deliver(call, &answer);
}

/* Whether an answer that arrives now is the one that is waited for. */
static bool
accept(struct call *call, enum kafscale_status status)
{
    if (call->state == CALL_WAITING) {
        return true;
    }
    if (call->state == CALL_SUBMITTING) {
        call->state = CALL_REFUSED;
        call->early_status = status == KAFSCALE_NO_MEMORY ? status : KAFSCALE_FAILED;
        ks_env_defer(call->store->env, &call->early);
        return false;
    }
    call->store->counters.breaches++;
    ks_log(&call->store->env->logger, KAFSCALE_LOG_ERROR,
           "store broke its contract, completed twice store=%s operation=%s",
           call->store->inner.ops->name, operation_names[call->operation]);
    return false;
}

static void
submitted(struct call *call)
{
    if (call->state == CALL_SUBMITTING) {
        call->state = CALL_WAITING;
    }
}

static struct answer
answer_of(enum kafscale_status status, const struct kafscale_error *error)
{
    struct answer answer = { .status = status };

    if (status != KAFSCALE_OK && error != NULL) {
        answer.error = *error;
        answer.error.status = status;
    }
    return answer;
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct call *call = arg;
    struct answer answer;

    if (!accept(call, status)) {
        return;
    }
    answer = answer_of(status, error);
    switch (status) {
    case KAFSCALE_OK:
    case KAFSCALE_UNKNOWN:
    case KAFSCALE_UNAVAILABLE:
    case KAFSCALE_NO_MEMORY:
    case KAFSCALE_FAILED:
        break;
    case KAFSCALE_EXISTS:
        if (!call->request.put->if_absent) {
            refuse(call, &answer, "EXISTS for an unconditional PUT");
        }
        break;
    default:
        answer.status = KAFSCALE_UNKNOWN;
        answer.error.status = error == NULL ? KAFSCALE_OK : KAFSCALE_UNKNOWN;
        break;
    }
    deliver(call, &answer);
}

static void
check_body(const struct call *call, struct answer *answer)
{
    const struct kafscale_get *get = call->request.get;
    uint64_t expected;
    uint64_t size;

    if (answer->body == NULL) {
        refuse(call, answer, "no body");
        return;
    }
    size = kafscale_blob_size(answer->body);
    expected = get->position < answer->object_bytes ? answer->object_bytes - get->position : 0;
    if (expected > get->size_max) {
        expected = get->size_max;
    }
    if (size > expected) {
        refuse(call, answer, "a body larger than the range");
        return;
    }
    if (size < expected) {
        *answer = (struct answer){ .status = KAFSCALE_CORRUPT };
        ks_error_set(&answer->error, KAFSCALE_CORRUPT, "GET of '%s': %llu bytes instead of %llu",
                     get->key, (unsigned long long) size, (unsigned long long) expected);
        return;
    }
    call->store->counters.bytes[KS_STORE_GET] += size;
}

static void
on_get(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct call *call = arg;
    struct answer answer;

    if (!accept(call, status)) {
        return;
    }
    answer = answer_of(status, error);
    if (status == KAFSCALE_OK) {
        answer.body = body;
        answer.object_bytes = object_bytes;
        check_body(call, &answer);
    }
    deliver(call, &answer);
}

static const char *
fault_in_entries(const struct kafscale_list *list, const struct answer *answer)
{
    size_t prefix_size = strlen(list->prefix);
    const char *before = list->start_after;

    if (answer->entry_count > list->count_max) {
        return "more entries than asked for";
    }
    if (answer->entry_count > 0 && answer->entries == NULL) {
        return "a count without entries";
    }
    if (answer->entry_count == 0 && answer->is_truncated) {
        return "a truncated list without entries";
    }
    for (size_t i = 0; i < answer->entry_count; i++) {
        const char *key = answer->entries[i].key;

        if (key == NULL || !ks_store_key_is_valid(key)) {
            return "an entry that is no key";
        }
        if (strncmp(key, list->prefix, prefix_size) != 0) {
            return "a key without the prefix";
        }
        if (before != NULL && strcmp(before, key) >= 0) {
            return "keys out of order";
        }
        before = key;
    }
    return NULL;
}

static void
on_list(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
        size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct call *call = arg;
    struct answer answer;

    if (!accept(call, status)) {
        return;
    }
    answer = answer_of(status, error);
    if (status == KAFSCALE_OK) {
        const char *fault;

        answer.entries = entries;
        answer.entry_count = entry_count;
        answer.is_truncated = is_truncated;
        fault = fault_in_entries(call->request.list, &answer);
        if (fault != NULL) {
            refuse(call, &answer, fault);
        }
    }
    deliver(call, &answer);
}

static void
on_remove(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct call *call = arg;
    struct answer answer;

    if (!accept(call, status)) {
        return;
    }
    answer = answer_of(status, error);
    deliver(call, &answer);
}

/* The bytes of a PUT, whose parts are asserted to lie inside their owners. */
static uint64_t
parts_bytes(const struct kafscale_put *put)
{
    uint64_t total = 0;

    for (size_t i = 0; i < put->part_count; i++) {
        const struct kafscale_part *part = &put->parts[i];

        assert(part->bytes.size == 0 || part->bytes.data != NULL);
        if (part->owner != NULL && part->bytes.size > 0) {
            struct kafscale_slice whole = kafscale_blob_slice(part->owner);

            assert(part->bytes.data >= whole.data);
            assert(part->bytes.size <= whole.size);
            assert((size_t) (part->bytes.data - whole.data) <= whole.size - part->bytes.size);
        }
        assert(part->bytes.size <= SIZE_MAX / 2 - total);
        total += part->bytes.size;
    }
    return total;
}

static void
refuse_for_memory(struct call *call)
{
    call->state = CALL_REFUSED;
    call->early_status = KAFSCALE_NO_MEMORY;
    ks_env_defer(call->store->env, &call->early);
}

void
ks_store_put(struct ks_store *store, const struct kafscale_put *put, kafscale_put_done *done,
             void *arg)
{
    struct call *call;
    bool refused;

    assert(store->close_done == NULL);
    assert(ks_store_key_is_valid(put->key));
    assert(put->part_count == 0 || put->parts != NULL);

    call = take_call(store, KS_STORE_PUT, arg, &refused);
    call->request.put = put;
    call->done.put = done;
    store->counters.bytes[KS_STORE_PUT] += parts_bytes(put);
    if (refused) {
        refuse_for_memory(call);
        return;
    }
    store->inner.ops->put(store->inner.self, put, on_put, call);
    submitted(call);
}

void
ks_store_get(struct ks_store *store, const struct kafscale_get *get, kafscale_get_done *done,
             void *arg)
{
    struct call *call;
    bool refused;

    assert(store->close_done == NULL);
    assert(ks_store_key_is_valid(get->key));
    assert(get->size_max > 0);

    call = take_call(store, KS_STORE_GET, arg, &refused);
    call->request.get = get;
    call->done.get = done;
    if (refused) {
        refuse_for_memory(call);
        return;
    }
    store->inner.ops->get(store->inner.self, get, on_get, call);
    submitted(call);
}

void
ks_store_list(struct ks_store *store, const struct kafscale_list *list, kafscale_list_done *done,
              void *arg)
{
    struct call *call;
    bool refused;

    assert(store->close_done == NULL);
    assert(ks_store_prefix_is_valid(list->prefix));
    assert(list->start_after == NULL || ks_store_prefix_is_valid(list->start_after));
    assert(list->count_max > 0);

    call = take_call(store, KS_STORE_LIST, arg, &refused);
    call->request.list = list;
    call->done.list = done;
    if (refused) {
        refuse_for_memory(call);
        return;
    }
    store->inner.ops->list(store->inner.self, list, on_list, call);
    submitted(call);
}

void
ks_store_remove(struct ks_store *store, const struct kafscale_remove *remove,
                kafscale_remove_done *done, void *arg)
{
    struct call *call;
    bool refused;

    assert(store->close_done == NULL);
    assert(ks_store_key_is_valid(remove->key));

    call = take_call(store, KS_STORE_REMOVE, arg, &refused);
    call->request.remove = remove;
    call->done.remove = done;
    if (refused) {
        refuse_for_memory(call);
        return;
    }
    store->inner.ops->remove(store->inner.self, remove, on_remove, call);
    submitted(call);
}

static void
on_closed(void *arg)
{
    struct ks_store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;
    bool is_clean = ks_list_is_empty(&store->busy);

    /*
     * A record that still waits would be completed into freed memory; leaking it is the lesser
     * evil.
     */
    if (is_clean) {
        free_store(store);
    } else {
        ks_log(&store->env->logger, KAFSCALE_LOG_ERROR,
               "store broke its contract, closed with requests in flight store=%s",
               store->inner.ops->name);
    }
    done(done_arg);
}

static void
tell_no_expiry(void *arg)
{
    struct ks_store *store = arg;

    store->expiry_done(store->expiry_arg, KAFSCALE_OK, NULL);
}

void
ks_store_find_expiry(struct ks_store *store, const char *prefix, kafscale_expiry_done *done,
                     void *arg)
{
    const struct kafscale_store_ops *ops = store->inner.ops;

    if (ops->version >= 2 && ops->find_expiry != NULL) {
        ops->find_expiry(store->inner.self, prefix, done, arg);
        return;
    }
    store->expiry_done = done;
    store->expiry_arg = arg;
    store->expiry = (struct ks_task){ .run = tell_no_expiry, .arg = store };
    ks_env_defer(store->env, &store->expiry);
}

void
ks_store_close(struct ks_store *store, kafscale_close_done *done, void *arg)
{
    assert(store->close_done == NULL);
    assert(done != NULL);

    store->close_done = done;
    store->close_arg = arg;
    store->inner.ops->close(store->inner.self, on_closed, store);
}

static void
ignore_close(void *arg)
{
    (void) arg;
}

void
ks_store_abandon(struct ks_store *store)
{
    struct kafscale_store inner = store->inner;

    assert(store->close_done == NULL);

    for (struct ks_list *node = store->busy.next; node != &store->busy; node = node->next) {
        ks_env_cancel_task(&KS_CONTAINER(node, struct call, link)->early);
    }
    free_store(store);
    inner.ops->close(inner.self, ignore_close, NULL);
}

const char *
ks_store_name(const struct ks_store *store)
{
    return store->inner.ops->name;
}

const char *
ks_store_place(const struct ks_store *store)
{
    const struct kafscale_store_ops *ops = store->inner.ops;

    return ops->version < 2 || ops->place == NULL ? NULL : ops->place(store->inner.self);
}

bool
ks_store_is_slowed(const struct ks_store *store)
{
    const struct kafscale_store_ops *ops = store->inner.ops;

    return ops->version >= 3 && ops->is_slowed != NULL && ops->is_slowed(store->inner.self);
}

bool
ks_store_is_closing(const struct ks_store *store)
{
    return store->close_done != NULL;
}

uint32_t
ks_store_window(const struct ks_store *store)
{
    return store->inner.ops->window;
}

uint32_t
ks_store_flush_interval_ms(const struct ks_store *store)
{
    return store->inner.ops->flush_interval_ms;
}

void
ks_store_set_health(struct ks_store *store, const struct ks_health_options *options)
{
    ks_store_health_init(&store->health, options, ks_env_now_ms(store->env));
}

void
ks_store_set_health_limits(struct ks_store *store, const struct ks_health_options *options)
{
    int64_t window_ms = store->health.options.window_ms;

    store->health.options = *options;
    store->health.options.window_ms = window_ms;
}

void
ks_store_read_health(struct ks_store *store, struct ks_health_reading *reading_out)
{
    ks_store_health_read(&store->health, ks_env_now_ms(store->env), reading_out);
}

const struct ks_store_counters *
ks_store_counters(const struct ks_store *store)
{
    return &store->counters;
}

const struct kafscale_error *
ks_store_last_error(const struct ks_store *store, int64_t *at_ms_out)
{
    *at_ms_out = store->last_error_ms;
    return store->last_error.status == KAFSCALE_OK ? NULL : &store->last_error;
}
