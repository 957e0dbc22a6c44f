/* Armed deadlines, in order. The public calls are in bough/timer.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

/* Read the clock. */
static inline int64_t timer_now(struct run *run)
{
    return run->now = run->driver->now(run->driver);
}

/* Fire all timers that are due at run->now, the earliest first. */
void timer_fire_due(struct run *run);
