/* SPDX-License-Identifier: Apache-2.0 */
/* Only the two kinds of request that cost much are told apart by what they are for. */
#include "counting_store.h"

#include <stdlib.h>
#include <string.h>

const char *const counting_kind_names[KIND_COUNT] = { "wal",   "bundle",  "metadata",
                                                      "index", "segment", "other" };

static enum counting_kind
kind_of(const char *key)
{
    static const char *const parts[KIND_OTHER] = { "/wal/", "/bundle/", "/meta/", ".index",
                                                   ".kfs" };

    for (int i = 0; i < KIND_OTHER; i++) {
        if (strstr(key, parts[i]) != NULL) {
            return (enum counting_kind) i;
        }
    }
    return KIND_OTHER;
}

/* A segment whose body isn't kept: nothing here reads it, and over hours they are gigabytes. */
struct bodyless {
    struct kafscale_put put;
    kafscale_put_done *done;
    void *arg;
};

static void
on_bodyless(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct bodyless *bodyless = arg;

    bodyless->done(bodyless->arg, status, error);
    free(bodyless);
}

static void
put_bodyless(struct counting_store *store, const struct kafscale_put *put, kafscale_put_done *done,
             void *arg)
{
    struct bodyless *bodyless = malloc(sizeof *bodyless);

    if (bodyless == NULL) {
        abort();
    }
    *bodyless = (struct bodyless){ .put = *put, .done = done, .arg = arg };
    bodyless->put.part_count = 0;
    store->inner.ops->put(store->inner.self, &bodyless->put, on_bodyless, bodyless);
}

static void
counting_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct counting_store *store = self;

    store->puts[kind_of(put->key)]++;
    for (size_t i = 0; i < put->part_count; i++) {
        store->put_bytes += put->parts[i].bytes.size;
    }
    if (kind_of(put->key) == KIND_SEGMENT) {
        put_bodyless(store, put, done, arg);
        return;
    }
    store->inner.ops->put(store->inner.self, put, done, arg);
}

static void
counting_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct counting_store *store = self;

    store->gets[kind_of(get->key)]++;
    store->inner.ops->get(store->inner.self, get, done, arg);
}

static void
counting_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct counting_store *store = self;

    store->lists++;
    store->inner.ops->list(store->inner.self, list, done, arg);
}

static void
counting_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
                void *arg)
{
    struct counting_store *store = self;

    store->removes++;
    store->inner.ops->remove(store->inner.self, remove, done, arg);
}

static void
counting_close(void *self, kafscale_close_done *done, void *arg)
{
    struct counting_store *store = self;

    store->inner.ops->close(store->inner.self, done, arg);
}

const struct kafscale_store_ops counting_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "counting",
    .window = 8,
    .flush_interval_ms = COUNTING_WINDOW_MS,
    .put = counting_put,
    .get = counting_get,
    .list = counting_list,
    .remove = counting_remove,
    .close = counting_close,
};

uint64_t
counting_sum(const uint64_t counts[KIND_COUNT])
{
    uint64_t total = 0;

    for (int i = 0; i < KIND_COUNT; i++) {
        total += counts[i];
    }
    return total;
}

void
counting_reset(struct counting_store *store)
{
    *store = (struct counting_store){ .inner = store->inner };
}
