/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects stand in an array sorted by key: LIST is a walk, everything else a binary search.
 * New keys mostly come last in their folder, and moving 100,000 pointers costs less than the
 * request around it.
 */
#include "store/memory_store.h"

#include "store/operation.h"

#include <assert.h>

/* A piece of an object; the reference to `owner` is ours. */
struct held_part {
    struct kafscale_slice bytes;
    struct kafscale_blob *owner;
};

struct object {
    char *key;
    uint64_t size;
    size_t part_count;
    struct held_part parts[];
};

struct ks_memory_bucket {
    size_t references;
    struct object **objects;
    size_t count;
    size_t capacity;
};

struct memory_store {
    struct ks_env *env;
    struct ks_memory_bucket *bucket;
    size_t in_flight;
    struct ks_task closing;
    kafscale_close_done *close_done;
    void *close_arg;
};

struct memory_call {
    struct ks_task task;
    struct memory_store *store;
    union ks_store_request request;
    union ks_store_done done;
    void *arg;
};

static void
free_object(struct object *object)
{
    if (object == NULL) {
        return;
    }
    for (size_t i = 0; i < object->part_count; i++) {
        kafscale_blob_unref(object->parts[i].owner);
    }
    ks_free(object->key);
    ks_free(object);
}

struct ks_memory_bucket *
ks_memory_bucket_new(void)
{
    struct ks_memory_bucket *bucket = ks_alloc_zero(1, sizeof *bucket);

    if (bucket != NULL) {
        bucket->references = 1;
    }
    return bucket;
}

struct ks_memory_bucket *
ks_memory_bucket_ref(struct ks_memory_bucket *bucket)
{
    assert(bucket->references > 0);
    bucket->references++;
    return bucket;
}

void
ks_memory_bucket_unref(struct ks_memory_bucket *bucket)
{
    if (bucket == NULL) {
        return;
    }
    assert(bucket->references > 0);
    if (--bucket->references > 0) {
        return;
    }
    for (size_t i = 0; i < bucket->count; i++) {
        free_object(bucket->objects[i]);
    }
    ks_free(bucket->objects);
    ks_free(bucket);
}

size_t
ks_memory_bucket_object_count(const struct ks_memory_bucket *bucket)
{
    return bucket->count;
}

