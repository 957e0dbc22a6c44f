/* Worker threads: calls that block, made elsewhere while the task waits.
 *
 *     static int shrink(void *arg)                           // in the thread
 *     {
 *         struct image *image = arg;
 *         while (image_step(image))
 *             if (bough_thread_check() < 0)                  // has the task been cancelled?
 *                 return -ECANCELED;
 *         return 0;
 *     }
 *
 *     rc = bough_thread_run(shrink, &image);                 // the task waits, the other tasks run
 *
 * For what has no non-blocking form: a library that only blocks, a long computation. Threads are
 * kept for a while when idle. How many run at once is limited, by default 40 a run.
 *
 * A thread cannot be cancelled, only asked. So by default a cancel is noted (bough_thread_check)
 * and the task waits on, and gets what the function returns. With .abandon it leaves at once, and
 * the thread ends alone.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/nursery.h"
#include "bough/sync.h"

BOUGH_BEGIN_DECLS

/* What runs in the thread: any code, but none that belongs to the run, except through the calls
 * below. */
typedef int bough_thread_fn(void *arg);

struct bough_thread_options {
    /* A token of it is held while the thread runs. NULL: the run's own, of BOUGH_THREADS. */
    struct bough_limiter *limiter;
    /* A cancel ends the wait at once with -ECANCELED, and gives the token back. 'arg' is then the
     * thread's until it ends; after that drop(arg) is called, in either thread. */
    bool abandon;
    void (*drop)(void *arg); /* may be NULL */
    const char *what;        /* for the task tree */
};

enum { BOUGH_THREADS = 40 };

/* Call fn(arg) in a worker thread, and wait for it. A checkpoint. Returns what fn returns;
 * -ECANCELED: it was cancelled before fn began, or abandoned (drop has been or will be called; only
 * then); -EAGAIN: no thread to be had; -ENOMEM. A failure that fn records with bough_fail() comes
 * along. Cancelled while fn runs, and not abandoned: fn's result counts. 'options' may be NULL. */
BOUGH_MUST_CHECK int bough_thread_run(bough_thread_fn *fn, void *arg);
BOUGH_MUST_CHECK int bough_thread_run_with(const struct bough_thread_options *options,
                                           bough_thread_fn *fn, void *arg);

/* --- in the thread --- */

/* -ECANCELED if the task that waits has been cancelled or has left; else 0. From time to time, in
 * long computations. */
BOUGH_MUST_CHECK int bough_thread_check(void);

/* Have fn(arg) called in the run, by the task that waits and in its scopes, and wait for what it
 * returns. So it may do all that a task may. -ECANCELED: the task has left; -EPIPE: the run has
 * ended. Outside such a thread it panics. */
BOUGH_MUST_CHECK int bough_call_from_thread(bough_task_fn *fn, void *arg);

BOUGH_END_DECLS
