/* Shared resources: a manager in a task of its own, and the count of those who use it.
 *
 *     closed --first user--> entering --yield--> open --last out, broken--> ending --told--> closed
 *                               |                                              ^
 *                               `------ failed, or nobody waits any more ------'
 *
 * (and ownerless, for ever, if it ended because its owner's nursery did.)
 *
 * One life of the resource goes round once. Who comes while it is ending waits for the next life. A
 * life is over when everyone who has to hear how it ended has taken that: its failure is handed on
 * as a copy, to the last of them as it is.
 *
 * The task is a service of the owner: so a cancel of the owner's nursery lets the users unwind
 * first. Its scope stands for those who wait for it, and is cancelled when none of them can wait
 * any longer.
 * SPDX-License-Identifier: MIT */
#include "bough/shared.h"

#include <errno.h>

#include "bough/error.h"

enum { SHARED_CLOSED, SHARED_ENTERING, SHARED_OPEN, SHARED_ENDING, SHARED_OWNERLESS };

/* What a wait for the enter comes back with. */
enum { WOKEN_OPEN, WOKEN_ENDED };

struct shared_wait {
    struct bough_wait wait;
    struct bough_shared *shared;
    bool gave_up; /* cancelled, but stays to the end */
};

static struct shared_wait *wait_of(struct bough_wait *wait)
{
    return bough_container_of(wait, struct shared_wait, wait);
}

void bough_shared_init_at(struct bough_shared *s, struct bough_nursery *owner, bough_manager_fn *fn,
                          void *arg, const struct bough_site *site)
{
    *s = (struct bough_shared){.owner = owner, .fn = fn, .arg = arg, .site = site};
    bough_list_init(&s->uses);
    bough_list_init(&s->entering);
    bough_list_init(&s->ends);
    bough_list_init(&s->newcomers);
}

void(bough_shared_init)(struct bough_shared *s, struct bough_nursery *owner, bough_manager_fn *fn,
                        void *arg)
{
    bough_shared_init_at(s, owner, fn, arg, BOUGH_SITE("shared resource"));
}

unsigned bough_shared_users(const struct bough_shared *s)
{
    return s->users;
}

/* --- how it ended --- */

static int copy_leaf(const struct bough_error *e)
{
    struct bough_site site = {.file = bough_error_file(e), .line = bough_error_line(e)};
    return bough_fail_at(bough_error_code(e), &site, "%s (in task %s)", bough_error_message(e),
                         bough_error_task(e));
}

static int copy_error(const struct bough_error *e, int code)
{
    const struct bough_error *member = bough_error_first(e);
    int rc = 0;
    if (!e)
        return bough_fail_text(code, "a shared resource failed");
    if (!member)
        return copy_leaf(e);
    for (; member; member = bough_error_next(member))
        rc = bough_keep(rc, copy_leaf(member));
    return rc;
}

/* Each who has waited for the end calls it once. */
static int take_outcome(struct bough_shared *s)
{
    int rc = s->rc;
    if (--s->takers > 0)
        return rc < 0 ? copy_error(s->error, rc) : 0;
    if (rc < 0)
        rc = bough_error_attach(s->error, rc);
    s->error = NULL;
    bough_wake(s->idle, 0);
    return rc;
}

/* --- the resource's task --- */

static void break_use(struct bough_shared_use *use)
{
    bough_scope_cancel(&use->scope, "the shared resource %s failed, or was cancelled",
                       use->shared->site->what);
}

/* The manager's own scopes, or the end of the owner, cancel it while it is in use. */
static bool break_users(struct bough_wait *wait)
{
    struct bough_shared *s = wait_of(wait)->shared;
    s->state = SHARED_ENDING;
    s->broken = true;
    bough_list_foreach (node, &s->uses)
        break_use(bough_container_of(node, struct bough_shared_use, link));
    return false;
}

/* The body of the manager: returns when all users have left. */
static int serve_users(struct bough_shared *s, void *value)
{
    struct shared_wait w = {
        .wait = {.abort = break_users, .what = "the users of a shared resource to leave"},
        .shared = s};
    if (s->state == SHARED_ENDING) /* all have given up waiting */
        return bough_checkpoint_if_cancelled();
    s->value = value;
    s->state = SHARED_OPEN;
    s->idle = &w.wait;
    bough_wake_all(&s->entering, WOKEN_OPEN);
    (void)bough_wait(&w.wait);
    return s->broken ? bough_checkpoint_if_cancelled() : 0;
}

static int live(struct bough_shared *s)
{
    struct bough_manager m;
    void *value;
    int rc = bough_manager_enter_at(&m, s->fn, s->arg, &value, s->site);
    return rc < 0 ? rc : bough_manager_exit(&m, serve_users(s, value));
}

static void tell_all(struct bough_shared *s, int rc)
{
    struct bough_wait wait = {.what = "its users to hear how a shared resource ended"};
    s->state = SHARED_ENDING;
    s->rc = rc < 0 ? rc : 0;
    s->error = rc < 0 ? bough_error_detach(rc) : NULL;
    s->idle = &wait;
    s->takers = 0;
    bough_list_splice(&s->ends, &s->entering);
    bough_list_foreach (node, &s->ends)
        s->takers++;
    bough_wake_all(&s->ends, WOKEN_ENDED);
    (void)bough_wait(&wait); /* there is at least one: who made it end */
}

