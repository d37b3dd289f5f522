/* SPDX-License-Identifier: Apache-2.0 */
/* Requests are carried out in the order in which their tasks come. */
#include "own_meta.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 4096

struct own_meta_key {
    struct own_meta_key *next;
    char key[KAFSCALE_META_KEY_BYTES_MAX + 1];
    uint8_t *bytes;
    size_t size;
    uint64_t version;
};

struct view {
    struct own_meta *meta;
    struct kafscale_loop loop;
    kafscale_meta_changed *changed;
    void *changed_arg;
    size_t waiting;
    kafscale_meta_close_done *close_done;
    void *close_arg;
    struct kafscale_task close_task;
};

struct call {
    struct view *view;
    const struct kafscale_meta_read *read;
    kafscale_meta_read_done *read_done;
    const struct kafscale_meta_txn *txn;
    kafscale_meta_txn_done *txn_done;
    void *arg;
    struct kafscale_task task;
};

static struct own_meta_key **
find(struct own_meta *meta, const char *key)
{
    struct own_meta_key **place = &meta->first;

    while (*place != NULL && strcmp((*place)->key, key) < 0) {
        place = &(*place)->next;
    }
    return place;
}

static uint64_t
version_of(struct own_meta *meta, const char *key)
{
    struct own_meta_key **place = find(meta, key);

    return *place != NULL && strcmp((*place)->key, key) == 0 ? (*place)->version : 0;
}

static void
drop(struct own_meta_key **place)
{
    struct own_meta_key *key = *place;

    *place = key->next;
    free(key->bytes);
    free(key);
}

void
own_meta_deinit(struct own_meta *meta)
{
    while (meta->first != NULL) {
        drop(&meta->first);
    }
}

static void
run_read(struct call *call)
{
    static struct kafscale_meta_entry entries[ENTRIES_MAX];
    const struct kafscale_meta_read *read = call->read;
    struct own_meta *meta = call->view->meta;
    size_t count = 0;

    for (struct own_meta_key *key = meta->first; key != NULL && count < ENTRIES_MAX;
         key = key->next) {
        if (read->is_prefix ? strncmp(key->key, read->key, strlen(read->key)) == 0
                            : strcmp(key->key, read->key) == 0) {
            entries[count++] = (struct kafscale_meta_entry){
                .key = key->key,
                .value = { key->bytes, key->size },
                .version = meta->lies ? meta->revision + 1 : key->version,
            };
        }
    }
    call->read_done(call->arg, KAFSCALE_OK, entries, count, meta->revision, NULL);
}

static bool
holds(struct own_meta *meta, const struct kafscale_meta_txn *txn)
{
    for (size_t i = 0; i < txn->compare_count; i++) {
        const struct kafscale_meta_compare *compare = &txn->compares[i];
        uint64_t version = version_of(meta, compare->key);

        if (compare->any_version ? version == 0 : version != compare->version) {
            return false;
        }
    }
    return true;
}

static void
carry_out(struct view *view, const struct kafscale_meta_operation *operation)
{
    struct own_meta *meta = view->meta;
    struct own_meta_key **place = find(meta, operation->key);
    struct kafscale_meta_entry told = { .key = operation->key, .version = meta->revision };

    if (version_of(meta, operation->key) > 0) {
        drop(place);
    }
    if (!operation->is_delete) {
        struct own_meta_key *key = calloc(1, sizeof *key);

        strcpy(key->key, operation->key);
        key->size = operation->value.size;
        key->bytes = malloc(key->size + 1);
        if (key->size > 0) {
            memcpy(key->bytes, operation->value.data, key->size);
        }
        key->version = meta->revision;
        key->next = *place;
        *place = key;
        told.value = operation->value;
    }
    if (view->changed != NULL) {
        view->changed(view->changed_arg, &told, operation->is_delete);
    }
}

static void
run_txn(struct call *call)
{
    struct own_meta *meta = call->view->meta;
    const struct kafscale_meta_txn *txn = call->txn;

    if (!holds(meta, txn)) {
        call->txn_done(call->arg, KAFSCALE_CONFLICT, meta->revision, NULL);
        return;
    }
    meta->revision++;
    meta->transactions++;
    for (size_t i = 0; i < txn->operation_count; i++) {
        carry_out(call->view, &txn->operations[i]);
    }
    call->txn_done(call->arg, KAFSCALE_OK, meta->revision, NULL);
}

static void
close_now(void *arg)
{
    struct view *view = arg;
    kafscale_meta_close_done *done = view->close_done;
    void *done_arg = view->close_arg;

    free(view);
    done(done_arg);
}

static void
run(void *arg)
{
    struct call *call = arg;
    struct view *view = call->view;

    if (call->read != NULL) {
        run_read(call);
    } else {
        run_txn(call);
    }
    free(call);
    if (--view->waiting == 0 && view->close_done != NULL) {
        close_now(view);
    }
}

static struct call *
call_new(struct view *view, void *arg)
{
    struct call *call = calloc(1, sizeof *call);

    call->view = view;
    call->arg = arg;
    call->task = (struct kafscale_task){ .run = run, .arg = call };
    view->waiting++;
    view->loop.ops->defer(view->loop.self, &call->task);
    return call;
}

static void
own_read(void *self, const struct kafscale_meta_read *read, kafscale_meta_read_done *done,
         void *arg)
{
    struct call *call = call_new(self, arg);

    call->read = read;
    call->read_done = done;
}

static void
own_txn(void *self, const struct kafscale_meta_txn *txn, kafscale_meta_txn_done *done, void *arg)
{
    struct call *call = call_new(self, arg);

    call->txn = txn;
    call->txn_done = done;
}

static void
own_watch(void *self, kafscale_meta_changed *changed, void *arg)
{
    struct view *view = self;

    view->changed = changed;
    view->changed_arg = arg;
}

static void
own_close(void *self, kafscale_meta_close_done *done, void *arg)
{
    struct view *view = self;

    view->close_done = done;
    view->close_arg = arg;
    view->close_task = (struct kafscale_task){ .run = close_now, .arg = view };
    if (view->waiting == 0) {
        view->loop.ops->defer(view->loop.self, &view->close_task);
    }
}

enum kafscale_status
own_meta_open(void *arg, struct kafscale_loop loop, struct kafscale_meta *meta_out,
              struct kafscale_error *error)
{
    static const struct kafscale_meta_ops ops = { .version = KAFSCALE_META_OPS_VERSION,
                                                  .name = "own",
                                                  .read = own_read,
                                                  .txn = own_txn,
                                                  .watch = own_watch,
                                                  .close = own_close };
    struct view *view = calloc(1, sizeof *view);

    (void) error;
    view->meta = arg;
    view->loop = loop;
    *meta_out = (struct kafscale_meta){ &ops, view };
    return KAFSCALE_OK;
}
