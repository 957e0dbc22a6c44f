/* The tree of cancel scopes.
 *
 * The invariant, for every scope that is in the tree:
 *
 *     level    = max(own, what is visible of the parent's level)
 *     shutting = max(own, shielded ? clear : the parent's shutting)
 *
 * where a shield makes the parent's level invisible, and 'graceful' a soft one. When an input
 * changes, the change is pushed down (propagate), so that a checkpoint is one load and a branch.
 * The walk uses the tree's own links: nothing recurses, whatever the depth.
 *
 * Laziness: entering a scope only hangs it before the task's other scopes. It gets into its
 * parent's list, its deadline into the heap, and the task into its members when the task really
 * leaves the CPU (scope_settle). So only the running task can have scopes outside the tree, and
 * whoever walks the tree settles the running task first. A task that joins a nursery has its scopes
 * in the tree, but may be no member of the innermost (scope_link): no cancel can end its wait.
 *
 * SPDX-License-Identifier: MIT */
#include "core/scope.h"

#include <stdarg.h>
#include <string.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/error.h"
#include "core/reason.h"
#include "core/timer.h"

static struct bough_scope *scope_of_child(struct bough_list *node)
{
    return bough_container_of(node, struct bough_scope, child);
}

/* --- the invariant --- */

static unsigned char visible_level(const struct bough_scope *s)
{
    if (!s->parent || s->shield)
        return SCOPE_CLEAR;
    unsigned char level = s->parent->level;
    return s->graceful && level == SCOPE_SOFT ? SCOPE_CLEAR : level;
}

static unsigned char visible_shutting(const struct bough_scope *s)
{
    return !s->parent || s->shield ? SCOPE_CLEAR : s->parent->shutting;
}

static unsigned char stronger(unsigned char a, unsigned char b)
{
    return a > b ? a : b;
}

bool bough__scope_absorbs(const struct bough_scope *s)
{
    return visible_level(s) == SCOPE_CLEAR;
}

/* Whose cancel is felt in 's': the first one that is visible, its own or one from outside. */
static struct bough_scope *find_cause(struct bough_scope *s)
{
    bool own_was_first = s->own && s->cause == s;
    if (!own_was_first && visible_level(s) != SCOPE_CLEAR)
        return s->parent->cause;
    return s->own ? s : NULL;
}

/* Make the invariant true at 's'; false if it was. */
static bool scope_update(struct bough_scope *s)
{
    unsigned char level = stronger(s->own, visible_level(s));
    unsigned char shutting = stronger(s->own, visible_shutting(s));
    struct bough_scope *cause = find_cause(s);
    if (level == s->level && shutting == s->shutting && cause == s->cause)
        return false;
    s->level = level;
    s->shutting = shutting;
    s->cause = cause;
    return true;
}

/* --- pushing changes down --- */

/* Cancels that wait to be pushed down; linked through 'work'. */
struct work {
    struct bough_scope *first, **last;
};

static void work_add(struct work *work, struct bough_scope *s)
{
    if (s->queued)
        return;
    s->queued = true;
    s->work = NULL;
    *work->last = s;
    work->last = &s->work;
}

static struct bough_scope *work_take(struct work *work)
{
    struct bough_scope *s = work->first;
    if (!s)
        return NULL;
    work->first = s->work;
    if (!work->first)
        work->last = &work->first;
    s->queued = false;
    return s;
}

/* 's' is cancelled, so the scopes linked to it are. */
static void cancel_linked(struct bough_scope *s, struct work *work)
{
    for (struct bough_scope *linked = s->links; linked; linked = linked->link_next) {
        if (linked->own >= s->level)
            continue;
        if (linked->kind == BOUGH_CANCEL_NONE) {
            linked->kind = s->cause->kind;
            linked->code = s->cause->code;
            linked->asked_at = s->cause->asked_at;
            linked->text = reason_words_new(s->cause->text);
            memcpy(linked->asker, s->cause->asker, sizeof(linked->asker));
        }
        linked->own = s->level;
        work_add(work, linked);
    }
}

static bool scope_changed(struct bough_scope *s, struct work *work)
{
    if (!scope_update(s))
        return false;
    if (s->links)
        cancel_linked(s, work);
    if (s->ready) {
        bough_list_foreach (node, &s->members) {
            __builtin_prefetch(node_next_->next);
            wake_cancel(bough_container_of(node, struct bough_task, member));
        }
    }
    return true;
}

