/* What the core tells about itself: the walk over the tasks, and its counts. For users:
 * bough/observe.h.
 * SPDX-License-Identifier: MIT */
#include "core/inspect.h"

static unsigned task_depth(const struct bough_task *task)
{
    unsigned depth = 0;
    for (; task->parent; task = task->parent->task)
        depth += !task->parent->task->hidden;
    return depth;
}

/* The outermost nursery that 'task' has open and that has children; NULL: none. */
static struct bough_nursery *first_nursery(const struct bough_task *task,
                                           const struct bough_nursery *inside)
{
    struct bough_nursery *found = NULL;
    for (struct bough_nursery *n = task->nursery; n && n != inside; n = n->outer)
        if (!bough_list_is_empty(&n->children))
            found = n;
    return found;
}

static struct bough_task *first_child(const struct bough_nursery *n)
{
    return bough_container_of(n->children.next, struct bough_task, sibling);
}

/* The task after 'task' in the order of the tree; NULL: it was the last. */
static struct bough_task *task_after(struct bough_task *task)
{
    struct bough_nursery *n = first_nursery(task, NULL);
    if (n)
        return first_child(n);
    for (; task->parent; task = task->parent->task) {
        n = task->parent;
        if (task->sibling.next != &n->children)
            return bough_container_of(task->sibling.next, struct bough_task, sibling);
        n = first_nursery(n->task, n);
        if (n)
            return first_child(n);
    }
    return NULL;
}

bool bough_task_next(struct bough_task_info *info)
{
    struct bough_task *running = bough__current, *task;
    if (!running)
        return false;
    task = info->task ? task_after(info->task) : &running->run->main;
    if (!task)
        return false;
    *info = (struct bough_task_info){
        .task = task,
        .parent = task->parent ? task->parent->task : NULL,
        .name = bough_task_name(task),
        .started_at = task->site,
        .waits_for = task->wait ? task->wait->what : NULL,
        .since = task->since,
        .running = task == running,
        .ready = task != running && !task->wait,
        .scope = task->scope,
        .hidden = task->hidden,
        .depth = task_depth(task),
    };
    return true;
}

void bough_run_statistics(struct bough_run_stats *ret_stats)
{
    const struct run *run = current_task()->run;
    const struct bough_timer *first = heap_first(&run->timers);
    *ret_stats = (struct bough_run_stats){
        .tasks = run->tasks,
        .tasks_peak = run->tasks_peak,
        .started = run->started,
        .switches = run->switches,
        .polls = run->polls,
        .timers = run->timers.count,
        .watched = run->driver->watched,
        .stack_size = run->stacks.size,
        .stacks_free = (unsigned)run->stacks.free_count,
        .next_deadline = first ? first->at : BOUGH_NEVER,
    };
}
