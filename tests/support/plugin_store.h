/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that a plug-in opens, over the real loop: for tests against servers. Whatever goes wrong
 * ends the test.
 */
#ifndef KS_TESTS_SUPPORT_PLUGIN_STORE_H
#define KS_TESTS_SUPPORT_PLUGIN_STORE_H

#include "kafscale/plugin.h"
#include "net/net.h"
#include "support/store_client.h"

struct plugin_store {
    struct ks_loop *loop;
    struct kafscale_options *options;
};

/* Options with a bucket of their own, whose name begins with `name`. */
struct kafscale_options *plugin_store_options(const char *name);
void plugin_store_set(struct kafscale_options *options, const char *key, const char *value);

/* Takes the options over, and has the client talk to the store. */
struct plugin_store *plugin_store_open(const struct kafscale_plugin *plugin,
                                       struct kafscale_options *options,
                                       struct store_client *client);

/* After the client has closed the store; a struct plugin_store. */
void plugin_store_free(void *opened);

#endif
