/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a store as values, for counters and for scripts of faults. */
#ifndef KS_STORE_OPERATION_H
#define KS_STORE_OPERATION_H

enum ks_store_operation {
    KS_STORE_PUT,
    KS_STORE_GET,
    KS_STORE_LIST,
    KS_STORE_REMOVE,
    KS_STORE_OPERATION_COUNT
};

#endif
