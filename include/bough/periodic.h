/* A loop body at fixed times.
 *
 *     struct bough_periodic tick = {.period = 10 * BOUGH_SEC};
 *     int rc;
 *     while ((rc = bough_periodic_next(&tick)) >= 0) {
 *         if (rc > 0)
 *             log("%d samples are missing", rc);
 *         sample();
 *     }
 *     return rc;                                   // cancelled
 *
 * The times are planned: the first tick, and from there one each period. They are never counted
 * from when a body began or ended, so nothing drifts: after a million ticks, some of them late, the
 * next one is still where it was planned. (BOUGH_TICKS_PAUSE is for those who want the opposite.)
 *
 * A body that takes longer than a period misses ticks. What happens then, with a period of 10 s,
 * and a body that begins at 0 and takes 25 s:
 *
 *     BOUGH_TICKS_SKIP      25 (for 20; 10 is skipped), 30, 40     samples, heartbeats
 *     BOUGH_TICKS_CATCH_UP  25 (for 10), again (for 20), 30, 40    steps of a simulation
 *     BOUGH_TICKS_PAUSE     35, 45, 55                             polite polling
 *
 * It lives where you put it and allocates nothing. One task uses it at a time.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/time.h"

BOUGH_BEGIN_DECLS

enum bough_ticks {
    BOUGH_TICKS_SKIP,     /* the latest one that is due comes at once, those before it never */
    BOUGH_TICKS_CATCH_UP, /* each one comes, late ones at once, until the plan is caught up with */
    BOUGH_TICKS_PAUSE,    /* a period after each body's end; none is ever missed */
};

/* Zero-initialise what you do not set: struct bough_periodic tick = {.period = BOUGH_SEC}; */
struct bough_periodic {
    int64_t period;          /* more than 0 */
    enum bough_ticks missed; /* what to do when ticks were missed */
    bool delayed;            /* the first tick comes a period after the first call, not at once */

    /* Private from here on. */
    bool begun;   /* the plan has begun: 'due' is set */
    bool in_body; /* a tick was given and the next one is not waited for yet */
    int64_t due;  /* the next tick */
    int64_t tick; /* the last one, as planned */
};

/* Wait for the next tick; if it is due already, go on at once. A checkpoint each time, at which the
 * others run, too. 0: in time, or less than a period late. More than 0: as many more ticks were due
 * at this time. SKIP: they are lost; CATCH_UP: they come now, one by one. -ECANCELED: the tick was
 * not used up, and comes with the next call. -EINVAL: no period. */
BOUGH_MUST_CHECK int bough_periodic_next(struct bough_periodic *p);

/* The time that the last tick was planned for: bough_now() less this is how late it came. */
int64_t bough_periodic_time(const struct bough_periodic *p);

/* A new plan: the next tick is a period from now. To change the period, set it and reset. Does not
 * block. */
void bough_periodic_reset(struct bough_periodic *p);

BOUGH_END_DECLS
