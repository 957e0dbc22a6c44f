/* SPDX-License-Identifier: MIT */
#include "bough/periodic.h"

#include <errno.h>
#include <limits.h>

#include "bough/error.h"

/* When the next tick is, if that depends on the call. A call that was cancelled does not move it:
 * else whoever waits in short steps would wait for ever. */
static void plan(struct bough_periodic *p)
{
    if (!p->begun)
        p->due = bough_after(bough_now(), p->delayed ? p->period : 0);
    else if (p->missed == BOUGH_TICKS_PAUSE && p->in_body)
        p->due = bough_after(bough_now(), p->period);
    p->begun = true;
    p->in_body = false;
}

/* Give the tick that is due; how many more are. */
static int64_t take(struct bough_periodic *p, int64_t now)
{
    int64_t overdue = now > p->due ? (now - p->due) / p->period : 0;
    if (p->missed == BOUGH_TICKS_PAUSE)
        overdue = 0;
    p->tick = p->due;
    if (p->missed == BOUGH_TICKS_SKIP)
        p->tick += overdue * p->period;
    p->due = bough_after(p->tick, p->period);
    p->in_body = true;
    return overdue;
}

int bough_periodic_next(struct bough_periodic *p)
{
    if (p->period <= 0)
        return bough_fail_text(-EINVAL, "bough_periodic_next: the period is not more than 0");
    plan(p);
    int rc = bough_sleep_until(p->due);
    if (rc < 0)
        return rc;
    int64_t overdue = take(p, bough_now());
    return overdue < INT_MAX ? (int)overdue : INT_MAX;
}

int64_t bough_periodic_time(const struct bough_periodic *p)
{
    return p->tick;
}

void bough_periodic_reset(struct bough_periodic *p)
{
    p->due = bough_after(bough_now(), p->period);
    p->begun = true;
    p->in_body = false;
}
