/* The way into a wait, inside the library. For users: bough_wait() in bough/wait.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/scope.h"

/* bough_wait() for a wait that has no abort, and is no cancel point: as a cancel has nothing to do
 * here, the task need not be found by one, only the scopes that it has open. */
int wait_join(struct bough_task *task, struct bough_wait *wait);
