/* A watchdog: a thread that says so when a task does not let the others run.
 *
 *     struct bough_watchdog dog;
 *     rc = bough_watchdog_start(&dog, 100 * BOUGH_MS, NULL);
 *     ...
 *     bough_watchdog_stop(&dog);
 *
 *     bough: task crunch (main.c:31) has not let others run for 102 ms
 *
 * Tasks of a run share a thread: one that computes for long, or makes a call that blocks, holds up
 * all others. This is for finding it; the cure is bough_checkpoint() now and then, or
 * bough/thread.h. While it runs each switch of tasks costs a few nanoseconds more. Real time, also
 * on the test kernel.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "bough/observe.h"

BOUGH_BEGIN_DECLS

/* Called in the watchdog's thread, once for each time that a task hogs the loop: 'site' is where
 * the task was started, and its function. */
typedef void bough_watchdog_fn(const struct bough_site *site, int64_t held);

struct bough_watchdog {
    /* Private. */
    struct bough_instrument instrument;
    bough_watchdog_fn *report;
    int64_t limit;
    const struct bough_site *running; /* atomic: the task that runs; NULL: the loop sleeps */
    uint64_t turn;                    /* atomic: counts what runs */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopped;
    bool stop;
};

/* Watch the current run; it must be stopped before the run ends. 'limit' nanoseconds, at least
 * BOUGH_MS; 'report' NULL prints to stderr. 0, -EAGAIN (no thread), -EINVAL. Does not block. */
BOUGH_MUST_CHECK int bough_watchdog_start(struct bough_watchdog *dog, int64_t limit,
                                          bough_watchdog_fn *report);
void bough_watchdog_stop(struct bough_watchdog *dog);

BOUGH_END_DECLS
