/* Nurseries, inside the library. For users: bough/nursery.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/task.h"
#include "core/wait.h"

/* The body is left early: the children are not waited for but cancelled first. */
void nursery_cancel_early(struct bough_nursery *n);

enum { NURSERY_OPEN, NURSERY_CLOSING, NURSERY_ENDING, NURSERY_CLOSED };

/* Has nobody begun to close it? */
static inline bool nursery_is_open(const struct bough_nursery *n)
{
    return n->state == NURSERY_OPEN;
}

/* A block of 'task' could not report its failure 'rc': it goes to the nursery that 'task' has open
 * around it, or to the task's outcome. A cancel does not: it shows at the next checkpoint anyway.
 */
void nursery_defer(struct bough_task *task, int rc);
