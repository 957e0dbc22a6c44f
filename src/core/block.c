/* What the block macros of bough/scope.h and bough/nursery.h are made of.
 *
 * A block ends in one of two functions: exit, which stores the result in the caller's rc, and
 * abandon, the cleanup of a block that was left by return or goto, whose value is fixed by then.
 * What an abandoned block has to say is deferred to what is around it (nursery_defer), so it is
 * late but never lost.
 * SPDX-License-Identifier: MIT */
#include "core/block.h"

#include "core/error.h"

/* --- for the blocks of others --- */

int bough_block_guess(void)
{
    struct bough_task *task = current_task();
    return task->scope->level != SCOPE_CLEAR && error_newest_is_cancel(task) ? -ECANCELED : 0;
}

void bough_block_defer(int rc)
{
    nursery_defer(current_task(), rc);
}

/* --- scopes --- */

struct bough_scope_block *bough_scope_block_enter(struct bough_scope_block *b,
                                                  struct bough_scope *s, int64_t timeout,
                                                  unsigned flags, int *rc,
                                                  const struct bough_site *site)
{
    b->rc = rc;
    b->flags = flags;
    b->scope = s;
    if (s) {
        bough_scope_enter_at(s, site);
        return b;
    }
    s = b->scope = &b->own;
    scope_init(s);
    s->timeout = timeout;
    s->shield = flags & BOUGH_BLOCK_SHIELD;
    s->graceful = flags & BOUGH_BLOCK_GRACEFUL;
    scope_enter(current_task(), s, site);
    return b;
}

/* Did bough_fail_after's own time cut the body short? */
static bool block_timed_out(const struct bough_scope_block *b, const struct bough_scope *s)
{
    return s->caught && (b->flags & BOUGH_BLOCK_FAIL) && s->kind == BOUGH_CANCEL_DEADLINE;
}

static int block_close(struct bough_scope_block *b, int rc)
{
    struct bough_scope *s = b->scope;
    b->scope = NULL;
    rc = bough_scope_exit(s, rc);
    if (BOUGH_UNLIKELY(block_timed_out(b, s)) && rc == 0)
        return bough_fail_at(-ETIMEDOUT, s->opened_at, "the time was up");
    return rc;
}

struct bough_scope_block *bough_scope_block_exit(struct bough_scope_block *b)
{
    *b->rc = block_close(b, *b->rc);
    return NULL;
}

/* The value is unknown. When the newest failure is a cancel that this scope is responsible for,
 * take it that it was that: then bough_fail_after has timed out. */
void bough_scope_block_abandon(struct bough_scope_block *b)
{
    struct bough_scope *s = b->scope;
    if (!s)
        return;
    struct bough_task *task = current_task();
    bool unwinding = scope_absorbs(s) && error_newest_is_cancel(task);
    nursery_defer(task, block_close(b, unwinding ? -ECANCELED : 0));
}

/* --- nurseries --- */

struct bough_nursery_block *bough_nursery_block_enter(struct bough_nursery_block *b, int *rc,
                                                      struct bough_nursery_options options,
                                                      const struct bough_site *site)
{
    b->rc = rc;
    b->ended = false;
    bough_nursery_open_at(&b->nursery, &options, site);
    return b;
}

struct bough_nursery_block *bough_nursery_block_exit(struct bough_nursery_block *b)
{
    if (!b->ended)
        nursery_cancel_early(&b->nursery);
    *b->rc = bough_nursery_close(&b->nursery, *b->rc);
    return NULL;
}

void bough_nursery_block_abandon(struct bough_nursery_block *b)
{
    struct bough_nursery *n = &b->nursery;
    if (!nursery_is_open(n))
        return;
    nursery_cancel_early(n);
    nursery_defer(n->task, bough_nursery_close(n, 0));
}
