/* Nurseries: tasks that cannot outlive a block; the first failure cancels the rest.
 *
 *     open ----close----> closing ----the last of children, starts, services is gone----> closed
 *
 * 'running' + 'pending' is what keeps a nursery that is closing from the next step: to cancel its
 * services, and then to wake its closer. Each end of a child asks nursery_step() whether it was the
 * last.
 * SPDX-License-Identifier: MIT */
#include "core/nursery.h"

#include "base/panic.h"
#include "core/error.h"

/* --- open --- */

static void nursery_init(struct bough_nursery *n, struct bough_task *task, unsigned limit)
{
    n->limit = limit;
    n->state = NURSERY_OPEN;
    n->cancelled = n->hidden = false;
    n->running = n->serving = n->pending = n->lost = 0;
    n->task = task;
    n->outer = task->nursery;
    n->errors = NULL;
    n->closing = NULL;
    bough_list_init(&n->children);
    bough_list_init(&n->starters);
    task->nursery = n;
}

void bough_nursery_open_at(struct bough_nursery *n, const struct bough_nursery_options *options,
                           const struct bough_site *site)
{
    struct bough_task *task = current_task();
    nursery_init(n, task, options ? options->limit : 0);
    scope_init(&n->scope);
    scope_enter(task, &n->scope, site);
}

void(bough_nursery_open)(struct bough_nursery *n)
{
    bough_nursery_open_at(n, NULL, BOUGH_SITE("bough_nursery_open"));
}

/* --- errors --- */

/* A cancel that some scope around is responsible for, be it hidden by a shield by now? */
static bool cancel_is_known(const struct bough_scope *s)
{
    while (s && s->level == SCOPE_CLEAR)
        s = s->parent;
    return s != NULL;
}

/* Keep 'e' (taken over; NULL if there was no memory for it), an error with 'code', and cancel the
 * rest. */
static void nursery_keep(struct bough_nursery *n, const struct bough_task *task, int code,
                         struct bough_error *e)
{
    if (!e && n->lost++ == 0)
        n->lost_code = code;
    n->errors = error_join(n->errors, e);
    scope_cancel(&n->scope, BOUGH_CANCEL_SIBLING, task->site, code, NULL);
}

void nursery_defer(struct bough_task *task, int rc)
{
    if (rc >= 0 || rc == -ECANCELED)
        return;
    struct bough_error *e = error_take_result(rc, task);
    if (task->nursery)
        nursery_keep(task->nursery, task, rc, e);
    else if (e)
        task->deferred = error_join(task->deferred, e);
    else
        task->deferred_lost = task->deferred_lost ? -BOUGH_EGROUP : rc;
}

void nursery_cancel_early(struct bough_nursery *n)
{
    scope_cancel(&n->scope, BOUGH_CANCEL_SIBLING, n->scope.opened_at, 0, NULL);
}

BOUGH_COLD static void nursery_fail(struct bough_nursery *n, struct bough_task *task, int rc)
{
    struct bough_error *e = error_take(rc);
    if (rc == -ECANCELED && !error_is_stray(e) && cancel_is_known(&n->scope)) {
        n->cancelled = true;
        error_free(e);
        if (n->scope.level == SCOPE_CLEAR) { /* behind a shield: the rest does not feel it */
            n->hidden = true;
            scope_cancel(&n->scope, BOUGH_CANCEL_SIBLING, task->site, rc, NULL);
        }
        return;
    }
    if (!e)
        e = error_take_result(rc, task);
    if (e && rc == -ECANCELED)
        error_mark_stray(e);
    nursery_keep(n, task, rc, e);
}

/* What a block ends with in which not all went well; the scope still stands. */
static BOUGH_COLD int nursery_failed(struct bough_nursery *n, int rc)
{
    struct bough_error *e = n->errors;
    if (scope_absorbs(&n->scope)) {
        n->scope.caught = (e && error_strip_cancels(&e)) || n->cancelled;
        n->cancelled = n->hidden;
    }
    if (n->cancelled && e) {
        e = error_join(e, error_new_cancel(&n->scope));
    }
    if (n->lost) { /* without all the detail there is none, so that the code says what there was */
        int code = e || n->lost > 1 ? -BOUGH_EGROUP : n->lost_code;
        error_free(e);
        return error_give_as(NULL, code);
    }
    if (e)
        return error_give(e);
    if (n->cancelled) {
        wake_mark_cancel(n->task);
        return -ECANCELED;
    }
    return rc < 0 ? 0 : rc;
}

/* --- the end of children, and of the nursery --- */

static void cancel_services(struct bough_nursery *n)
{
    bough_list_foreach (node, &n->children) {
        struct bough_task *task = bough_container_of(node, struct bough_task, sibling);
        /* A service that has not begun yet finds its scope cancelled when it does. */
        scope_cancel(task->base, BOUGH_CANCEL_SHUTDOWN, NULL, 0, NULL);
    }
}

