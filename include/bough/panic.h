/* Panics: a bug in the calling code was caught, and going on would be undefined behaviour.
 *
 * What the world can do to a program (no memory, a peer that dies) is an int. What a program does
 * to itself (scopes closed out of order, a lock released by a stranger) ends here: the message says
 * what was done and where both ends are, the task tree follows, and the process aborts.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

/* Print "bough: panic: ..." and the task tree to stderr, and abort(). From any thread. */
void bough_panic(const char *fmt, ...) BOUGH_PRINTF(1, 2) BOUGH_NORETURN;

/* Called with the message first, instead of printing; it may leave by exit or longjmp out of the
 * run for good. When it returns, the process aborts. NULL restores the default. For tests. */
typedef void bough_panic_fn(const char *message);
void bough_panic_set_handler(bough_panic_fn *fn);

BOUGH_END_DECLS
