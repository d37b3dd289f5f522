/* SPDX-License-Identifier: Apache-2.0 */
/* The public tools: a loop, a store and its metadata, served inside each call. */
#include "kafscale/tools.h"

#include "kafscale_store.h"
#include "net/net.h"
#include "tools/tools.h"

#include <stdio.h>

struct kafscale_tools {
    struct ks_loop *loop;
    struct ks_session session;
    char *ns;
};

static void
run_loop(void *self)
{
    ks_loop_run(self);
}

static void
stop_loop(void *self)
{
    ks_loop_stop(self);
}

struct ks_session_driver
ks_loop_driver(struct ks_loop *loop)
{
    return (struct ks_session_driver){ .self = loop, .run = run_loop, .wake = stop_loop };
}

static void
on_closed(void *arg)
{
    struct kafscale_tools *tools = arg;

    tools->session.store = NULL;
    ks_loop_stop(tools->loop);
}

static void
on_meta_closed(void *arg)
{
    struct ks_session *session = arg;

    session->meta = NULL;
    session->driver.wake(session->driver.self);
}

static void
close_meta(struct ks_session *session)
{
    if (session->meta != NULL) {
        ks_meta_close(session->meta, on_meta_closed, session);
    }
    while (session->meta != NULL) {
        session->driver.run(session->driver.self);
    }
}

void
kafscale_tools_close(struct kafscale_tools *tools)
{
    if (tools == NULL) {
        return;
    }
    close_meta(&tools->session);
    if (tools->session.store != NULL) {
        ks_store_close(tools->session.store, on_closed, tools);
    }
    while (tools->session.store != NULL) {
        ks_loop_run(tools->loop);
    }
    ks_loop_free(tools->loop);
    ks_free(tools->ns);
    ks_free(tools);
}

static void
ignore_closed(void *arg)
{
    (void) arg;
}

/* The metadata of the session's namespace. */
static enum kafscale_status
open_meta(struct ks_session *session, struct kafscale_error *error)
{
    struct ks_meta_log_options options = { .ns = session->ns };
    struct kafscale_meta meta;

    ks_env_random(session->env, options.incarnation.bytes, KS_ID_BYTES);
    meta = ks_meta_log_new(session->env, session->store, &options);
    session->backend = meta.ops == NULL ? NULL : meta.ops->name;
    session->meta = meta.ops == NULL ? NULL : ks_meta_new(session->env, meta);
    if (session->meta == NULL) {
        if (meta.ops != NULL) {
            meta.ops->close(meta.self, ignore_closed, NULL);
            ks_env_run_due(session->env);
        }
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "metadata: no memory");
    }
    return KAFSCALE_OK;
}

/* Where the store comes from: `open` is NULL, or the program's. */
struct origin {
    const struct kafscale_options *options;
    kafscale_store_open *open;
    void *arg;
};

static enum kafscale_status
open_stores(struct kafscale_tools *tools, const struct origin *origin, struct kafscale_error *error)
{
    struct ks_session *session = &tools->session;
    struct kafscale_store store;
    enum kafscale_status status =
        origin->open != NULL
            ? ks_open_own_store(session->env, origin->open, origin->arg, &store, error)
            : ks_open_store(session->env, origin->options, true, &store, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    session->store = ks_store_new(session->env, store);
    if (session->store == NULL) {
        store.ops->close(store.self, ignore_closed, NULL);
        ks_env_run_due(session->env);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "store: no memory");
    }
    return open_meta(session, error);
}

static struct kafscale_tools *
open_tools(const struct origin *origin, kafscale_log_write *write, void *arg,
           struct kafscale_error *error)
{
    const struct kafscale_options *options = origin->options;
    struct ks_loop_options loop_options = { .logger = { .write = write, .arg = arg } };
    struct kafscale_error unused = { 0 };
    struct kafscale_tools *tools;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (options == NULL) {
        ks_error_set(error, KAFSCALE_INVALID, "tools: no options");
        return NULL;
    }
    if (kafscale_options_check(options, NULL, NULL, error) != KAFSCALE_OK) {
        return NULL;
    }
    tools = ks_alloc_zero(1, sizeof *tools);
    if (tools == NULL) {
        ks_error_set(error, KAFSCALE_NO_MEMORY, "tools: no memory");
        return NULL;
    }
    loop_options.logger.level = ks_options_log_level(options);
    tools->ns = ks_copy_text(ks_option_text(options, KS_OPTION_s3_namespace));
    status = tools->ns == NULL ? ks_error_set(error, KAFSCALE_NO_MEMORY, "tools: no memory")
                               : ks_loop_new(NULL, &loop_options, &tools->loop, error);
    if (status == KAFSCALE_OK) {
        tools->session = (struct ks_session){
            .env = ks_loop_env(tools->loop),
            .ns = tools->ns,
            .driver = ks_loop_driver(tools->loop),
        };
        status = open_stores(tools, origin, error);
    }
    if (status != KAFSCALE_OK) {
        kafscale_tools_close(tools);
        return NULL;
    }
    return tools;
}

struct kafscale_tools *
kafscale_tools_open(const struct kafscale_options *options, kafscale_log_write *write, void *arg,
                    struct kafscale_error *error)
{
    struct origin origin = { .options = options };

    return open_tools(&origin, write, arg, error);
}

