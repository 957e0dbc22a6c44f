/* A circular doubly linked list whose links live inside the things it links.
 *
 * Why intrusive: linking never allocates, so it never fails, and a thing that
 * holds its own link can leave the list in O(1) without knowing which list it
 * is on. Cancellation needs exactly that: an aborted wait takes itself off
 * whatever queue it is in.
 *
 * Invariant: a node is linked, or points at itself. So "is it queued?" is a
 * pointer comparison, and unlinking twice does nothing.
 *
 * Nothing here blocks or fails; a list belongs to one thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_list {
    struct bough_list *next, *prev;
};

/* The struct of 'type' whose field 'member' is at 'ptr'. */
#define bough_container_of(ptr, type, member)                                                      \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void bough_list_init(struct bough_list *list)
{
    list->next = list->prev = list;
}

/* On a head: is it empty? On a node: is it off every list? */
static inline bool bough_list_is_empty(const struct bough_list *list)
{
    return list->next == list;
}

/* Put 'node' last. It must be off every list; it need not have been initialised. */
static inline void bough_list_push(struct bough_list *head, struct bough_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Put 'node' first. */
static inline void bough_list_push_front(struct bough_list *head, struct bough_list *node)
{
    bough_list_push(head->next, node);
}

static inline void bough_list_unlink(struct bough_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    bough_list_init(node);
}

/* The first node, or NULL. */
static inline struct bough_list *bough_list_first(const struct bough_list *head)
{
    return head->next == head ? (struct bough_list *)0 : head->next;
}

/* Take the first node off, or NULL. */
static inline struct bough_list *bough_list_pop(struct bough_list *head)
{
    struct bough_list *node = bough_list_first(head);
    if (node)
        bough_list_unlink(node);
    return node;
}

/* Append all of 'from' to 'to', leaving 'from' empty. */
static inline void bough_list_splice(struct bough_list *to, struct bough_list *from)
{
    if (bough_list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    bough_list_init(from);
}

/* Visit each node; the body may unlink the node it is at, and no other. */
#define bough_list_foreach(node, head)                                                             \
    for (struct bough_list *node = (head)->next, *node##_next_ = node->next; node != (head);       \
         node = node##_next_, node##_next_ = node->next)

BOUGH_END_DECLS