static int resource_main(void *arg)
{
    struct bough_shared *s = arg;
    bough_scope_enter_at(&s->scope, s->site);
    int rc = bough_scope_exit(&s->scope, live(s));
    if (rc == -ECANCELED)
        rc = bough_fail_text(-EPIPE, "the nursery of the shared resource has ended");
    tell_all(s, rc);
    /* As a service we are cancelled when the nursery ends: it is not there for a next life. */
    s->state = bough_effective_deadline() == INT64_MIN ? SHARED_OWNERLESS : SHARED_CLOSED;
    bough_wake_all(&s->newcomers, 0);
    return 0;
}

/* --- enter --- */

static int begin_life(struct bough_shared *s)
{
    int rc = bough_nursery_start_service_at(s->owner, resource_main, s, s->site);
    if (rc < 0)
        return rc;
    s->state = SHARED_ENTERING;
    s->broken = false;
    s->users = s->patient = 0;
    s->scope = BOUGH_SCOPE();
    return 0;
}

static int wait_for_next_life(struct bough_shared *s)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "a shared resource to be closed"};
    bough_list_push(&s->newcomers, &wait.link);
    return bough_wait(&wait);
}

/* Cancelled while it is being entered: the last of those who wait takes the enter along. */
static bool give_up(struct bough_wait *wait)
{
    struct bough_shared *s = wait_of(wait)->shared;
    bough_list_unlink(&wait->link);
    if (--s->users > 0)
        return true;
    wait_of(wait)->gave_up = true;
    s->state = SHARED_ENDING;
    bough_list_push(&s->ends, &wait->link);
    bough_scope_cancel(&s->scope, "nobody waits for the shared resource any more");
    return false;
}

static int wait_for_enter(struct bough_shared *s)
{
    struct shared_wait w = {.wait = {.abort = give_up, .what = "a shared resource to be entered"},
                            .shared = s};
    bough_list_push(&s->entering, &w.wait.link);
    int rc = bough_wait(&w.wait);
    if (rc != WOKEN_ENDED)
        return rc;
    if (!w.gave_up) {
        s->users--;
        return take_outcome(s);
    }
    rc = bough_checkpoint_if_cancelled();
    return bough_keep(rc < 0 ? rc : -ECANCELED, take_outcome(s));
}

static int come_in(struct bough_shared *s)
{
    int rc = bough_checkpoint_if_cancelled();
    while (rc == 0 && s->state == SHARED_ENDING)
        rc = wait_for_next_life(s);
    if (rc == 0 && s->state == SHARED_OWNERLESS)
        rc = bough_fail_text(-EBADF, "the nursery of the shared resource has ended");
    if (rc == 0 && s->state == SHARED_CLOSED)
        rc = begin_life(s);
    if (rc < 0)
        return rc;
    s->users++;
    if (s->state == SHARED_ENTERING)
        return wait_for_enter(s);
    bough_passed();
    return 0;
}

int bough_shared_enter_at(struct bough_shared *s, struct bough_shared_use *use, void **ret_value,
                          const struct bough_site *site)
{
    int rc = come_in(s);
    if (rc < 0)
        return rc;
    use->shared = s;
    use->scope = BOUGH_SCOPE();
    bough_scope_enter_at(&use->scope, site);
    bough_list_push(&s->uses, &use->link);
    if (s->broken) /* since we were let in */
        break_use(use);
    if (ret_value)
        *ret_value = s->value;
    return 0;
}

int(bough_shared_enter)(struct bough_shared *s, struct bough_shared_use *use, void **ret_value)
{
    return bough_shared_enter_at(s, use, ret_value, BOUGH_SITE("bough_shared_enter"));
}

/* --- exit --- */

/* Cancelled while it is being exited: when that is so for all who wait, the exit is, too. */
static bool lose_patience(struct bough_wait *wait)
{
    struct bough_shared *s = wait_of(wait)->shared;
    if (--s->patient == 0 && s->users == 0)
        bough_scope_cancel(&s->scope, "all who wait for the exit are cancelled");
    return false;
}

static int wait_for_end(struct bough_shared *s)
{
    struct shared_wait w = {
        .wait = {.abort = lose_patience, .what = "a shared resource to be exited"}, .shared = s};
    s->patient++;
    bough_list_push(&s->ends, &w.wait.link);
    (void)bough_wait(&w.wait);
    return take_outcome(s);
}

int bough_shared_exit(struct bough_shared_use *use, int rc)
{
    struct bough_shared *s = use->shared;
    rc = bough_scope_exit(&use->scope, rc);
    bough_list_unlink(&use->link);
    if (--s->users == 0) {
        s->state = SHARED_ENDING;
        bough_wake(s->idle, 0);
    } else if (!s->broken) {
        return rc;
    }
    return bough_keep(rc, wait_for_end(s));
}

/* --- the block --- */

struct bough_shared_block *bough_shared_block_enter(struct bough_shared_block *b,
                                                    struct bough_shared *s, int *rc,
                                                    const struct bough_site *site)
{
    b->rc = rc;
    b->open = false;
    int entered = bough_shared_enter_at(s, &b->use, NULL, site);
    if (entered < 0) {
        *rc = entered;
        return NULL;
    }
    b->open = true;
    return b;
}

struct bough_shared_block *bough_shared_block_exit(struct bough_shared_block *b)
{
    b->open = false;
    *b->rc = bough_shared_exit(&b->use, *b->rc);
    return NULL;
}

void bough_shared_block_abandon(struct bough_shared_block *b)
{
    if (!b->open)
        return;
    b->open = false;
    bough_block_defer(bough_shared_exit(&b->use, bough_block_guess()));
}
