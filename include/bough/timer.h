/* A timer: a node of the caller's that is called back when its time comes.
 *
 *     static void too_late(struct bough_timer *timer) { ... bough_wake(...); }
 *
 *     struct bough_timer timer = {.fire = too_late};
 *     bough_timer_arm(&timer, bough_after(bough_now(), 5 * BOUGH_SEC));
 *     ...
 *     bough_timer_disarm(&timer);
 *
 * For the primitives that you write; in a program, a scope's deadline or bough_sleep() is what you
 * want. Timers fire between two tasks, in order of their times, never early. 'fire' runs in the
 * loop: it must not block. All calls belong to the thread of the run.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/time.h"

BOUGH_BEGIN_DECLS

struct bough_timer {
    int64_t at;
    void (*fire)(struct bough_timer *timer);
    /* Private: a pairing heap (src/base/heap.h). 'prev' is NULL when it is not armed. */
    struct bough_timer *child, *next, *prev;
};

/* Fire at 'at'; armed already, it moves. BOUGH_NEVER disarms. Cannot fail. */
void bough_timer_arm(struct bough_timer *timer, int64_t at);

/* Idempotent. */
void bough_timer_disarm(struct bough_timer *timer);

BOUGH_END_DECLS
