/* Stack overflow: a fault in a guard is caught, on a stack of its own, and says whose stack it was.
 *
 * The guard catches what walks off the stack a page at a time; code with large locals needs
 * -fstack-clash-protection to be sure to hit it (the library is built with it).
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

/* If 'address' is in the guard of the running task's stack, say who that is in 'text' and return
 * true. Called in a signal handler. */
typedef bool overflow_describe_fn(const void *address, char *text, size_t size);

/* Catch SIGSEGV, once a process, chaining to the handler that was there; give this thread a signal
 * stack, if it has none. For each run, with an overflow_remove() at its end, also when this fails.
 * 0, or < 0: the run goes on without. 'describe', which knows tasks, is the same for all. */
int overflow_install(overflow_describe_fn *describe);
/* After the thread's last run: what was there before is its signal stack again. */
void overflow_remove(void);
