/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side of the libs3 store: requests become jobs, and jobs that may succeed later are
 * sent again. Writes of one key go one after the other, which makes a look and a PUT one step for
 * everybody in this process.
 */
#include "store/libs3/libs3_store.h"

#include "store/libs3/call.h"

#include <assert.h>
#include <pthread.h>

#define TRIES_MAX 3

struct ks_libs3_store {
    struct kafscale_loop loop;
    struct ks_libs3_bucket bucket;
    struct ks_list calls; /* in the order in which they came */
    struct kafscale_task closing;
    kafscale_close_done *close_done;
    void *close_arg;
};

static void start_writes_of(struct ks_libs3_store *store, const char *key);

/* --- Calls ------------------------------------------------------------------------------------ */

const char *
ks_libs3_call_key(const struct ks_libs3_call *call)
{
    switch (call->kind) {
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

static bool
is_write(const struct ks_libs3_call *call)
{
    return call->kind == KS_STORE_PUT || call->kind == KS_STORE_REMOVE;
}

void
ks_libs3_call_clear(struct ks_libs3_call *call)
{
    for (size_t i = 0; i < call->entry_count; i++) {
        ks_free((void *) (uintptr_t) call->entries[i].key);
    }
    ks_free(call->entries);
    kafscale_blob_unref(call->body);
    call->entries = NULL;
    call->entry_count = 0;
    call->entry_capacity = 0;
    call->body = NULL;
}

static enum kafscale_status
status_of_failure(const struct ks_libs3_call *call)
{
    if (is_write(call) && call->may_have_acted) {
        return KAFSCALE_UNKNOWN;
    }
    if (call->verdict == KS_LIBS3_STARVED) {
        return KAFSCALE_NO_MEMORY;
    }
    return call->kind == KS_STORE_GET && call->verdict == KS_LIBS3_DAMAGED ? KAFSCALE_CORRUPT
                                                                           : KAFSCALE_UNAVAILABLE;
}

static enum kafscale_status
status_of(const struct ks_libs3_call *call)
{
    switch (call->verdict) {
    case KS_LIBS3_GOOD:
        return KAFSCALE_OK;
    case KS_LIBS3_TAKEN:
        return KAFSCALE_EXISTS;
    case KS_LIBS3_ABSENT:
        return call->kind == KS_STORE_GET ? KAFSCALE_NOT_FOUND : status_of_failure(call);
    default:
        return status_of_failure(call);
    }
}

static void
answer(struct ks_libs3_call *call, enum kafscale_status status)
{
    const struct kafscale_error *error = status == KAFSCALE_OK ? NULL : &call->error;
    size_t count = call->entry_count;

    call->error.status = status;
    switch (call->kind) {
    case KS_STORE_PUT:
        call->done.put(call->arg, status, error);
        return;
    case KS_STORE_GET:
        call->done.get(call->arg, status, status == KAFSCALE_OK ? call->body : NULL,
                       call->object_bytes, error);
        return;
    case KS_STORE_LIST:
        count = call->is_truncated ? call->request.list->count_max : count;
        call->done.list(call->arg, status, status == KAFSCALE_OK ? call->entries : NULL,
                        status == KAFSCALE_OK ? count : 0, call->is_truncated, error);
        return;
    case KS_STORE_REMOVE:
    case KS_STORE_OPERATION_COUNT:
        break;
    }
    call->done.remove(call->arg, status, error);
}

static void
finish(struct ks_libs3_call *call)
{
    struct ks_libs3_store *store = call->store;

    ks_list_remove(&call->link);
    if (is_write(call)) {
        start_writes_of(store, ks_libs3_call_key(call));
    }
    answer(call, status_of(call));
    ks_libs3_call_clear(call);
    ks_free(call);
    if (ks_list_is_empty(&store->calls) && store->close_done != NULL) {
        store->loop.ops->defer(store->loop.self, &store->closing);
    }
}

static void
submit(void *arg)
{
    struct ks_libs3_call *call = arg;

    call->tries++;
    ks_libs3_call_clear(call);
    call->store->loop.ops->submit(call->store->loop.self, &call->job);
}

/* A pause comes before the last answer too: nobody gains from asking again at once. */
static void
end_pause(void *arg)
{
    struct ks_libs3_call *call = arg;

    if (call->tries < TRIES_MAX && call->verdict != KS_LIBS3_REFUSED &&
        call->verdict != KS_LIBS3_NO_BUCKET) {
        submit(call);
    } else {
        finish(call);
    }
}

static void
on_attempted(void *arg)
{
    struct ks_libs3_call *call = arg;
    const struct kafscale_loop *loop = &call->store->loop;
    int64_t pause_ms = ks_libs3_pause_ms(call->verdict);

    if (!ks_libs3_is_without_effect(call->verdict)) {
        call->may_have_acted = true;
    }
    if (pause_ms == 0 || call->store->close_done != NULL) {
        finish(call);
        return;
    }
    call->pause = (struct kafscale_timer){ .on_due = end_pause, .arg = call };
    loop->ops->set_timer(loop->self, &call->pause, loop->ops->now_ms(loop->self) + pause_ms);
}

static void
run_attempt(void *arg)
{
    ks_libs3_attempt(arg);
}

/* --- Requests --------------------------------------------------------------------------------- */

static struct ks_libs3_call *
find_write(struct ks_libs3_store *store, const char *key)
{
    for (struct ks_list *link = store->calls.next; link != &store->calls; link = link->next) {
        struct ks_libs3_call *call = KS_CONTAINER(link, struct ks_libs3_call, link);

        if (is_write(call) && strcmp(ks_libs3_call_key(call), key) == 0) {
            return call;
        }
    }
    return NULL;
}

/* The first that waits, if none of them is under way. */
static void
start_writes_of(struct ks_libs3_store *store, const char *key)
{
    struct ks_libs3_call *call = find_write(store, key);

    if (call != NULL && !call->is_running) {
        call->is_running = true;
        submit(call);
    }
}

static struct ks_libs3_call *
new_call(void *self, enum ks_store_operation kind, void *arg)
{
    struct ks_libs3_store *store = self;
    struct ks_libs3_call *call = ks_alloc_zero(1, sizeof *call);

    assert(store->close_done == NULL);
    if (call == NULL) {
        return NULL;
    }
    call->job = (struct kafscale_job){ .run = run_attempt, .done = on_attempted, .arg = call };
    call->store = store;
    call->bucket = &store->bucket;
    call->kind = kind;
    call->arg = arg;
    return call;
}

static void
start(struct ks_libs3_call *call)
{
    ks_list_append(&call->store->calls, &call->link);
    if (is_write(call)) {
        start_writes_of(call->store, ks_libs3_call_key(call));
    } else {
        submit(call);
    }
}

static void
libs3_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct ks_libs3_call *call = new_call(self, KS_STORE_PUT, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.put = put;
    call->done.put = done;
    start(call);
}

static void
libs3_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct ks_libs3_call *call = new_call(self, KS_STORE_GET, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, NULL);
        return;
    }
    call->request.get = get;
    call->done.get = done;
    start(call);
}

