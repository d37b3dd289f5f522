/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side of the directory store: requests become jobs, answers come back. What is
 * known to be durable is kept here, on the loop thread; a job is told at its start and reports
 * at its end.
 */
#include "store/directory_store.h"

#include "store/directory_call.h"

#include <assert.h>

/*
 * So many directories are remembered as durable before all are forgotten; each then costs its
 * fsyncs again.
 */
#define DURABLE_COUNT_MAX 65536

/* A directory whose own entry, and those of its ancestors, are known to be durable. */
struct durable_directory {
    struct ks_table_node node;
    char path[];
};

struct directory_store {
    struct ks_env *env;
    struct ks_directory_root root;
    struct ks_table durable;
    atomic_bool is_broken;
    bool is_failed;
    struct kafscale_error failure;
    size_t in_flight;
    struct ks_task closing;
    kafscale_close_done *close_done;
    void *close_arg;
};

static void
forget_durable(struct directory_store *store)
{
    struct ks_table_node *node = ks_table_next(&store->durable, NULL);

    while (node != NULL) {
        struct ks_table_node *next = ks_table_next(&store->durable, node);

        ks_table_remove(&store->durable, node);
        ks_free(KS_CONTAINER(node, struct durable_directory, node));
        node = next;
    }
}

/* Not to remember, for want of memory, costs only fsyncs. */
static void
remember_durable(struct directory_store *store, const char *path)
{
    struct kafscale_slice key = ks_slice_of_text(path);
    struct durable_directory *directory;

    if (ks_table_find(&store->durable, key) != NULL) {
        return;
    }
    if (store->durable.count >= DURABLE_COUNT_MAX) {
        forget_durable(store);
    }
    directory = ks_alloc_zero(1, sizeof *directory + key.size + 1);
    if (directory == NULL) {
        return;
    }
    memcpy(directory->path, path, key.size);
    key.data = (const uint8_t *) directory->path;
    if (ks_table_insert(&store->durable, &directory->node, key) != KAFSCALE_OK) {
        ks_free(directory);
    }
}

/* The first reason for which the store can't be used any more stays. */
static void
fail_store(struct directory_store *store, const struct kafscale_error *error)
{
    if (store->is_failed) {
        return;
    }
    store->is_failed = true;
    store->failure = *error;
    store->failure.status = KAFSCALE_FAILED;
    atomic_store(&store->is_broken, true);
}

/*
 * What was found fit while another job saw an fsync fail proves nothing, and is as much the end as
 * that failure itself.
 */
static void
judge(struct directory_call *call)
{
    struct directory_store *store = call->store;
    bool is_write = call->kind == KS_STORE_PUT || call->kind == KS_STORE_REMOVE;
    bool is_good = call->status == KAFSCALE_OK || call->status == KAFSCALE_EXISTS;

    if (atomic_load(&store->is_broken) && is_write && is_good) {
        call->status = ks_error_set(
            &call->error, KAFSCALE_UNKNOWN,
            "directory store '%.120s': the fsync of another request failed, its state is unknown",
            call->root->path);
    }
    if (atomic_load(&store->is_broken) && call->status == KAFSCALE_UNKNOWN) {
        call->status = KAFSCALE_FAILED;
        call->error.status = KAFSCALE_FAILED;
    }
    if (call->status == KAFSCALE_FAILED) {
        fail_store(store, &call->error);
    }
    if (call->kind == KS_STORE_PUT && is_good && !store->is_failed) {
        remember_durable(store, call->directory);
    }
}

