/* SPDX-License-Identifier: MIT */
#include "actor/supervisor_limit.h"

#include "bough/error.h"

/* --- the window ---
 *
 * A ring with a place more than there may be episodes within the period: when all are in use, and
 * the oldest is not older than the period, there was one too many. */

static struct episode *place(struct bough_supervisor *sv, uint64_t number)
{
    return &sv->ring[number % sv->window];
}

bool limit_count(struct bough_supervisor *sv, int rc, struct bough_error *e)
{
    int64_t now = bough_now();
    struct episode *newest = place(sv, sv->episodes++);
    bough_error_free(newest->error);
    *newest = (struct episode){.at = now, .rc = rc, .error = e};
    if (sv->episodes < sv->window)
        return false;
    return now - place(sv, sv->episodes)->at <= sv->options.period;
}

void limit_add(struct bough_supervisor *sv, int rc, struct bough_error *e)
{
    struct episode *newest = place(sv, sv->episodes - 1);
    newest->rc = newest->rc ? -BOUGH_EGROUP : rc;
    newest->error = bough_error_join(newest->error, e);
}

int limit_causes(struct bough_supervisor *sv, int rc)
{
    for (unsigned i = 0; i < sv->window; i++) {
        struct episode *e = place(sv, sv->episodes + i);
        if (!e->rc)
            continue;
        rc = bough_keep(rc, e->error ? bough_error_attach(e->error, e->rc) : e->rc);
        *e = (struct episode){0};
    }
    return rc;
}

void limit_release(struct bough_supervisor *sv)
{
    for (unsigned i = 0; i < sv->window; i++)
        bough_error_free(sv->ring[i].error);
}

/* --- backoff --- */

/* 0 to 1. */
static double draw(struct bough_supervisor *sv)
{
    sv->dice = sv->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(sv->dice >> 11) / (double)(UINT64_C(1) << 53);
}

int64_t backoff_next(struct child *c)
{
    const struct bough_backoff *b = &c->spec.backoff;
    if (c->was_up && bough_now() - c->since >= b->reset_after)
        c->streak = 0;
    double delay = (double)b->first;
    for (unsigned i = 0; i < c->streak && delay < (double)b->max; i++)
        delay *= b->factor > 1 ? b->factor : 1;
    if (c->streak < 1000) /* any factor worth having has got to the maximum by then */
        c->streak++;
    int64_t whole = delay >= (double)b->max ? b->max : (int64_t)delay;
    return b->jitter > 0 ? whole - (int64_t)((double)whole * b->jitter * draw(c->sv)) : whole;
}
