/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled once for each of the two libraries; KS_LINKED_S3 and KS_LINKED_LIBS3 say which
 * stores are part of this one.
 */
#include "kafscale_plugins.h"

#include <stddef.h>
#include <string.h>

#ifdef KS_LINKED_S3
extern const struct kafscale_plugin kafscale_plugin_s3;
#define LINKED_S3 &kafscale_plugin_s3
#else
#define LINKED_S3 NULL
#endif

#ifdef KS_LINKED_LIBS3
extern const struct kafscale_plugin kafscale_plugin_libs3;
#define LINKED_LIBS3 &kafscale_plugin_libs3
#else
#define LINKED_LIBS3 NULL
#endif

static const struct kafscale_plugin *const plugins[] = { LINKED_S3, LINKED_LIBS3 };

const struct kafscale_plugin *
ks_plugin_linked(const char *name)
{
    for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++) {
        if (plugins[i] != NULL && strcmp(plugins[i]->name, name) == 0) {
            return plugins[i];
        }
    }
    return NULL;
}
