/* A lock-free queue with many producers and one consumer: how other threads reach the loop.
 *
 * Dmitry Vyukov's intrusive MPSC queue (1024cores.net, "Intrusive MPSC node-based queue"): a push
 * is one exchange and one store, wait-free, so it may be done in a signal handler. Between the two
 * a consumer sees a gap and must try again: mpsc_pop() says so.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/entry.h"

enum mpsc_result { MPSC_ITEM, MPSC_EMPTY, MPSC_GAP };

struct mpsc {
    struct bough_entry *head; /* producers push here */
    struct bough_entry *tail; /* the consumer's own */
    struct bough_entry stub;
};

static inline void mpsc_init(struct mpsc *q)
{
    q->stub.next = NULL;
    q->head = q->tail = &q->stub;
}

/* From any thread. */
static inline void mpsc_push(struct mpsc *q, struct bough_entry *entry)
{
    __atomic_store_n(&entry->next, NULL, __ATOMIC_RELAXED);
    struct bough_entry *prev = __atomic_exchange_n(&q->head, entry, __ATOMIC_ACQ_REL);
    __atomic_store_n(&prev->next, entry, __ATOMIC_RELEASE);
}

/* Consumer: is there certainly nothing? One load. */
static inline bool mpsc_is_empty(const struct mpsc *q)
{
    return q->tail == &q->stub && __atomic_load_n(&q->head, __ATOMIC_ACQUIRE) == &q->stub;
}

/* Consumer: take the oldest. */
static inline enum mpsc_result mpsc_pop(struct mpsc *q, struct bough_entry **ret_entry)
{
    struct bough_entry *tail = q->tail;
    struct bough_entry *next = __atomic_load_n(&tail->next, __ATOMIC_ACQUIRE);
    if (tail == &q->stub) {
        if (!next)
            return mpsc_is_empty(q) ? MPSC_EMPTY : MPSC_GAP;
        q->tail = tail = next;
        next = __atomic_load_n(&tail->next, __ATOMIC_ACQUIRE);
    }
    if (!next) {
        /* 'tail' may be the last one: put the stub behind it, so that it can be taken. */
        if (__atomic_load_n(&q->head, __ATOMIC_ACQUIRE) != tail)
            return MPSC_GAP;
        mpsc_push(q, &q->stub);
        next = __atomic_load_n(&tail->next, __ATOMIC_ACQUIRE);
        if (!next)
            return MPSC_GAP;
    }
    q->tail = next;
    *ret_entry = tail;
    return MPSC_ITEM;
}
