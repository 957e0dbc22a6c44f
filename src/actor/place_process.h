/* Actors in processes, at the other end.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* Has this program been started to be an actor? */
bool place_process_is_actor(void);

/* Be it, to the end; the process' exit code. */
int place_process_main(void);
