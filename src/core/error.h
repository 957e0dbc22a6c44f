/* Errors inside the library: records that are moved from owner to owner.
 *
 * An error is a leaf, or a group, which is a flat list of leaves: where a leaf came from is in its path
 * of tasks, so nothing has to recurse. A group's head is part of the allocation of its first leaf,
 * so that joining two errors never fails.
 *
 * Every error has one owner: a task's slots (the last few failures), a nursery that collects, or a
 * function that is about to pass it on.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>

#include "core/state.h"

/* Take the record of the newest failure with 'code' out of the slots of the running task (or thread), made from
 * its text if need be. NULL if there is none, or no memory. */
struct bough_error *error_take(int code);

/* The same, but if there is none make a leaf that says where 'task' was started: for the result of a
 * task, which may be a bare -EIO. NULL: no memory. */
struct bough_error *error_take_result(int code, const struct bough_task *task);

/* Make 'e' (taken over) the newest failure, and return its code. */
int error_give(struct bough_error *e);
/* The same for a code without a record, if e is NULL. */
int error_give_as(struct bough_error *e, int code);

/* A leaf for a cancel, with its reason. NULL: no memory. */
struct bough_error *error_new_cancel(const struct bough_scope *scope);

/* Both, in this order; either may be NULL. Takes both over. */
struct bough_error *error_join(struct bough_error *a, struct bough_error *b);

/* What a scope does that absorbs a cancel: take the cancelled leaves out of the failure 'rc', real errors stay.
 * Returns what is left of rc, and whether there was a cancel in it. */
int error_absorb(int rc, bool *ret_caught);
/* The same for an error in the hand; NULL when nothing is left. */
bool error_strip_cancels(struct bough_error **e);
/* Is the last thing that failed in 'task' a cancel that nobody has absorbed? */
bool error_newest_is_cancel(const struct bough_task *task);

/* "An error like any other": a -ECANCELED that no scope is responsible for. Scopes do not strip it. */
void error_mark_stray(struct bough_error *e);
bool error_is_stray(const struct bough_error *e);

void error_free(struct bough_error *e); /* NULL is fine */

/* Forget everything in the slots. */
void error_slots_clear(struct error_slots *slots);
