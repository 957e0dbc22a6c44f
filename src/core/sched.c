/* SPDX-License-Identifier: MIT */
#include "core/sched.h"

#include "base/panic.h"

__thread struct bough_task *bough__current __attribute__((tls_model("initial-exec")));

BOUGH_COLD void bough__outside_run(const char *function)
{
    bough_panic("%s was called outside a run: call it from a task, under bough_run()", function);
}

BOUGH_COLD void bough__sched_resumed(struct run *run, struct bough_task *task)
{
    hook(run, task_resumed, task);
}

int bough__sched_switch(struct run *run, struct bough_task *task)
{
    return sched_resume(run, task, sched_next(run));
}

void sched_exit(struct run *run, struct bough_task *task)
{
    struct bough_task *next = sched_next(run);
    *run->errno_here = next->saved_errno;
    /* We stand on it still, but nobody can take it before the switch. */
    stack_put(&run->stacks, task->stack);
    fiber_leave(&task->fiber, &next->fiber, next->wake_result);
}
