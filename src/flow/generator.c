/* Generators: a task and a rendezvous, and before each item a wait for demand.
 * SPDX-License-Identifier: MIT */
#include "bough/generator.h"

#include <errno.h>

#include "bough/error.h"

struct bough_generator {
    struct bough_sender *tx;
    bough_generator_fn *fn;
    void *arg;
    struct bough_scope *scope; /* around it: cancelled when the block is left */
    bool refused;              /* all receivers are gone */
};

/* All receivers gone is how a consumer says "enough": no failure, unlike what else may fail with
 * -EPIPE. */
static int look_for_the_end(struct bough_generator *g, int rc)
{
    if (rc != -EPIPE)
        return rc;
    g->refused = true;
    return bough_echo(-EPIPE);
}

static int wait_for_demand(struct bough_generator *g)
{
    return look_for_the_end(g, bough_send_wait(g->tx));
}

static int generator_main(void *arg)
{
    struct bough_generator *g = arg;
    int rc = 0;
    bough_with_scope (g->scope, &rc) {
        rc = wait_for_demand(g);
        if (rc == 0)
            rc = g->fn(g, g->arg);
        if (rc < 0 && g->refused)
            (void)bough_catch_echo(&rc, -EPIPE);
    }
    bough_sender_close(g->tx);
    return rc < 0 ? rc : 0;
}

int bough_emit(struct bough_generator *self, const void *item)
{
    int rc = look_for_the_end(self, bough_send(self->tx, item));
    return rc < 0 ? rc : wait_for_demand(self);
}

/* --- the block --- */

static int start(struct bough_generator_block *b, bough_generator_fn *fn, void *arg,
                 size_t item_size, const struct bough_site *site)
{
    struct bough_generator g = {.fn = fn, .arg = arg, .scope = &b->scope};
    int rc = bough_channel_open(item_size, 0, &g.tx, &b->rx);
    if (rc < 0)
        return rc;
    bough_receiver_hold(b->rx);
    b->scope = BOUGH_SCOPE();
    bough_nursery_open_at(&b->nursery, NULL, site);
    rc = bough_nursery_start_soon_with_at(&b->nursery, generator_main, &g, sizeof(g), site);
    if (rc == 0)
        return 0;
    rc = bough_nursery_close(&b->nursery, rc);
    bough_sender_close(g.tx);
    bough_receiver_release(b->rx);
    return rc;
}

static int stop(struct bough_generator_block *b, int rc)
{
    b->open = false;
    /* Not the nursery's: that would absorb what the body has failed with. And first, so that an
     * emit tells what it is: -ECANCELED, not that all receivers are gone. */
    bough_scope_cancel(&b->scope, "the block of the generator is left");
    bough_receiver_close(b->rx);
    rc = bough_nursery_close(&b->nursery, rc);
    bough_receiver_release(b->rx);
    return rc;
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
