/* Nothing here is a sequence of steps that could be overtaken by events. Children have marks that
 * say what is wanted of them; whenever anything has happened the governor judges what has ended,
 * which may set marks, and then does the next of what they ask for:
 *
 *     leaving   is stopped when no child behind it is leaving any more
 *     wanted    is started when its time has come; and, unless the strategy is one_for_one, nobody
 *               is leaving and all that are wanted before it are up
 *
 * So a child that fails while others are being stopped, wait for their backoff, or start, only
 * changes the marks.
 * SPDX-License-Identifier: MIT */
#include "actor/supervisor_rules.h"

#include <stdio.h>

#include "actor/supervisor_life.h"
#include "actor/supervisor_limit.h"
#include "bough/error.h"
#include "bough/task.h"

#define foreach_child(c, sv)                                                                       \
    bough_list_foreach (node_, &(sv)->children)                                                    \
        for (struct child *c = child_of(node_); c; c = NULL)

/* --- marks --- */

static void mark_leaving(struct child *c)
{
    if (c->state == LIFE_DOWN)
        return;
    c->leaving = true;
    if (c->spec.restart == BOUGH_TEMPORARY && !c->unproven)
        c->wanted = false;
}

void rules_mark(struct child *c)
{
    bool behind = false;
    foreach_child(other, c->sv)
    {
        if (other != c && (c->sv->options.strategy == BOUGH_ONE_FOR_ALL ||
                           (c->sv->options.strategy == BOUGH_REST_FOR_ONE && behind)))
            mark_leaving(other);
        behind = behind || other == c;
    }
}

/* No restarts from here on; who waits for one is told. */
static void begin_end(struct bough_supervisor *sv)
{
    if (sv->ending)
        return;
    sv->ending = true;
    foreach_child(c, sv) child_changed(c);
}

/* --- judging what has ended --- */

static void give_up(struct child *c)
{
    struct bough_supervisor *sv = c->sv;
    sv->gave_up = -BOUGH_ERESTART;
    snprintf(sv->why, sizeof(sv->why),
             "restart limit reached: more than %d within %lld ms, the last one for child %.64s",
             sv->options.intensity, (long long)(sv->options.period / BOUGH_MS), c->spec.id);
    begin_end(sv);
    bough_scope_cancel(bough_nursery_scope(&sv->nursery), "%s", sv->why);
}

/* What it failed with goes on to where it belongs. */
static struct bough_error *take_error(struct child *c)
{
    struct bough_error *e = c->error;
    c->error = NULL;
    return e;
}

/* One that came to its end although it was to stay. */
static void has_returned(struct child *c)
{
    c->rc = bough_fail_at(-EPROTO, c->site, "the permanent child %s has ended", c->spec.id);
    c->error = bough_error_detach(c->rc);
}

static void restart(struct child *c)
{
    struct bough_supervisor *sv = c->sv;
    c->delay = backoff_next(c);
    c->not_before = bough_after(bough_now(), c->delay);
    rules_mark(c);
    bool too_often = limit_count(sv, c->rc, c->error);
    if (too_often)
        give_up(c);
    supervisor_report(c, c->was_up ? BOUGH_REPORT_ENDED : BOUGH_REPORT_START_FAILED, c->rc);
    c->error = NULL; /* the window has it */
    if (too_often)
        supervisor_report(c, BOUGH_REPORT_LIMIT, -BOUGH_ERESTART);
}

static bool is_to_shut_down(struct bough_supervisor *sv)
{
    if (sv->options.auto_shutdown == BOUGH_ANY_SIGNIFICANT)
        return true;
    foreach_child(c, sv) if (c->spec.significant && c->wanted) return false;
    return true;
}