/* Visit the tree below 'top', parents first, where the change goes on. */
static void push_down(struct bough_scope *top, struct work *work)
{
    struct bough_scope *s = top;
    for (;;) {
        if (scope_changed(s, work) && s->ready && !bough_list_is_empty(&s->children)) {
            s = scope_of_child(s->children.next);
            continue;
        }
        while (s != top && s->child.next == &s->parent->children)
            s = s->parent;
        if (s == top)
            return;
        s = scope_of_child(s->child.next);
    }
}

static void push_all(struct work *work)
{
    struct bough_task *running = bough__current;
    if (running)
        scope_settle(running);
    struct bough_scope *s;
    while ((s = work_take(work)))
        push_down(s, work);
}

static void propagate(struct bough_scope *s)
{
    struct work work = {.last = &work.first};
    work_add(&work, s);
    push_all(&work);
}

/* --- into the tree and out --- */

static void scope_prepare(struct bough_scope *s)
{
    if (s->ready)
        return;
    s->ready = true;
    bough_list_init(&s->children);
    bough_list_init(&s->members);
}

/* Its time is up: the deadline passed, or the grace of a shutdown. */
static void scope_expire(struct bough_timer *timer)
{
    scope_cancel(bough_container_of(timer, struct bough_scope, timer), BOUGH_CANCEL_DEADLINE, NULL,
                 0, NULL);
}

/* A timeout counts from entry, and is never early: the entry was between entered_after and a tick
 * of the coarse clock later, and not after now. */
static void scope_fix_deadline(struct bough_scope *s, struct run *run)
{
    int64_t entered = s->entered_after + run->driver->coarse_step;
    int64_t now = timer_now(run);
    int64_t at = bough_after(entered < now ? entered : now, s->timeout);
    if (at < s->deadline)
        s->deadline = at;
    s->timeout = BOUGH_NEVER;
}

static void scope_link_in(struct bough_scope *s, struct run *run)
{
    scope_prepare(s);
    scope_prepare(s->parent);
    bough_list_push(&s->parent->children, &s->child);
    s->linked = true;
    if (s->timeout != BOUGH_NEVER)
        scope_fix_deadline(s, run);
    if (s->deadline != BOUGH_NEVER && s->own != SCOPE_HARD) {
        s->timer.fire = scope_expire;
        bough_timer_arm(&s->timer, s->deadline);
    }
}

void bough__scope_link(struct bough_task *task)
{
    struct run *run = task->run;
    for (struct bough_scope *s = task->scope; !s->linked; s = s->parent)
        scope_link_in(s, run);
    /* A deadline that passed before it was armed counts now, not at the next look at the clock. */
    if (run->timers.root)
        timer_fire_due(run);
}

void bough__scope_settle(struct bough_task *task)
{
    if (task->settled)
        bough_list_unlink(&task->member);
    scope_prepare(task->scope);
    bough_list_push(&task->scope->members, &task->member);
    task->settled = task->scope;
    scope_link(task);
}

void scope_init_root(struct bough_scope *s, struct bough_task *task, const struct bough_site *site)
{
    scope_init(s);
    s->parent = NULL;
    s->state = SCOPE_ENTERED;
    s->linked = true;
    s->opened_at = site;
    s->task = task;
    scope_prepare(s);
}

void scope_enter(struct bough_task *task, struct bough_scope *s, const struct bough_site *site)
{
    struct bough_driver *driver = task->run->driver;
    s->state = SCOPE_ENTERED;
    s->opened_at = site;
    s->task = task;
    s->parent = task->scope;
    task->scope = s;
    if (s->timeout != BOUGH_NEVER)
        s->entered_after = driver->coarse_now(driver);
    if ((s->parent->level | s->parent->shutting | s->own) != SCOPE_CLEAR) {
        if (s->links)
            propagate(s);
        else
            (void)scope_update(s);
    }
    if (s->timeout <= 0 || (s->deadline != BOUGH_NEVER && s->deadline <= timer_now(task->run)))
        scope_cancel(s, BOUGH_CANCEL_DEADLINE, NULL, 0, NULL);
}

/* Out of every list that it may be on. */
static void scope_unlink(struct bough_task *task, struct bough_scope *s)
{
    if (heap_contains(&s->timer))
        bough_timer_disarm(&s->timer);
    bough_list_unlink(&s->child);
    s->linked = false;
    if (task->settled == s) {
        bough_list_unlink(&task->member);
        task->settled = NULL;
    }
}

