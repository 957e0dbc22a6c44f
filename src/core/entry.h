/* "Run this in the loop", from threads and signal handlers. For users: bough/entry.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "core/state.h"

struct bough_gate *gate_new(struct run *run); /* NULL: no memory */

/* The run has ended: call what was accepted, refuse what comes, let go. */
void gate_close(struct bough_gate *gate);

/* Might something be there? One load. */
bool gate_is_waiting(const struct bough_gate *gate);

/* Call what is there, so many at most: an entry that enters itself again must not starve the tasks.
 */
enum { GATE_BATCH = 256 };
void gate_drain(struct bough_gate *gate);

/* The loop is about to sleep: from here on an entry interrupts it. False: something is there
 * already. */
bool gate_sleep(struct bough_gate *gate);
void gate_wake(struct bough_gate *gate);

/* Do others than the run hold it? */
unsigned gate_holds(const struct bough_gate *gate);
