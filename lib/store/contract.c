/* SPDX-License-Identifier: Apache-2.0 */
/* A table of a later version has more members than this library knows, and works all the same. */
#include "store/contract.h"

#include <stddef.h>

const char *
ks_store_find_fault(const struct kafscale_store *store)
{
    const struct kafscale_store_ops *ops = store->ops;

    if (ops == NULL) {
        return "it has no operations";
    }
    if (ops->version < 1) {
        return "its version is 0 (KAFSCALE_STORE_OPS_VERSION is meant)";
    }
    if (ops->name == NULL || ops->name[0] == '\0') {
        return "it has no name";
    }
    if (ops->window == 0) {
        return "its window is 0: nothing could ever be written";
    }
    if (ops->put == NULL || ops->get == NULL || ops->list == NULL || ops->remove == NULL ||
        ops->close == NULL) {
        return "one of put, get, list, remove and close is missing";
    }
    return NULL;
}
