/* The clocks of drivers that live in real time.
 * SPDX-License-Identifier: MIT */
#include "io/clock.h"

#include <time.h>

#include "bough/time.h"

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * BOUGH_SEC + now.tv_nsec;
}

int64_t bough__clock_now(struct bough_driver *driver)
{
    (void)driver;
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bough__clock_coarse_now(struct bough_driver *driver)
{
    (void)driver;
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

/* A tick, says the system; where ticks are left out (virtual machines, tickless kernels) lags of
 * two have been seen. */
int64_t bough__clock_coarse_step(void)
{
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return 4 * (tick.tv_sec * BOUGH_SEC + tick.tv_nsec);
}
