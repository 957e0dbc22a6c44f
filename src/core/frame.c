/* Frames: stacks that run as part of a task.
 *
 * A task has one saved context, and it is that of whichever of its stacks was running when it
 * parked; so the scheduler knows nothing of frames. A frame has two: its own, while it is
 * suspended, and that of who resumed it, while it runs. Like a task it is one allocation, a stack,
 * and sits at its top.
 * SPDX-License-Identifier: MIT */
#include "core/frame.h"

#include "base/panic.h"
#include "bough/frame.h"

struct bough_frame {
    struct fiber fiber;  /* while it is suspended */
    struct fiber caller; /* who resumed it, while it runs */
    struct bough_task *task;
    struct bough_frame *outer; /* the frame that resumed it; NULL: the task's own stack */
    void *stack, *outer_stack;
    bool running, ended;
    const struct bough_site *site;
    bough_frame_fn *fn;
    void *arg;
    struct bough_list link; /* among the task's frames */
};

static BOUGH_COLD void frame_misused(const struct bough_frame *f, const char *what)
{
    bough_panic("a frame (%s, opened at %s:%d by task %s) is %s in task %s", f->site->what,
                f->site->file, f->site->line, bough_task_name(f->task), what,
                bough_task_name(NULL));
}

/* The task goes on on another of its stacks. */
static void stand_on(struct bough_task *task, struct bough_frame *frame, void *stack,
                     struct annotation *annotation)
{
    task->frame = frame;
    task->stack = stack;
    task->fiber.annotation = annotation;
}

static void stand_on_caller(struct bough_frame *f)
{
    stand_on(f->task, f->outer, f->outer_stack, f->caller.annotation);
}

static void frame_main(void *arg)
{
    struct bough_frame *f = arg;
    fiber_entered(&f->fiber);
    f->fn(f, f->arg);
    f->ended = true;
    stand_on_caller(f);
    fiber_leave(&f->fiber, &f->caller, 0);
}

int bough_frame_open(bough_frame_fn *fn, void *arg, const struct bough_site *site,
                     struct bough_frame **ret_frame)
{
    struct bough_task *task = current_task();
    struct stack_pool *pool = &task->run->stacks;
    void *low;
    int rc = stack_get(pool, &low);
    if (rc < 0)
        return bough_fail_text(rc, "no stack for a frame");
    stack_taken(pool, low);
    char *top = stack_top(pool, low) - ((sizeof(struct bough_frame) + 63) & ~(size_t)63);
    struct bough_frame *f = (struct bough_frame *)top;
    *f = (struct bough_frame){.task = task, .stack = low, .site = site, .fn = fn, .arg = arg};
    fiber_make(&f->fiber, &stack_top_of(pool, low)->annotation, top, frame_main, f);
    if (!task->has_frames)
        bough_list_init(&task->frames);
    task->has_frames = true;
    bough_list_push(&task->frames, &f->link);
    *ret_frame = f;
    return 0;
}

bool bough_frame_resume(struct bough_frame *f)
{
    struct bough_task *task = current_task();
    if (BOUGH_UNLIKELY(f->task != task))
        frame_misused(f, "resumed");
    if (BOUGH_UNLIKELY(f->running))
        frame_misused(f, "resumed while it runs");
    f->running = true;
    f->outer = task->frame;
    f->outer_stack = task->stack;
    f->caller.annotation = task->fiber.annotation;
    stand_on(task, f, f->stack, f->fiber.annotation);
    (void)fiber_switch(&f->caller, &f->fiber, 0);
    if (!f->ended)
        return true;
    bough_list_unlink(&f->link);
    stack_put(&task->run->stacks, f->stack);
    return false;
}

void bough_frame_suspend(struct bough_frame *f)
{
    if (BOUGH_UNLIKELY(current_task()->frame != f))
        frame_misused(f, "suspended from outside");
    f->running = false;
    stand_on_caller(f);
    (void)fiber_switch(&f->fiber, &f->caller, 0);
}

const struct bough_site *bough_task_frame(const struct bough_task *task, unsigned number)
{
    if (!task->has_frames)
        return NULL;
    bough_list_foreach (node, &task->frames)
        if (number-- == 0)
            return bough_container_of(node, struct bough_frame, link)->site;
    return NULL;
}

void frame_check_none(const struct bough_task *task)
{
    if (bough_list_is_empty(&task->frames))
        return;
    const struct bough_frame *f = bough_container_of(task->frames.next, struct bough_frame, link);
    bough_panic("task %s ends and leaves a frame behind: %s, opened at %s:%d",
                bough_task_name(task), f->site->what, f->site->file, f->site->line);
}
