/* A life has a task of its own beside that of the child, so that the child's nursery, scope and
 * task locals go with it: nothing is left for the next life.
 *
 * An actor is stopped before its block is closed, and its block is closed when nobody uses it any
 * more: those who had calls in flight have been told by then, and have gone.
 * SPDX-License-Identifier: MIT */
#include "actor/supervisor_life.h"

#include <errno.h>

#include "bough/error.h"
#include "bough/task.h"

static void is_up(struct child *c)
{
    c->state = LIFE_UP;
    c->was_up = true;
    c->unproven = false;
    c->generation++;
    c->since = bough_now();
    c->sv->starts++;
    supervisor_report(c, BOUGH_REPORT_STARTED, 0);
    child_changed(c);
}

static int too_late(const struct child *c)
{
    return bough_fail_at(-ETIMEDOUT, c->site, "child %s was not up within %lld ms", c->spec.id,
                         (long long)(c->spec.start_timeout / BOUGH_MS));
}

/* --- a task --- */

static int child_main(void *arg)
{
    struct child *c = arg;
    bough_task_set_name("%s", c->spec.id);
    return c->spec.fn(c->spec.arg);
}

static int start_task(struct child *c, struct bough_nursery *n)
{
    struct bough_scope starting = BOUGH_SCOPE(.timeout = c->spec.start_timeout);
    int rc = 0;
    if (!c->spec.start_timeout)
        return bough_nursery_start_soon_at(n, child_main, c, c->site);
    c->starting = &starting;
    bough_with_scope (&starting, &rc)
        rc = bough_nursery_start_at(n, child_main, c, NULL, c->site);
    c->starting = NULL;
    return rc == 0 && bough_scope_cancelled_caught(&starting) ? too_late(c) : rc;
}

static int live_as_task(struct child *c)
{
    struct bough_nursery n;
    bough_nursery_open_at(&n, NULL, c->site);
    int rc = start_task(c, &n);
    if (rc == 0)
        is_up(c);
    return bough_nursery_close(&n, rc);
}

/* --- an actor --- */

static int start_actor(struct child *c, struct bough_actors *an, struct bough_actor **ret_actor)
{
    int64_t timeout = c->spec.start_timeout ? c->spec.start_timeout : BOUGH_NEVER;
    int rc = 0;
    bough_move_on_after (timeout, &rc)
        rc = bough_actor_start_at(an, &c->actor_spec, ret_actor, c->site);
    return rc == 0 && bough_scope_cancelled_caught(NULL) ? too_late(c) : rc;
}

static bool is_released(const void *arg)
{
    return ((const struct child *)arg)->holds == 0;
}

/* Until it is gone, and has no users. */
static int see_actor_off(struct child *c, struct bough_actor *a, int rc)
{
    int shielded = 0;
    bough_shielded (BOUGH_NEVER, &shielded) {
        if (rc == -ECANCELED && c->asked)
            rc = bough_actor_stop(a, "its supervisor stops it");
        c->actor = NULL;
        shielded = news_await(&c->released, is_released, c, "who uses an actor");
    }
    (void)shielded;
    return rc;
}

static int live_as_actor(struct child *c)
{
    struct bough_actors an;
    struct bough_actor *a;
    bough_actors_open_at(&an, c->site);
    int rc = start_actor(c, &an, &a);
    if (rc == 0) {
        c->actor = a;
        is_up(c);
        rc = see_actor_off(c, a, bough_actor_join(a));
    }
    return bough_actors_close(&an, rc);
}

/* --- the task of a life --- */

static int live(struct child *c)
{
    int rc = 0;
    if (bough_checkpoint_if_cancelled() < 0 || c->sv->ending) /* a cancel beats a start */
        c->asked = true;
    bough_scope_enter_at(&c->scope, c->site);
    if (!c->asked)
        rc = c->spec.actor ? live_as_actor(c) : live_as_task(c);
    return bough_scope_exit(&c->scope, rc);
}

static void life_ended(struct child *c, int rc)
{
    bough_error_free(c->error);
    c->error = rc < 0 ? bough_error_detach(rc) : NULL;
    c->rc = c->last_rc = rc < 0 ? rc : 0;
    c->state = LIFE_ENDED;
    bough_list_push(&c->sv->ended, &c->ended);
    child_changed(c);
}

static int life_main(void *arg)
{
    struct child *c = arg;
    bough_task_set_name("%s", c->sv->name);
    life_ended(c, live(c));
    return 0;
}

void life_begin(struct child *c)
{
    c->scope = BOUGH_SCOPE(.shield = true);
    c->state = LIFE_STARTING;
    c->asked = c->was_up = c->overdue = false;
    c->delay = 0;
    c->starts++;
    int rc = bough_nursery_start_soon_at(&c->sv->nursery, life_main, c, c->site);
    if (rc < 0)
        life_ended(c, rc);
}
