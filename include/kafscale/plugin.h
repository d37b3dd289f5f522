/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plug-in of the library shows. What only some brokers need, and what would cost all others
 * time and memory at their start, stands in shared objects beside the library, in a folder
 * `kafscale`, and is loaded when it is first asked for; a static library has it linked in.
 *
 * A plug-in NAME is libkafscale-NAME.so and has one symbol, kafscale_plugin_NAME, a const struct
 * kafscale_plugin. It is never unloaded. It talks to the library through the public headers only.
 */
#ifndef KAFSCALE_PLUGIN_H
#define KAFSCALE_PLUGIN_H

#include "kafscale/loop.h"
#include "kafscale/options.h"
#include "kafscale/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of everything that is reached through struct kafscale_plugin. One library takes one version. */
#define KAFSCALE_PLUGIN_VERSION 1u

/* The table that a plug-in shows. Constant. */
struct kafscale_plugin {
    uint32_t version; /* KAFSCALE_PLUGIN_VERSION of the headers that it was compiled with */
    const char *name;

    /*
     * Opens a store as the options say, which are borrowed for the call; with `must_exist` it
     * makes nothing that isn't there. The loop is valid until the store has closed. On failure
     * `error` is filled in, and nothing is left.
     */
    enum kafscale_status (*open_store)(const struct kafscale_options *options, bool must_exist,
                                       struct kafscale_loop loop, struct kafscale_store *store_out,
                                       struct kafscale_error *error);
};

#ifdef __cplusplus
}
#endif

#endif
