/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pairing heap (Fredman et al. 1986): joining two trees makes the greater root the other's
 * first child.
 */
#include "base/heap.h"

#include <assert.h>

static bool
is_before(const struct ks_heap_node *a, const struct ks_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* Joins two trees that have no siblings; either may be NULL. */
static struct ks_heap_node *
join(struct ks_heap_node *a, struct ks_heap_node *b)
{
    struct ks_heap_node *parent;
    struct ks_heap_node *child;

    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    parent = is_before(a, b) ? a : b;
    child = parent == a ? b : a;
    child->next = parent->child;
    child->previous = parent;
    if (child->next != NULL) {
        child->next->previous = child;
    }
    parent->child = child;
    return parent;
}

/* Unlinks and returns the first tree of a row of siblings, moving on in `row`. */
static struct ks_heap_node *
take_sibling(struct ks_heap_node **row)
{
    struct ks_heap_node *node = *row;

    if (node != NULL) {
        *row = node->next;
        node->next = NULL;
        node->previous = NULL;
    }
    return node;
}

/* Joins a row of siblings: in pairs from the left, then the pairs from the right. */
static struct ks_heap_node *
join_row(struct ks_heap_node *row)
{
    struct ks_heap_node *pairs = NULL;
    struct ks_heap_node *root = NULL;

    while (row != NULL) {
        struct ks_heap_node *first = take_sibling(&row);
        struct ks_heap_node *pair = join(first, take_sibling(&row));

        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        root = join(take_sibling(&pairs), root);
    }
    return root;
}

void
ks_heap_insert(struct ks_heap *heap, struct ks_heap_node *node, int64_t key)
{
    assert(!node->is_inside);

    *node = (struct ks_heap_node){ .key = key, .order = heap->order_next++, .is_inside = true };
    heap->root = join(heap->root, node);
}

void
ks_heap_remove(struct ks_heap *heap, struct ks_heap_node *node)
{
    struct ks_heap_node *children;

    if (!node->is_inside) {
        return;
    }
    children = join_row(node->child);
    if (node == heap->root) {
        heap->root = children;
    } else {
        if (node->previous->child == node) {
            node->previous->child = node->next;
        } else {
            node->previous->next = node->next;
        }
        if (node->next != NULL) {
            node->next->previous = node->previous;
        }
        heap->root = join(heap->root, children);
    }
    *node = (struct ks_heap_node){ 0 };
}

struct ks_heap_node *
ks_heap_first(const struct ks_heap *heap)
{
    return heap->root;
}