static void
libs3_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct ks_libs3_call *call = new_call(self, KS_STORE_LIST, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL, 0, false, NULL);
        return;
    }
    call->request.list = list;
    call->done.list = done;
    start(call);
}

static void
libs3_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
             void *arg)
{
    struct ks_libs3_call *call = new_call(self, KS_STORE_REMOVE, arg);

    if (call == NULL) {
        done(arg, KAFSCALE_NO_MEMORY, NULL);
        return;
    }
    call->request.remove = remove;
    call->done.remove = done;
    start(call);
}

/* --- Closing and opening ---------------------------------------------------------------------- */

static void
free_store(struct ks_libs3_store *store)
{
    const S3BucketContext *context = &store->bucket.context;

    ks_free((char *) (uintptr_t) context->hostName);
    ks_free((char *) (uintptr_t) context->bucketName);
    ks_free((char *) (uintptr_t) context->accessKeyId);
    ks_free((char *) (uintptr_t) context->secretAccessKey);
    ks_free(store);
}

static void
run_close(void *arg)
{
    struct ks_libs3_store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;

    free_store(store);
    done(done_arg);
}

/* What pauses, or waits for a pause to end, does so to its end: seconds at most. */
static void
libs3_close(void *self, kafscale_close_done *done, void *arg)
{
    struct ks_libs3_store *store = self;

    assert(store->close_done == NULL);

    store->close_done = done;
    store->close_arg = arg;
    store->closing = (struct kafscale_task){ .run = run_close, .arg = store };
    if (ks_list_is_empty(&store->calls)) {
        store->loop.ops->defer(store->loop.self, &store->closing);
    }
}

