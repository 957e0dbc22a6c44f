/* The body of a block macro: runs once, and knows how it was left.
 *
 * A block is two loops. The outer one, of the macro that uses this, opens in its first expression
 * and closes in its third; its variable has a cleanup attribute for when neither is reached. The
 * inner one, here, runs the body once: the end of the body and `continue` finish it, `break` breaks
 * it, and in all three cases the outer loop goes on to its third expression; `return` and `goto` go
 * straight to the cleanup.
 *
 * With -DBOUGH_STRICT_BLOCKS, return and goto out of a block are a compile-time warning: the guard
 * never escapes, so on the normal way the optimiser removes the call that carries it.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

#if defined(BOUGH_STRICT_BLOCKS) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)

struct bough_block_guard {
    bool done;
};

__attribute__((warning("return or goto out of a bough block: its errors go to the enclosing "
                       "block or the task, not into rc"),
               cold)) void
bough_block_left_early(void);

static BOUGH_ALWAYS_INLINE void bough_block_guard_check(struct bough_block_guard *guard)
{
    if (!guard->done)
        bough_block_left_early();
}

#define BOUGH_BLOCK_GUARD_(id)                                                                     \
    for (struct bough_block_guard BOUGH_PASTE(id, guard)                                           \
             BOUGH_CLEANUP(bough_block_guard_check) = {false};                                     \
         !BOUGH_PASTE(id, guard).done; BOUGH_PASTE(id, guard).done = true)
#else
#define BOUGH_BLOCK_GUARD_(id)
#endif

/* --- for block macros of your own, in the cleanup of a block that was left by return or goto ---
 */

/* How the body has ended, as far as can be known: -ECANCELED if the running task is unwinding from
 * a cancel, else 0. */
int bough_block_guess(void);

/* A result that the block cannot report any more: if it is an error it goes to the enclosing
 * nursery of the same task, or to the task's result. */
void bough_block_defer(int rc);

#define BOUGH_BLOCK_BODY_(id)                                                                      \
    BOUGH_BLOCK_GUARD_(id)                                                                         \
    for (bool BOUGH_PASTE(id, once) = true; BOUGH_PASTE(id, once); BOUGH_PASTE(id, once) = false)

BOUGH_END_DECLS
