/* The trees of tasks of all actors, as one picture.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/actor.h"

/* What an actor does for that: ":tree", whose request is the time that it may take. */
extern const struct bough_operation tree_operations[];
