/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract over the backends that need no server: memory, and the object log with and without
 * small limits.
 */
#include "contract/meta_contract.h"
#include "store/store.h"

#include <stdlib.h>

struct shared {
    struct virtual_env *v;
    struct ks_meta_bucket *bucket;
    struct ks_store *store;
    struct ks_meta_log_options options;
    uint8_t opened_count;
};

static void *
start_memory(struct virtual_env *v)
{
    struct shared *shared = calloc(1, sizeof *shared);

    shared->v = v;
    shared->bucket = ks_meta_bucket_new();
    return shared;
}

static struct ks_meta *
open_memory(void *state)
{
    struct shared *shared = state;

    return ks_meta_new(&shared->v->env, ks_meta_memory_new(&shared->v->env, shared->bucket, 4));
}

static void
stop_memory(void *state)
{
    struct shared *shared = state;

    ks_meta_bucket_free(shared->bucket);
    free(shared);
}

static void *
start_log(struct virtual_env *v)
{
    struct shared *shared = calloc(1, sizeof *shared);

    shared->v = v;
    shared->store = ks_store_new(&v->env, ks_memory_store_new(&v->env, NULL));
    shared->options = (struct ks_meta_log_options){ .ns = "default" };
    return shared;
}

static void *
start_small_log(struct virtual_env *v)
{
    struct shared *shared = start_log(v);

    shared->options.chunk_entries = 2;
    shared->options.operations_max = 4;
    return shared;
}

static struct ks_meta *
open_log(void *state)
{
    struct shared *shared = state;
    struct ks_meta_log_options options = shared->options;

    options.incarnation.bytes[0] = ++shared->opened_count;
    return ks_meta_new(&shared->v->env, ks_meta_log_new(&shared->v->env, shared->store, &options));
}

static void
on_closed(void *arg)
{
    (void) arg;
}

static void
stop_log(void *state)
{
    struct shared *shared = state;

    ks_store_close(shared->store, on_closed, NULL);
    virtual_env_run_until_idle(shared->v, 1000);
    free(shared);
}

Suite *
suite_new(void)
{
    static const struct meta_factory factories[] = {
        { "memory", start_memory, open_memory, stop_memory },
        { "object log", start_log, open_log, stop_log },
        { "object log, chunks of 2, 4 operations", start_small_log, open_log, stop_log },
    };
    Suite *suite = suite_create("meta contract");

    meta_contract_add(suite, factories, 3);
    return suite;
}
