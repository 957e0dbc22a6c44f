/* SPDX-License-Identifier: MIT */
#include "actor/pool_slots.h"

#include "bough/error.h"
#include "bough/wait.h"

struct claim {
    struct bough_wait wait;
    struct worker *worker; /* that it was given a slot of; NULL: it was turned away */
};

static struct worker *worker_of(struct bough_list *link)
{
    return bough_container_of(link, struct worker, link);
}

static bool has_free(const struct worker *w)
{
    const struct bough_pool_options *o = &w->pool->options;
    return w->open && w->in_flight < o->concurrency && (!o->max_tasks || w->taken < o->max_tasks);
}

/* Put it in its place among the free ones, before those that have as much to do: its caches are
 * warm. */
static void sort_in(struct worker *w)
{
    struct bough_list *at;
    bough_list_unlink(&w->link);
    if (!has_free(w))
        return;
    for (at = w->pool->free.next; at != &w->pool->free; at = at->next)
        if (worker_of(at)->in_flight >= w->in_flight)
            break;
    bough_list_push(at, &w->link);
}

static void take(struct worker *w)
{
    w->in_flight++;
    w->taken++;
    w->pool->stats.running++;
    sort_in(w);
}

/* The first one that is really there: of a dead one the pool is told a little later. */
static struct worker *first_free(struct bough_pool *p)
{
    while (!bough_list_is_empty(&p->free)) {
        struct worker *w = worker_of(p->free.next);
        if (bough_actor_is_up(w->actor))
            return w;
        slots_close(w);
    }
    return NULL;
}

/* Give slots to those who wait. */
static void serve_claims(struct bough_pool *p)
{
    struct worker *w;
    while (!bough_list_is_empty(&p->waiting) && (w = first_free(p))) {
        struct bough_wait *wait = bough_container_of(p->waiting.next, struct bough_wait, link);
        bough_container_of(wait, struct claim, wait)->worker = w;
        p->stats.waiting--;
        take(w);
        bough_wake(wait, 0);
    }
}

static int claim(struct bough_pool *p, struct worker **ret_worker)
{
    struct claim c = {.wait = {.abort = bough_wait_leave, .what = "a free worker of a pool"}};
    p->stats.waiting++;
    bough_list_push(&p->waiting, &c.wait.link);
    int rc = bough_wait(&c.wait);
    if (rc < 0) {
        p->stats.waiting--;
        return rc;
    }
    *ret_worker = c.worker;
    return c.worker ? 0 : slots_refused(p);
}

int slots_take(struct bough_pool *p, struct worker **ret_worker)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (p->state > POOL_DRAINING)
        return slots_refused(p);
    struct worker *w = first_free(p);
    if (!w)
        return claim(p, ret_worker);
    take(w);
    *ret_worker = w;
    return 0;
}

void slots_give(struct worker *w)
{
    struct bough_pool *p = w->pool;
    w->in_flight--;
    p->stats.running--;
    sort_in(w);
    serve_claims(p);
    if (w->in_flight > 0)
        return;
    if (w->last)
        bough_wake(w->last, 0);
    else if (w->alive && p->options.max_tasks && w->taken >= p->options.max_tasks)
        bough_scope_cancel(&w->term, "the worker has done all that it may");
}

void slots_open(struct worker *w)
{
    w->open = true;
    w->excused = false;
    w->taken = 0;
    w->pool->stats.workers++;
    sort_in(w);
    serve_claims(w->pool);
}

void slots_close(struct worker *w)
{
    if (!w->open)
        return;
    w->open = false;
    w->pool->stats.workers--;
    sort_in(w);
}

void slots_refuse(struct bough_pool *p, enum pool_state state)
{
    p->state = state;
    p->stats.waiting = 0;
    bough_wake_all(&p->waiting, 0);
}

/* What it failed of comes out of its block. */
int slots_refused(const struct bough_pool *p)
{
    if (p->state == POOL_FAILED)
        return bough_error_echo(
            bough_fail(-EOWNERDEAD, "the pool %s has failed: %s", p->options.name, p->why));
    return bough_fail(-ECANCELED, "the pool %s is cancelled: %s", p->options.name, p->why);
}

void slots_progress(const struct bough_pool *p)
{
    if (p->options.progress)
        p->options.progress(p->options.arg, &p->stats);
}
