/* SPDX-License-Identifier: Apache-2.0 */
/* Requests go on to the inner store, and what it answers is spoilt on its way back. */
#include "bad_store.h"

#include <stdlib.h>
#include <string.h>

#define DELAY_TASKS 20

struct bad {
    enum fault fault;
    struct kafscale_store inner;
    struct kafscale_loop loop;
    struct kafscale_blob *stale;
    kafscale_close_done *close_done;
    void *close_arg;
    struct kafscale_task close_task;
};

/* A request on its way, with a copy that may say something else. */
struct call {
    struct bad *bad;
    struct kafscale_put put;
    struct kafscale_get get;
    struct kafscale_list list;
    struct kafscale_remove remove;
    kafscale_put_done *put_done;
    kafscale_get_done *get_done;
    kafscale_list_done *list_done;
    kafscale_remove_done *remove_done;
    void *arg;
    struct kafscale_task task;
    int delays;
};

static struct call *
call_new(struct bad *bad, void *arg)
{
    struct call *call = calloc(1, sizeof *call);

    call->bad = bad;
    call->arg = arg;
    return call;
}

/* --- PUT --- */

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct call *call = arg;
    enum fault fault = call->bad->fault;

    if (fault == FAULT_ODD_EXISTS) {
        status = KAFSCALE_EXISTS;
    }
    if (fault == FAULT_UNAVAILABLE) {
        status = KAFSCALE_UNAVAILABLE;
    }
    if (fault != FAULT_EARLY) {
        call->put_done(call->arg, status, error);
    }
    if (fault == FAULT_TWICE) {
        call->put_done(call->arg, status, error);
    }
    free(call);
}

static void
forget_put(void *arg)
{
    on_put(arg, KAFSCALE_OK, NULL);
}

static void
on_looked(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t size,
          const struct kafscale_error *error)
{
    struct call *call = arg;

    (void) body;
    (void) size;
    if (status == KAFSCALE_OK) {
        on_put(call, KAFSCALE_EXISTS, error);
        return;
    }
    call->put.if_absent = false;
    call->bad->inner.ops->put(call->bad->inner.self, &call->put, on_put, call);
}

static void
bad_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct bad *bad = self;
    struct call *call = call_new(bad, arg);

    call->put = *put;
    call->put_done = done;
    call->put.if_absent = put->if_absent && bad->fault != FAULT_OVERWRITES;
    if (bad->fault == FAULT_LOSES || bad->fault == FAULT_UNAVAILABLE) {
        call->task = (struct kafscale_task){ .run = forget_put, .arg = call };
        bad->loop.ops->defer(bad->loop.self, &call->task);
    } else if (bad->fault == FAULT_RACY && put->if_absent) {
        call->get = (struct kafscale_get){ .key = put->key, .size_max = 1 };
        bad->inner.ops->get(bad->inner.self, &call->get, on_looked, call);
    } else {
        bad->inner.ops->put(bad->inner.self, &call->put, on_put, call);
    }
    if (bad->fault == FAULT_EARLY) {
        done(arg, KAFSCALE_OK, NULL);
    }
}

/* --- GET --- */

static void
on_get(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    struct call *call = arg;
    struct bad *bad = call->bad;
    struct kafscale_blob *other = NULL;

    if (bad->fault == FAULT_EMPTY && status == KAFSCALE_NOT_FOUND) {
        other = kafscale_blob_new(0);
        status = KAFSCALE_OK;
    } else if (bad->fault == FAULT_SHORT && body != NULL && kafscale_blob_size(body) > 0) {
        other = kafscale_blob_view(body, 0, kafscale_blob_size(body) - 1);
    } else if (bad->fault == FAULT_STALE && body != NULL) {
        bad->stale = bad->stale == NULL ? kafscale_blob_ref(body) : bad->stale;
        other = kafscale_blob_ref(bad->stale);
        object_bytes = kafscale_blob_size(other);
    }
    call->get_done(call->arg, status, other == NULL ? body : other, object_bytes, error);
    kafscale_blob_unref(other);
    free(call);
}

static void
delayed_get(void *arg)
{
    struct call *call = arg;
    struct bad *bad = call->bad;

    if (call->delays-- > 0) {
        bad->loop.ops->defer(bad->loop.self, &call->task);
        return;
    }
    bad->inner.ops->get(bad->inner.self, &call->get, on_get, call);
}

