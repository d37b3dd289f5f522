/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader keeps count of what is loaded and gives the same object again. What was loaded is
 * never unloaded: timers, threads and handlers of the libraries behind it may outlive its use.
 */
#include "base/plugin.h"

#include "base/error.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The folder of the shared object, or program, that has this code; with its '/'. */
static void
own_folder(char folder_out[PATH_MAX])
{
    static const char here = 0;
    const char *slash;
    Dl_info info;

    folder_out[0] = '\0';
    if (dladdr(&here, &info) == 0 || info.dli_fname == NULL) {
        return;
    }
    slash = strrchr(info.dli_fname, '/');
    if (slash != NULL && slash - info.dli_fname + 1 < PATH_MAX) {
        size_t size = (size_t) (slash - info.dli_fname) + 1;

        memcpy(folder_out, info.dli_fname, size);
        folder_out[size] = '\0';
    }
}

static enum kafscale_status
path_of(const char *name, const char *directory, char path_out[PATH_MAX],
        struct kafscale_error *error)
{
    char folder[PATH_MAX];
    int size;

    if (directory == NULL) {
        own_folder(folder);
        size =
            snprintf(path_out, PATH_MAX, "%s" KS_PLUGIN_FOLDER "/libkafscale-%s.so", folder, name);
    } else {
        size = snprintf(path_out, PATH_MAX, "%s/libkafscale-%s.so", directory, name);
    }
    if (size < 0 || size >= PATH_MAX) {
        return ks_error_set(error, KAFSCALE_INVALID, "plug-in '%s': the path is too long", name);
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
find_symbol(void *object, const char *path, const char *name,
            const struct kafscale_plugin **plugin_out, struct kafscale_error *error)
{
    char symbol[128];
    const struct kafscale_plugin *plugin;

    (void) snprintf(symbol, sizeof symbol, "kafscale_plugin_%s", name);
    plugin = dlsym(object, symbol);
    if (plugin == NULL) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED, "'%s' is no plug-in: it has no %s", path,
                            symbol);
    }
    if (plugin->version != KAFSCALE_PLUGIN_VERSION) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED,
                            "plug-in '%s' is of version %u, this library needs version %u", path,
                            plugin->version, KAFSCALE_PLUGIN_VERSION);
    }
    *plugin_out = plugin;
    return KAFSCALE_OK;
}

enum kafscale_status
ks_plugin_load(const char *name, const char *directory, const struct kafscale_plugin **plugin_out,
               struct kafscale_error *error)
{
    char path[PATH_MAX];
    void *object;
    enum kafscale_status status = path_of(name, directory, path, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (object == NULL) {
        const char *why = dlerror();

        return ks_error_set(error, KAFSCALE_NOT_FOUND, "plug-in '%s' can't be loaded: %s", name,
                            why == NULL ? path : why);
    }
    return find_symbol(object, path, name, plugin_out, error);
}
