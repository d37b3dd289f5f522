/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store as a test wants to talk to it: each call submits one request, runs the loop until
 * its completion, and returns the status. Objects are strings here.
 */
#ifndef KS_TESTS_SUPPORT_STORE_CLIENT_H
#define KS_TESTS_SUPPORT_STORE_CLIENT_H

#include "store/store.h"
#include "support/virtual_env.h"

struct store_client {
    struct ks_store *store;
    /* Runs the loop until *condition, or until nothing can happen any more. */
    void (*run)(void *arg, const bool *condition);
    void *run_arg;
};

/* Runs a virtual environment, for at most an hour of its time. */
void store_client_run_virtual(void *virtual_env, const bool *condition);

/* KAFSCALE_STOPPED, in all of these, when no completion came. */
enum kafscale_status store_client_put(struct store_client *client, const char *key,
                                      const char *text);
enum kafscale_status store_client_put_if_absent(struct store_client *client, const char *key,
                                                const char *text);

/*
 * `text_out` gets a heap copy with a final NUL, or NULL on failure; `object_bytes_out` may be
 * NULL.
 */
enum kafscale_status store_client_get(struct store_client *client, const char *key,
                                      uint64_t position, size_t size_max, char **text_out,
                                      uint64_t *object_bytes_out);

/* The keys, each with a space behind it and at the end "..." when truncated, as a heap string. */
enum kafscale_status store_client_list(struct store_client *client, const char *prefix,
                                       const char *start_after, size_t count_max, char **keys_out);

enum kafscale_status store_client_remove(struct store_client *client, const char *key);

/* True when the close completed. */
bool store_client_close(struct store_client *client);

/* Whether the object is there with exactly this content. */
bool store_client_has(struct store_client *client, const char *key, const char *text);

#endif