struct kafscale_tools *
kafscale_tools_open_own(const struct kafscale_options *options, kafscale_store_open *open,
                        void *open_arg, kafscale_log_write *write, void *arg,
                        struct kafscale_error *error)
{
    struct origin origin = { .options = options, .open = open, .arg = open_arg };

    return open_tools(&origin, write, arg, error);
}

enum kafscale_status
kafscale_tools_list(struct kafscale_tools *tools, const char *prefix, kafscale_tools_listed *listed,
                    void *arg, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };
    char whole[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    int size = snprintf(whole, sizeof whole, "%s/%s", tools->ns, prefix);

    error = error == NULL ? &unused : error;
    if (size < 0 || (size_t) size >= sizeof whole) {
        return ks_error_set(error, KAFSCALE_INVALID, "list: the prefix is too long");
    }
    return ks_session_list(&tools->session, whole, NULL, listed, arg, error);
}

enum kafscale_status
kafscale_tools_get(struct kafscale_tools *tools, const char *key, uint64_t position,
                   size_t size_max, struct kafscale_blob **body_out, uint64_t *object_bytes_out,
                   struct kafscale_error *error)
{
    struct kafscale_get get = { .key = key, .position = position, .size_max = size_max };
    struct kafscale_error unused = { 0 };
    uint64_t object_bytes;
    enum kafscale_status status;

    error = error == NULL ? &unused : error;
    if (!ks_store_key_is_valid(key) || size_max == 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "get: no key, or no bytes");
    }
    status = ks_session_get(&tools->session, &get, body_out, &object_bytes, error);
    if (status == KAFSCALE_OK && object_bytes_out != NULL) {
        *object_bytes_out = object_bytes;
    }
    return status;
}

static enum ks_describe_depth
depth_of(enum kafscale_dump_depth depth)
{
    switch (depth) {
    case KAFSCALE_DUMP_RECORDS:
        return KS_DESCRIBE_RECORDS;
    case KAFSCALE_DUMP_BATCHES:
        return KS_DESCRIBE_BATCHES;
    default:
        return KS_DESCRIBE_HEAD;
    }
}

enum kafscale_status
kafscale_tools_dump(struct kafscale_tools *tools, const char *key, enum kafscale_dump_depth depth,
                    const struct kafscale_describe *describe, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    return ks_tools_dump(&tools->session, key, depth_of(depth), describe,
                         error == NULL ? &unused : error);
}

enum kafscale_status
kafscale_tools_check_store(struct kafscale_tools *tools, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    return ks_session_probe(&tools->session, error == NULL ? &unused : error);
}

enum kafscale_status
kafscale_tools_verify(struct kafscale_tools *tools, bool is_quick, kafscale_tools_found *found,
                      void *arg, struct kafscale_verify_summary *summary_out,
                      struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    return ks_tools_verify(&tools->session, is_quick, found, arg, summary_out,
                           error == NULL ? &unused : error);
}

enum kafscale_status
kafscale_tools_import(struct kafscale_tools *tools, const char *topic, bool is_dry_run,
                      kafscale_tools_imported *imported, void *arg, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    return ks_tools_import(&tools->session, topic, is_dry_run, imported, arg,
                           error == NULL ? &unused : error);
}

/* A session of another namespace on the same store; its metadata is closed by close_meta. */
static enum kafscale_status
open_namespace(const struct kafscale_tools *tools, const char *ns, struct ks_session *session_out,
               struct kafscale_error *error)
{
    struct ks_session session = tools->session;

    session.meta = NULL;
    session.ns = ns;
    if (!ks_store_key_is_valid(ns) || strchr(ns, '/') != NULL) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%.100s' is no namespace", ns);
    }
    *session_out = session;
    return open_meta(session_out, error);
}

static enum kafscale_status
restore_between(struct kafscale_tools *tools, const struct kafscale_restore *restore,
                kafscale_tools_restored *restored, void *arg, struct kafscale_error *error)
{
    const char *from = restore->source_namespace == NULL ? tools->ns : restore->source_namespace;
    const char *to = restore->target_namespace == NULL ? from : restore->target_namespace;
    bool is_same = strcmp(from, to) == 0;
    struct ks_session source = { 0 };
    struct ks_session target = { 0 };
    enum kafscale_status status = open_namespace(tools, from, &source, error);

    if (status == KAFSCALE_OK && !is_same) {
        status = open_namespace(tools, to, &target, error);
    }
    if (status == KAFSCALE_OK) {
        status =
            ks_tools_restore(&source, is_same ? &source : &target, restore, restored, arg, error);
    }
    close_meta(&target);
    close_meta(&source);
    return status;
}

enum kafscale_status
kafscale_tools_restore(struct kafscale_tools *tools, const struct kafscale_restore *restore,
                       kafscale_tools_restored *restored, void *arg, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    error = error == NULL ? &unused : error;
    if (restore->size != sizeof *restore) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "restore: the size in the struct is %zu and not %zu", restore->size,
                            sizeof *restore);
    }
    return restore_between(tools, restore, restored, arg, error);
}

enum kafscale_status
kafscale_tools_rebuild(struct kafscale_tools *tools, bool is_dry_run,
                       kafscale_tools_rebuilt *rebuilt, void *arg, struct kafscale_error *error)
{
    struct kafscale_error unused = { 0 };

    return ks_tools_rebuild(&tools->session, is_dry_run, rebuilt, arg,
                            error == NULL ? &unused : error);
}
