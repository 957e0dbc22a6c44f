/* Beside a body: a service for as long as it runs, or a watcher that ends it.
 *
 *     bough_with_background (heartbeat, conn, &rc) {
 *         rc = session(conn);
 *     }                                            // it has ended, too; if it failed, rc tells
 *
 *     bough_move_on_when (quit_was_pressed, window, &rc) {
 *         rc = show_slides(window);
 *     }                                            // bough_scope_cancelled_caught(NULL): cut short
 *
 * Both run a function in a task of its own beside the body:
 *
 *  - When the body has ended, however it did, the function is cancelled and waited for. Not before:
 *    a cancel from outside reaches the body first, which may still need the service to clean up.
 *  - If the function fails the body is cancelled, and the failure comes out of the block.
 *  - If the function returns well, bough_with_background lets the body go on, and
 *    bough_move_on_when cancels it.
 *
 * The function begins when the body first waits. To have it ready before, write a manager
 * (bough/manager.h). Several services: one block in another, or bough_nursery_start_service(). Ways
 * out are those of the other blocks (bough/scope.h).
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/nursery.h"

BOUGH_BEGIN_DECLS

/* The body, with fn(arg) beside it. *rc is the body's result, then that of the block: the failures
 * of both, several as -BOUGH_EGROUP. If the task cannot be started (-ENOMEM, -EAGAIN) the body does
 * not run. */
#define bough_with_background(fn, ... /* arg, rc */)                                               \
    BOUGH_BACKGROUND_(BOUGH_UNIQUE(background), false, fn, __VA_ARGS__)

/* The body, until fn(arg) returns 0 or more: then it is cancelled, and *rc is 0 unless it failed
 * otherwise. bough_scope_cancelled_caught(NULL), right behind the block, tells whether the body was
 * cut short. */
#define bough_move_on_when(fn, ... /* arg, rc */)                                                  \
    BOUGH_BACKGROUND_(BOUGH_UNIQUE(background), true, fn, __VA_ARGS__)

/* --- what the blocks are made of --- */

struct bough_background_block {
    struct bough_nursery nursery;
    bough_task_fn *fn;
    void *arg;
    int *rc;
    bool open;
};
struct bough_background_block *bough_background_block_enter(struct bough_background_block *b,
                                                            bool move_on, bough_task_fn *fn,
                                                            void *arg, int *rc,
                                                            const struct bough_site *site);
struct bough_background_block *bough_background_block_exit(struct bough_background_block *b);
void bough_background_block_abandon(struct bough_background_block *b);

#define BOUGH_BACKGROUND_(id, move_on, fn, ...)                                                    \
    for (struct bough_background_block id BOUGH_CLEANUP(bough_background_block_abandon),           \
         *BOUGH_PASTE(id, open) =                                                                  \
             bough_background_block_enter(&id, move_on, fn, __VA_ARGS__, BOUGH_SITE(#fn));         \
         BOUGH_PASTE(id, open); BOUGH_PASTE(id, open) = bough_background_block_exit(&id))          \
    BOUGH_BLOCK_BODY_(id)

BOUGH_END_DECLS