/* The first place whose key is not below `key`. */
static size_t
place_of(const struct ks_memory_bucket *bucket, const char *key)
{
    size_t low = 0;
    size_t high = bucket->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(bucket->objects[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool
is_at(const struct ks_memory_bucket *bucket, size_t place, const char *key)
{
    return place < bucket->count && strcmp(bucket->objects[place]->key, key) == 0;
}

/* A held copy of one part: by reference where the caller named an owner. */
static bool
hold_part(const struct kafscale_part *part, struct held_part *held_out)
{
    struct kafscale_blob *owner;

    if (part->owner != NULL) {
        *held_out =
            (struct held_part){ .bytes = part->bytes, .owner = kafscale_blob_ref(part->owner) };
        return true;
    }
    owner = kafscale_blob_new(part->bytes.size);
    if (owner == NULL) {
        return false;
    }
    if (part->bytes.size > 0) {
        memcpy(kafscale_blob_data(owner), part->bytes.data, part->bytes.size);
    }
    *held_out = (struct held_part){ .bytes = kafscale_blob_slice(owner), .owner = owner };
    return true;
}

static struct object *
new_object(const struct kafscale_put *put)
{
    struct object *object =
        ks_alloc_zero(1, sizeof *object + put->part_count * sizeof object->parts[0]);

    if (object == NULL) {
        return NULL;
    }
    object->key = ks_copy_text(put->key);
    if (object->key == NULL) {
        free_object(object);
        return NULL;
    }
    for (size_t i = 0; i < put->part_count; i++) {
        if (!hold_part(&put->parts[i], &object->parts[i])) {
            free_object(object);
            return NULL;
        }
        object->part_count++;
        object->size += put->parts[i].bytes.size;
    }
    return object;
}

static enum kafscale_status
bucket_put(struct ks_memory_bucket *bucket, const struct kafscale_put *put)
{
    size_t place = place_of(bucket, put->key);
    bool exists = is_at(bucket, place, put->key);
    struct object *object;

    if (exists && put->if_absent) {
        return KAFSCALE_EXISTS;
    }
    object = new_object(put);
    if (object == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    if (exists) {
        free_object(bucket->objects[place]);
        bucket->objects[place] = object;
        return KAFSCALE_OK;
    }
    if (!KS_RESERVE(bucket->objects, bucket->capacity, bucket->count + 1)) {
        free_object(object);
        return KAFSCALE_NO_MEMORY;
    }
    memmove(&bucket->objects[place + 1], &bucket->objects[place],
            (bucket->count - place) * sizeof bucket->objects[0]);
    bucket->objects[place] = object;
    bucket->count++;
    return KAFSCALE_OK;
}

static void
bucket_remove(struct ks_memory_bucket *bucket, const char *key)
{
    size_t place = place_of(bucket, key);

    if (!is_at(bucket, place, key)) {
        return;
    }
    free_object(bucket->objects[place]);
    bucket->count--;
    memmove(&bucket->objects[place], &bucket->objects[place + 1],
            (bucket->count - place) * sizeof bucket->objects[0]);
}

/* Copies [position, position + size) of the object; the range lies inside it. */
static void
copy_range(const struct object *object, uint64_t position, size_t size, uint8_t *out)
{
    for (size_t i = 0; i < object->part_count && size > 0; i++) {
        struct kafscale_slice bytes = object->parts[i].bytes;
        size_t skip;
        size_t n;

        if (position >= bytes.size) {
            position -= bytes.size;
            continue;
        }
        skip = (size_t) position;
        n = bytes.size - skip < size ? bytes.size - skip : size;
        memcpy(out, bytes.data + skip, n);
        out += n;
        size -= n;
        position = 0;
    }
}

/* The part that has all of a range, with what lies before the range in it; NULL when none has. */
static const struct held_part *
part_with(const struct object *object, uint64_t position, size_t size, size_t *skip_out)
{
    for (size_t i = 0; i < object->part_count; i++) {
        size_t part_bytes = object->parts[i].bytes.size;

        if (position < part_bytes) {
            *skip_out = (size_t) position;
            return size <= part_bytes - *skip_out ? &object->parts[i] : NULL;
        }
        position -= part_bytes;
    }
    return NULL;
}

/* What lies in one part is handed out by reference; everything else is assembled. */
static struct kafscale_blob *
new_body(const struct object *object, uint64_t position, size_t size)
{
    size_t skip;
    const struct held_part *part = part_with(object, position, size, &skip);
    struct kafscale_blob *body;

    if (part != NULL) {
        size_t before = (size_t) (part->bytes.data - kafscale_blob_data(part->owner));

        return kafscale_blob_view(part->owner, before + skip, size);
    }
    body = kafscale_blob_new(size);
    if (body != NULL) {
        copy_range(object, position, size, kafscale_blob_data(body));
    }
    return body;
}

static struct memory_call *
new_call(struct memory_store *store, void (*run)(void *arg), void *arg)
{
    struct memory_call *call = ks_alloc_zero(1, sizeof *call);

    assert(store->close_done == NULL);
    if (call == NULL) {
        return NULL;
    }
    call->store = store;
    call->arg = arg;
    call->task = (struct ks_task){ .run = run, .arg = call };
    store->in_flight++;
    ks_env_defer(store->env, &call->task);
    return call;
}

static void
finish(struct memory_call *call)
{
    struct memory_store *store = call->store;

    ks_free(call);
    store->in_flight--;
    if (store->in_flight == 0 && store->close_done != NULL) {
        ks_env_defer(store->env, &store->closing);
    }
}

static void
run_put(void *arg)
{
    struct memory_call *call = arg;
    enum kafscale_status status = bucket_put(call->store->bucket, call->request.put);

    call->done.put(call->arg, status, NULL);
    finish(call);
}

static void
run_get(void *arg)
{
    struct memory_call *call = arg;
    const struct kafscale_get *get = call->request.get;
    const struct ks_memory_bucket *bucket = call->store->bucket;
    size_t place = place_of(bucket, get->key);
    const struct object *object = is_at(bucket, place, get->key) ? bucket->objects[place] : NULL;
    struct kafscale_blob *body = NULL;
    uint64_t object_bytes = 0;
    enum kafscale_status status = KAFSCALE_NOT_FOUND;

    if (object != NULL) {
        uint64_t left = get->position < object->size ? object->size - get->position : 0;

        object_bytes = object->size;
        body =
            new_body(object, get->position, left < get->size_max ? (size_t) left : get->size_max);
        status = body == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
    }
    call->done.get(call->arg, status, body, object_bytes, NULL);
    kafscale_blob_unref(body);
    finish(call);
}

/* The range of places that a LIST answers with; `end_out` is one past the last. */
static size_t
list_range(const struct ks_memory_bucket *bucket, const struct kafscale_list *list, size_t *end_out)
{
    size_t prefix_size = strlen(list->prefix);
    size_t first = place_of(bucket, list->prefix);
    size_t end;

    if (list->start_after != NULL && strcmp(list->start_after, list->prefix) >= 0) {
        first = place_of(bucket, list->start_after);
        first += is_at(bucket, first, list->start_after) ? 1 : 0;
    }
    end = first;
    while (end < bucket->count && end - first <= list->count_max &&
           strncmp(bucket->objects[end]->key, list->prefix, prefix_size) == 0) {
        end++;
    }
    *end_out = end;
    return first;
}

static void
run_list(void *arg)
{
    struct memory_call *call = arg;
    const struct kafscale_list *list = call->request.list;
    const struct ks_memory_bucket *bucket = call->store->bucket;
    struct kafscale_list_entry *entries = NULL;
    enum kafscale_status status = KAFSCALE_OK;
    bool is_truncated = false;
    size_t end;
    size_t first = list_range(bucket, list, &end);
    size_t count = end - first;

    if (count > list->count_max) {
        count = list->count_max;
        is_truncated = true;
    }
    entries = ks_alloc_zero(count + 1, sizeof entries[0]);
    if (entries == NULL) {
        status = KAFSCALE_NO_MEMORY;
        is_truncated = false;
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i].key = bucket->objects[first + i]->key;
        entries[i].object_bytes = bucket->objects[first + i]->size;
    }
    call->done.list(call->arg, status, entries, count, is_truncated, NULL);
    ks_free(entries);
    finish(call);
}

static void
run_remove(void *arg)
{
    struct memory_call *call = arg;

    bucket_remove(call->store->bucket, call->request.remove->key);
    call->done.remove(call->arg, KAFSCALE_OK, NULL);
    finish(call);
}

static void
memory_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct memory_call *call = new_call(self, run_put, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.put = put;
    call->done.put = done;
}

static void
memory_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct memory_call *call = new_call(self, run_get, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, NULL);
        return;
    }
    call->request.get = get;
    call->done.get = done;
}

static void
memory_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct memory_call *call = new_call(self, run_list, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, false, NULL);
        return;
    }
    call->request.list = list;
    call->done.list = done;
}