static void
bad_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct bad *bad = self;
    struct call *call = call_new(bad, arg);

    call->get = *get;
    call->get_done = done;
    if (bad->fault == FAULT_WHOLE) {
        call->get.position = 0;
        call->get.size_max = SIZE_MAX;
    }
    call->delays = bad->fault == FAULT_CLOSES_EARLY ? DELAY_TASKS : 0;
    call->task = (struct kafscale_task){ .run = delayed_get, .arg = call };
    delayed_get(call);
}

/* --- LIST and DELETE --- */

static void
on_list(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
        size_t count, bool is_truncated, const struct kafscale_error *error)
{
    struct call *call = arg;
    enum fault fault = call->bad->fault;
    struct kafscale_list_entry *copy = calloc(count + 1, sizeof *copy);

    if (count > 0) {
        memcpy(copy, entries, count * sizeof *copy);
    }
    if (fault == FAULT_LIST_ORDER && count > 1) {
        copy[0] = entries[count - 1];
        copy[count - 1] = entries[0];
    }
    count -= fault == FAULT_LIST_FORGETS && count > 0;
    is_truncated = fault == FAULT_LIST_UNENDING || (is_truncated && fault != FAULT_LIST_ABRIDGED);
    call->list_done(call->arg, status, copy, count, is_truncated, error);
    free(copy);
    free(call);
}

static void
bad_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct bad *bad = self;
    struct call *call = call_new(bad, arg);

    call->list = *list;
    call->list_done = done;
    if (bad->fault == FAULT_LIST_ENDLESS) {
        call->list.start_after = NULL;
    }
    bad->inner.ops->list(bad->inner.self, &call->list, on_list, call);
}

static void
on_remove(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct call *call = arg;

    call->remove_done(
        call->arg, call->bad->fault == FAULT_REMOVE_COMPLAINS ? KAFSCALE_NOT_FOUND : status, error);
    free(call);
}

static void
forget_remove(void *arg)
{
    on_remove(arg, KAFSCALE_OK, NULL);
}

static void
bad_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done, void *arg)
{
    struct bad *bad = self;
    struct call *call = call_new(bad, arg);

    call->remove = *remove;
    call->remove_done = done;
    if (bad->fault == FAULT_REMOVES_NOTHING) {
        call->task = (struct kafscale_task){ .run = forget_remove, .arg = call };
        bad->loop.ops->defer(bad->loop.self, &call->task);
        return;
    }
    bad->inner.ops->remove(bad->inner.self, &call->remove, on_remove, call);
}

/* --- The store --- */

static void
on_closed(void *arg)
{
    struct bad *bad = arg;
    kafscale_close_done *done = bad->close_done;
    void *done_arg = bad->close_arg;

    kafscale_blob_unref(bad->stale);
    free(bad);
    done(done_arg);
}

static void
say_closed(void *arg)
{
    struct bad *bad = arg;

    bad->close_done(bad->close_arg);
}

static void
bad_close(void *self, kafscale_close_done *done, void *arg)
{
    struct bad *bad = self;

    bad->close_done = done;
    bad->close_arg = arg;
    if (bad->fault == FAULT_CLOSES_EARLY) {
        bad->close_task = (struct kafscale_task){ .run = say_closed, .arg = bad };
        bad->loop.ops->defer(bad->loop.self, &bad->close_task);
        return;
    }
    bad->inner.ops->close(bad->inner.self, on_closed, bad);
}

enum kafscale_status
bad_store_open(void *arg, struct kafscale_loop loop, struct kafscale_store *store_out,
               struct kafscale_error *error)
{
    static const struct kafscale_store_ops ops = { .version = KAFSCALE_STORE_OPS_VERSION,
                                                   .name = "bad",
                                                   .window = 8,
                                                   .put = bad_put,
                                                   .get = bad_get,
                                                   .list = bad_list,
                                                   .remove = bad_remove,
                                                   .close = bad_close };
    struct bad *bad = calloc(1, sizeof *bad);
    struct kafscale_options *options = kafscale_options_new();
    enum kafscale_status status = kafscale_options_set(options, "store", "memory", error);

    bad->fault = *(const enum fault *) arg;
    bad->loop = loop;
    if (status == KAFSCALE_OK) {
        status = kafscale_store_open_builtin(options, loop, &bad->inner, error);
    }
    kafscale_options_free(options);
    if (status != KAFSCALE_OK) {
        free(bad);
        return status;
    }
    *store_out = (struct kafscale_store){ &ops, bad };
    return KAFSCALE_OK;
}
