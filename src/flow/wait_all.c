/* SPDX-License-Identifier: MIT */
#include "bough/flow.h"

int bough_wait_all_of(void *arg, bough_task_fn *const *fns, size_t count,
                      const struct bough_site *site)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon_at(n, fns[i], arg, site);
    }
    return rc;
}
