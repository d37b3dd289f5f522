/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores that programs bring: nothing about them is taken for granted but that their functions can
 * be called.
 */
#include "kafscale_internal.h"
#include "kafscale_store.h"
#include "store/store.h"
#include "tools/tools.h"

void
kafscale_broker_set_store(struct kafscale_broker *broker, kafscale_store_open *open, void *arg)
{
    broker->store_open = open;
    broker->store_arg = arg;
}

void
kafscale_broker_set_meta(struct kafscale_broker *broker, kafscale_meta_open *open, void *arg)
{
    broker->meta_open = open;
    broker->meta_arg = arg;
}

static void
ignore_closed(void *arg)
{
    (void) arg;
}

/* The failure of an `open` that may have forgotten to say why. */
static enum kafscale_status
not_opened(const char *what, enum kafscale_status status, struct kafscale_error *error)
{
    ks_error_set(error, status, "%s", kafscale_status_text(status));
    ks_error_wrap(error, "own %s", what);
    return status;
}

enum kafscale_status
ks_open_own_store(struct ks_env *env, kafscale_store_open *open, void *arg,
                  struct kafscale_store *store_out, struct kafscale_error *error)
{
    struct kafscale_store store = { 0 };
    enum kafscale_status status = open(arg, ks_env_loop(env), &store, error);
    const char *fault;

    if (status != KAFSCALE_OK) {
        return not_opened("store", status, error);
    }
    fault = ks_store_find_fault(&store);
    if (fault != NULL) {
        if (store.ops != NULL && store.ops->close != NULL) {
            store.ops->close(store.self, ignore_closed, NULL);
            ks_env_run_due(env);
        }
        return ks_error_set(error, KAFSCALE_INVALID, "own store: %s", fault);
    }
    *store_out = store;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_open_own_meta(struct ks_env *env, kafscale_meta_open *open, void *arg,
                 struct kafscale_meta *meta_out, struct kafscale_error *error)
{
    struct kafscale_meta meta = { 0 };
    enum kafscale_status status = open(arg, ks_env_loop(env), &meta, error);
    const char *fault;

    if (status != KAFSCALE_OK) {
        return not_opened("metadata store", status, error);
    }
    fault = ks_meta_find_fault(&meta);
    if (fault != NULL) {
        if (meta.ops != NULL && meta.ops->close != NULL) {
            meta.ops->close(meta.self, ignore_closed, NULL);
            ks_env_run_due(env);
        }
        return ks_error_set(error, KAFSCALE_INVALID, "own metadata store: %s", fault);
    }
    *meta_out = meta;
    return KAFSCALE_OK;
}

enum kafscale_status
kafscale_store_open_builtin(const struct kafscale_options *options, struct kafscale_loop loop,
                            struct kafscale_store *store_out, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct ks_env *env = ks_env_of_loop(loop);

    error = error == NULL ? &unused : error;
    if (env == NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "store: a loop that isn't the library's");
    }
    return ks_open_store(env, options, false, store_out, error);
}

/* Room for what the checks put behind it, up to the longest key. */
#define PREFIX_BYTES_MAX 200

static bool
is_prefix(const char *prefix)
{
    char key[PREFIX_BYTES_MAX + 2];
    size_t size = strlen(prefix);

    if (size > PREFIX_BYTES_MAX || (size > 0 && prefix[size - 1] != '/')) {
        return false;
    }
    memcpy(key, prefix, size);
    memcpy(key + size, "x", 2);
    return ks_store_key_is_valid(key);
}

static enum kafscale_status
check_on(struct ks_loop *loop, struct kafscale_store store, const char *prefix,
         kafscale_store_checked *checked, void *arg, struct kafscale_error *error)
{
    struct ks_session session = {
        .env = ks_loop_env(loop),
        .ns = "",
        .driver = ks_loop_driver(loop),
    };

    session.store = ks_store_new(session.env, store);
    if (session.store == NULL) {
        store.ops->close(store.self, ignore_closed, NULL);
        ks_env_run_due(session.env);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "store: no memory");
    }
    return ks_store_check(&session, prefix, checked, arg, error);
}

enum kafscale_status
kafscale_store_check(kafscale_store_open *open, void *arg, const char *prefix,
                     kafscale_store_checked *checked, void *checked_arg,
                     struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    struct kafscale_store store = { 0 };
    struct ks_loop *loop = NULL;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (!is_prefix(prefix)) {
        return ks_error_set(error, KAFSCALE_INVALID, "store: no prefix for checks");
    }
    status = ks_loop_new(NULL, NULL, &loop, error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    status = ks_open_own_store(ks_loop_env(loop), open, arg, &store, error);
    if (status == KAFSCALE_OK) {
        status = check_on(loop, store, prefix, checked, checked_arg, error);
    }
    ks_loop_free(loop);
    return status;
}
