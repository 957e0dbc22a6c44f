/* Calls on files, by the driver or in a thread.
 * SPDX-License-Identifier: MIT */
#include "io/operation.h"

#include <errno.h>

#include "base/sys.h"
#include "bough/error.h"

struct operation_wait {
    struct bough_wait wait;
    struct bough_io_operation *operation;
    bool recalled;
};

/* The kernel writes where we told it to until it has answered: so we stay. */
static bool operation_abort(struct bough_wait *wait)
{
    struct operation_wait *w = bough_container_of(wait, struct operation_wait, wait);
    struct bough_driver *driver = bough_driver_current();
    w->recalled = true;
    driver->recall(driver, w->operation);
    return false;
}

/* What it comes to; -ENOSYS: the driver cannot. 'recalled': we were cancelled meanwhile. */
static int by_driver_once(struct bough_driver *driver, struct bough_io_operation *o, bool *recalled)
{
    struct operation_wait w = {
        .wait = {.abort = operation_abort, .what = "a file"},
        .operation = o,
    };
    o->wait = &w.wait;
    if (driver->submit(driver, o) < 0) /* also for want of memory: a thread may do */
        return -ENOSYS;
    int rc = bough_wait(&w.wait);
    *recalled = w.recalled;
    return rc;
}

static int by_driver(struct bough_io_operation *o)
{
    struct bough_driver *driver = bough_driver_current();
    bool recalled = false;
    int rc;
    if (!driver->submit || o->kind == BOUGH_OPERATION_NONE)
        return -ENOSYS;
    if (o->kind != BOUGH_OPERATION_CLOSE && sys_fails(SYS_FAULT_CALL))
        return -EIO;
    /* Taken back: unless the cancel itself is, this is all. */
    do {
        rc = bough_checkpoint_if_cancelled();
        if (rc < 0)
            return rc;
        rc = by_driver_once(driver, o, &recalled);
    } while (recalled && (rc == -ECANCELED || rc == -EINTR));
    return rc;
}

int bough__operation(struct bough_io_operation *o, bough_thread_fn *in_thread)
{
    const struct bough_thread_options options = {.what = "a file"};
    int rc = by_driver(o);
    return rc == -ENOSYS ? bough_thread_run_with(&options, in_thread, o) : rc;
}

int bough__operation_always(struct bough_io_operation *o, bough_thread_fn *in_thread)
{
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough__operation(o, in_thread);
    return rc;
}
