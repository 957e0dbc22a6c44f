/* SPDX-License-Identifier: MIT */
#include "actor/supervisor.h"

#include <stdlib.h>

#include "bough/error.h"

#define DEFAULT_SHUTDOWN (5 * BOUGH_SEC)

/* From being forced to end until it is called overdue: the ladder's last step, and some. */
#define PATIENCE (2 * BOUGH_SEC)

void supervisor_tell(struct bough_supervisor *sv)
{
    sv->told = true;
    news_tell(&sv->news);
}

void supervisor_keep(struct bough_supervisor *sv, int rc, struct bough_error *e)
{
    sv->failed = sv->failed ? -BOUGH_EGROUP : rc;
    sv->errors = bough_error_join(sv->errors, e);
}

void supervisor_report(struct child *c, enum bough_supervisor_event event, int rc)
{
    struct bough_supervisor *sv = c->sv;
    if (!sv->options.report)
        return;
    struct bough_supervisor_report report = {
        .event = event,
        .supervisor = sv->name,
        .child = c->spec.id,
        .generation = c->generation,
        .rc = rc,
        .error = rc < 0 ? c->error : NULL,
        .was_asked = c->asked,
        .again = c->wanted && !sv->ending && event != BOUGH_REPORT_STARTED,
    };
    report.delay = report.again ? c->delay : 0;
    sv->options.report(&report, sv->options.report_arg);
}

/* --- children --- */

void child_changed(struct child *c)
{
    bough_wake_all(&c->waiters, 0);
    supervisor_tell(c->sv);
}

int child_await(struct child *c)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "a supervised child"};
    bough_list_push(&c->waiters, &wait.link);
    return bough_wait(&wait);
}

int child_outcome(struct child *c)
{
    struct bough_error *e = c->error;
    c->error = NULL;
    return e ? bough_error_attach(e, c->rc) : c->rc;
}

/* What is not up yet has nothing to end gracefully. */
void child_ask(struct child *c, const char *why)
{
    int64_t grace = c->spec.shutdown ? c->spec.shutdown : DEFAULT_SHUTDOWN;
    if (grace < 0)
        grace = 0;
    c->asked = true;
    c->overdue_at = bough_after(bough_after(bough_now(), grace), PATIENCE);
    if (c->spec.actor || c->state == LIFE_STARTING || grace == 0)
        bough_scope_cancel(&c->scope, "%s", why);
    else
        bough_scope_shutdown(&c->scope, grace);
    supervisor_tell(c->sv);
}

static void child_free(struct child *c)
{
    bough_error_free(c->error);
    free(c->texts);
    free(c);
}

void child_use(struct child *c)
{
    c->users++;
}

void child_unuse(struct child *c)
{
    if (--c->users == 0 && c->forgotten)
        child_free(c);
}

void child_forget(struct child *c)
{
    if (c->forgotten)
        return;
    c->forgotten = true;
    bough_list_unlink(&c->link);
    child_use(c);
    child_changed(c);
    child_unuse(c);
}
