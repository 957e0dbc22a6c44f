/* bough_run(): picks a driver, starts the loop. The only file that names one.
 * SPDX-License-Identifier: MIT */
#include "bough/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"
#include "bough/driver.h"
#include "bough/error.h"
#include "bough/guest.h"
#include "bough/observe.h"
#include "io/epoll.h"
#include "io/uring.h"

/* What the environment says, where the options say nothing. */
static int options_from_environment(struct bough_run_options *options)
{
    const char *seed = getenv("BOUGH_SEED"), *io = getenv("BOUGH_IO");
    if (!options->seed && seed && *seed) {
        char *end;
        errno = 0;
        options->seed = strtoull(seed, &end, 0);
        if (*end || errno)
            return bough_fail(-EINVAL, "BOUGH_SEED=%s: it is a number of 64 bits", seed);
    }
    if (options->io != BOUGH_IO_AUTO || !io || !*io || strcmp(io, "auto") == 0)
        return 0;
    if (strcmp(io, "epoll") == 0)
        options->io = BOUGH_IO_EPOLL;
    else if (strcmp(io, "io_uring") == 0)
        options->io = BOUGH_IO_URING;
    else
        return bough_fail(-EINVAL, "BOUGH_IO=%s: it can be auto, epoll or io_uring", io);
    return 0;
}

__attribute__((constructor)) static void show_tree_in_panics(void)
{
    bough__panic_picture = bough_tree_print;
}

static int uring_refused(int rc)
{
    switch (rc) {
    case -ENOTSUP:
        return bough_fail_text(
            rc, "bough_run: this build has no io_uring driver: liburing was missing");
    case -ENOSYS:
        return bough_fail_text(rc,
                               "bough_run: this kernel has no io_uring, or one older than Linux "
                               "5.13; or this is Valgrind, which has none that sleeps well");
    case -EPERM:
    case -EACCES:
        return bough_fail_text(rc, "bough_run: io_uring is forbidden here (a seccomp filter, or "
                                   "kernel.io_uring_disabled)");
    default:
        return bough_fail(rc, "bough_run: no io_uring to be had");
    }
}

/* AUTO is epoll: io_uring has measured no better (TCP echo, bench/). */
static int open_driver(enum bough_io io, struct bough_driver **ret_driver)
{
    if (io > BOUGH_IO_URING)
        return bough_fail(-EINVAL, "bough_run: .io is %d, which means nothing", (int)io);
    if (io == BOUGH_IO_URING) {
        int rc = bough__uring_open(ret_driver);
        return rc < 0 ? uring_refused(rc) : 0;
    }
    int rc = bough__epoll_open(ret_driver);
    return rc < 0 ? bough_fail(rc, "bough_run: no epoll to be had") : 0;
}

static void close_driver(enum bough_io io, struct bough_driver *driver)
{
    if (io == BOUGH_IO_URING)
        bough__uring_close(driver);
    else
        bough__epoll_close(driver);
}

int bough_run_with(const struct bough_run_options *options, bough_task_fn *fn, void *arg)
{
    struct bough_run_options wanted = options ? *options : (struct bough_run_options){0};
    struct bough_driver *driver = wanted.driver;
    int rc = options_from_environment(&wanted);
    if (rc < 0)
        return rc;
    if (bough_is_running())
        return bough_fail_text(-EBUSY, "bough_run: a run is under way in this thread");
    if (!driver && (rc = open_driver(wanted.io, &driver)) < 0)
        return rc;
    rc = bough_run_on(driver, &wanted, fn, arg);
    if (!wanted.driver)
        close_driver(wanted.io, driver);
    return rc;
}

int bough_run(bough_task_fn *fn, void *arg)
{
    return bough_run_with(NULL, fn, arg);
}

int bough_guest_start(const struct bough_run_options *options, bough_task_fn *fn, void *arg,
                      struct bough_guest **ret_guest)
{
    struct bough_run_options wanted = options ? *options : (struct bough_run_options){0};
    struct bough_driver *driver;
    int rc = options_from_environment(&wanted);
    if (rc < 0)
        return rc;
    rc = open_driver(BOUGH_IO_EPOLL, &driver);
    if (rc < 0)
        return rc;
    rc = bough_guest_start_on(driver, bough__epoll_fd(driver), bough__epoll_close, &wanted, fn, arg,
                              ret_guest);
    if (rc < 0)
        bough__epoll_close(driver);
    return rc;
}
