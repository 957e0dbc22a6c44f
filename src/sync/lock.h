/* What a condition needs of its lock.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "sync/holder.h"
#include "sync/queue.h"

/* A task that is to get the lock: in its queue, or asleep in a condition until a notify puts it
 * there. */
struct lock_waiter {
    struct bough_wait wait;
    struct bough_list asleep; /* our place among the lock's sleepers */
    struct bough_task *task;
    const struct bough_site *site;
};

static inline struct lock_waiter *lock_waiter_of(struct bough_wait *wait)
{
    return bough_container_of(wait, struct lock_waiter, wait);
}

/* Panic with 'what' if the running task does not own 'l'. */
void lock_check_owner(const struct bough_lock *l, const char *what);

/* The end of a wait with lock_waiter: it was given the lock (0), or not. Returns 'rc', with detail.
 */
int lock_waited(struct bough_lock *l, int rc, const struct bough_site *site);
