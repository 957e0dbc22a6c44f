/* The same test under many orders of its tasks.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "bough/error.h"
#include "bough/testing.h"

int bough_test_seeds(unsigned count, bough_task_fn *fn, void *arg)
{
    for (unsigned seed = 1; seed <= count; seed++) {
        struct bough_run_options options = {.seed = seed};
        int rc = bough_test_run(&options, fn, arg);
        if (rc < 0) {
            fprintf(stderr, "bough: failed under BOUGH_SEED=%u: %s\n", seed, bough_error_name(rc));
            return rc;
        }
    }
    return 0;
}
