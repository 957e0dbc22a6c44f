/* A fiber: a stack that runs a function, and can be left and resumed.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "fiber/context.h"
#include "fiber/stack.h"

struct fiber {
    void *sp;                      /* while it is suspended */
    struct annotation *annotation; /* used by the tools only */
};

/* Who switched last in this thread, for the side of the switch that wakes up; tools only. */
extern __thread struct fiber *bough__fiber_left;

/* Make 'fiber' run entry(arg), which must not return, on the stack below 'top'. The first act of
 * the entry must be fiber_entered(). */
static inline void fiber_make(struct fiber *fiber, struct annotation *annotation, void *top,
                              void (*entry)(void *arg), void *arg)
{
    fiber->annotation = annotation;
    fiber->sp = context_make(top, entry, arg);
}

static BOUGH_ALWAYS_INLINE void fiber_entered(struct fiber *self)
{
    if (ANNOTATE_SANITIZED)
        annotate_after_switch(self->annotation, bough__fiber_left->annotation);
}

/* Leave 'from', which is running, and continue 'to', where the switch returns 'value'. Call it
 * last, so that it becomes a jump. */
static BOUGH_ALWAYS_INLINE int fiber_switch(struct fiber *from, struct fiber *to, int value)
{
    if (!ANNOTATE_SANITIZED)
        return bough__context_switch(&from->sp, to->sp, value);
    annotate_before_switch(from->annotation, to->annotation, false);
    bough__fiber_left = from;
    value = bough__context_switch(&from->sp, to->sp, value);
    annotate_after_switch(from->annotation, bough__fiber_left->annotation);
    return value;
}

/* The same, and 'from' will not be resumed. Call it last: a jump here keeps returns predicted (see
 * context). */
static BOUGH_ALWAYS_INLINE void fiber_leave(struct fiber *from, struct fiber *to, int value)
{
    if (ANNOTATE_SANITIZED) {
        annotate_before_switch(from->annotation, to->annotation, true);
        bough__fiber_left = from;
    }
    bough__context_leave(to->sp, value);
}
