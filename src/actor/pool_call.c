/* A call by whichever worker is free.
 * SPDX-License-Identifier: MIT */
#include "actor/pool_call.h"

#include "bough/error.h"
#include "bough/scope.h"
#include "bough/wait.h"

/* Who is turned away lets the others run first: he may try again and again. */
static int turn_away(struct bough_pool *p)
{
    int rc = bough_checkpoint();
    if (rc < 0)
        return rc;
    if (p->state >= POOL_CANCELLED)
        return slots_refused(p);
    return bough_fail(-EBADF, "the block of the pool %s has ended", p->options.name);
}

int pool_use(struct bough_pool *p)
{
    p->users++; /* so that it stays */
    int rc = p->state == POOL_OPEN ? 0 : turn_away(p);
    if (rc < 0)
        pool_leave(p);
    return rc;
}

void pool_leave(struct bough_pool *p)
{
    if (--p->users == 0 && p->drain)
        bough_wake(p->drain, 0);
}

/* It was on its way out, and the call did not even begin: wait until it is known why. */
static int say_how_it_ended(const struct worker *w)
{
    int rc = bough_actor_join(w->actor);
    if (rc == -ECANCELED)
        return rc;
    return bough_fail(-EOWNERDEAD, "the worker %s has ended: %s", w->name,
                      rc < 0 ? bough_error_message(bough_error_last()) : "by itself");
}

/* What the failure of a call is for who has called the pool. */
static int translate(struct worker *w, int rc, bool cancelled)
{
    bool is_up = bough_actor_is_up(w->actor);
    if (rc == -EOWNERDEAD && cancelled && !is_up) {
        (void)bough_catch(&rc, -EOWNERDEAD);
        return bough_checkpoint_if_cancelled();
    }
    if (rc == -EPIPE && !is_up)
        return say_how_it_ended(w);
    if (rc == -ECANCELED && !cancelled && w->pool->state >= POOL_CANCELLED)
        return slots_refused(w->pool);
    return rc;
}

static int call(struct worker *w, const char *operation, struct bough_bytes request,
                struct bough_message *ret_reply)
{
    int rc = bough_call(w->actor, operation, request, ret_reply);
    bool cancelled = bough_effective_deadline() == INT64_MIN;
    if (cancelled && !bough_actor_is_up(w->actor))
        w->excused = true;
    return rc < 0 ? translate(w, rc, cancelled) : rc;
}

int pool_call(struct bough_pool *p, const char *operation, struct bough_bytes request,
              struct bough_message *ret_reply)
{
    struct worker *w;
    int rc = slots_take(p, &w);
    if (rc == 0) {
        rc = call(w, operation, request, ret_reply);
        slots_give(w);
    }
    p->stats.done++;
    p->stats.failed += rc < 0;
    slots_progress(p);
    return rc;
}

int bough_pool_call(struct bough_pool *p, const char *operation, struct bough_bytes request,
                    struct bough_message *ret_reply)
{
    int rc = pool_use(p);
    if (rc < 0)
        return rc;
    rc = pool_call(p, operation, request, ret_reply);
    pool_leave(p);
    return rc;
}
