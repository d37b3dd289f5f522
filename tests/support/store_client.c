/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request whose completion never comes is the end of its test: the outcome stands on the
 * stack.
 */
#include "support/store_client.h"

#include <stdlib.h>

#define LIMIT_MS (60 * 60 * 1000)

struct outcome {
    bool done;
    enum kafscale_status status;
    char *text;
    uint64_t object_bytes;
};

void
store_client_run_virtual(void *virtual_env, const bool *condition)
{
    (void) virtual_env_run_until(virtual_env, condition, LIMIT_MS);
}

static void
on_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct outcome *outcome = arg;

    (void) error;
    outcome->done = true;
    outcome->status = status;
}

static void
on_read(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct outcome *outcome = arg;

    (void) error;
    outcome->done = true;
    outcome->status = status;
    outcome->object_bytes = object_bytes;
    if (body != NULL) {
        outcome->text = calloc(kafscale_blob_size(body) + 1, 1);
        memcpy(outcome->text, kafscale_blob_data(body), kafscale_blob_size(body));
    }
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct outcome *outcome = arg;
    size_t size = 8;

    (void) error;
    outcome->done = true;
    outcome->status = status;
    for (size_t i = 0; i < entry_count; i++) {
        size += strlen(entries[i].key) + 1;
    }
    outcome->text = calloc(size, 1);
    for (size_t i = 0; i < entry_count; i++) {
        strcat(outcome->text, entries[i].key);
        strcat(outcome->text, " ");
    }
    strcat(outcome->text, is_truncated ? "..." : "");
}

/* Waits for the outcome. */
static enum kafscale_status
wait(struct store_client *client, struct outcome *outcome)
{
    client->run(client->run_arg, &outcome->done);
    return outcome->done ? outcome->status : KAFSCALE_STOPPED;
}

static enum kafscale_status
put(struct store_client *client, const char *key, const char *text, bool if_absent)
{
    struct outcome outcome = { 0 };
    size_t half = strlen(text) / 2;
    struct kafscale_part parts[2] = {
        { .bytes = ks_slice(text, half) },
        { .bytes = ks_slice(text + half, strlen(text) - half) },
    };
    struct kafscale_put request = {
        .key = key, .parts = parts, .part_count = 2, .if_absent = if_absent
    };

    ks_store_put(client->store, &request, on_written, &outcome);
    return wait(client, &outcome);
}

enum kafscale_status
store_client_put(struct store_client *client, const char *key, const char *text)
{
    return put(client, key, text, false);
}

enum kafscale_status
store_client_put_if_absent(struct store_client *client, const char *key, const char *text)
{
    return put(client, key, text, true);
}

enum kafscale_status
store_client_get(struct store_client *client, const char *key, uint64_t position, size_t size_max,
                 char **text_out, uint64_t *object_bytes_out)
{
    struct outcome outcome = { 0 };
    struct kafscale_get request = { .key = key, .position = position, .size_max = size_max };
    enum kafscale_status status;

    ks_store_get(client->store, &request, on_read, &outcome);
    status = wait(client, &outcome);
    *text_out = outcome.text;
    if (object_bytes_out != NULL) {
        *object_bytes_out = outcome.object_bytes;
    }
    return status;
}

enum kafscale_status
store_client_list(struct store_client *client, const char *prefix, const char *start_after,
                  size_t count_max, char **keys_out)
{
    struct outcome outcome = { 0 };
    struct kafscale_list request = { .prefix = prefix,
                                     .start_after = start_after,
                                     .count_max = count_max };
    enum kafscale_status status;

    ks_store_list(client->store, &request, on_listed, &outcome);
    status = wait(client, &outcome);
    *keys_out = outcome.text;
    return status;
}

enum kafscale_status
store_client_remove(struct store_client *client, const char *key)
{
    struct outcome outcome = { 0 };
    struct kafscale_remove request = { .key = key };

    ks_store_remove(client->store, &request, on_written, &outcome);
    return wait(client, &outcome);
}

static void
on_closed(void *arg)
{
    *(bool *) arg = true;
}

bool
store_client_close(struct store_client *client)
{
    bool closed = false;

    ks_store_close(client->store, on_closed, &closed);
    client->run(client->run_arg, &closed);
    return closed;
}

bool
store_client_has(struct store_client *client, const char *key, const char *text)
{
    char *found;
    enum kafscale_status status = store_client_get(client, key, 0, SIZE_MAX, &found, NULL);
    bool is_same = status == KAFSCALE_OK && found != NULL && strcmp(found, text) == 0;

    free(found);
    return is_same;
}
