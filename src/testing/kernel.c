/* The test kernel: an epoll driver for descriptors, and a clock of its own that jumps.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/testing.h"
#include "io/epoll.h"

struct test_kernel {
    struct bough_driver driver;
    struct bough_driver *real;
    int64_t now;
    bool autojump;
};

static struct test_kernel *kernel_of(struct bough_driver *driver)
{
    return bough_container_of(driver, struct test_kernel, driver);
}

static int64_t kernel_now(struct bough_driver *driver)
{
    return kernel_of(driver)->now;
}

/* What happens in the real world until 'deadline', which is in its time. */
static int wait_really(struct test_kernel *k, int64_t deadline)
{
    int woken = k->real->wait(k->real, deadline);
    k->driver.watched = k->real->watched;
    return woken;
}

/* Somebody may call in: what he does takes real time, so until 'deadline' time passes as it really
 * does. */
static int wait_in_real_time(struct test_kernel *k, int64_t deadline)
{
    int64_t real_deadline = bough_after(k->real->now(k->real), deadline - k->now);
    int woken = wait_really(k, real_deadline);
    if (woken == 0 && k->real->now(k->real) >= real_deadline)
        k->now = deadline;
    return woken;
}

static int kernel_wait(struct bough_driver *driver, int64_t deadline)
{
    struct test_kernel *k = kernel_of(driver);
    if (deadline <= k->now)
        return wait_really(k, INT64_MIN);
    /* In one step: a first look would swallow the interrupt that is to end the sleep. */
    if (!k->autojump || deadline == BOUGH_NEVER)
        return wait_really(k, BOUGH_NEVER);
    if (driver->holds)
        return wait_in_real_time(k, deadline);
    int woken = wait_really(k, INT64_MIN);
    if (woken != 0)
        return woken;
    woken = bough__epoll_sweep(k->real);
    k->driver.watched = k->real->watched;
    if (!woken)
        k->now = deadline;
    return woken;
}

static void kernel_interrupt(struct bough_driver *driver)
{
    struct bough_driver *real = kernel_of(driver)->real;
    real->interrupt(real);
}

static int kernel_watch(struct bough_driver *driver, int fd, enum bough_direction direction,
                        struct bough_wait *wait)
{
    struct test_kernel *k = kernel_of(driver);
    int rc = k->real->watch(k->real, fd, direction, wait);
    driver->watched = k->real->watched;
    return rc;
}

static int kernel_adopt(struct bough_driver *driver, int fd)
{
    struct bough_driver *real = kernel_of(driver)->real;
    return real->adopt(real, fd);
}

static void kernel_unwatch(struct bough_driver *driver, int fd, enum bough_direction direction)
{
    struct test_kernel *k = kernel_of(driver);
    k->real->unwatch(k->real, fd, direction);
    driver->watched = k->real->watched;
}

static void kernel_closing(struct bough_driver *driver, int fd)
{
    struct test_kernel *k = kernel_of(driver);
    k->real->closing(k->real, fd);
    driver->watched = k->real->watched;
}

/* --- open and close --- */

int bough_test_kernel_open(struct bough_driver **ret_driver)
{
    struct test_kernel *k = sys_calloc(1, sizeof(*k));
    if (!k)
        return bough_fail_text(-ENOMEM, "no memory for a test kernel");
    int rc = bough__epoll_open(&k->real);
    if (rc < 0) {
        free(k);
        return bough_fail_text(rc, "no epoll for a test kernel");
    }
    k->autojump = true;
    k->driver = (struct bough_driver){
        .name = "test kernel",
        .now = kernel_now,
        .coarse_now = kernel_now,
        .wait = kernel_wait,
        .interrupt = kernel_interrupt,
        .watch = kernel_watch,
        .adopt = kernel_adopt,
        .unwatch = kernel_unwatch,
        .closing = kernel_closing,
    };
    *ret_driver = &k->driver;
    return 0;
}

void bough_test_kernel_close(struct bough_driver *driver)
{
    if (!driver)
        return;
    struct test_kernel *k = kernel_of(driver);
    bough__epoll_close(k->real);
    free(k);
}

int bough_test_run(const struct bough_run_options *options, bough_task_fn *fn, void *arg)
{
    struct bough_run_options wanted = options ? *options : (struct bough_run_options){0};
    int rc = bough_test_kernel_open(&wanted.driver);
    if (rc < 0)
        return rc;
    rc = bough_run_with(&wanted, fn, arg);
    bough_test_kernel_close(wanted.driver);
    return rc;
}

/* --- the clock --- */

static struct test_kernel *current_kernel(void)
{
    struct bough_driver *driver = bough_driver_current();
    if (driver->now != kernel_now)
        bough_panic("the clock of the %s driver cannot be set: this is for bough_test_run()",
                    driver->name);
    return kernel_of(driver);
}

void bough_test_clock_advance(int64_t by)
{
    struct test_kernel *k = current_kernel();
    if (by < 0)
        bough_panic("bough_test_clock_advance: time does not go back");
    k->now = bough_after(k->now, by);
}

void bough_test_clock_autojump(bool on)
{
    current_kernel()->autojump = on;
}
