/* The failures that a task remembers, inside the library. For users: bough/error.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>

#include "core/record.h"

/* Take the record of the newest failure with 'code' out of the slots of the running task (or
 * thread), made from its text if need be. NULL if there is none, or no memory. */
struct bough_error *error_take(int code);

/* The same, but if there is none make a leaf that says where 'task' was started: for the result of
 * a task, which may be a bare -EIO. NULL: no memory. */
struct bough_error *error_take_result(int code, const struct bough_task *task);

/* Make 'e' (taken over) the newest failure, and return its code. */
int error_give(struct bough_error *e);
/* The same for a code without a record, if e is NULL. */
int error_give_as(struct bough_error *e, int code);

/* What a scope does that absorbs a cancel: take the cancelled leaves out of the failure 'rc', real
 * errors stay. Returns what is left of rc, and whether there was a cancel in it. */
int error_absorb(int rc, bool *ret_caught);
/* Is the last thing that failed in 'task' a cancel that nobody has absorbed? */
bool error_newest_is_cancel(const struct bough_task *task);

/* Forget everything in the slots. */
void error_slots_clear(struct error_slots *slots);
