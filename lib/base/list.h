/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked lists. The list head is a node; a node that is in no list has NULL
 * links.
 */
#ifndef KS_BASE_LIST_H
#define KS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ks_list {
    struct ks_list *next;
    struct ks_list *previous;
};

/* The struct of type `type` whose member `member` is at `node`. */
#define KS_CONTAINER(node, type, member) \
    ((type *) (void *) (((char *) (node)) - offsetof(type, member)))

static inline void
ks_list_init(struct ks_list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool
ks_list_is_empty(const struct ks_list *list)
{
    return list->next == list;
}

static inline bool
ks_list_is_linked(const struct ks_list *node)
{
    return node->next != NULL;
}

/* Puts `node` before `place`; with the head as place that is the end of the list. */
static inline void
ks_list_insert(struct ks_list *place, struct ks_list *node)
{
    node->next = place;
    node->previous = place->previous;
    place->previous->next = node;
    place->previous = node;
}

static inline void
ks_list_append(struct ks_list *list, struct ks_list *node)
{
    ks_list_insert(list, node);
}

/* Does nothing to a node that is in no list. */
static inline void
ks_list_remove(struct ks_list *node)
{
    if (node->next == NULL) {
        return;
    }
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = NULL;
    node->previous = NULL;
}

/* Unlinks and returns the first node, or NULL. */
static inline struct ks_list *
ks_list_take_first(struct ks_list *list)
{
    struct ks_list *node = list->next;

    if (node == list) {
        return NULL;
    }
    ks_list_remove(node);
    return node;
}

#endif