/* Out of all that it is tied into. */
void bough__scope_untie(struct bough_task *task, struct bough_scope *s)
{
    if (s->linked)
        scope_unlink(task, s);
    if (s->link_parent)
        bough_scope_link(NULL, s);
    while (s->links)
        bough_scope_link(NULL, s->links);
    if (s->text)
        reason_words_free(s->text);
    s->text = NULL;
}

void scope_move(struct bough_scope *s, struct bough_scope *parent)
{
    bough_list_unlink(&s->child);
    s->parent = parent;
    scope_prepare(parent);
    bough_list_push(&parent->children, &s->child);
    propagate(s);
}

/* --- misuse --- */

BOUGH_COLD void bough__scope_misnested(struct bough_task *task, struct bough_scope *s)
{
    char ours[128], theirs[128];
    reason_site(s->opened_at, ours, sizeof(ours));
    reason_site(task->scope->opened_at, theirs, sizeof(theirs));
    if (s->state == SCOPE_FRESH)
        bough_panic("a scope is closed that was never entered");
    if (s->state == SCOPE_LEFT)
        bough_panic("a scope is closed twice: it was opened by %s", ours);
    if (s->task != task)
        bough_panic("a scope is closed by another task: it was opened by %s in task %s, and is "
                    "closed in task %s, whose innermost scope is %s",
                    ours, bough_task_name(s->task), bough_task_name(task), theirs);
    bough_panic("scopes are closed out of order in task %s: closing the one opened by %s, while "
                "inside the one opened by %s",
                bough_task_name(task), ours, theirs);
}

/* --- enter and exit --- */

void bough_scope_enter_at(struct bough_scope *s, const struct bough_site *site)
{
    struct bough_task *task = current_task();
    if (BOUGH_UNLIKELY(s->state != SCOPE_FRESH)) {
        char ours[128];
        bough_panic("a scope is entered twice: it was opened by %s, and is entered again by %s:%d",
                    reason_site(s->opened_at, ours, sizeof(ours)), site->file, site->line);
    }
    scope_enter(task, s, site);
}

void(bough_scope_enter)(struct bough_scope *s)
{
    bough_scope_enter_at(s, BOUGH_SITE("bough_scope_enter"));
}

int bough_scope_exit(struct bough_scope *s, int rc)
{
    struct bough_task *task = current_task();
    scope_check_innermost(task, s);
    if (BOUGH_UNLIKELY(rc < 0) && scope_absorbs(s))
        rc = error_absorb(rc, &s->caught);
    scope_leave(task, s);
    return rc;
}

/* --- cancel --- */

static void cancel_with(struct bough_scope *s, unsigned char strength, enum bough_cancel_kind kind,
                        const struct bough_site *site, int code, const char *text)
{
    struct bough_task *running = bough__current;
    if (s->own >= strength || s->state == SCOPE_LEFT)
        return;
    if (s->kind == BOUGH_CANCEL_NONE) {
        s->kind = kind;
        s->code = code;
        s->text = reason_words_new(text);
        s->asked_at = site;
        if (site)
            snprintf(s->asker, sizeof(s->asker), "%s", running ? bough_task_name(running) : "?");
    }
    s->own = strength;
    if (s->linked && strength == SCOPE_HARD)
        bough_timer_disarm(&s->timer);
    if (running)
        hook(running->run, scope_cancelled, s);
    propagate(s);
}

void scope_cancel(struct bough_scope *s, enum bough_cancel_kind kind, const struct bough_site *site,
                  int code, const char *text)
{
    cancel_with(s, SCOPE_HARD, kind, site, code, text);
}

static void cancel_va(struct bough_scope *s, enum bough_cancel_kind kind,
                      const struct bough_site *site, const char *fmt, va_list args)
{
    char text[WORDS_MAX];
    bool wanted = fmt && s->kind == BOUGH_CANCEL_NONE;
    if (wanted)
        vsnprintf(text, sizeof(text), fmt, args);
    scope_cancel(s, kind, site, 0, wanted ? text : NULL);
}

void bough_scope_cancel_at(struct bough_scope *s, const struct bough_site *site,
                           const char *reason_fmt, ...)
{
    va_list args;
    va_start(args, reason_fmt);
    cancel_va(s, BOUGH_CANCEL_EXPLICIT, site, reason_fmt, args);
    va_end(args);
}