/* By itself, and for good. */
static void finish(struct child *c)
{
    struct bough_supervisor *sv = c->sv;
    c->wanted = false;
    supervisor_report(c, BOUGH_REPORT_ENDED, c->rc);
    if (!c->spec.significant || sv->options.auto_shutdown == BOUGH_NEVER_SIGNIFICANT)
        return;
    if (c->rc < 0)
        supervisor_keep(sv, c->rc, take_error(c));
    if (!is_to_shut_down(sv))
        return;
    begin_end(sv);
    bough_scope_cancel(bough_nursery_scope(&sv->nursery), "the significant child %s has ended",
                       c->spec.id);
}

/* Not as it was asked to: by itself. */
static void judge_end(struct child *c)
{
    bool permanent = c->spec.restart == BOUGH_PERMANENT;
    if (permanent && c->rc >= 0)
        has_returned(c);
    if (c->rc < 0)
        c->sv->failures++;
    if (permanent || (c->spec.restart == BOUGH_TRANSIENT && c->rc < 0))
        restart(c);
    else
        finish(c);
}

/* It was stopped, or is going to be: what it failed with meanwhile. */
static void judge_stop(struct child *c)
{
    struct bough_supervisor *sv = c->sv;
    supervisor_report(c, BOUGH_REPORT_ENDED, c->rc);
    if (c->rc >= 0)
        return;
    sv->failures++;
    if (c->stoppers)
        return;
    if (sv->ending)
        supervisor_keep(sv, c->rc, take_error(c));
    else
        limit_add(sv, c->rc, take_error(c));
}

/* It has never been up: who waits for that is told, unless it is only put off. */
static void judge_first(struct child *c, bool stopped)
{
    if (stopped && c->rc == 0)
        return;
    c->sv->failures++;
    c->refused = true;
    c->wanted = false;
    supervisor_report(c, BOUGH_REPORT_START_FAILED, c->rc);
}

static void judge(struct child *c)
{
    bool stopped = c->asked || c->leaving || c->sv->ending || !c->wanted;
    c->state = LIFE_DOWN;
    c->leaving = false;
    if (c->unproven)
        judge_first(c, stopped);
    else if (stopped)
        judge_stop(c);
    else
        judge_end(c);
    bool temporary = c->spec.restart == BOUGH_TEMPORARY && !c->unproven;
    if (!c->wanted && (temporary || c->to_forget))
        child_forget(c);
    else
        child_changed(c);
}

/* An actor that is dead, or about to be: its life is going to end by itself, unless it only waits
 * for who holds it. */
static bool is_dying(const struct child *c)
{
    if (!c->spec.actor || c->state != LIFE_UP || c->asked)
        return false;
    return c->actor ? !bough_actor_is_up(c->actor) : c->holds == 0;
}

/* Who depends on an actor that dies may well have ended before that has: the actor is to be judged
 * first, and then it is one episode. So, in order, and not while one is dying for whose sake it
 * would be stopped. */
static struct child *next_in_order(struct bough_supervisor *sv)
{
    bool for_all = sv->options.strategy == BOUGH_ONE_FOR_ALL;
    struct child *found = NULL;
    foreach_child(c, sv)
    {
        if (is_dying(c))
            return for_all ? NULL : found;
        if (c->state == LIFE_ENDED && !found)
            found = c;
    }
    return found;
}

static struct child *next_ended(struct bough_supervisor *sv)
{
    struct bough_list *first = bough_list_first(&sv->ended);
    if (!first || sv->options.strategy != BOUGH_ONE_FOR_ONE)
        return first ? next_in_order(sv) : NULL;
    return bough_container_of(first, struct child, ended);
}

static void judge_all(struct bough_supervisor *sv)
{
    struct child *c;
    while ((c = next_ended(sv)) != NULL) {
        bough_list_unlink(&c->ended);
        child_use(c);
        judge(c);
        child_unuse(c);
    }
}

/* --- doing what the marks ask for --- */

static void mark_all_leaving(struct bough_supervisor *sv)
{
    foreach_child(c, sv)
    {
        c->wanted = false;
        c->leaving = c->state != LIFE_DOWN;
    }
}

static void cancel_starts(struct bough_supervisor *sv)
{
    foreach_child(c, sv) if (c->state == LIFE_STARTING && !c->asked)
        child_ask(c, "its supervisor is ending");
}

