/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing. An open store that is asked nothing sends nothing and sets no timer. */
#include "store/s3/s3_store.h"

#include "store/s3/call.h"

#include <assert.h>
#include <stdio.h>

#define CONCURRENCY_MAX 1024
#define HEDGE_SHARE 0.05
#define HEDGES_SAVED_MAX 8
#define RETRY_SHARE 0.2
#define RETRIES_SAVED_MAX 64

static void
free_store(struct ks_s3_store *store)
{
    ks_s3_keyring_deinit(&store->keyring);
    store->transport.ops->free(store->transport.self);
    ks_s3_target_deinit(&store->primary);
    ks_s3_target_deinit(&store->replica);
    ks_free(store->kms_key);
    ks_free(store);
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void
run_close(void *arg)
{
    struct ks_s3_store *store = arg;
    kafscale_close_done *done = store->close_done;
    void *done_arg = store->close_arg;

    ks_s3_gate_shut(&store->gate);
    ks_s3_removals_abort(store);
    while (!ks_list_is_empty(&store->calls)) {
        ks_s3_call_abort(KS_CONTAINER(store->calls.next, struct ks_s3_call, link));
    }
    free_store(store);
    done(done_arg);
}

static void
s3_close(void *self, kafscale_close_done *done, void *arg)
{
    struct ks_s3_store *store = self;

    assert(store->close_done == NULL);

    store->close_done = done;
    store->close_arg = arg;
    store->closing = (struct kafscale_task){ .run = run_close, .arg = store };
    store->loop.ops->defer(store->loop.self, &store->closing);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static const char *
s3_place(void *self)
{
    struct ks_s3_store *store = self;

    (void) snprintf(store->place, sizeof store->place, "%.120s %.63s %.63s",
                    store->primary.base_url, store->primary.bucket, store->server);
    return store->place;
}

static bool
s3_is_slowed(void *self)
{
    const struct ks_s3_store *store = self;

    return ks_s3_gate_is_slowed(&store->gate);
}

static const struct kafscale_store_ops s3_ops = {
    .version = KAFSCALE_STORE_OPS_VERSION,
    .name = "s3",
    .window = 8,
    .flush_interval_ms = 250,
    .put = ks_s3_put,
    .get = ks_s3_get,
    .list = ks_s3_list,
    .remove = ks_s3_remove,
    .close = s3_close,
    .find_expiry = ks_s3_find_expiry,
    .place = s3_place,
    .is_slowed = s3_is_slowed,
};

static bool
is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void
on_keys_changed(void *arg)
{
    ks_s3_calls_resume(arg);
}

static void
set_up(struct ks_s3_store *store, const struct ks_s3_settings *settings)
{
    uint32_t concurrency = settings->concurrency;

    if (concurrency == 0 || concurrency > CONCURRENCY_MAX) {
        concurrency = CONCURRENCY_MAX;
    }
    ks_s3_gate_init(&store->gate, concurrency);
    ks_s3_budget_init(&store->hedges, HEDGE_SHARE, HEDGES_SAVED_MAX);
    ks_s3_budget_init(&store->retries, RETRY_SHARE, RETRIES_SAVED_MAX);
    ks_list_init(&store->calls);
    ks_list_init(&store->keyless);
    ks_list_init(&store->removals);
    store->is_encrypted = settings->is_encrypted;
    store->signs_payload = settings->signs_payload;
    store->request_timeout_ms = settings->request_timeout_ms;
}

static enum kafscale_status
open_targets(struct ks_s3_store *store, const struct ks_s3_settings *settings,
             struct kafscale_error *error)
{
    enum kafscale_status status = ks_s3_target_init(&store->primary, &settings->bucket, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    store->may_create_bucket =
        !settings->must_exist && (settings->may_create_bucket || store->primary.is_loopback);
    store->has_replica = is_given(settings->replica.bucket);
    if (store->has_replica) {
        status = ks_s3_target_init(&store->replica, &settings->replica, error);
        if (status != KAFSCALE_OK) {
            ks_error_wrap(error, "read replica");
        }
    }
    return status;
}

static enum kafscale_status
open_keys(struct ks_s3_store *store, const struct ks_s3_settings *settings,
          struct kafscale_error *error)
{
    enum kafscale_status status = ks_s3_keyring_init(&store->keyring, store->loop, store->transport,
                                                     &settings->credentials, error);

    store->keyring.targets[0] = &store->primary;
    store->keyring.targets[1] = store->has_replica ? &store->replica : NULL;
    store->keyring.changed = on_keys_changed;
    store->keyring.arg = store;
    if (status == KAFSCALE_OK && is_given(settings->kms_key)) {
        store->kms_key = ks_copy_text(settings->kms_key);
        status = store->kms_key == NULL ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
    }
    return status;
}

enum kafscale_status
ks_s3_store_open(struct kafscale_loop loop, struct ks_s3_transport transport,
                 const struct ks_s3_settings *settings, struct kafscale_store *store_out,
                 struct kafscale_error *error)
{
    struct ks_s3_store *store = ks_alloc_zero(1, sizeof *store);
    enum kafscale_status status;

    if (store == NULL) {
        transport.ops->free(transport.self);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "S3 store: no memory");
    }
    store->loop = loop;
    store->transport = transport;
    set_up(store, settings);
    status = open_targets(store, settings, error);
    if (status == KAFSCALE_OK) {
        status = open_keys(store, settings, error);
    }
    if (status != KAFSCALE_OK) {
        free_store(store);
        return ks_error_set(error, status, "S3 store: no memory");
    }
    *store_out = (struct kafscale_store){ .ops = &s3_ops, .self = store };
    return KAFSCALE_OK;
}

const struct ks_s3_counters *
ks_s3_store_counters(struct kafscale_store store)
{
    assert(store.ops == &s3_ops);
    return &((const struct ks_s3_store *) store.self)->counters;
}
