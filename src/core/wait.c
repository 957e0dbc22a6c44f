/* The only way into a wait. The protocol is in bough/wait.h; the ways out are in core/wake.
 *
 * What is written last in these functions is the switch, so that it compiles to a jump.
 * SPDX-License-Identifier: MIT */
#include "core/wait.h"

#include "core/timer.h"

/* Yield, with what a cancel under way or to come makes of the result. */
static BOUGH_ALWAYS_INLINE int yield_as(struct bough_task *task, int result)
{
    struct run *run = task->run;
    task->schedule_points++;
    task->wake_result = result;
    task->yielding = result == 0;
    sched_ready(run, task);
    return sched_switch(run, task);
}

/* Yield without looking at cancels. */
static int yield_shielded(struct bough_task *task)
{
    struct run *run = task->run;
    task->schedule_points++;
    task->wake_result = 0;
    sched_ready(run, task);
    return sched_switch(run, task);
}

/* The scope is cancelled, and a call fails without having waited. Code that ignores it and tries
 * again must not starve the others, so they run first. */
static BOUGH_COLD int fail_cancelled(struct bough_task *task)
{
    wake_mark_cancel(task);
    return yield_as(task, -ECANCELED);
}

/* bough_wait() in a cancelled scope: abort at once. */
static BOUGH_COLD int wait_cancelled(struct bough_task *task, struct bough_wait *wait)
{
    if (wait->for_shutdown && task->scope->shutting == SCOPE_SOFT) {
        bough_wake(wait, 0);
    } else if (wake_abort(task, wait) && wait->task) {
        if (wait->link.next)
            bough_list_unlink(&wait->link);
        wait->task = NULL;
        task->wait = NULL;
        return fail_cancelled(task);
    }
    /* It cannot be undone, or somebody has woken it meanwhile. */
    return sched_switch(task->run, task);
}

static bool wait_is_cancelled(const struct bough_task *task, const struct bough_wait *wait)
{
    return (task->scope->level | (wait->for_shutdown & task->scope->shutting)) != SCOPE_CLEAR;
}

/* The first wait in a scope, and the other rare halves of bough_wait(), apart so that the usual one
 * needs no frame. */
static __attribute__((noinline)) int park_unsettled(struct bough_task *task,
                                                    struct bough_wait *wait)
{
    struct run *run = task->run;
    hook(run, task_parked, task, wait->what);
    /* May fire timers, and so wake or cancel us already. */
    scope_settle(task);
    if (wait->task && wait_is_cancelled(task, wait))
        return wait_cancelled(task, wait);
    return sched_switch(run, task);
}

static BOUGH_ALWAYS_INLINE void wait_begin(struct run *run, struct bough_task *task,
                                           struct bough_wait *wait)
{
    task->schedule_points++;
    task->aborted = false;
    task->since = run->now;
    task->wait = wait;
    wait->task = task;
}

int wait_join(struct bough_task *task, struct bough_wait *wait)
{
    struct run *run = task->run;
    wait_begin(run, task, wait);
    hook(run, task_parked, task, wait->what);
    scope_link(task);
    return sched_switch(run, task);
}

int bough_wait(struct bough_wait *wait)
{
    struct bough_task *task = current_task();
    struct run *run = task->run;
    wait_begin(run, task, wait);
    task->cancel_points++;
    if (BOUGH_UNLIKELY(run->instruments || task->settled != task->scope ||
                       wait_is_cancelled(task, wait)))
        return park_unsettled(task, wait);
    return sched_switch(run, task);
}

void *bough_wait_room(void)
{
    return current_task()->wait_room;
}

/* The rare half of bough_checkpoint(), apart so that the usual one needs no frame. */
static BOUGH_COLD int checkpoint_unsettled(struct bough_task *task)
{
    scope_settle(task);
    if (task->scope->level != SCOPE_CLEAR)
        return fail_cancelled(task);
    return yield_as(task, 0);
}

int bough_checkpoint(void)
{
    struct bough_task *task = current_task();
    task->cancel_points++;
    if (BOUGH_UNLIKELY(task->settled != task->scope || task->scope->level != SCOPE_CLEAR))
        return checkpoint_unsettled(task);
    return yield_as(task, 0);
}

int bough_checkpoint_if_cancelled(void)
{
    struct bough_task *task = current_task();
    task->cancel_points++;
    if (BOUGH_UNLIKELY(task->scope->level != SCOPE_CLEAR))
        return fail_cancelled(task);
    return 0;
}

int bough_shielded_checkpoint(void)
{
    struct bough_task *task = current_task();
    scope_settle(task);
    return yield_shielded(task);
}

/* The budget is used up. */
static BOUGH_COLD int pass_shielded(struct bough_task *task)
{
    scope_settle(task);
    return yield_shielded(task);
}

void bough_passed(void)
{
    struct bough_task *task = current_task();
    task->schedule_points++;
    if (BOUGH_UNLIKELY(--task->run->budget <= 0))
        (void)pass_shielded(task);
}

int bough_pass(void)
{
    struct bough_task *task = current_task();
    if (BOUGH_UNLIKELY(task->scope->level != SCOPE_CLEAR || --task->run->budget <= 0))
        return bough_checkpoint();
    task->cancel_points++;
    task->schedule_points++;
    return 0;
}

/* --- the simplest waits --- */

struct sleep {
    struct bough_wait wait;
    struct bough_timer timer;
};

static void sleep_over(struct bough_timer *timer)
{
    bough_wake(&bough_container_of(timer, struct sleep, timer)->wait, 0);
}

static bool sleep_abort(struct bough_wait *wait)
{
    bough_timer_disarm(&bough_container_of(wait, struct sleep, wait)->timer);
    return true;
}

int bough_sleep_until(int64_t deadline)
{
    struct sleep sleep = {
        .wait = {.abort = sleep_abort, .what = "sleep"},
        .timer = {.fire = sleep_over},
    };
    if (deadline <= timer_now(current_task()->run))
        return bough_checkpoint();
    bough_timer_arm(&sleep.timer, deadline);
    return bough_wait(&sleep.wait);
}

int bough_sleep(int64_t duration)
{
    return duration <= 0 ? bough_checkpoint()
                         : bough_sleep_until(bough_after(bough_now(), duration));
}

int bough_sleep_forever(void)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "sleep forever"};
    return bough_wait(&wait);
}

int bough_wait_shutdown(void)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "shutdown", .for_shutdown = true};
    return bough_wait(&wait);
}
