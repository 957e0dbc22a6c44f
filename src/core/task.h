/* A task: a fiber with a scope, a name, locals and an outcome, on one stack that is all its memory.
 *
 * From the high end of the stack down: what the tools keep (stack_top), the colour's gap, struct
 * bough_task, a scope of its own if it has one, the copy of its arguments, its frames. So a task
 * that never calls deep touches one page.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/scope.h"

/* What to make. */
struct task_plan {
    bough_task_fn *fn;
    void *arg;
    const struct bough_site *site;
    const void *args; /* copied if size > 0; 'arg' is then the copy */
    size_t size;
    bool own_scope; /* a fresh scope in task->base, for the caller to set up before the task runs */
};

/* A new task under 'scope', not ready yet. 0, -ENOMEM, -E2BIG. */
int task_new(struct run *run, struct bough_scope *scope, const struct task_plan *plan,
             struct bough_task **ret_task);

/* Called with the outcome of a task that ends, to tell who owns it. Set by core/nursery. */
extern void (*bough__task_ended)(struct bough_task *task, int rc);

/* Set up the main task in run->main, and what to do when its function has returned. */
void task_init_main(struct run *run, const struct bough_site *site);
/* The function of 'task' has returned 'rc': check that it left nothing open, and let go of what it
 * has. Returns the outcome. */
int task_finish(struct bough_task *task, int rc);
