/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers rely on keys, order and versions without looking again, so they are looked at here. */
#include "meta/contract.h"

#include <string.h>

const char *
ks_meta_find_fault(const struct kafscale_meta *meta)
{
    const struct kafscale_meta_ops *ops = meta->ops;

    if (ops == NULL) {
        return "it has no operations";
    }
    if (ops->version < 1) {
        return "its version is 0 (KAFSCALE_META_OPS_VERSION is meant)";
    }
    if (ops->name == NULL || ops->name[0] == '\0') {
        return "it has no name";
    }
    if (ops->read == NULL || ops->txn == NULL || ops->watch == NULL || ops->close == NULL) {
        return "one of read, txn, watch and close is missing";
    }
    return NULL;
}

static const char *
find_fault_in_entry(const struct kafscale_meta_read *read, const struct kafscale_meta_entry *entry,
                    uint64_t revision)
{
    if (entry->key == NULL) {
        return "an entry without a key";
    }
    if (read->is_prefix ? strncmp(entry->key, read->key, strlen(read->key)) != 0
                        : strcmp(entry->key, read->key) != 0) {
        return "a key that was not asked for";
    }
    if (entry->value.data == NULL && entry->value.size > 0) {
        return "a value without bytes";
    }
    if (entry->version == 0) {
        return "a key that exists with version 0";
    }
    return entry->version > revision ? "a version after the revision that was read" : NULL;
}

const char *
ks_meta_find_fault_in_entries(const struct kafscale_meta_read *read,
                              const struct kafscale_meta_entry *entries, size_t entry_count,
                              uint64_t revision)
{
    if (entry_count > 0 && entries == NULL) {
        return "a count without entries";
    }
    if (entry_count > 1 && !read->is_prefix) {
        return "several entries of one key";
    }
    for (size_t i = 0; i < entry_count; i++) {
        const char *fault = find_fault_in_entry(read, &entries[i], revision);

        if (fault != NULL) {
            return fault;
        }
        if (i > 0 && strcmp(entries[i - 1].key, entries[i].key) >= 0) {
            return "keys out of order";
        }
    }
    return NULL;
}
