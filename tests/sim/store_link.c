/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trip is one request: first a timer of the world takes it to the store, then a task of the
 * process brings the answer back. What a request points to is copied, since a process that was
 * told UNKNOWN may free it while the request is still to act.
 */
#include "sim/store_link.h"

#include <assert.h>

#define DELAY_MS_MAX 3

struct store_link {
    struct ks_env *near;
    struct virtual_env *world;
    struct ks_store *far;
    bool is_cut;
    bool is_lax;
    uint64_t requests;
    struct ks_list trips; /* not answered yet */
    struct ks_task closing;
    kafscale_close_done *close_done;
    void *close_arg;
};

struct trip {
    struct ks_list link;
    struct store_link *owner; /* NULL once answered */
    struct virtual_env *world;
    struct ks_store *far;
    enum ks_store_operation operation;
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    char start_after[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct kafscale_part part;
    struct kafscale_put put;
    struct kafscale_get get;
    struct kafscale_list list;
    struct kafscale_remove remove;
    struct ks_timer departure; /* the world's: reaches the store */
    struct ks_task arrival;    /* the process's: the answer */
    bool is_at_store;

    union ks_store_done done;
    void *arg;

    enum kafscale_status status;
    struct kafscale_error error;
    struct kafscale_blob *body;
    uint64_t object_bytes;
    struct kafscale_list_entry *entries;
    size_t entry_count;
    bool is_truncated;
};

static void
trip_free(struct trip *trip)
{
    ks_env_cancel_timer(&trip->world->env, &trip->departure);
    kafscale_blob_unref(trip->part.owner);
    kafscale_blob_unref(trip->body);
    for (size_t i = 0; i < trip->entry_count; i++) {
        ks_free((char *) (uintptr_t) trip->entries[i].key);
    }
    ks_free(trip->entries);
    ks_free(trip);
}

/* --- The way back ----------------------------------------------------------------------------- */

static void
tell(const struct trip *trip)
{
    const struct kafscale_error *error = trip->status == KAFSCALE_OK ? NULL : &trip->error;

    switch (trip->operation) {
    case KS_STORE_PUT:
        trip->done.put(trip->arg, trip->status, error);
        return;
    case KS_STORE_GET:
        trip->done.get(trip->arg, trip->status, trip->body, trip->object_bytes, error);
        return;
    case KS_STORE_LIST:
        trip->done.list(trip->arg, trip->status, trip->entries, trip->entry_count,
                        trip->is_truncated, error);
        return;
    default:
        trip->done.remove(trip->arg, trip->status, error);
        return;
    }
}

/* The last one to go closes the door. */
static void
close_if_empty(struct store_link *link)
{
    if (link->close_done != NULL && ks_list_is_empty(&link->trips)) {
        ks_env_defer(link->near, &link->closing);
    }
}

static void
on_arrival(void *arg)
{
    struct trip *trip = arg;
    struct store_link *link = trip->owner;
    bool is_under_way = trip->is_at_store;

    ks_list_remove(&trip->link);
    trip->owner = NULL;
    tell(trip);
    if (!is_under_way) {
        trip_free(trip);
    }
    close_if_empty(link);
}

static void
answer(struct trip *trip, enum kafscale_status status, const struct kafscale_error *error)
{
    trip->is_at_store = false;
    if (trip->owner == NULL) {
        trip_free(trip);
        return;
    }
    if (ks_list_is_linked(&trip->arrival.link)) {
        return;
    }
    trip->status = status;
    trip->error = (struct kafscale_error){ 0 };
    ks_error_set(&trip->error, status, "%s",
                 error == NULL ? kafscale_status_text(status) : error->text);
    ks_env_defer(trip->owner->near, &trip->arrival);
}

static void
on_changed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    answer(arg, status, error);
}

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct trip *trip = arg;

    if (body != NULL && !ks_list_is_linked(&trip->arrival.link)) {
        trip->body = kafscale_blob_ref(body);
        trip->object_bytes = object_bytes;
    }
    answer(trip, status, error);
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct trip *trip = arg;

    if (status == KAFSCALE_OK && entry_count > 0 && !ks_list_is_linked(&trip->arrival.link)) {
        trip->entries = ks_alloc_zero(entry_count, sizeof *trip->entries);
        assert(trip->entries != NULL);
        for (size_t i = 0; i < entry_count; i++) {
            trip->entries[i] = entries[i];
            trip->entries[i].key = ks_copy_text(entries[i].key);
        }
        trip->entry_count = entry_count;
        trip->is_truncated = is_truncated;
    }
    answer(trip, status, error);
}

