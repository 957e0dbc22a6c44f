/* Generators: a task and a rendezvous, and before each item a wait for demand.
 * SPDX-License-Identifier: MIT */
#include "bough/generator.h"

#include <errno.h>

#include "bough/error.h"

struct bough_generator {
    struct bough_sender *tx;
    bough_generator_fn *fn;
    void *arg;
};

/* All receivers gone is how a consumer says "enough": no failure. */
static bool nobody_receives(const struct bough_generator *g)
{
    struct bough_channel_stats stats;
    bough_sender_stats(g->tx, &stats);
    return stats.receivers == 0;
}

static int generator_main(void *arg)
{
    struct bough_generator *g = arg;
    int rc = bough_send_wait(g->tx);
    if (rc == 0)
        rc = g->fn(g, g->arg);
    if (rc == -EPIPE && nobody_receives(g))
        rc = 0;
    bough_sender_close(g->tx);
    return rc < 0 ? rc : 0;
}

int bough_emit(struct bough_generator *self, const void *item)
{
    int rc = bough_send(self->tx, item);
    return rc < 0 ? rc : bough_send_wait(self->tx);
}

/* --- the block --- */

static int start(struct bough_generator_block *b, bough_generator_fn *fn, void *arg, size_t item_size,
                 const struct bough_site *site)
{
    struct bough_generator g = {.fn = fn, .arg = arg};
    int rc = bough_channel_open(item_size, 0, &g.tx, &b->rx);
    if (rc < 0)
        return rc;
    bough_nursery_open_at(&b->nursery, NULL, site);
    rc = bough_nursery_start_soon_with_at(&b->nursery, generator_main, &g, sizeof(g), site);
    if (rc == 0)
        return 0;
    rc = bough_nursery_close(&b->nursery, rc);
    bough_sender_close(g.tx);
    bough_receiver_close(b->rx);
    return rc;
}

static int stop(struct bough_generator_block *b, int rc)
{
    b->open = false;
    bough_receiver_close(b->rx);
    bough_scope_cancel(bough_nursery_scope(&b->nursery), "the block of the generator is left");
    return bough_nursery_close(&b->nursery, rc);
}

struct bough_generator_block *bough_generator_block_enter(struct bough_generator_block *b,
                                                          bough_generator_fn *fn, void *arg,
                                                          size_t item_size, int *rc,
                                                          const struct bough_site *site)
{
    b->rc = rc;
    b->ended = b->open = false;
    int started = start(b, fn, arg, item_size, site);
    if (started < 0) {
        *rc = started;
        return NULL;
    }
    b->open = true;
    return b;
}

struct bough_generator_block *bough_generator_block_exit(struct bough_generator_block *b)
{
    *b->rc = stop(b, *b->rc);
    return NULL;
}

void bough_generator_block_abandon(struct bough_generator_block *b)
{
    if (b->open)
        bough_block_defer(stop(b, bough_block_guess()));
}
