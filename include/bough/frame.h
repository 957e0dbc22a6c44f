/* Frames: a function on a stack of its own that runs as part of the current task, and can be left
 * and resumed.
 *
 *     static void count(struct bough_frame *self, void *arg)
 *     {
 *         int *number = arg;
 *         for (*number = 1; *number <= 3; (*number)++)
 *             bough_frame_suspend(self);
 *     }
 *
 *     struct bough_frame *f;
 *     int number, rc = bough_frame_open(count, &number, BOUGH_SITE("count"), &f);
 *     while (rc == 0 && bough_frame_resume(f))
 *         printf("%d\n", number);                         // 1 2 3
 *
 * What managers (bough/manager.h) and iterators (bough/generator.h) are made of; use those. The
 * frame shares the task's identity, its scopes, locals and errors: a scope that is open when it
 * suspends encloses what the task does next. When code in it blocks, the task blocks. Only the task
 * that opened it may resume it.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

struct bough_frame;
typedef void bough_frame_fn(struct bough_frame *self, void *arg);

/* Make one; it begins with the first resume. Its stack is like a task's. 'site' names it in panics.
 * Does not block. 0, -ENOMEM, -EAGAIN. It must be resumed until it has ended: a task may not end
 * and leave one behind (panics). */
BOUGH_MUST_CHECK int bough_frame_open(bough_frame_fn *fn, void *arg, const struct bough_site *site,
                                      struct bough_frame **ret_frame);

/* Run it until it suspends (true) or its function returns (false: it is gone). */
bool bough_frame_resume(struct bough_frame *f);

/* In the frame: go back to who resumed it. */
void bough_frame_suspend(struct bough_frame *f);

BOUGH_END_DECLS
