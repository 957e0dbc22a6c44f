/* One life of a child: a task that starts it, waits until it has ended, and posts how.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor/supervisor.h"

/* Begin one, which is to be judged when it has ended; also if there is no memory for a task. */
void life_begin(struct child *c);
