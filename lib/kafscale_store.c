/* SPDX-License-Identifier: Apache-2.0 */
/* One kind of store after the other, until the options name it. */
#include "kafscale_store.h"

enum kafscale_status
ks_open_store(struct ks_env *env, const struct kafscale_options *options, bool must_exist,
              struct kafscale_store *store_out, struct kafscale_error *error)
{
    const char *directory = ks_options_store_directory(options);

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
