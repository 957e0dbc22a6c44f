/* Who runs next: the ready queue, and the switch straight from task to task.
 *
 * Two lists: 'batch' is the pass under way, 'ready' collects the next one. Whoever parks or yields
 * takes the next of the batch and jumps to its stack; there is no scheduler stack to bounce
 * through. When the batch is empty the loop's refill() runs, on the stack of the task that is about
 * to leave.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/hooks.h"

/* Put 'task' last in the next pass. */
static inline void sched_ready(struct run *run, struct bough_task *task)
{
    task->ready_next = NULL;
    *run->ready_tail = task;
    run->ready_tail = &task->ready_next;
}

/* With many tasks each is a cache and TLB miss: fetch ahead, the stack of the next and the struct
 * of the one after it. */
static BOUGH_ALWAYS_INLINE void prefetch_after(const struct bough_task *task)
{
    const struct bough_task *next = task->ready_next;
    if (next) {
        __builtin_prefetch(next->fiber.sp);
        __builtin_prefetch(next->ready_next);
    }
}

/* May the next pass begin without the loop? If there are ready tasks, and nothing else that it
 * would look at. */
static BOUGH_ALWAYS_INLINE bool sched_is_alone(const struct run *run)
{
    return run->ready && !run->timers.root && !run->driver->watched && !run->attended &&
           mpsc_is_empty(run->entries);
}

/* What is ready is the next pass. */
static BOUGH_ALWAYS_INLINE void sched_begin_pass(struct run *run)
{
    run->batch = run->ready;
    run->ready = NULL;
    run->ready_tail = &run->ready;
}

/* Take the next task of the pass, which has one, and make it the running one. */
static BOUGH_ALWAYS_INLINE struct bough_task *sched_take(struct run *run)
{
    struct bough_task *next = run->batch;
    run->batch = next->ready_next;
    prefetch_after(next);
    run->budget = RUN_BUDGET;
    run->switches++;
    next->yielding = false;
    bough__current = next;
    return next;
}

/* Somebody observes. */
void bough__sched_resumed(struct run *run, struct bough_task *task);

/* The same, whatever there is to do before. */
static inline struct bough_task *sched_next(struct run *run)
{
    if (run->batch)
        ; /* the pass goes on */
    else if (sched_is_alone(run))
        sched_begin_pass(run);
    else
        run->refill(run);
    struct bough_task *next = sched_take(run);
    if (BOUGH_UNLIKELY(run->instruments != NULL))
        bough__sched_resumed(run, next);
    return next;
}

static BOUGH_ALWAYS_INLINE int sched_resume(struct run *run, struct bough_task *task,
                                            struct bough_task *next)
{
    if (next == task)
        return task->wake_result;
    task->saved_errno = *run->errno_here;
    *run->errno_here = next->saved_errno;
    return fiber_switch(&task->fiber, &next->fiber, next->wake_result);
}

/* The rare half of sched_switch(): the loop has to look at the world, or somebody observes. */
int bough__sched_switch(struct run *run, struct bough_task *task);

/* Let the others run until 'task', the running one, is taken again; returns its wake_result. errno
 * survives. Call it last: it becomes a jump. All that is called in here is a jump too, so that
 * functions that end in it need no frame. */
static BOUGH_ALWAYS_INLINE int sched_switch(struct run *run, struct bough_task *task)
{
    if (BOUGH_UNLIKELY(run->instruments != NULL))
        return bough__sched_switch(run, task);
    if (!run->batch) {
        if (!sched_is_alone(run))
            return bough__sched_switch(run, task);
        sched_begin_pass(run);
    }
    return sched_resume(run, task, sched_take(run));
}

/* Leave for ever: 'task' has ended and its stack goes back to the pool. Does not return, but is not
 * said to, so that the call can become a jump. */
void sched_exit(struct run *run, struct bough_task *task);
