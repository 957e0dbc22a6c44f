/* A pool whose workers live for one call: so many lives, and nothing may grow.
 * SPDX-License-Identifier: MIT */
#include "soak.h"

#include <bough/pool.h>

enum { WORKERS = 2, PAUSES = 10, WARM = 2 /* pauses */ };

/* Whose lives have just ended; those after them are up then. */
static int await_workers(struct bough_pool *p, unsigned replaced)
{
    struct bough_pool_stats stats;
    for (;;) {
        bough_pool_stats(p, &stats);
        if (stats.workers == WORKERS && stats.replaced == replaced)
            return 0;
        int rc = bough_sleep(BOUGH_MS);
        if (rc < 0)
            return rc;
    }
}

static int live(struct bough_pool *p, unsigned lives)
{
    int rc = 0;
    for (unsigned i = 0; i < lives && rc == 0; i++)
        rc = bough_pool_call(p, "echo", bough_text("a life"), NULL);
    return rc;
}

static void compare(const struct level *before, const struct level *now)
{
    if (now->descriptors != before->descriptors || now->tasks != before->tasks)
        soak_failed("something was left over: %d descriptors, before %d; %d tasks, before %d",
                    now->descriptors, before->descriptors, now->tasks, before->tasks);
    level_compare(before, now, WORKERS);
}

int live_often(enum bough_place place, unsigned lives)
{
    struct bough_pool_options options = {
        .type = "soak_actor", .place = place, .workers = WORKERS, .max_tasks = 1};
    struct level base, now;
    unsigned part = lives / PAUSES + 1;
    int rc = 0;
    bough_with_pool (p, &options, &rc)
        for (unsigned i = 1; i <= PAUSES && rc == 0; i++) {
            rc = live(p, part);
            if (rc == 0)
                rc = await_workers(p, part * i);
            if (rc < 0)
                break;
            now = level_now();
            printf("# %u lives in %s: %d descriptors, %d threads, %d tasks, heap %zu KiB, "
                   "resident %zu KiB\n",
                   part * i, place == BOUGH_PLACE_THREAD ? "threads" : "processes", now.descriptors,
                   now.threads, now.tasks, now.heap / 1024, now.resident / 1024);
            if (i <= WARM)
                base = now;
            else
                compare(&base, &now);
        }
    return rc;
}
