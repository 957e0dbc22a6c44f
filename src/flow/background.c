/* SPDX-License-Identifier: MIT */
#include "bough/background.h"

/* The function of bough_move_on_when. */
static int watch(void *arg)
{
    struct bough_background_block *b = arg;
    int rc = b->fn(b->arg);
    if (rc >= 0)
        bough_scope_cancel(bough_nursery_scope(&b->nursery), "bough_move_on_when: it is so");
    return rc;
}

static int start(struct bough_background_block *b, bool move_on, const struct bough_site *site)
{
    if (move_on)
        return bough_nursery_start_service_at(&b->nursery, watch, b, site);
    return bough_nursery_start_service_at(&b->nursery, b->fn, b->arg, site);
}

struct bough_background_block *bough_background_block_enter(struct bough_background_block *b,
                                                            bool move_on, bough_task_fn *fn,
                                                            void *arg, int *rc,
                                                            const struct bough_site *site)
{
    b->fn = fn;
    b->arg = arg;
    b->rc = rc;
    b->open = false;
    bough_nursery_open_at(&b->nursery, NULL, site);
    int started = start(b, move_on, site);
    if (started < 0) {
        *rc = bough_nursery_close(&b->nursery, started);
        return NULL;
    }
    b->open = true;
    return b;
}

struct bough_background_block *bough_background_block_exit(struct bough_background_block *b)
{
    b->open = false;
    *b->rc = bough_nursery_close(&b->nursery, *b->rc);
    return NULL;
}

void bough_background_block_abandon(struct bough_background_block *b)
{
    if (!b->open)
        return;
    b->open = false;
    bough_block_defer(bough_nursery_close(&b->nursery, bough_block_guess()));
}