/* Something that kept 'n' open is gone: go on with closing if it was the last. */
static void nursery_step(struct bough_nursery *n)
{
    if (n->state == NURSERY_OPEN || n->running || n->pending)
        return;
    if (n->state == NURSERY_CLOSING) {
        n->state = NURSERY_ENDING;
        if (n->serving)
            cancel_services(n);
    }
    if (n->serving == 0 && n->state == NURSERY_ENDING) {
        n->state = NURSERY_CLOSED;
        if (n->closing)
            bough_wake(n->closing, 0);
    }
}

/* Hand places that have become free to those who wait for one, in order. */
static BOUGH_COLD void wake_starters(struct bough_nursery *n)
{
    while (!bough_list_is_empty(&n->starters) && (!n->limit || n->running < n->limit)) {
        n->running++;
        bough_wake(bough_container_of(n->starters.next, struct bough_wait, link), 0);
    }
}

static void leave_place(struct bough_nursery *n)
{
    n->running--;
    if (BOUGH_UNLIKELY(!bough_list_is_empty(&n->starters)))
        wake_starters(n);
    nursery_step(n);
}

static void child_ended(struct bough_task *task, int rc)
{
    struct bough_nursery *n = task->parent;
    bough_list_unlink(&task->sibling);
    if (BOUGH_UNLIKELY(rc < 0))
        nursery_fail(n, task, rc);
    if (BOUGH_UNLIKELY(task->service)) {
        n->serving--;
        nursery_step(n);
    } else {
        leave_place(n);
    }
}

__attribute__((constructor)) static void nursery_setup(void)
{
    bough__task_ended = child_ended;
}

/* --- close --- */

static void wait_for_children(struct bough_nursery *n, struct bough_task *task)
{
    struct bough_wait wait = {.what = "the tasks of its nursery"};
    n->state = NURSERY_CLOSING;
    nursery_step(n);
    if (n->state == NURSERY_CLOSED) {
        bough_passed();
        return;
    }
    n->closing = &wait;
    (void)wait_join(task, &wait);
    n->closing = NULL;
}

int bough_nursery_close(struct bough_nursery *n, int rc)
{
    struct bough_task *task = current_task();
    scope_check_innermost(task, &n->scope);
    if (BOUGH_UNLIKELY(rc < 0))
        nursery_fail(n, task, rc);
    wait_for_children(n, task);
    if (BOUGH_UNLIKELY(n->errors || n->cancelled || n->lost || n->scope.level != SCOPE_CLEAR))
        rc = nursery_failed(n, rc);
    task->nursery = n->outer;
    scope_leave(task, &n->scope);
    return rc;
}

/* --- start --- */

static BOUGH_COLD int nursery_is_closed(void)
{
    return bough_fail_text(-EBADF, "the nursery is closed");
}

static BOUGH_COLD void nursery_of_another_run(void)
{
    bough_panic("a task is started in a nursery of another run: use bough/entry.h to reach it");
}

/* May a task of 'run' be started in it? */
static inline int nursery_accepts(const struct bough_nursery *n, const struct run *run)
{
    if (BOUGH_UNLIKELY(n->state > NURSERY_CLOSING))
        return nursery_is_closed();
    if (BOUGH_UNLIKELY(n->task->run != run))
        nursery_of_another_run();
    return 0;
}

static int take_limited_place(struct bough_nursery *n)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    wake_starters(n); /* the limit may have been raised since they queued up */
    if (!n->limit || n->running < n->limit) {
        n->running++;
        bough_passed();
        return 0;
    }
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "a free place in a nursery"};
    bough_list_push(&n->starters, &wait.link);
    return bough_wait(&wait);
}

/* A place under the limit, now or after a wait; with a limit it is a checkpoint either way. */
static int take_place(struct bough_nursery *n)
{
    if (BOUGH_UNLIKELY(n->limit || !bough_list_is_empty(&n->starters)))
        return take_limited_place(n);
    n->running++;
    return 0;
}

/* Make the task; its place is taken already. */
static int spawn(struct bough_nursery *n, struct run *run, const struct task_plan *plan,
                 struct bough_task **ret_task)
{
    struct bough_task *task;
    int rc = task_new(run, &n->scope, plan, &task);
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    task->parent = n;
    bough_list_push(&n->children, &task->sibling);
    sched_ready(run, task);
    *ret_task = task;
    return 0;
}

static int start_soon(struct bough_nursery *n, const struct task_plan *plan)
{
    struct bough_task *task;
    struct run *run = current_task()->run;
    int rc = nursery_accepts(n, run);
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    rc = take_place(n);
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    rc = spawn(n, run, plan, &task);
    if (BOUGH_UNLIKELY(rc < 0))
        leave_place(n);
    return rc;
}

int bough_nursery_start_soon_at(struct bough_nursery *n, bough_task_fn *fn, void *arg,
                                const struct bough_site *site)
{
    struct task_plan plan = {.fn = fn, .arg = arg, .site = site};
    return start_soon(n, &plan);
}

int(bough_nursery_start_soon)(struct bough_nursery *n, bough_task_fn *fn, void *arg)
{
    return bough_nursery_start_soon_at(n, fn, arg, BOUGH_SITE("task"));
}

