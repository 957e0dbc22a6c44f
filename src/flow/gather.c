/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "bough/flow.h"

static int gather_one(void *arg)
{
    struct bough_job *job = arg;
    job->result = job->fn(job->arg);
    return job->result;
}

int bough_gather(struct bough_job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        jobs[i].result = -ECANCELED;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    bough_with_nursery (n, &rc) {
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon(n, gather_one, &jobs[i]);
    }
    return rc;
}
