/* The two ways out of a wait: a wake, and a cancel. The way in is core/wait.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/sched.h"

/* The innermost scope of 'task' has changed: if it is cancelled now, abort what the task waits for.
 * Does nothing to a task that runs, or has been woken: a wake beats a cancel. */
void wake_cancel(struct bough_task *task);

/* Call the abort of a wait, once; true if the wait is over. */
bool wake_abort(struct bough_task *task, struct bough_wait *wait);

/* The newest failure of 'task' is a cancel; bough_error_last() makes the record when asked. */
static inline void wake_mark_cancel(struct bough_task *task)
{
    task->cancel_mark = task->errors.next + 1;
}
