/* Values that follow a task to its children, inside the library. For users: bough/task.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

/* A chain of bindings, the newest first. Never changed once made, so chains share their ends: to
 * inherit is to hold the spawner's newest. */
struct binding *local_hold(struct binding *binding);
void local_release(struct binding *binding);
