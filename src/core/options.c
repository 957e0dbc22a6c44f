/* Options are checked before anything is made of them: the same for a run and for a guest.
 * SPDX-License-Identifier: MIT */
#include "core/options.h"

#include <errno.h>

#include "bough/error.h"
#include "bough/run.h"
#include "fiber/stack.h"

#define STACK_MOST ((size_t)1 << 40)

int options_check(const struct bough_run_options *options)
{
    if (options->stack_size && options->stack_size < STACK_MIN)
        return bough_fail(-EINVAL, "bough_run: a stack of %zu bytes: 16 KiB is the least",
                          options->stack_size);
    if (options->stack_size > STACK_MOST)
        return bough_fail(-EINVAL, "bough_run: a stack of %zu bytes: 1 TiB is the most",
                          options->stack_size);
    if (options->deadlock > BOUGH_DEADLOCK_WAIT)
        return bough_fail(-EINVAL, "bough_run: .deadlock is %d, which means nothing",
                          (int)options->deadlock);
    if (options->sigint > BOUGH_SIGINT_LEAVE)
        return bough_fail(-EINVAL, "bough_run: .sigint is %d, which means nothing",
                          (int)options->sigint);
    return 0;
}
