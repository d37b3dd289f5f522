/* SPDX-License-Identifier: Apache-2.0 */
/* One kind of store after the other, until the options name it. */
#include "kafscale_store.h"

#include "base/plugin.h"
#include "kafscale_plugins.h"

/*
 * The bytes of S3's client, signer and TLS are there once they are asked for; those of libs3, and
 * with them its licence, only where that is.
 */
static enum kafscale_status
open_s3_store(struct ks_env *env, const struct kafscale_options *options, bool must_exist,
              struct kafscale_store *store_out, struct kafscale_error *error)
{
    const char *directory = ks_option_text(options, KS_OPTION_plugin_directory);
    const char *name = ks_options_s3_plugin(options);
    const struct kafscale_plugin *plugin = ks_plugin_linked(name);
    enum kafscale_status status = KAFSCALE_OK;

    if (plugin == NULL) {
        status = ks_plugin_load(name, directory[0] == '\0' ? NULL : directory, &plugin, error);
    }
    if (status != KAFSCALE_OK) {
        return status;
    }
    return plugin->open_store(options, must_exist, ks_env_loop(env), store_out, error);
}

enum kafscale_status
ks_open_store(struct ks_env *env, const struct kafscale_options *options, bool must_exist,
              struct kafscale_store *store_out, struct kafscale_error *error)
{
    const char *directory = ks_options_store_directory(options);

    if (ks_options_store_is_s3(options)) {
        return open_s3_store(env, options, must_exist, store_out, error);
    }
    if (directory != NULL && must_exist &&
        !ks_directory_store_is_there(directory, ks_system_files())) {
        return ks_error_set(error, KAFSCALE_NOT_FOUND, "there is no store in directory '%s'",
                            directory);
    }
    if (directory != NULL) {
        return ks_directory_store_open(env, directory, ks_system_files(), store_out, error);
    }
    *store_out = ks_memory_store_new(env, NULL);
    if (store_out->ops == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "store: no memory");
    }
    return KAFSCALE_OK;
}
