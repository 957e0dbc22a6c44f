/* The governor: the task that decides who is stopped, who is started, and when.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/supervisor.h"

/* The task; 'arg' is the supervisor. Ends when the body has left and all children have been
 * stopped; its result is the failure of the supervisor. */
int rules_main(void *arg);

/* 'c' is to be started again: mark, as the strategy has it, who has to stop for that. */
void rules_mark(struct child *c);