static void
memory_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
              void *arg)
{
    struct memory_call *call = new_call(self, run_remove, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.remove = remove;
    call->done.remove = done;
}

static void
run_close(void *arg)
{
    struct memory_store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;

    ks_memory_bucket_unref(store->bucket);
    ks_free(store);
    done(done_arg);
}

static void
memory_close(void *self, kafscale_close_done *done, void *arg)
{
    struct memory_store *store = self;

    assert(store->close_done == NULL);

    store->close_done = done;
    store->close_arg = arg;
    store->closing = (struct ks_task){ .run = run_close, .arg = store };
    if (store->in_flight == 0) {
        ks_env_defer(store->env, &store->closing);
    }
}

static const struct kafscale_store_ops memory_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "memory",
    .window = 1,
    .flush_interval_ms = 0,
    .put = memory_put,
    .get = memory_get,
    .list = memory_list,
    .remove = memory_remove,
    .close = memory_close,
};

struct kafscale_store
ks_memory_store_new(struct ks_env *env, struct ks_memory_bucket *bucket)
{
    struct memory_store *store = ks_alloc_zero(1, sizeof *store);

    if (store == NULL) {
        return (struct kafscale_store){ 0 };
    }
    store->env = env;
    store->bucket = bucket == NULL ? ks_memory_bucket_new() : ks_memory_bucket_ref(bucket);
    if (store->bucket == NULL) {
        ks_free(store);
        return (struct kafscale_store){ 0 };
    }
    return (struct kafscale_store){ .ops = &memory_ops, .self = store };
}
