/* An intrusive min-heap of timers, for deadlines.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap: a new form of
 * self-adjusting heap", Algorithmica 1, 1986). Why not an array: an array has to grow, and then
 * arming a deadline could fail. Why not a tree: nearly every timer is taken off before it fires,
 * and inserting here is one comparison. Nothing recurses.
 *
 * Shape: 'child' is a node's first child, 'next' the next sibling, 'prev' the sibling before or,
 * for a first child, the parent. The root's 'prev' is itself, so prev == NULL means "not in a
 * heap".
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/timer.h"

struct heap {
    struct bough_timer *root;
    unsigned count;
};

static inline bool heap_contains(const struct bough_timer *timer)
{
    return timer->prev != NULL;
}

/* The earliest timer, or NULL. */
static inline struct bough_timer *heap_first(const struct heap *heap)
{
    return heap->root;
}

/* Make the later of two roots the first child of the earlier one. */
static inline struct bough_timer *heap_meld(struct bough_timer *a, struct bough_timer *b)
{
    if (b->at < a->at) {
        struct bough_timer *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

static inline void heap_set_root(struct heap *heap, struct bough_timer *root)
{
    heap->root = root;
    if (root) {
        root->prev = root;
        root->next = NULL;
    }
}

static inline void heap_insert(struct heap *heap, struct bough_timer *timer)
{
    timer->child = timer->next = NULL;
    heap_set_root(heap, heap->root ? heap_meld(heap->root, timer) : timer);
    heap->count++;
}

/* Meld a list of siblings into one root: in pairs from the left, then the pairs from the right. */
static inline struct bough_timer *heap_meld_siblings(struct bough_timer *first)
{
    struct bough_timer *pairs = NULL;
    while (first) {
        struct bough_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        struct bough_timer *pair = b ? heap_meld(a, b) : a;
        pair->next = pairs;
        pairs = pair;
    }
    struct bough_timer *root = NULL;
    while (pairs) {
        struct bough_timer *pair = pairs;
        pairs = pair->next;
        root = root ? heap_meld(root, pair) : pair;
    }
    return root;
}

static inline void heap_remove(struct heap *heap, struct bough_timer *timer)
{
    struct bough_timer *rest = heap_meld_siblings(timer->child);
    if (timer == heap->root) {
        heap_set_root(heap, rest);
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        if (rest)
            heap_set_root(heap, heap_meld(heap->root, rest));
    }
    timer->child = timer->next = timer->prev = NULL;
    heap->count--;
}
