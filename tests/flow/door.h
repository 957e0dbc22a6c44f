/* A manager that takes time and fails as it is told to, and keeps a record; and a panic that has to
 * say two things.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

struct door {
    /* What it is to do. */
    int64_t setup;   /* sleep so long before the yield */
    int64_t cleanup; /* and after it, shielded */
    int64_t timeout; /* with bough_fail_after() around the yield */
    int64_t
        breaks_after; /* with a nursery around the yield, whose child fails then with -ECONNRESET */
    int enter_fails;  /* with this code, before the yield */
    int exit_fails;   /* joined to how the body ended */
    bool suppresses;
    /* What happened. */
    int users; /* who is in the body, see use() */
    int entered, exited, saw;
    int64_t entered_at, left_at, exited_at;
};

/* Errors that were raised, ever. None of them may be lost. */
static int raised;

__attribute__((unused)) static int raise_error(int code, const char *text)
{
    raised++;
    return bough_fail(code, "%s", text);
}

__attribute__((unused)) static int yield_door(struct bough_manager *self, struct door *d)
{
    d->entered++;
    d->entered_at = bough_now();
    d->saw = bough_yield(self, d);
    d->left_at = bough_now();
    CHECK_EQ(d->users, 0); /* never under somebody who uses it */
    return d->saw;
}

__attribute__((unused)) static int break_later(void *arg)
{
    int rc = bough_sleep(*(int64_t *)arg);
    return rc < 0 ? rc : raise_error(-ECONNRESET, "connection lost");
}

__attribute__((unused)) static int yield_with_watcher(struct bough_manager *self, struct door *d)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, break_later, &d->breaks_after);
        if (rc == 0)
            rc = yield_door(self, d);
        bough_scope_cancel(bough_nursery_scope(n), "the body is done");
    }
    return rc;
}

__attribute__((unused)) static int yield_in_blocks(struct bough_manager *self, struct door *d)
{
    int rc = 0, inside = 0;
    if (!d->timeout)
        return d->breaks_after ? yield_with_watcher(self, d) : yield_door(self, d);
    bough_fail_after (d->timeout, &rc)
        rc = inside = d->breaks_after ? yield_with_watcher(self, d) : yield_door(self, d);
    raised += rc == -ETIMEDOUT && inside != -ETIMEDOUT;
    return rc;
}

__attribute__((unused)) static int door(struct bough_manager *self, void *arg)
{
    struct door *d = arg;
    int rc = d->setup ? bough_sleep(d->setup) : 0, cleanup_rc = 0;
    if (rc < 0)
        return rc;
    if (d->enter_fails)
        return raise_error(d->enter_fails, "cannot enter");
    rc = yield_in_blocks(self, d);
    if (!d->entered)
        return rc;
    if (d->cleanup)
        bough_shielded (BOUGH_NEVER, &cleanup_rc)
            cleanup_rc = bough_sleep(d->cleanup);
    CHECK_EQ(cleanup_rc, 0);
    d->exited++;
    d->exited_at = bough_now();
    if (d->exit_fails)
        return bough_keep(rc, raise_error(d->exit_fails, "cannot exit"));
    return d->suppresses ? 0 : rc;
}

/* Work with an open door. */
__attribute__((unused)) static int use(struct door *d, int64_t takes)
{
    CHECK(d->entered == 1 && d->exited == 0);
    d->users++;
    int rc = bough_sleep(takes);
    d->users--;
    return rc;
}

/* The leaves of the error that 'rc' came with. */
__attribute__((unused)) static unsigned leaves(int rc)
{
    return rc < 0 ? bough_error_count(bough_error_last(), 0) : 0;
}

/* A misuse has to name this, too: what TEST_PANICS looks for is one of the two places. */
static const char *also_said;
static void check_also_said(const char *message)
{
    CHECK_HAS(message, also_said);
}

__attribute__((unused)) static void panic_says(const char *text)
{
    also_said = text;
    bough_panic_set_handler(check_also_said);
}