void(bough_scope_cancel)(struct bough_scope *s, const char *reason_fmt, ...)
{
    va_list args;
    va_start(args, reason_fmt);
    cancel_va(s, BOUGH_CANCEL_EXPLICIT, NULL, reason_fmt, args);
    va_end(args);
}

void bough_scope_cancel_elsewhere(struct bough_scope *s, const char *reason_fmt, ...)
{
    va_list args;
    va_start(args, reason_fmt);
    cancel_va(s, BOUGH_CANCEL_ELSEWHERE, NULL, reason_fmt, args);
    va_end(args);
}

void bough_scope_shutdown_at(struct bough_scope *s, const struct bough_site *site, int64_t grace)
{
    int64_t hard_at = bough_after(bough_now(), grace);
    cancel_with(s, grace <= 0 ? SCOPE_HARD : SCOPE_SOFT, BOUGH_CANCEL_SHUTDOWN, site, 0, NULL);
    int64_t timeout = s->timeout; /* not fixed yet: counts beside the grace */
    if (s->own == SCOPE_HARD || hard_at >= s->deadline)
        return;
    bough_scope_set_deadline(s, hard_at);
    s->timeout = timeout;
}

void(bough_scope_shutdown)(struct bough_scope *s, int64_t grace)
{
    bough_scope_shutdown_at(s, NULL, grace);
}

void bough_scope_link(struct bough_scope *parent, struct bough_scope *child)
{
    if (child->link_parent) {
        struct bough_scope **at = &child->link_parent->links;
        while (*at != child)
            at = &(*at)->link_next;
        *at = child->link_next;
    }
    child->link_parent = NULL;
    child->link_next = NULL;
    if (!parent || parent->state == SCOPE_LEFT || child->state == SCOPE_LEFT)
        return;
    child->link_parent = parent;
    child->link_next = parent->links;
    parent->links = child;
    if (parent->level != SCOPE_CLEAR) {
        struct work work = {.last = &work.first};
        cancel_linked(parent, &work);
        push_all(&work);
    }
}

/* --- asking and changing --- */

bool bough_scope_cancel_called(struct bough_scope *s)
{
    if (s->own == SCOPE_CLEAR && s->state == SCOPE_ENTERED &&
        (s->deadline != BOUGH_NEVER || s->timeout != BOUGH_NEVER)) {
        struct run *run = s->task->run;
        if (s->timeout != BOUGH_NEVER)
            scope_fix_deadline(s, run);
        if (s->deadline <= timer_now(run))
            scope_cancel(s, BOUGH_CANCEL_DEADLINE, NULL, 0, NULL);
    }
    return s->own != SCOPE_CLEAR;
}

bool bough_scope_cancelled_caught(const struct bough_scope *s)
{
    return s ? s->caught : current_task()->last_caught;
}

int64_t bough_scope_deadline(const struct bough_scope *s)
{
    int64_t at = s->deadline;
    if (s->timeout != BOUGH_NEVER) {
        int64_t from = s->state == SCOPE_FRESH ? bough_now() : s->entered_after;
        int64_t timeout_at = bough_after(from, s->timeout);
        at = timeout_at < at ? timeout_at : at;
    }
    return at;
}

void bough_scope_set_deadline(struct bough_scope *s, int64_t at)
{
    s->timeout = BOUGH_NEVER;
    s->deadline = at;
    if (s->state != SCOPE_ENTERED || s->own == SCOPE_HARD)
        return;
    if (at <= s->task->run->now) {
        scope_expire(&s->timer);
    } else if (s->linked) {
        s->timer.fire = scope_expire;
        bough_timer_arm(&s->timer, at);
    }
}

void bough_scope_set_shield(struct bough_scope *s, bool on)
{
    s->shield = on;
    if (s->state == SCOPE_ENTERED)
        propagate(s);
}

struct bough_scope *bough_scope_current(void)
{
    return current_task()->scope;
}

bool bough_scope_is_around(const struct bough_scope *s)
{
    const struct bough_scope *at = current_task()->scope;
    while (at && at != s)
        at = at->parent;
    return at != NULL;
}

int64_t bough_effective_deadline(void)
{
    struct bough_scope *s = current_task()->scope;
    if (s->level != SCOPE_CLEAR)
        return INT64_MIN;
    int64_t earliest = BOUGH_NEVER;
    for (; s; s = s->shield ? NULL : s->parent) {
        int64_t at = bough_scope_deadline(s);
        earliest = at < earliest ? at : earliest;
    }
    return earliest;
}
