/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A completion that does not come in a long virtual time gives KAFSCALE_STOPPED, which no test
 * expects.
 */
#include "support/meta_client.h"

#include <stdio.h>

struct read_call {
    bool is_done;
    bool is_submitting;
    struct meta_value value;
    size_t count;
    char *text;
    size_t text_bytes;
};

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct read_call *call = arg;
    size_t used = 0;

    (void) error;
    call->is_done = !call->is_done && !call->is_submitting;
    call->value.status = status;
    call->value.revision = revision;
    call->count = entry_count;
    for (size_t i = 0; i < entry_count && call->text != NULL; i++) {
        int size = snprintf(call->text + used, call->text_bytes - used, "%s=%.*s ", entries[i].key,
                            (int) entries[i].value.size, (const char *) entries[i].value.data);

        used += (size_t) size < call->text_bytes - used ? (size_t) size : 0;
    }
    if (entry_count > 0) {
        call->value.version = entries[0].version;
        snprintf(call->value.text, sizeof call->value.text, "%.*s", (int) entries[0].value.size,
                 (const char *) entries[0].value.data);
    }
}

static void
run_read(struct meta_client *client, const struct kafscale_meta_read *read, struct read_call *call)
{
    call->value.status = KAFSCALE_STOPPED;
    call->is_submitting = true;
    ks_meta_read(client->meta, read, on_read, call);
    call->is_submitting = false;
    virtual_env_run_until(client->v, &call->is_done, META_CLIENT_LIMIT_MS);
}

struct meta_value
meta_client_get(struct meta_client *client, const char *key, bool is_fresh)
{
    struct kafscale_meta_read read = { .key = key, .is_fresh = is_fresh };
    struct read_call call = { 0 };

    run_read(client, &read, &call);
    return call.value;
}

size_t
meta_client_range(struct meta_client *client, const char *prefix, bool is_fresh, char *text_out,
                  size_t text_bytes)
{
    struct kafscale_meta_read read = { .key = prefix, .is_prefix = true, .is_fresh = is_fresh };
    struct read_call call = { .text = text_out, .text_bytes = text_bytes };

    text_out[0] = '\0';
    run_read(client, &read, &call);
    return call.count;
}

struct txn_call {
    bool is_done;
    bool is_submitting;
    struct meta_result result;
};

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    struct txn_call *call = arg;

    (void) error;
    call->is_done = !call->is_done && !call->is_submitting;
    call->result = (struct meta_result){ .status = status, .revision = revision };
}

struct meta_result
meta_client_txn(struct meta_client *client, const struct kafscale_meta_txn *txn)
{
    struct txn_call call = { .result.status = KAFSCALE_STOPPED, .is_submitting = true };

    ks_meta_txn(client->meta, txn, on_txn, &call);
    call.is_submitting = false;
    virtual_env_run_until(client->v, &call.is_done, META_CLIENT_LIMIT_MS);
    return call.result;
}

struct meta_result
meta_client_put(struct meta_client *client, const char *key, const char *text)
{
    struct kafscale_meta_operation operation = { .key = key, .value = ks_slice_of_text(text) };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };

    return meta_client_txn(client, &txn);
}

struct meta_result
meta_client_swap(struct meta_client *client, const char *key, uint64_t version, const char *text)
{
    struct kafscale_meta_compare compare = { .key = key, .version = version };
    struct kafscale_meta_operation operation = { .key = key, .value = ks_slice_of_text(text) };
    struct kafscale_meta_txn txn = {
        .compares = &compare,
        .compare_count = 1,
        .operations = &operation,
        .operation_count = 1,
    };

    return meta_client_txn(client, &txn);
}

struct meta_result
meta_client_remove(struct meta_client *client, const char *key)
{
    struct kafscale_meta_operation operation = { .key = key, .is_delete = true };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };

    return meta_client_txn(client, &txn);
}

static void
on_closed(void *arg)
{
    *(bool *) arg = true;
}

void
meta_client_close(struct meta_client *client)
{
    bool is_closed = false;

    ks_meta_close(client->meta, on_closed, &is_closed);
    virtual_env_run_until(client->v, &is_closed, META_CLIENT_LIMIT_MS);
    client->meta = NULL;
}
