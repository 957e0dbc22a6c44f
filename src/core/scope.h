/* The tree of cancel scopes, inside the library. The model is in bough/scope.h, the invariant in
 * scope.c.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/wake.h"

/* The rare halves of scope_link() and scope_settle(). */
void bough__scope_link(struct bough_task *task);
void bough__scope_settle(struct bough_task *task);

/* Put the new scopes of 'task' into the tree and arm their timers, of which those that are due
 * fire. */
static BOUGH_ALWAYS_INLINE void scope_link(struct bough_task *task)
{
    if (!task->scope->linked)
        bough__scope_link(task);
}

/* Before 'task' leaves the CPU: link its scopes, and put the task among the members of the
 * innermost, so that a cancel finds all of them. */
static BOUGH_ALWAYS_INLINE void scope_settle(struct bough_task *task)
{
    if (BOUGH_UNLIKELY(task->settled != task->scope))
        bough__scope_settle(task);
}

/* BOUGH_SCOPE() for the hot paths: sets what has a meaning, rather than clearing it all. */
static inline void scope_init(struct bough_scope *s)
{
    s->timeout = s->deadline = BOUGH_NEVER;
    s->shield = s->graceful = false;
    s->state = SCOPE_FRESH;
    s->own = s->level = s->shutting = SCOPE_CLEAR;
    s->kind = BOUGH_CANCEL_NONE;
    s->linked = s->ready = s->caught = s->queued = false;
    s->code = 0;
    s->cause = s->link_parent = s->links = NULL;
    s->asked_at = NULL;
    s->text = NULL;
    s->timer.prev = NULL;
}

/* Set up the root of a run, entered. */
void scope_init_root(struct bough_scope *s, struct bough_task *task, const struct bough_site *site);

/* bough_scope_enter() and the second half of bough_scope_exit(), for scopes in other things. */
void scope_enter(struct bough_task *task, struct bough_scope *s, const struct bough_site *site);
void bough__scope_untie(struct bough_task *task,
                        struct bough_scope *s); /* the rare half of scope_leave() */
static inline void scope_leave(struct bough_task *task, struct bough_scope *s)
{
    task->scope = s->parent;
    task->last_caught = s->caught;
    s->state = SCOPE_LEFT;
    if (s->linked || s->link_parent || s->links || s->text)
        bough__scope_untie(task, s);
}

/* Panic if 's' is not the innermost scope of 'task'. The innermost scope of a child may be its
 * nursery's, which is its parent's to close. */
void bough__scope_misnested(struct bough_task *task, struct bough_scope *s) BOUGH_NORETURN;
static inline void scope_check_innermost(struct bough_task *task, struct bough_scope *s)
{
    if (BOUGH_UNLIKELY(task->scope != s || s->task != task))
        bough__scope_misnested(task, s);
}

/* Is a cancel that arrives at the exit of 's' for it to absorb? */
bool bough__scope_absorbs(const struct bough_scope *s);
static inline bool scope_absorbs(const struct bough_scope *s)
{
    return BOUGH_UNLIKELY(s->level != SCOPE_CLEAR) && bough__scope_absorbs(s);
}

/* Cancel 's' for 'kind'. 'code' is the failure of a sibling; 'text' (copied) may be NULL. */
void scope_cancel(struct bough_scope *s, enum bough_cancel_kind kind, const struct bough_site *site,
                  int code, const char *text);

/* Move 's' with all below it under 'parent', which is in the tree. */
void scope_move(struct bough_scope *s, struct bough_scope *parent);
