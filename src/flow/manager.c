/* Managers: a frame of the task, entered up to its yield and resumed at the exit.
 *
 *     fresh --enter--> entering --yield--> body --exit--> exiting --return--> ended
 *
 * A manager has a scope of its own around it, never cancelled: so the check that scopes are closed
 * in order finds managers that are not.
 * SPDX-License-Identifier: MIT */
#include "bough/manager.h"

#include <errno.h>

#include "bough/error.h"
#include "bough/panic.h"
#include "bough/task.h"

enum { MANAGER_FRESH, MANAGER_ENTERING, MANAGER_BODY, MANAGER_EXITING, MANAGER_ENDED };

static BOUGH_COLD void ends_in_scope(const struct bough_manager *m)
{
    const struct bough_site *open = bough_scope_current()->opened_at;
    bough_panic(
        "the manager %s (entered at %s:%d) ends inside %s, opened at %s:%d, which it left open",
        m->site->what, m->site->file, m->site->line, open->what, open->file, open->line);
}

static void manager_main(struct bough_frame *frame, void *arg)
{
    struct bough_manager *m = arg;
    (void)frame;
    m->rc = m->fn(m, m->arg);
    if (BOUGH_UNLIKELY(bough_scope_current() != &m->scope))
        ends_in_scope(m);
}

static int yield_from_frame(struct bough_manager *m, void *value)
{
    if (m->state != MANAGER_ENTERING) {
        m->misused = true;
        return bough_fail_at(-EPROTO, m->site, "the manager %s yields a second time",
                             m->site->what);
    }
    m->value = value;
    bough_frame_suspend(m->frame);
    return m->rc;
}

int bough_yield(struct bough_manager *self, void *value)
{
    return self->yield(self, value);
}

/* --- enter --- */

/* Run it up to its yield; < 0: it has ended. */
static int run_up_to_yield(struct bough_manager *m)
{
    int rc = bough_frame_open(manager_main, m, m->site, &m->frame);
    if (rc < 0)
        return rc;
    m->state = MANAGER_ENTERING;
    if (bough_frame_resume(m->frame))
        return 0;
    if (m->rc < 0)
        return m->rc;
    return bough_fail_at(-EPROTO, m->site, "the manager %s ended without bough_yield()",
                         m->site->what);
}

int bough_manager_enter_at(struct bough_manager *m, bough_manager_fn *fn, void *arg,
                           void **ret_value, const struct bough_site *site)
{
    m->fn = fn;
    m->arg = arg;
    m->value = NULL;
    m->rc = 0;
    m->misused = false;
    m->yield = yield_from_frame;
    m->site = site;
    m->scope = BOUGH_SCOPE();
    bough_scope_enter_at(&m->scope, site);
    int rc = run_up_to_yield(m);
    if (rc < 0) {
        m->state = MANAGER_ENDED;
        return bough_scope_exit(&m->scope, rc);
    }
    m->state = MANAGER_BODY;
    m->inner = bough_scope_current();
    if (ret_value)
        *ret_value = m->value;
    return 0;
}

int(bough_manager_enter)(struct bough_manager *m, bough_manager_fn *fn, void *arg, void **ret_value)
{
    return bough_manager_enter_at(m, fn, arg, ret_value, BOUGH_SITE("manager"));
}

/* --- exit --- */

static BOUGH_COLD void check_order(const struct bough_manager *m)
{
    const struct bough_site *site = m->site;
    const struct bough_scope *current = bough_scope_current();
    const struct bough_site *inside = current->opened_at;
    if (m->state != MANAGER_BODY)
        bough_panic("the manager %s (entered at %s:%d) is exited %s", site->what, site->file,
                    site->line,
                    m->state == MANAGER_ENDED ? "twice, or although its enter failed"
                                              : "while it is still busy");
    if (m->scope.task != bough_task_current())
        bough_panic(
            "the manager %s (entered at %s:%d by task %s) is exited by task %s: enter and exit "
            "belong to the same task; a manager that outlives a call belongs in an exit pool",
            site->what, site->file, site->line, bough_task_name(m->scope.task),
            bough_task_name(NULL));
    if (current != m->inner)
        bough_panic("managers are exited out of order in task %s: exiting %s, entered at %s:%d, "
                    "while inside "
                    "%s, opened at %s:%d",
                    bough_task_name(NULL), site->what, site->file, site->line,
                    inside ? inside->what : "another scope", inside ? inside->file : "?",
                    inside ? inside->line : 0);
}

int bough_manager_exit(struct bough_manager *m, int rc)
{
    if (BOUGH_UNLIKELY(m->state != MANAGER_BODY || m->scope.task != bough_task_current() ||
                       bough_scope_current() != m->inner))
        check_order(m);
    m->state = MANAGER_EXITING;
    m->rc = rc;
    (void)bough_frame_resume(m->frame); /* to the end: it cannot yield again */
    m->state = MANAGER_ENDED;
    rc = m->rc;
    if (m->misused && rc >= 0)
        rc = bough_fail_at(-EPROTO, m->site, "the manager %s yielded twice", m->site->what);
    return bough_scope_exit(&m->scope, rc);
}

/* --- the block --- */

struct bough_manager_block *bough_manager_block_enter(struct bough_manager_block *b,
                                                      bough_manager_fn *fn, void *arg, int *rc,
                                                      const struct bough_site *site)
{
    b->rc = rc;
    b->open = false;
    int entered = bough_manager_enter_at(&b->manager, fn, arg, NULL, site);
    if (entered < 0) {
        *rc = entered;
        return NULL;
    }
    b->open = true;
    return b;
}

struct bough_manager_block *bough_manager_block_exit(struct bough_manager_block *b)
{
    b->open = false;
    *b->rc = bough_manager_exit(&b->manager, *b->rc);
    return NULL;
}

void bough_manager_block_abandon(struct bough_manager_block *b)
{
    if (!b->open)
        return;
    b->open = false;
    bough_block_defer(bough_manager_exit(&b->manager, bough_block_guess()));
}
