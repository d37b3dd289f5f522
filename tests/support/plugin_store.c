/* SPDX-License-Identifier: Apache-2.0 */
/* What the store logs is shown as remarks among the results. */
#include "support/plugin_store.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct kafscale_options *
plugin_store_options(const char *name)
{
    static int count;
    struct kafscale_options *options = kafscale_options_new();
    char bucket[64];

    ck_assert_ptr_nonnull(options);
    (void) snprintf(bucket, sizeof bucket, "%s-%d-%d", name, (int) getpid(), count++);
    plugin_store_set(options, "s3.bucket", bucket);
    return options;
}

void
plugin_store_set(struct kafscale_options *options, const char *key, const char *value)
{
    struct kafscale_error error = { 0 };

    ck_assert_msg(kafscale_options_set(options, key, value, &error) == KAFSCALE_OK, "%s",
                  error.text);
}

static void
print_line(void *arg, const struct kafscale_log_event *event)
{
    (void) arg;
    printf("# %d %s\n", (int) event->level, event->line);
}

static void
run_loop(void *arg, const bool *condition)
{
    struct plugin_store *opened = arg;

    while (!*condition) {
        event_base_loop(ks_loop_base(opened->loop), EVLOOP_ONCE);
    }
}

struct plugin_store *
plugin_store_open(const struct kafscale_plugin *plugin, struct kafscale_options *options,
                  struct store_client *client)
{
    struct ks_loop_options loop_options = { .logger = { .write = print_line,
                                                        .level = KAFSCALE_LOG_WARN } };
    struct plugin_store *opened = calloc(1, sizeof *opened);
    struct kafscale_error error = { 0 };
    struct kafscale_store store;
    struct ks_env *env;

    ck_assert_ptr_nonnull(opened);
    opened->options = options;
    ck_assert_int_eq(ks_loop_new(NULL, &loop_options, &opened->loop, &error), KAFSCALE_OK);
    env = ks_loop_env(opened->loop);
    ck_assert_msg(plugin->open_store(options, false, ks_env_loop(env), &store, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    client->store = ks_store_new(env, store);
    client->run = run_loop;
    client->run_arg = opened;
    return opened;
}

void
plugin_store_free(void *opened)
{
    struct plugin_store *own = opened;

    kafscale_options_free(own->options);
    ks_loop_free(own->loop);
    free(own);
}
