/* Time: int64_t nanoseconds, of a clock that never goes back.
 *
 *     rc = bough_sleep(250 * BOUGH_MS);
 *
 * Times count from an unspecified start; only differences mean something.
 * Durations and deadlines add with saturation (bough_after), so BOUGH_NEVER
 * stays never. Deadlines are kept by the run that was asked, on its clock:
 * under the test kernel (bough/testing.h) that clock jumps.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

#define BOUGH_US INT64_C(1000)
#define BOUGH_MS (1000 * BOUGH_US)
#define BOUGH_SEC (1000 * BOUGH_MS)
#define BOUGH_MINUTE (60 * BOUGH_SEC)
/* A deadline that does not come, a duration that does not end. */
#define BOUGH_NEVER INT64_MAX

/* Now, on the clock of the current run; outside a run, on the system's
 * monotonic clock. Never blocks. */
int64_t bough_now(void);

/* The time 'duration' after 'start', saturating: never late overflows to early. */
static inline int64_t bough_after(int64_t start, int64_t duration)
{
    int64_t sum;
    if (start == BOUGH_NEVER || duration == BOUGH_NEVER)
        return BOUGH_NEVER;
    if (__builtin_add_overflow(start, duration, &sum))
        return duration < 0 ? INT64_MIN : BOUGH_NEVER;
    return sum;
}

/* Sleep for 'duration', or until 'deadline'. A time that has passed already is
 * a plain checkpoint. Returns 0, or -ECANCELED. */
BOUGH_MUST_CHECK int bough_sleep(int64_t duration);
BOUGH_MUST_CHECK int bough_sleep_until(int64_t deadline);

/* Sleep until cancelled: always returns -ECANCELED. */
BOUGH_MUST_CHECK int bough_sleep_forever(void);

BOUGH_END_DECLS
