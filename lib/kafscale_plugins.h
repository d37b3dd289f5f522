/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plug-ins that are linked in: none in the shared library, which loads them, all in the static
 * one, which can't.
 */
#ifndef KAFSCALE_PLUGINS_H
#define KAFSCALE_PLUGINS_H

#include "kafscale/plugin.h"

/* NULL: it is not linked in. */
const struct kafscale_plugin *ks_plugin_linked(const char *name);

#endif
