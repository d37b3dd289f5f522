/* SPDX-License-Identifier: Apache-2.0 */
/* What an embedder's metadata store may not be and may not answer. */
#ifndef KS_META_CONTRACT_H
#define KS_META_CONTRACT_H

#include "kafscale/meta.h"

/* What is wrong with the table of a metadata store, NULL for nothing. */
const char *ks_meta_find_fault(const struct kafscale_meta *meta);

/* What is wrong with the answer to a read that succeeded, NULL for nothing. */
const char *ks_meta_find_fault_in_entries(const struct kafscale_meta_read *read,
                                          const struct kafscale_meta_entry *entries,
                                          size_t entry_count, uint64_t revision);

#endif