int bough_nursery_start_soon_with_at(struct bough_nursery *n, bough_task_fn *fn, const void *args,
                                     size_t size, const struct bough_site *site)
{
    struct task_plan plan = {.fn = fn, .site = site, .args = args, .size = size};
    return start_soon(n, &plan);
}

int(bough_nursery_start_soon_with)(struct bough_nursery *n, bough_task_fn *fn, const void *args,
                                   size_t size)
{
    return bough_nursery_start_soon_with_at(n, fn, args, size, BOUGH_SITE("task"));
}

/* A service is shielded by a scope of its own, which is cancelled when the others are gone. */
int bough_nursery_start_service_at(struct bough_nursery *n, bough_task_fn *fn, void *arg,
                                   const struct bough_site *site)
{
    struct task_plan plan = {.fn = fn, .arg = arg, .site = site, .own_scope = true};
    struct bough_task *task;
    struct run *run = current_task()->run;
    int rc = nursery_accepts(n, run);
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    rc = spawn(n, run, &plan, &task);
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    task->base->shield = true;
    task->service = true;
    n->serving++;
    return 0;
}

int(bough_nursery_start_service)(struct bough_nursery *n, bough_task_fn *fn, void *arg)
{
    return bough_nursery_start_service_at(n, fn, arg, BOUGH_SITE("service"));
}

/* --- start() and started() --- */

/* One bough_nursery_start(), on the stack of its caller. */
struct start {
    struct bough_nursery own; /* where the child lives until it says bough_started() */
    struct bough_nursery *target;
    void *value;
    bool done;
};

static int start_in_own(struct start *start, const struct task_plan *plan)
{
    struct bough_task *child;
    bough_nursery_open_at(&start->own, NULL, plan->site);
    int rc = take_place(&start->own);
    if (rc == 0) {
        rc = spawn(&start->own, start->own.task->run, plan, &child);
        if (rc == 0)
            child->start = start;
        else
            leave_place(&start->own);
    }
    return bough_nursery_close(&start->own, rc);
}

static int start_and_wait(struct bough_nursery *n, const struct task_plan *plan, void **ret_value)
{
    struct start start = {.target = n};
    const struct bough_site *site = plan->site;
    int rc = nursery_accepts(n, current_task()->run);
    if (BOUGH_UNLIKELY(rc < 0))
        return rc;
    n->pending++;
    rc = start_in_own(&start, plan);
    n->pending--;
    nursery_step(n);
    if (rc < 0)
        return rc;
    if (!start.done)
        return bough_fail_at(-EPROTO, site, "%s ended without calling bough_started()", site->what);
    if (ret_value)
        *ret_value = start.value;
    return 0;
}

int bough_nursery_start_at(struct bough_nursery *n, bough_task_fn *fn, void *arg, void **ret_value,
                           const struct bough_site *site)
{
    struct task_plan plan = {.fn = fn, .arg = arg, .site = site, .own_scope = true};
    return start_and_wait(n, &plan, ret_value);
}

int bough_nursery_start_with_at(struct bough_nursery *n, bough_task_fn *fn, const void *args,
                                size_t size, void **ret_value, const struct bough_site *site)
{
    struct task_plan plan = {.fn = fn, .site = site, .args = args, .size = size, .own_scope = true};
    return start_and_wait(n, &plan, ret_value);
}

int(bough_nursery_start_with)(struct bough_nursery *n, bough_task_fn *fn, const void *args,
                              size_t size, void **ret_value)
{
    return bough_nursery_start_with_at(n, fn, args, size, ret_value, BOUGH_SITE("task"));
}

int(bough_nursery_start)(struct bough_nursery *n, bough_task_fn *fn, void *arg, void **ret_value)
{
    return bough_nursery_start_at(n, fn, arg, ret_value, BOUGH_SITE("task"));
}

/* Move the running task, with all that is below its own scope, from where start() keeps it to where
 * it is to live. */
static void move_to_target(struct bough_task *task, struct start *start)
{
    struct bough_nursery *target = start->target;
    scope_settle(task);
    bough_list_unlink(&task->sibling);
    bough_list_push(&target->children, &task->sibling);
    task->parent = target;
    target->running++;
    scope_move(task->base, &target->scope);
    leave_place(&start->own);
}

bool bough_started(void *value)
{
    struct bough_task *task = current_task();
    struct start *start = task->start;
    if (!start) {
        if (task->was_started)
            bough_panic("task %s (%s, started at %s:%d) calls bough_started() twice",
                        bough_task_name(task), task->site->what, task->site->file,
                        task->site->line);
        return true;
    }
    task->start = NULL;
    task->was_started = true;
    start->value = value;
    start->done = true;
    /* A cancel of the caller may be on its way up through the child already: it stays. */
    if (start->own.scope.level != SCOPE_CLEAR)
        return false;
    move_to_target(task, start);
    return true;
}

/* --- asking --- */

struct bough_scope *bough_nursery_scope(struct bough_nursery *n)
{
    return &n->scope;
}

void bough_nursery_set_limit(struct bough_nursery *n, unsigned limit)
{
    n->limit = limit;
    wake_starters(n);
}

unsigned bough_nursery_count(const struct bough_nursery *n)
{
    return n->running + n->serving;
}
