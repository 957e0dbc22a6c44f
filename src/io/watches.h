/* Who waits for which descriptor: the table that the drivers share, and the sweep.
 *
 * The kernel does not tell when a descriptor is closed. A foreign one (not adopted) that was closed
 * behind our back would hang its waiter, so before a sleep, and at least once a second, those that
 * are waited for are asked after: the sweep.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"

enum { WATCH_DIRECTIONS = 2 };

/* Of one descriptor: the first member of what a driver keeps about it. All zero at first. */
struct watch_entry {
    struct bough_wait *waiters[WATCH_DIRECTIONS];
    bool adopted;
};

struct watches {
    struct bough_driver *driver; /* its 'watched' counts the waiters */
    size_t entry_size;
    char *entries; /* by descriptor */
    int count;
    unsigned foreign; /* waits for descriptors that are not adopted */
    int64_t swept;
    /* Is what a foreign waiter waits for still the descriptor of that number? */
    bool (*is_alive)(struct bough_driver *driver, int fd, struct watch_entry *entry);
    /* It is not: forget it, and wake who waits with -EBADF. How many did? */
    int (*lost)(struct bough_driver *driver, int fd, struct watch_entry *entry);
};

/* Makes room for 'fd'; entries may move. 0, -EBADF, -ENOMEM. */
int bough__watches_get(struct watches *w, int fd, struct watch_entry **ret_entry);
void bough__watches_release(struct watches *w);

/* Wake both directions; returns how many waited. */
int bough__watches_wake_both(struct watches *w, struct watch_entry *entry, int result);

/* Returns how many waits it woke. */
int bough__watches_sweep(struct watches *w);

/* Sweeps if that is due; returns how many waits it woke. *ret_timeout: for how many nanoseconds the
 * driver may sleep then, if it is to wait until 'deadline' (BOUGH_NEVER: until something happens).
 */
int bough__watches_before_sleep(struct watches *w, int64_t deadline, int64_t *ret_timeout);

/* NULL: nobody has ever waited for it. */
static inline struct watch_entry *watches_find(const struct watches *w, int fd)
{
    if (fd < 0 || fd >= w->count)
        return NULL;
    return (struct watch_entry *)(void *)(w->entries + (size_t)fd * w->entry_size);
}

static inline bool watch_is_waited_for(const struct watch_entry *entry)
{
    return entry->waiters[BOUGH_READABLE] || entry->waiters[BOUGH_WRITABLE];
}

static inline void watches_add(struct watches *w, struct watch_entry *entry,
                               enum bough_direction direction, struct bough_wait *wait)
{
    entry->waiters[direction] = wait;
    w->driver->watched++;
    w->foreign += !entry->adopted;
}

/* Returns who waited. */
static inline struct bough_wait *watches_remove(struct watches *w, struct watch_entry *entry,
                                                enum bough_direction direction)
{
    struct bough_wait *wait = entry->waiters[direction];
    entry->waiters[direction] = NULL;
    w->driver->watched--;
    w->foreign -= !entry->adopted;
    return wait;
}
