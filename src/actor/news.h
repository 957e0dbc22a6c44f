/* One task waits for a condition; who changes what it is made of says that there is news.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/wait.h"

struct news {
    struct bough_wait *waiter;
};

static inline void news_tell(struct news *n)
{
    if (n->waiter)
        bough_wake(n->waiter, 0);
    n->waiter = NULL;
}

/* Wait until test(arg) is true. 0, -ECANCELED. */
static inline int news_await(struct news *n, bool (*test)(const void *arg), const void *arg,
                             const char *what)
{
    int rc = 0;
    while (rc == 0 && !test(arg)) {
        struct bough_wait wait = {.abort = bough_wait_leave, .what = what};
        n->waiter = &wait;
        rc = bough_wait(&wait);
        n->waiter = NULL;
    }
    return rc;
}