static const struct kafscale_store_ops libs3_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "libs3",
    .window = 4,
    .flush_interval_ms = 250,
    .put = libs3_put,
    .get = libs3_get,
    .list = libs3_list,
    .remove = libs3_remove,
    .close = libs3_close,
};

static S3Status initialized = S3StatusInternalError;

static void
initialize(void)
{
    initialized = S3_initialize("kafscale", S3_INIT_ALL, NULL);
}

static bool
is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

/* libs3 takes any certificate, and what looks protected and isn't is worse than what is plain. */
static enum kafscale_status
check_settings(const struct ks_libs3_settings *settings, const char **host_out,
               struct kafscale_error *error)
{
    S3UriStyle style = settings->is_path_style ? S3UriStylePath : S3UriStyleVirtualHost;
    const char *host = settings->endpoint;

    if (strncmp(host, "http://", 7) != 0 || host[7] == '\0' || strchr(host + 7, '/') != NULL ||
        strlen(host + 7) > S3_MAX_HOSTNAME_SIZE) {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "option 's3.endpoint': s3.signature=v2 takes http://host:port only, "
                            "since libs3 doesn't check certificates");
    }
    if (S3_validate_bucket_name(settings->bucket, style) != S3StatusOK) {
        return ks_error_set(error, KAFSCALE_INVALID, "option 's3.bucket': '%s' is no bucket's name",
                            settings->bucket);
    }
    if (settings->access_key[0] == '\0' || settings->secret_key[0] == '\0') {
        return ks_error_set(error, KAFSCALE_INVALID,
                            "options 's3.access.key' and 's3.secret.key': s3.signature=v2 needs "
                            "both");
    }
    *host_out = host + 7;
    return KAFSCALE_OK;
}

static bool
set_up(struct ks_libs3_store *store, const struct ks_libs3_settings *settings, const char *host)
{
    store->bucket.context = (S3BucketContext){
        .hostName = ks_copy_text(host),
        .bucketName = ks_copy_text(settings->bucket),
        .protocol = S3ProtocolHTTP,
        .uriStyle = settings->is_path_style ? S3UriStylePath : S3UriStyleVirtualHost,
        .accessKeyId = ks_copy_text(settings->access_key),
        .secretAccessKey = ks_copy_text(settings->secret_key),
    };
    store->bucket.may_create =
        !settings->must_exist && (settings->may_create_bucket || is_loopback(host));
    return store->bucket.context.hostName != NULL && store->bucket.context.bucketName != NULL &&
           store->bucket.context.accessKeyId != NULL &&
           store->bucket.context.secretAccessKey != NULL;
}

enum kafscale_status
ks_libs3_store_open(struct kafscale_loop loop, const struct ks_libs3_settings *settings,
                    struct kafscale_store *store_out, struct kafscale_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct ks_libs3_store *store;
    const char *host;
    enum kafscale_status status = check_settings(settings, &host, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    (void) pthread_once(&once, initialize);
    if (initialized != S3StatusOK) {
        return ks_error_set(error, KAFSCALE_IO, "libs3 store: libs3 can't be set up: %s",
                            S3_get_status_name(initialized));
    }
    store = ks_alloc_zero(1, sizeof *store);
    if (store == NULL || !set_up(store, settings, host)) {
        if (store != NULL) {
            free_store(store);
        }
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "libs3 store: no memory");
    }
    store->loop = loop;
    ks_list_init(&store->calls);
    *store_out = (struct kafscale_store){ .ops = &libs3_ops, .self = store };
    return KAFSCALE_OK;
}
