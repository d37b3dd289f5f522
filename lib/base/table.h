/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive hash table from byte strings to nodes. Nodes and keys stay with their owner, who
 * keeps the key's bytes unchanged while the node is inside.
 */
#ifndef KS_BASE_TABLE_H
#define KS_BASE_TABLE_H

#include "base/slice.h"

struct ks_table_node {
    struct ks_table_node *next;
    struct kafscale_slice key;
    uint64_t hash;
};

struct ks_table {
    struct ks_table_node **buckets;
    size_t bucket_count; /* 0 or a power of two */
    size_t count;
    uint64_t seed;
};

/* `seed` should be random where keys come from clients, so that they can't be made to collide. */
void ks_table_init(struct ks_table *table, uint64_t seed);

/* Frees the buckets, not the nodes. */
void ks_table_deinit(struct ks_table *table);

/* The node with this key, or NULL. */
struct ks_table_node *ks_table_find(const struct ks_table *table, struct kafscale_slice key);

/* Puts in a node whose key must not be there. KAFSCALE_NO_MEMORY leaves everything as it was. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_table_insert(struct ks_table *table,
                                                         struct ks_table_node *node,
                                                         struct kafscale_slice key);

/* Makes room, so that the next `count` insertions can't fail. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_table_reserve(struct ks_table *table, size_t count);

/* Takes out a node that must be inside. */
void ks_table_remove(struct ks_table *table, struct ks_table_node *node);

/*
 * Walks all nodes in no particular order: NULL begins, NULL ends. The table must not be
 * inserted into meanwhile; the node given back may be removed only after the next one was asked
 * for.
 */
struct ks_table_node *ks_table_next(const struct ks_table *table, const struct ks_table_node *node);

#endif
