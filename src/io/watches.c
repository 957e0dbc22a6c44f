/* Who waits for which descriptor.
 * SPDX-License-Identifier: MIT */
#include "io/watches.h"

#include <fcntl.h>
#include <string.h>

#include "base/sys.h"
#include "bough/time.h"

enum { ENTRIES_FIRST = 64 };
#define SWEEP_AFTER (100 * BOUGH_MS)
#define SWEEP_AT_LEAST BOUGH_SEC

static int make_room(struct watches *w, int fd)
{
    int count = w->count ? w->count : ENTRIES_FIRST;
    /* A number out of the blue must not make the table huge. */
    if (fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    while (count <= fd)
        count *= 2;
    char *entries = sys_realloc(w->entries, (size_t)count * w->entry_size);
    if (!entries)
        return -ENOMEM;
    memset(entries + (size_t)w->count * w->entry_size, 0,
           (size_t)(count - w->count) * w->entry_size);
    w->entries = entries;
    w->count = count;
    return 0;
}

int bough__watches_get(struct watches *w, int fd, struct watch_entry **ret_entry)
{
    if (fd < 0)
        return -EBADF;
    if (BOUGH_UNLIKELY(fd >= w->count)) {
        int rc = make_room(w, fd);
        if (rc < 0)
            return rc;
    }
    *ret_entry = watches_find(w, fd);
    return 0;
}

void bough__watches_release(struct watches *w)
{
    free(w->entries);
}

int bough__watches_wake_both(struct watches *w, struct watch_entry *entry, int result)
{
    int woken = 0;
    for (int direction = 0; direction < WATCH_DIRECTIONS; direction++) {
        if (entry->waiters[direction]) {
            bough_wake(watches_remove(w, entry, (enum bough_direction)direction), result);
            woken++;
        }
    }
    return woken;
}

/* --- the sweep --- */

int bough__watches_sweep(struct watches *w)
{
    unsigned left = w->foreign;
    int woken = 0;
    for (int fd = 0; fd < w->count && left; fd++) {
        struct watch_entry *entry = watches_find(w, fd);
        if (entry->adopted || !watch_is_waited_for(entry))
            continue;
        left -= !!entry->waiters[BOUGH_READABLE] + !!entry->waiters[BOUGH_WRITABLE];
        if (!w->is_alive(w->driver, fd, entry))
            woken += w->lost(w->driver, fd, entry);
    }
    return woken;
}

static bool is_due(const struct watches *w, int64_t now, int64_t after)
{
    return w->foreign && now - w->swept >= after;
}

static int sweep(struct watches *w, int64_t now)
{
    w->swept = now;
    return bough__watches_sweep(w);
}

/* The driver is busy, and it may stay so. */
static int sweep_now_and_then(struct watches *w)
{
    int64_t now = w->foreign ? w->driver->now(w->driver) : 0;
    return is_due(w, now, SWEEP_AT_LEAST) ? sweep(w, now) : 0;
}

int bough__watches_before_sleep(struct watches *w, int64_t deadline, int64_t *ret_timeout)
{
    *ret_timeout = 0;
    if (deadline == INT64_MIN)
        return sweep_now_and_then(w);
    int64_t now = w->driver->now(w->driver);
    bool due = is_due(w, now, SWEEP_AFTER);
    int woken = due ? sweep(w, now) : 0;
    if (woken)
        return woken;
    int64_t most = !w->foreign ? BOUGH_NEVER : due ? SWEEP_AT_LEAST : SWEEP_AFTER;
    int64_t timeout = deadline == BOUGH_NEVER ? BOUGH_NEVER : deadline > now ? deadline - now : 0;
    *ret_timeout = timeout < most ? timeout : most;
    return 0;
}
