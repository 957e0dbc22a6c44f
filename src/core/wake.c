/* SPDX-License-Identifier: MIT */
#include "core/wake.h"

/* Somebody observes. */
static BOUGH_COLD void wake_observed(struct bough_task *task)
{
    hook(task->run, task_woken, task, task->wake_result);
    sched_ready(task->run, task);
}

/* The rare things in here are jumps, so that the usual wake needs no frame. */
void bough_wake(struct bough_wait *wait, int result)
{
    if (wait->link.next)
        bough_list_unlink(&wait->link);
    if (BOUGH_UNLIKELY(wait->woken != NULL)) {
        wait->woken(wait, result);
        return;
    }
    struct bough_task *task = wait->task;
    if (!task)
        return;
    wait->task = NULL;
    task->wait = NULL;
    task->wake_result = result;
    if (BOUGH_UNLIKELY(task->run->instruments != NULL)) {
        wake_observed(task);
        return;
    }
    sched_ready(task->run, task);
}

void bough_wake_all(struct bough_list *waiters, int result)
{
    while (!bough_list_is_empty(waiters))
        bough_wake(bough_container_of(waiters->next, struct bough_wait, link), result);
}

bool bough_wait_leave(struct bough_wait *wait)
{
    if (wait->link.next)
        bough_list_unlink(&wait->link);
    return true;
}

bool wake_abort(struct bough_task *task, struct bough_wait *wait)
{
    if (task->aborted || !wait->abort)
        return false;
    task->aborted = true;
    return wait->abort(wait);
}

void wake_cancel(struct bough_task *task)
{
    struct bough_scope *scope = task->scope;
    struct bough_wait *wait = task->wait;
    if (wait && wait->for_shutdown && scope->shutting == SCOPE_SOFT) {
        bough_wake(wait, 0);
    } else if (scope->level == SCOPE_CLEAR) {
        return;
    } else if (wait) {
        if (wake_abort(task, wait) && wait->task) {
            wake_mark_cancel(task);
            bough_wake(wait, -ECANCELED);
        }
    } else if (task->yielding) {
        wake_mark_cancel(task);
        task->wake_result = -ECANCELED;
    }
}
