/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what an embedder or a plug-in hands over as a store can be one. */
#ifndef KS_STORE_CONTRACT_H
#define KS_STORE_CONTRACT_H

#include "kafscale/store.h"

/* What is wrong with the table of a store, NULL for nothing. */
const char *ks_store_find_fault(const struct kafscale_store *store);

#endif
