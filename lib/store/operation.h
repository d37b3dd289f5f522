/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of a store as values, for counters and for scripts of faults, and what a request
 * in flight consists of.
 */
#ifndef KS_STORE_OPERATION_H
#define KS_STORE_OPERATION_H

#include "kafscale/store.h"

enum ks_store_operation {
    KS_STORE_PUT,
    KS_STORE_GET,
    KS_STORE_LIST,
    KS_STORE_REMOVE,
    KS_STORE_OPERATION_COUNT
};

/* What is asked, and who is told: the member of the request's operation. */
union ks_store_request {
    const struct kafscale_put *put;
    const struct kafscale_get *get;
    const struct kafscale_list *list;
    const struct kafscale_remove *remove;
};

union ks_store_done {
    kafscale_put_done *put;
    kafscale_get_done *get;
    kafscale_list_done *list;
    kafscale_remove_done *remove;
};

#endif