/* --- The way there ---------------------------------------------------------------------------- */

static void
on_departure(void *arg)
{
    struct trip *trip = arg;

    trip->is_at_store = true;
    switch (trip->operation) {
    case KS_STORE_PUT:
        ks_store_put(trip->far, &trip->put, on_changed, trip);
        return;
    case KS_STORE_GET:
        ks_store_get(trip->far, &trip->get, on_got, trip);
        return;
    case KS_STORE_LIST:
        ks_store_list(trip->far, &trip->list, on_listed, trip);
        return;
    default:
        ks_store_remove(trip->far, &trip->remove, on_changed, trip);
        return;
    }
}

/* NULL when memory is short, which a store may answer at once. */
static struct trip *
trip_new(struct store_link *link, enum ks_store_operation operation, const char *key, void *arg)
{
    struct trip *trip = ks_alloc_zero(1, sizeof *trip);

    if (trip == NULL) {
        return NULL;
    }
    trip->owner = link;
    trip->world = link->world;
    trip->far = link->far;
    trip->operation = operation;
    trip->arg = arg;
    trip->departure.on_due = on_departure;
    trip->departure.arg = trip;
    trip->arrival.run = on_arrival;
    trip->arrival.arg = trip;
    memcpy(trip->key, key, strlen(key) + 1);
    ks_list_append(&link->trips, &trip->link);
    link->requests++;
    return trip;
}

static void
depart(struct trip *trip)
{
    struct store_link *link = trip->owner;
    int64_t delay_ms = (int64_t) (ks_env_random_u64(&link->world->env) % (DELAY_MS_MAX + 1));

    if (link->is_cut) {
        answer(trip, KAFSCALE_UNAVAILABLE, NULL);
        return;
    }
    ks_env_set_timer(&link->world->env, &trip->departure, link->world->now_ms + delay_ms);
}

/* All parts in one, or NULL. */
static struct kafscale_blob *
join(const struct kafscale_put *put)
{
    struct kafscale_blob *bytes;
    size_t size = 0;

    for (size_t i = 0; i < put->part_count; i++) {
        size += put->parts[i].bytes.size;
    }
    bytes = kafscale_blob_new(size);
    size = 0;
    for (size_t i = 0; bytes != NULL && i < put->part_count; i++) {
        if (put->parts[i].bytes.size > 0) {
            memcpy(kafscale_blob_data(bytes) + size, put->parts[i].bytes.data,
                   put->parts[i].bytes.size);
        }
        size += put->parts[i].bytes.size;
    }
    return bytes;
}

static void
link_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct kafscale_blob *bytes = join(put);
    struct trip *trip = bytes == NULL ? NULL : trip_new(self, KS_STORE_PUT, put->key, arg);

    if (trip == NULL) {
        kafscale_blob_unref(bytes);
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    trip->part = (struct kafscale_part){ .bytes = kafscale_blob_slice(bytes), .owner = bytes };
    trip->put = (struct kafscale_put){ .key = trip->key,
                                       .parts = &trip->part,
                                       .part_count = 1,
                                       .if_absent = put->if_absent && !trip->owner->is_lax };
    trip->done.put = done;
    depart(trip);
}

