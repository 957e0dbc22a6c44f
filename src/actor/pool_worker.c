/* The lives of a worker: one actor after the other, each in a block of its own, so that nothing of
 * it is left when the next one starts.
 *
 *     start --> open: its slots are to be had --> stop --> all slots are back --> the next life
 *
 * A life ends well when it has done max_tasks, or the pool ends. If it ends otherwise, that is a
 * mishap: after too many of them within a period the pool has failed. What the workers that are
 * left die of then is not asked any more.
 * SPDX-License-Identifier: MIT */
#include "actor/pool_worker.h"

#include <errno.h>
#include <stdio.h>

#include "actor/handle.h"
#include "bough/error.h"
#include "bough/scope.h"
#include "bough/task.h"
#include "bough/time.h"
#include "bough/wait.h"

/* --- mishaps --- */

static void forget_old(struct bough_pool *p, int64_t now)
{
    unsigned old = 0;
    while (old < p->mishap_count && now - p->mishaps[old].at > p->options.period)
        bough_error_free(p->mishaps[old++].cause);
    p->mishap_count -= old;
    memmove(p->mishaps, p->mishaps + old, p->mishap_count * sizeof(*p->mishaps));
}

/* What the last failure of this task says, or what 'rc' is. */
static void note_why(struct bough_pool *p, int rc)
{
    const struct bough_error *e = bough_error_last();
    if (bough_error_first(e))
        e = bough_error_first(e);
    const char *words = bough_error_code(e) ? bough_error_message(e) : "";
    snprintf(p->why, sizeof(p->why), "%s", *words ? words : bough_error_name(rc));
}

/* All causes, and that they were too many. */
static int fail_of_mishaps(struct bough_pool *p)
{
    const struct bough_pool_options *o = &p->options;
    int rc = bough_fail_at(
        -EOWNERDEAD, p->site,
        "the pool %s has failed: its workers came to a bad end %u times within %lld ms", o->name,
        p->mishap_count, (long long)(o->period / BOUGH_MS));
    struct bough_error *all = bough_error_detach(rc);
    for (unsigned i = 0; i < p->mishap_count; i++)
        all = bough_error_join(all, p->mishaps[i].cause);
    p->mishap_count = 0;
    return bough_error_attach(all, rc);
}

/* 0: it may be replaced. < 0: the pool has failed. */
static int note_mishap(struct bough_pool *p, int rc)
{
    int64_t now = bough_now();
    note_why(p, rc);
    forget_old(p, now);
    p->mishaps[p->mishap_count++] = (struct mishap){now, bough_error_detach(rc)};
    if (p->mishap_count <= (unsigned)p->options.restarts)
        return 0;
    slots_refuse(p, POOL_FAILED);
    return fail_of_mishaps(p);
}

static int fail_at_start(struct bough_pool *p, int rc)
{
    note_why(p, rc);
    slots_refuse(p, POOL_FAILED);
    return rc;
}

/* --- a life --- */

static bool is_cancelled(void)
{
    return bough_effective_deadline() == INT64_MIN;
}

static int start(struct worker *w, struct bough_actors *an)
{
    const struct bough_pool_options *o = &w->pool->options;
    struct bough_actor_spec spec = {
        .type = o->type,
        .name = w->name,
        .place = o->place,
        .argument = o->argument,
        .grace = o->grace,
        .program = o->program,
        .env = o->env,
        .may_fail = true,
        .kill_on_cancel = o->kill_on_cancel,
    };
    return bough_actor_start_at(an, &spec, &w->actor, w->pool->site);
}

/* Until it has come to an end (then how), or is to. */
static int run(struct worker *w, struct bough_actors *an)
{
    int rc = start(w, an);
    if (rc < 0)
        return rc;
    slots_open(w);
    slots_progress(w->pool);
    return bough_actor_join(w->actor);
}

/* What it still fails with, whoever is cancelled. */
static int stop(struct worker *w, int rc)
{
    int outcome = 0;
    (void)!bough_actor_stop(w->actor, rc < 0 ? "its pool has ended" : NULL);
    bough_shielded (BOUGH_NEVER, &outcome)
        outcome = bough_actor_join(w->actor);
    return bough_keep(rc, outcome);
}

static void await_slots(struct worker *w)
{
    struct bough_wait wait = {.what = "the last calls of a worker"};
    if (w->in_flight == 0)
        return;
    w->last = &wait;
    (void)bough_wait(&wait);
    w->last = NULL;
}

static int live(struct worker *w)
{
    int rc = 0;
    w->unasked = false;
    bough_with_actors (an, &rc) {
        w->actor = NULL;
        w->term = BOUGH_SCOPE();
        w->alive = true;
        bough_with_scope (&w->term, &rc)
            rc = run(w, an);
        w->alive = false;
        if (!w->actor)
            break;
        slots_close(w);
        bool is_asked = bough_scope_cancelled_caught(&w->term) || is_cancelled();
        w->unasked = !is_asked || w->actor->session.broken;
        if (is_asked)
            rc = stop(w, rc);
        else if (rc == 0)
            rc = bough_fail(-EOWNERDEAD, "the worker %s has ended by itself", w->name);
        await_slots(w);
        slots_progress(w->pool);
    }
    return rc;
}

/* What is to be done about a life that ended with 'rc'. 0: begin the next one. An end that nobody
 * has asked for was told to its calls, so it is no failure besides. */
static int judge(struct worker *w, int rc, bool is_first)
{
    struct bough_pool *p = w->pool;
    bool is_over = is_cancelled() || p->state >= POOL_ENDING;
    if (p->state == POOL_FAILED) /* of others */
        rc = 0;
    else if (rc < 0 && w->unasked)
        rc = w->excused ? 0 : note_mishap(p, rc);
    else if (rc < 0 && !is_over)
        rc = is_first && !w->actor ? fail_at_start(p, rc) : note_mishap(p, rc);
    return rc == 0 && is_cancelled() ? -ECANCELED : rc;
}

int worker_main(void *arg)
{
    struct worker *w = arg;
    struct bough_pool *p = w->pool;
    int rc = 0;
    bough_task_hide();
    bough_task_set_name("keeper of %s", w->name);
    for (bool is_first = true; rc == 0 && p->state < POOL_ENDING; is_first = false) {
        p->stats.replaced += !is_first;
        rc = judge(w, live(w), is_first);
    }
    return rc;
}
