/* Starting a program.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/process.h"

/* What the child has as 0, 1 or 2, if it is not a descriptor of ours. */
enum { SPAWN_INHERIT = -1, SPAWN_NULL = -2, SPAWN_STDOUT = -3 };

/* Start it with the first three descriptors as given; o->in and the like are not looked at. Does
 * not block for longer than the exec. Its pid, or what it failed with, of which nothing is left. */
int bough__spawn(const struct bough_process_options *o, const int stdio[3]);