static void
answer(struct directory_call *call)
{
    const struct kafscale_error *error = call->error.status == KAFSCALE_OK ? NULL : &call->error;

    switch (call->kind) {
    case KS_STORE_PUT:
        call->done.put(call->arg, call->status, error);
        return;
    case KS_STORE_GET:
        call->done.get(call->arg, call->status, call->body, call->object_bytes, error);
        return;
    case KS_STORE_LIST:
        call->done.list(call->arg, call->status, call->entries, call->entry_count,
                        call->is_truncated, error);
        return;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    call->done.remove(call->arg, call->status, error);
}

static void
free_call(struct directory_call *call)
{
    kafscale_blob_unref(call->body);
    for (size_t i = 0; i < call->entry_count; i++) {
        ks_free((void *) (uintptr_t) call->entries[i].key);
    }
    ks_free(call->entries);
    ks_free(call);
}

static void
on_job_done(struct ks_job *job)
{
    struct directory_call *call = KS_CONTAINER(job, struct directory_call, job);
    struct directory_store *store = call->store;

    judge(call);
    answer(call);
    free_call(call);
    store->in_flight--;
    if (store->in_flight == 0 && store->close_done != NULL) {
        ks_env_defer(store->env, &store->closing);
    }
}

/* On a worker thread. */
static void
run_job(struct ks_job *job)
{
    struct directory_call *call = KS_CONTAINER(job, struct directory_call, job);

    if (call->status != KAFSCALE_OK) {
        return;
    }
    switch (call->kind) {
    case KS_STORE_PUT:
        ks_directory_put(call);
        return;
    case KS_STORE_GET:
        ks_directory_get(call);
        return;
    case KS_STORE_LIST:
        ks_directory_list(call);
        return;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    ks_directory_remove(call);
}

static struct directory_call *
new_call(struct directory_store *store, enum ks_store_operation kind, void *arg)
{
    struct directory_call *call = ks_alloc_zero(1, sizeof *call);

    assert(store->close_done == NULL);
    if (call == NULL) {
        return NULL;
    }
    call->job.run = run_job;
    call->job.done = on_job_done;
    call->store = store;
    call->root = &store->root;
    call->is_broken = &store->is_broken;
    call->kind = kind;
    call->arg = arg;
    if (store->is_failed) {
        call->status = KAFSCALE_FAILED;
        call->error = store->failure;
    }
    return call;
}

static void
submit(struct directory_call *call)
{
    call->store->in_flight++;
    ks_env_submit(call->store->env, &call->job);
}

/* Splits the key into its directory and the name in it. */
static void
place_key(struct directory_call *call, const char *key)
{
    const char *slash = strrchr(key, '/');

    if (slash == NULL) {
        call->directory[0] = '.';
        call->name = key;
        return;
    }
    memcpy(call->directory, key, (size_t) (slash - key));
    call->name = slash + 1;
}

static void
directory_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct directory_store *store = self;
    struct directory_call *call = new_call(store, KS_STORE_PUT, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.put = put;
    call->done.put = done;
    place_key(call, put->key);
    call->is_trusted = ks_table_find(&store->durable, ks_slice_of_text(call->directory)) != NULL;
    ks_env_random(store->env, call->random, sizeof call->random);
    submit(call);
}

static void
directory_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct directory_call *call = new_call(self, KS_STORE_GET, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, NULL);
        return;
    }
    call->request.get = get;
    call->done.get = done;
    submit(call);
}

static void
directory_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct directory_call *call = new_call(self, KS_STORE_LIST, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, false, NULL);
        return;
    }
    call->request.list = list;
    call->done.list = done;
    submit(call);
}

static void
directory_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
                 void *arg)
{
    struct directory_call *call = new_call(self, KS_STORE_REMOVE, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.remove = remove;
    call->done.remove = done;
    place_key(call, remove->key);
    submit(call);
}

static void
run_close(void *arg)
{
    struct directory_store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;

    forget_durable(store);
    ks_table_deinit(&store->durable);
    ks_directory_root_close(&store->root);
    ks_free(store);
    done(done_arg);
}

static void
directory_close(void *self, kafscale_close_done *done, void *arg)
{
    struct directory_store *store = self;

    assert(store->close_done == NULL);

    store->close_done = done;
    store->close_arg = arg;
    store->closing = (struct ks_task){ .run = run_close, .arg = store };
    if (store->in_flight == 0) {
        ks_env_defer(store->env, &store->closing);
    }
}

static const struct kafscale_store_ops directory_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "directory",
    .window = 2,
    .flush_interval_ms = 0,
    .put = directory_put,
    .get = directory_get,
    .list = directory_list,
    .remove = directory_remove,
    .close = directory_close,
};

enum kafscale_status
ks_directory_store_open(struct ks_env *env, const char *root_path, struct ks_files files,
                        struct kafscale_store *store_out, struct kafscale_error *error)
{
    struct directory_store *store = ks_alloc_zero(1, sizeof *store);
    enum kafscale_status status;
    struct ks_id id;

    if (store == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "directory store '%s': no memory",
                            root_path);
    }
    ks_env_random(env, id.bytes, sizeof id.bytes);
    status = ks_directory_root_open(&store->root, files, root_path, &id, error);
    if (status != KAFSCALE_OK) {
        ks_free(store);
        return status;
    }
    if (store->root.litter_count > 0) {
        ks_log(&env->logger, KAFSCALE_LOG_INFO,
               "removed temporary files of processes that were killed count=%zu",
               store->root.litter_count);
    }
    store->env = env;
    atomic_init(&store->is_broken, false);
    ks_table_init(&store->durable, ks_env_random_u64(env));
    *store_out = (struct kafscale_store){ .ops = &directory_ops, .self = store };
    return KAFSCALE_OK;
}

bool
ks_directory_store_is_there(const char *root_path, struct ks_files files)
{
    int root = files.ops->open_directory(files.self, KS_FILE_HERE, root_path, true);
    struct ks_file_stat identity;
    bool is_there;

    if (root < 0) {
        return false;
    }
    is_there =
        files.ops->stat_at(files.self, root, KS_DIRECTORY_IDENTITY_NAME, false, &identity) == 0;
    files.ops->close(files.self, root);
    return is_there;
}
