/* SPDX-License-Identifier: MIT */
#include "bough/watch.h"

#include <string.h>

void bough_watch_init(struct bough_watch *w, void *value, size_t size)
{
    *w = (struct bough_watch){.value = value, .size = size, .version = 1};
    bough_list_init(&w->waiters);
}

void bough_watch_set(struct bough_watch *w, const void *value)
{
    memcpy(w->value, value, w->size);
    w->version++;
    bough_wake_all(&w->waiters, 0);
}

void bough_watch_get(const struct bough_watch *w, void *ret_value)
{
    memcpy(ret_value, w->value, w->size);
}

/* The value that stands there when the waiter runs is the latest, whatever woke it. */
static int take(const struct bough_watch *w, uint64_t *seen, void *ret_value)
{
    if (w->version == *seen)
        return 0;
    *seen = w->version;
    bough_watch_get(w, ret_value);
    return 1;
}

int bough_watch_next(struct bough_watch *w, uint64_t *seen, void *ret_value)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "a watched value to change"};
    int rc;
    if (w->version != *seen || w->closed) {
        rc = bough_pass();
    } else {
        bough_list_push(&w->waiters, &wait.link);
        rc = bough_wait(&wait);
    }
    return rc < 0 ? rc : take(w, seen, ret_value);
}

void bough_watch_close(struct bough_watch *w)
{
    w->closed = true;
    bough_wake_all(&w->waiters, 0);
}
