/* Orphans of actors that were killed while the actor above them lives: the root is their parent
 * now.
 *
 * They have seen the end of their lifeline and are about to leave. Somebody has to see to that, and
 * to reap them. (Orphans of an actor that the root itself has started are killed with its group,
 * see actor/place_process.)
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

struct bough_nursery;

/* If process 'pid' is of the process group that the actor 'group' leads, and so is our child now or
 * about to be, wait for its end in a service of 'host', and kill it when that takes too long. Does
 * not block. */
void stray_adopt(pid_t pid, pid_t group, struct bough_nursery *host);
