/* Running: one loop, its tasks, until the main task and all below it have ended.
 *
 *     static int hello(void *arg)
 *     {
 *         int rc = bough_sleep(100 * BOUGH_MS);
 *         if (rc == 0)
 *             puts("hello");
 *         return rc;
 *     }
 *
 *     int main(void)
 *     {
 *         return bough_run(hello, NULL) < 0;
 *     }
 *
 * A run belongs to the thread that called bough_run(), and so do its tasks, scopes, channels and
 * all else: no other thread may touch them, except through bough/entry.h. Any number of threads may
 * have one run each. The main task runs on the thread's own stack.
 *
 * The tasks are scheduled in passes: a pass runs those that were ready when it began, in order
 * (with a seed: in an order drawn from it), then I/O and deadlines are looked at.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/nursery.h"
#include "bough/time.h"

BOUGH_BEGIN_DECLS

struct bough_driver;
struct bough_instrument;

enum bough_io {
    BOUGH_IO_AUTO, /* the environment's BOUGH_IO ("epoll", "io_uring"), else the best there is */
    BOUGH_IO_EPOLL,
    BOUGH_IO_URING,
};

enum bough_deadlock {
    BOUGH_DEADLOCK_CANCEL, /* cancel the main task; bough_run() returns -EDEADLK */
    BOUGH_DEADLOCK_PANIC,  /* abort with the task tree, for a core file */
    BOUGH_DEADLOCK_WAIT,   /* sleep: another thread will call in */
};

enum bough_sigint {
    /* Ctrl-C cancels the main task and the run returns -EINTR, if SIGINT had its default meaning
     * and this is the main thread; a second one kills the process as ever. */
    BOUGH_SIGINT_CANCEL,
    BOUGH_SIGINT_LEAVE, /* SIGINT is none of the run's business */
};

/* Zero means the default for every field. */
struct bough_run_options {
    struct bough_driver *driver; /* a kernel of your own (bough/driver.h); not freed */
    enum bough_io io;
    size_t stack_size; /* of a task, in bytes; default 64 KiB, at least 16 KiB */
    /* Not 0: the order inside a pass is a shuffle drawn from it; the same seed gives the same
     * order. Default: the environment's BOUGH_SEED. */
    uint64_t seed;
    enum bough_deadlock deadlock;
    enum bough_sigint sigint;
    const char *name;                            /* of the main task; default "main" */
    struct bough_instrument *const *instruments; /* ends with NULL; see bough/observe.h */
};

/* Run fn(arg) as the main task and return its result when everything has ended. Also: -EBUSY (a run
 * is under way in this thread), -EDEADLK (no task could ever run again; bough_error_last() has the
 * tree), -EINTR (SIGINT), -ENOMEM, -EMFILE and the like (no loop to be had), -EINVAL (bad options).
 */
BOUGH_MUST_CHECK int bough_run(bough_task_fn *fn, void *arg);
BOUGH_MUST_CHECK int bough_run_with(const struct bough_run_options *options, bough_task_fn *fn,
                                    void *arg);

/* Is this thread in a run? */
bool bough_is_running(void);

BOUGH_END_DECLS
