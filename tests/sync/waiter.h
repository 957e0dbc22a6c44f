/* A task that makes one blocking call, in a scope of its own, and what came of it.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <bough/sync.h>
#include <bough/testing.h>

#define STILL_WAITING 12345 /* the result of a call that has not returned */

struct waiter {
    int (*call)(void *object);
    void (*undo)(void *object); /* after a call that succeeded; NULL: nothing to do */
    void *object;
    struct bough_scope scope; /* around the call; to cancel it */
    int rc;
    unsigned turn;     /* 1: its call was the first of all to return */
    int64_t hold;      /* sleep so long before undo, unless cancelled */
    int next_rc;       /* of the checkpoint after the call, in the same scope */
    char message[128]; /* of the error */
};

/* Counts the calls that have returned, in this run. */
static unsigned waiter_turn(void)
{
    static struct bough_local turns;
    uintptr_t turn = (uintptr_t)bough_run_local_get(&turns) + 1;
    CHECK_EQ(bough_run_local_set(&turns, (void *)turn), 0);
    return (unsigned)turn;
}

static int waiter_main(void *arg)
{
    struct waiter *w = arg;
    int rc = 0;
    bough_with_scope (&w->scope, &rc) {
        w->rc = w->call(w->object);
        w->turn = waiter_turn();
        if (w->rc < 0 && bough_error_last())
            snprintf(w->message, sizeof(w->message), "%s", bough_error_message(bough_error_last()));
        if (w->rc >= 0 && w->hold)
            (void)bough_sleep(w->hold);
        if (w->rc >= 0 && w->undo)
            w->undo(w->object);
        w->next_rc = rc = bough_checkpoint();
    }
    return rc;
}

/* Start it; it has not made its call yet. */
__attribute__((unused)) static void waiter_start(struct bough_nursery *n, struct waiter *w)
{
    w->scope = BOUGH_SCOPE();
    w->rc = STILL_WAITING;
    CHECK_EQ(bough_nursery_start_soon(n, waiter_main, w), 0);
}

/* Start it and let it make its call. */
__attribute__((unused)) static void waiter_park(struct bough_nursery *n, struct waiter *w)
{
    waiter_start(n, w);
    CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
}

/* Make 'call' in a scope that is cancelled already. */
__attribute__((unused)) static int call_cancelled(int (*call)(void *object), void *object)
{
    int rc = 0, seen = 0;
    struct bough_scope scope = BOUGH_SCOPE();
    bough_scope_cancel(&scope, "before the call");
    bough_with_scope (&scope, &rc)
        rc = seen = call(object);
    CHECK_EQ(rc, 0);
    return seen;
}

/* Make 'call', with this much time. */
__attribute__((unused)) static int call_timed(int64_t timeout, int (*call)(void *object),
                                              void *object)
{
    int rc = 0;
    bough_fail_after (timeout, &rc)
        rc = call(object);
    return rc;
}
