/* The task that has a lock: checked, named in panics, and survived.
 *
 *     free --set--> given --arrive--> held --leave--> free
 *                                      |
 *                                      +-----mourn--> died, for ever
 *
 * An exit hook can be registered by the running task only, so a task that is given a lock in its
 * sleep arrives when it wakes. In between it cannot end: who has been woken always runs.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/sync.h"

void holder_init(struct bough_holder *h);

/* 'task' has it now. */
void holder_set(struct bough_holder *h, struct bough_task *task, const struct bough_site *site);

/* The running task, which was set, knows now; when it ends with it 'died' is called, to mourn it.
 */
void holder_arrive(struct bough_holder *h, void (*died)(struct bough_task_exit *hook));

/* The running task lets go. */
void holder_leave(struct bough_holder *h);

/* The holder, which is ending, still has it. */
void holder_mourn(struct bough_holder *h);

/* Fail for one who wanted it at 'site', because a holder has died. */
int holder_died(const struct bough_holder *h, const struct bough_site *site);

/* Panics: the running task does 'what' ("releases a lock") only the holder may do, or 'what'
 * ("acquires a lock") would wait for itself. */
BOUGH_NORETURN void holder_is_not_us(const struct bough_holder *h, const char *what);
BOUGH_NORETURN void holder_is_us(const struct bough_holder *h, const char *what,
                                 const struct bough_site *site);
