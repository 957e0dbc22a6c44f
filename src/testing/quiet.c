/* Waiting until all other tasks are blocked.
 * SPDX-License-Identifier: MIT */
#include "bough/testing.h"

struct quiet {
    struct bough_wait wait;
    struct bough_idle idle;
};

static void all_are_blocked(struct bough_idle *idle)
{
    bough_wake(&bough_container_of(idle, struct quiet, idle)->wait, 0);
}

static bool quiet_abort(struct bough_wait *wait)
{
    bough_idle_remove(&bough_container_of(wait, struct quiet, wait)->idle);
    return true;
}

int bough_wait_all_tasks_blocked(void)
{
    struct quiet quiet = {
        .wait = {.abort = quiet_abort, .what = "all other tasks to be blocked"},
        .idle = {.fn = all_are_blocked},
    };
    bough_idle_add(&quiet.idle);
    return bough_wait(&quiet.wait);
}
