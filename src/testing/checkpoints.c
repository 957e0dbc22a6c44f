/* Did a stretch of code pass a checkpoint?
 * SPDX-License-Identifier: MIT */
#include "bough/panic.h"
#include "bough/task.h"
#include "bough/testing.h"

struct bough_checkpoints_block bough_checkpoints_block_enter(bool wanted, const int *rc,
                                                             const struct bough_site *site)
{
    return (struct bough_checkpoints_block){
        .open = true,
        .wanted = wanted,
        .rc = rc,
        .site = site,
        .cancel_points = bough_task_cancel_points(),
        .schedule_points = bough_task_schedule_points(),
    };
}

void bough_checkpoints_block_exit(struct bough_checkpoints_block *b)
{
    bool cancel = bough_task_cancel_points() != b->cancel_points;
    bool schedule = bough_task_schedule_points() != b->schedule_points;
    b->open = false;
    /* What failed need not have got so far. */
    if (b->wanted && *b->rc < 0)
        return;
    if (b->wanted && !(cancel && schedule))
        bough_panic("the body of %s at %s:%d passed no %s", b->site->what, b->site->file,
                    b->site->line, cancel ? "schedule point" : "cancel point");
    if (!b->wanted && (cancel || schedule))
        bough_panic("the body of %s at %s:%d passed a %s", b->site->what, b->site->file,
                    b->site->line, cancel ? "cancel point" : "schedule point");
}
