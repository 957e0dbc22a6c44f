/* The way into a wait, inside the library. For users: bough_wait() in bough/wait.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/scope.h"

/* bough_wait() that does not count as a cancel point: for a wait that a cancel cannot end. */
int wait_park(struct bough_task *task, struct bough_wait *wait);
