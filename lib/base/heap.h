/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive min-heap over (key, order of insertion): equal keys leave in the order in which
 * they came. It allocates nothing, so nothing about it can fail.
 */
#ifndef KS_BASE_HEAP_H
#define KS_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: not inside a heap. */
struct ks_heap_node {
    int64_t key;
    uint64_t order;
    struct ks_heap_node *child;    /* first of the children */
    struct ks_heap_node *next;     /* sibling */
    struct ks_heap_node *previous; /* sibling before, or the parent of a first child */
    bool is_inside;
};

/* Zeroed: empty. */
struct ks_heap {
    struct ks_heap_node *root;
    uint64_t order_next;
};

/* Puts in a node that must not be inside. */
void ks_heap_insert(struct ks_heap *heap, struct ks_heap_node *node, int64_t key);

/* Does nothing to a node that is not inside. */
void ks_heap_remove(struct ks_heap *heap, struct ks_heap_node *node);

/* The least node, or NULL; it stays inside. */
struct ks_heap_node *ks_heap_first(const struct ks_heap *heap);

#endif