static void
link_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct trip *trip = trip_new(self, KS_STORE_GET, get->key, arg);

    if (trip == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, NULL);
        return;
    }
    trip->get = *get;
    trip->get.key = trip->key;
    trip->done.get = done;
    depart(trip);
}

static void
link_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct trip *trip = trip_new(self, KS_STORE_LIST, list->prefix, arg);

    if (trip == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, false, NULL);
        return;
    }
    trip->list = *list;
    trip->list.prefix = trip->key;
    if (list->start_after != NULL) {
        memcpy(trip->start_after, list->start_after, strlen(list->start_after) + 1);
        trip->list.start_after = trip->start_after;
    }
    trip->done.list = done;
    depart(trip);
}

static void
link_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done, void *arg)
{
    struct trip *trip = trip_new(self, KS_STORE_REMOVE, remove->key, arg);

    if (trip == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    trip->remove.key = trip->key;
    trip->done.remove = done;
    depart(trip);
}

/* --- The link --------------------------------------------------------------------------------- */

static void
on_closing(void *arg)
{
    struct store_link *link = arg;
    kafscale_close_done *done = link->close_done;
    void *done_arg = link->close_arg;

    ks_free(link);
    done(done_arg);
}

static void
link_close(void *self, kafscale_close_done *done, void *arg)
{
    struct store_link *link = self;

    link->close_done = done;
    link->close_arg = arg;
    close_if_empty(link);
}

static const struct kafscale_store_ops link_ops = { .version = KAFSCALE_STORE_OPS_VERSION,
                                                    .name = "link",
                                                    .window = 3,
                                                    .put = link_put,
                                                    .get = link_get,
                                                    .list = link_list,
                                                    .remove = link_remove,
                                                    .close = link_close };

static const char *
lax_place(void *self)
{
    (void) self;
    return "a store that takes conditions for advice";
}

static const struct kafscale_store_ops lax_ops = { .version = KAFSCALE_STORE_OPS_VERSION,
                                                   .name = "lax",
                                                   .window = 3,
                                                   .put = link_put,
                                                   .get = link_get,
                                                   .list = link_list,
                                                   .remove = link_remove,
                                                   .close = link_close,
                                                   .place = lax_place };

struct kafscale_store
store_link_new(struct ks_env *near, struct virtual_env *world, struct ks_store *far,
               struct store_link **link_out)
{
    struct store_link *link = ks_alloc_zero(1, sizeof *link);

    assert(link != NULL);
    link->near = near;
    link->world = world;
    link->far = far;
    link->closing.run = on_closing;
    link->closing.arg = link;
    ks_list_init(&link->trips);
    *link_out = link;
    return (struct kafscale_store){ .ops = &link_ops, .self = link };
}

struct kafscale_store
store_link_new_lax(struct ks_env *near, struct virtual_env *world, struct ks_store *far,
                   struct store_link **link_out)
{
    struct kafscale_store store = store_link_new(near, world, far, link_out);

    (*link_out)->is_lax = true;
    store.ops = &lax_ops;
    return store;
}

void
store_link_cut(struct store_link *link)
{
    link->is_cut = true;
    for (struct ks_list *node = link->trips.next; node != &link->trips; node = node->next) {
        struct trip *trip = KS_CONTAINER(node, struct trip, link);
        bool was_at_store = trip->is_at_store;

        if (!was_at_store && ks_env_timer_is_set(&trip->departure)) {
            if (ks_env_random_u64(&link->world->env) % 2 == 0) {
                ks_env_cancel_timer(&link->world->env, &trip->departure);
            } else {
                was_at_store = true;
            }
        }
        answer(trip, KAFSCALE_UNKNOWN, NULL);
        trip->is_at_store = was_at_store;
    }
}

void
store_link_mend(struct store_link *link)
{
    link->is_cut = false;
}

uint64_t
store_link_request_count(const struct store_link *link)
{
    return link->requests;
}
