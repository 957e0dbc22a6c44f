/* SPDX-License-Identifier: MIT */
#include "core/task.h"

#include <stdarg.h>
#include <string.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/error.h"
#include "core/frame.h"
#include "core/local.h"

void (*bough__task_ended)(struct bough_task *task, int rc);

/* --- the life of a task --- */

static BOUGH_COLD void left_open(struct bough_task *task)
{
    const struct bough_site *open = task->scope->opened_at, *own = task->site;
    bough_panic(
        "task %s (%s, started at %s:%d) ends inside a scope or nursery that it opened: %s at "
        "%s:%d",
        bough_task_name(task), own->what, own->file, own->line, open ? open->what : "?",
        open ? open->file : "?", open ? open->line : 0);
}

static void run_exit_hooks(struct bough_task *task)
{
    struct bough_list *node;
    while ((node = bough_list_pop(&task->exit_hooks))) {
        struct bough_task_exit *hook = bough_container_of(node, struct bough_task_exit, link);
        hook->fn(hook);
    }
}

/* A block that was left early had no way to report: its errors are part of the outcome. */
static int join_deferred(struct bough_task *task, int rc)
{
    struct bough_error *e = task->deferred;
    int lost = task->deferred_lost;
    task->deferred = NULL;
    if (lost) { /* without all the detail there is none, so that the code says what there was */
        bool several = e || (rc < 0 && rc != -ECANCELED);
        error_free(e);
        return error_give_as(NULL, several ? -BOUGH_EGROUP : lost);
    }
    if (rc < 0)
        e = error_join(error_take_result(rc, task), e);
    if (e)
        (void)error_strip_cancels(&e);
    return e ? error_give(e) : rc;
}

/* What few tasks have at their end. */
static BOUGH_COLD int wind_up(struct bough_task *task, int rc)
{
    if (task->has_frames)
        frame_check_none(task);
    if (task->exit_hooks.next)
        run_exit_hooks(task);
    if (task->deferred || task->deferred_lost)
        rc = join_deferred(task, rc);
    return rc;
}

int task_finish(struct bough_task *task, int rc)
{
    struct bough_scope *outermost = task->base     ? task->base
                                    : task->parent ? &task->parent->scope
                                                   : &task->run->root;
    if (BOUGH_UNLIKELY(task->scope != outermost))
        left_open(task);
    if (BOUGH_UNLIKELY(task->has_frames || task->exit_hooks.next || task->deferred ||
                       task->deferred_lost))
        rc = wind_up(task, rc);
    if (task->base)
        rc = bough_scope_exit(task->base, rc);
    return rc;
}

/* Let go of all that a task holds. Its errors have been taken by now. */
static void task_release(struct bough_task *task)
{
    struct run *run = task->run;
    if (task->settled)
        bough_list_unlink(&task->member);
    /* It still stands here until the switch: in the root, and settled. */
    task->scope = task->settled = &run->root;
    if (task->locals)
        local_release(task->locals);
    if (BOUGH_UNLIKELY(task->name != NULL))
        free(task->name);
    if (task->errors.next)
        error_slots_clear(&task->errors);
    run->tasks--;
}

static void task_main(void *arg)
{
    struct bough_task *task = arg;
    fiber_entered(&task->fiber);
    if (task->base)
        scope_enter(task, task->base, task->site);
    int rc = task_finish(task, task->fn(task->arg));
    struct run *run = task->run;
    hook(run, task_exited, task, rc);
    bough__task_ended(task, rc);
    task_release(task);
    sched_exit(run, task);
}

/* --- making one --- */

static void task_init(struct bough_task *task, struct run *run, struct bough_scope *scope,
                      const struct task_plan *plan)
{
    /* A line at a time: of one memset() the compiler makes a "rep stos", which takes as long as all
     * the rest. */
    enum { LINE = 64 };
    _Static_assert(offsetof(struct bough_task, errors.slot) <= 4 * LINE, "");
    memset(task, 0, LINE);
    memset((char *)task + LINE, 0, LINE);
    memset((char *)task + 2 * LINE, 0, LINE);
    memset((char *)task + 3 * LINE, 0, LINE);
    task->run = run;
    task->scope = scope;
    task->fn = plan->fn;
    task->arg = plan->arg;
    task->site = plan->site;
    if (++run->tasks > run->tasks_peak)
        run->tasks_peak = run->tasks;
    run->started++;
}

/* Take 'size' bytes off the stack that grows down from *top. */
static void *carve(char **top, size_t size)
{
    *top -= (size + 63) & ~(size_t)63;
    return *top;
}

int task_new(struct run *run, struct bough_scope *scope, const struct task_plan *plan,
             struct bough_task **ret_task)
{
    void *low;
    if (BOUGH_UNLIKELY(plan->size > run->stacks.size / 4))
        return bough_fail_text(-E2BIG, "the arguments of a task would fill a quarter of its stack");
    int rc = stack_get(&run->stacks, &low);
    if (BOUGH_UNLIKELY(rc < 0))
        return bough_fail_text(rc, "no stack for a new task");
    stack_taken(&run->stacks, low);

    char *top = stack_top(&run->stacks, low);
    struct bough_task *task = carve(&top, sizeof(*task));
    task_init(task, run, scope, plan);
    task->stack = low;
    if (bough__current->locals)
        task->locals = local_hold(bough__current->locals);
    if (plan->own_scope) {
        task->base = carve(&top, sizeof(*task->base));
        scope_init(task->base);
        task->base->parent = NULL; /* it may be cancelled before it is entered */
    }
    if (plan->size) {
        task->arg = carve(&top, plan->size);
        memcpy(task->arg, plan->args, plan->size);
    }
    fiber_make(&task->fiber, &stack_top_of(&run->stacks, low)->annotation, top, task_main, task);
    hook(run, task_spawned, task);
    *ret_task = task;
    return 0;
}

void task_init_main(struct run *run, const struct bough_site *site)
{
    struct bough_task *task = &run->main;
    struct task_plan plan = {.site = site};
    scope_init_root(&run->root, task, site);
    task_init(task, run, &run->root, &plan);
    annotate_born(&run->annotation, NULL, 0);
    task->fiber.annotation = &run->annotation;
}

/* --- for the user --- */

struct bough_task *bough_task_current(void)
{
    return current_task();
}

const char *bough_task_name(const struct bough_task *task)
{
    if (!task)
        task = current_task();
    return task->name ? task->name : task->site->what;
}

const struct bough_site *bough_task_site(const struct bough_task *task)
{
    return task ? task->site : current_task()->site;
}

void bough_task_set_name(const char *fmt, ...)
{
    struct bough_task *task = current_task();
    char *name = NULL;
    va_list args;
    va_start(args, fmt);
    if (!sys_fails(SYS_FAULT_MEMORY) && vasprintf(&name, fmt, args) >= 0) {
        free(task->name);
        task->name = name;
    }
    va_end(args);
}

void bough_task_hide(void)
{
    current_task()->hidden = true;
}

void bough_task_on_exit(struct bough_task_exit *hook)
{
    struct bough_task *task = current_task();
    if (!task->exit_hooks.next)
        bough_list_init(&task->exit_hooks);
    bough_list_push(&task->exit_hooks, &hook->link);
}

void bough_task_off_exit(struct bough_task_exit *hook)
{
    if (hook->link.next)
        bough_list_unlink(&hook->link);
}

uint64_t bough_task_cancel_points(void)
{
    return current_task()->cancel_points;
}

uint64_t bough_task_schedule_points(void)
{
    return current_task()->schedule_points;
}