/* The last one that is leaving is asked to. Is there one? */
static bool stop_next(struct bough_supervisor *sv)
{
    for (struct bough_list *at = sv->children.prev; at != &sv->children; at = at->prev) {
        struct child *c = child_of(at);
        if (!c->leaving || !child_runs(c))
            continue;
        if (!c->asked)
            child_ask(c, sv->left ? "its supervisor ends" : "for the sake of another child");
        return true;
    }
    return false;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Start whose turn it is. When is the next one's? */
static int64_t start_due(struct bough_supervisor *sv, bool stopping)
{
    bool in_order = sv->options.strategy != BOUGH_ONE_FOR_ONE;
    int64_t next = BOUGH_NEVER, now = bough_now();
    if (in_order && stopping)
        return BOUGH_NEVER;
    foreach_child(c, sv)
    {
        if (!c->wanted || c->state == LIFE_UP)
            continue;
        if (c->state == LIFE_DOWN) {
            if (c->not_before <= now)
                life_begin(c);
            else
                next = earlier(next, c->not_before);
        }
        if (in_order)
            return next;
    }
    return next;
}

/* Those that were to have stopped by now. When is the next one to be? */
static int64_t see_overdue(struct bough_supervisor *sv)
{
    int64_t next = BOUGH_NEVER, now = bough_now();
    foreach_child(c, sv)
    {
        if (!child_runs(c) || !c->asked || c->overdue)
            continue;
        if (c->overdue_at > now) {
            next = earlier(next, c->overdue_at);
            continue;
        }
        c->overdue = true;
        supervisor_report(c, BOUGH_REPORT_OVERDUE, 0);
    }
    return next;
}

/* Until when is there nothing more to do, unless there is news? */
static int64_t step(struct bough_supervisor *sv)
{
    int64_t next = BOUGH_NEVER;
    sv->told = false;
    judge_all(sv);
    if (sv->left)
        mark_all_leaving(sv);
    if (sv->ending)
        cancel_starts(sv);
    bool stopping = stop_next(sv);
    if (!sv->ending)
        next = start_due(sv, stopping);
    return earlier(next, see_overdue(sv));
}

/* --- the task --- */

static bool has_news(const void *arg)
{
    return ((const struct bough_supervisor *)arg)->told;
}

static int await_news(struct bough_supervisor *sv, int64_t until)
{
    struct bough_scope s = BOUGH_SCOPE(.deadline = until);
    int rc = 0;
    bough_with_scope (&s, &rc)
        rc = news_await(&sv->news, has_news, sv, "something to do for a supervisor");
    return rc;
}

static bool is_over(const struct bough_supervisor *sv)
{
    struct bough_list *children = (struct bough_list *)&sv->children;
    if (!sv->left)
        return false;
    bough_list_foreach (node, children)
        if (child_of(node)->state != LIFE_DOWN)
            return false;
    return true;
}

/* How it ended: the limit first, its causes, and what children failed with at the end. */
static int result(struct bough_supervisor *sv)
{
    int rc = 0;
    if (sv->gave_up)
        rc = limit_causes(sv, bough_fail_at(sv->gave_up, sv->site, "%s", sv->why));
    if (sv->failed)
        rc = bough_keep(rc, sv->errors ? bough_error_attach(sv->errors, sv->failed) : sv->failed);
    sv->errors = NULL;
    return rc;
}

int rules_main(void *arg)
{
    struct bough_supervisor *sv = arg;
    struct bough_scope shield = BOUGH_SCOPE();
    bough_task_set_name("%s", sv->name);
    bough_scope_enter(&shield);
    while (!is_over(sv))
        if (await_news(sv, step(sv)) < 0) { /* a cancel is felt once */
            begin_end(sv);
            bough_scope_set_shield(&shield, true);
        }
    int rc = bough_scope_exit(&shield, 0);
    return rc < 0 ? rc : result(sv);
}
