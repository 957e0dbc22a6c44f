/* Blocks with pools.
 *
 * The tasks that have the workers are children of a nursery around the body, so a pool that fails
 * cancels the body. At the end of the body the users go first, then the workers: they are told to
 * end well, or the nursery is cancelled, and who still uses the pool is told by his worker's end.
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "actor/pool_worker.h"
#include "actor/type.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"

enum { WORKERS_MOST = 4096, RESTARTS_LEAST = 5, RESTARTS_MOST = 100000 };
#define PERIOD (10 * BOUGH_SEC)

/* --- open --- */

static int fill_options(struct bough_pool_options *o)
{
    if (!o->type)
        return bough_fail_text(-EINVAL, "a pool without a type of actors");
    o->name = o->name ? o->name : o->type;
    o->workers = o->workers ? o->workers : bough_cpu_count();
    o->concurrency = o->concurrency ? o->concurrency : 1;
    o->period = o->period ? o->period : PERIOD;
    if (o->restarts == 0)
        o->restarts = o->workers > RESTARTS_LEAST ? (int)o->workers : RESTARTS_LEAST;
    if (o->restarts < 0)
        o->restarts = 0;
    if (o->workers > WORKERS_MOST || o->restarts > RESTARTS_MOST || o->period < 0)
        return bough_fail(-EINVAL,
                          "a pool of %u workers, of which %d are replaced in %lld ns: at most %d, "
                          "%d, and no negative period",
                          o->workers, o->restarts, (long long)o->period, WORKERS_MOST,
                          RESTARTS_MOST);
    return type_check(o->type, o->program);
}

static void pool_free(struct bough_pool *p)
{
    for (unsigned i = 0; i < p->mishap_count; i++)
        bough_error_free(p->mishaps[i].cause);
    free(p->mishaps);
    free(p);
}

static struct bough_pool *pool_new(const struct bough_pool_options *o)
{
    struct bough_pool *p = sys_calloc(1, sizeof(*p) + o->workers * sizeof(p->workers[0]));
    if (!p)
        return NULL;
    p->options = *o;
    p->mishaps = sys_calloc((size_t)o->restarts + 1, sizeof(*p->mishaps));
    if (!p->mishaps) {
        free(p);
        return NULL;
    }
    bough_list_init(&p->free);
    bough_list_init(&p->waiting);
    for (unsigned i = 0; i < o->workers; i++) {
        struct worker *w = &p->workers[i];
        w->pool = p;
        bough_list_init(&w->link);
        snprintf(w->name, sizeof(w->name), "%.48s-%u", o->name, i + 1);
    }
    return p;
}

static int start_workers(struct bough_pool *p)
{
    int rc = 0;
    for (unsigned i = 0; i < p->options.workers && rc == 0; i++)
        rc = bough_nursery_start_soon_at(&p->nursery, worker_main, &p->workers[i], p->site);
    return rc;
}

/* --- close --- */

/* Until nobody uses it. 0, or -ECANCELED if that is heard. */
static int await_users(struct bough_pool *p, bool (*abort)(struct bough_wait *wait))
{
    struct bough_wait wait = {.abort = abort, .what = "the last calls of a pool"};
    if (p->users == 0)
        return 0;
    p->drain = &wait;
    int rc = bough_wait(&wait);
    p->drain = NULL;
    return rc;
}

static void end_workers(struct bough_pool *p)
{
    p->state = POOL_ENDING;
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct worker *w = &p->workers[i];
        if (w->alive)
            bough_scope_cancel(&w->term, "the pool ends");
    }
}

static void cancel_all(struct bough_pool *p, const char *why)
{
    if (p->state < POOL_CANCELLED) {
        snprintf(p->why, sizeof(p->why), "%s", why);
        slots_refuse(p, POOL_CANCELLED);
    }
    bough_scope_cancel(bough_nursery_scope(&p->nursery), "%s", why);
}

/* 'why' it is not to end well; NULL: it is. */
static int pool_close(struct bough_pool *p, int rc, const char *why)
{
    if (!why && p->state == POOL_OPEN) {
        p->state = POOL_DRAINING;
        rc = await_users(p, bough_wait_leave);
        why = rc < 0 ? "its block was cancelled" : NULL;
    }
    if (!why && p->state == POOL_DRAINING)
        end_workers(p);
    else
        cancel_all(p, why ? why : "it has failed");
    rc = bough_nursery_close(&p->nursery, rc);
    (void)await_users(p, NULL);
    if (p->state == POOL_FAILED)
        (void)bough_catch_echo(&rc, -EOWNERDEAD);
    pool_free(p);
    return rc;
}

/* --- the block --- */

struct bough_pool_block *bough_pool_block_enter(struct bough_pool_block *b,
                                                const struct bough_pool_options *options, int *rc,
                                                const struct bough_site *site)
{
    struct bough_pool_options filled = *options;
    *b = (struct bough_pool_block){.rc = rc};
    int entered = fill_options(&filled);
    if (entered == 0 && !(b->pool = pool_new(&filled)))
        entered = bough_fail_text(-ENOMEM, "no memory for a pool");
    if (entered == 0) {
        b->pool->site = site;
        bough_nursery_open_at(&b->pool->nursery, NULL, site);
        entered = start_workers(b->pool);
        if (entered == 0)
            return b;
        entered = pool_close(b->pool, entered, "it could not begin");
        b->pool = NULL;
    }
    *rc = entered;
    return NULL;
}

static int leave(struct bough_pool_block *b, int rc)
{
    struct bough_pool *p = b->pool;
    b->pool = NULL;
    return pool_close(p, rc,
                      rc < 0     ? "its block has failed"
                      : b->ended ? NULL
                                 : "its block was left");
}

struct bough_pool_block *bough_pool_block_exit(struct bough_pool_block *b)
{
    *b->rc = leave(b, *b->rc);
    return NULL;
}

void bough_pool_block_abandon(struct bough_pool_block *b)
{
    if (b->pool)
        bough_block_defer(leave(b, bough_block_guess()));
}

void bough_pool_stats(const struct bough_pool *p, struct bough_pool_stats *ret_stats)
{
    *ret_stats = p->stats;
}
