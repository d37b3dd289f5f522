/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and loading the plug-ins of kafscale/plugin.h.
 */
#ifndef KS_BASE_PLUGIN_H
#define KS_BASE_PLUGIN_H

#include "kafscale/plugin.h"

/*
 * Loads a plug-in from `directory`, or, when that is NULL, from the folder `kafscale-0` beside the
 * object that this code is part of: {libdir}/kafscale. Loading it again gives the same one. It
 * stays until the process ends. Any thread.
 *
 * KAFSCALE_NOT_FOUND: it can't be loaded; KAFSCALE_UNSUPPORTED: it is not of our version. `error`
 * says which file and why.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_plugin_load(const char *name, const char *directory,
                                                        const struct kafscale_plugin **plugin_out,
                                                        struct kafscale_error *error);

#endif
