/* Exit pools: each manager a task, its yield a wait for the body to leave.
 *
 * A manager's task is started with bough_nursery_start(), which gives the first half of the rules:
 * until it yields it lives under the scopes of who enters it, and its failure is theirs. From the
 * yield on it lives in the pool's nursery. The wait in the yield cannot be undone: a cancel of the
 * manager's scopes cancels the body, and the wait goes on until the body has left.
 *
 * What a manager returns may not reach the nursery while others are still exiting, since a failure
 * would cancel them. So each waits for the last one first.
 * SPDX-License-Identifier: MIT */
#include "bough/exit_pool.h"

#include <errno.h>

#include "bough/error.h"
#include "bough/panic.h"
#include "bough/task.h"

/* What a manager's task is started with. */
struct membership {
    struct bough_exit_pool *pool;
    bough_manager_fn *fn;
    void *arg;
    const char *name;
    const struct bough_site *site;
};

/* A manager's task, on its stack. */
struct member {
    struct bough_manager manager;
    struct bough_exit_pool *pool;
    struct bough_task *task;
    bool asked;   /* for the body: it has called bough_yield() */
    bool entered; /* and there is one */
};

struct body_wait {
    struct bough_wait wait;
    struct bough_exit_pool *pool;
};

/* --- the manager's task --- */

static struct member *member_of(struct bough_manager *m)
{
    return bough_container_of(m, struct member, manager);
}

static BOUGH_COLD void yields_elsewhere(const struct member *member)
{
    const struct bough_site *site = member->manager.site;
    bough_panic("the manager %s (entered at %s:%d) runs in task %s, and yields in task %s",
                site->what, site->file, site->line, bough_task_name(member->task),
                bough_task_name(NULL));
}

static bool cancel_body(struct bough_wait *wait)
{
    struct bough_exit_pool *p = bough_container_of(wait, struct body_wait, wait)->pool;
    bough_scope_cancel(&p->body, "a resource of the pool has failed or was cancelled");
    return false;
}

static int yield_in_pool(struct bough_manager *m, void *value)
{
    struct member *member = member_of(m);
    struct bough_exit_pool *p = member->pool;
    if (member->asked) {
        m->misused = true;
        return bough_fail_at(-EPROTO, m->site, "the manager %s yields a second time",
                             m->site->what);
    }
    if (BOUGH_UNLIKELY(member->task != bough_task_current()))
        yields_elsewhere(member);
    member->asked = true;
    if (!bough_started(value)) { /* who entered it was cancelled: there will be no body */
        int rc = bough_checkpoint_if_cancelled();
        return rc < 0 ? rc : -ECANCELED;
    }
    member->entered = true;
    p->entered++;
    p->exiting++;
    struct body_wait w = {.wait = {.abort = cancel_body, .what = "the body of its exit pool"},
                          .pool = p};
    if (!p->left) {
        bough_list_push(&p->yields, &w.wait.link);
        (void)bough_wait(&w.wait);
    }
    return p->rc < 0 ? bough_echo(p->rc) : p->rc;
}

/* What a manager's result means beside the body's, which is reported by the pool itself. */
static int judge(struct bough_exit_pool *p, int rc)
{
    bool passed_on = bough_catch_echo(&rc, p->rc);
    if (p->rc < 0 && rc >= 0 && !passed_on)
        p->suppressed++;
    return rc < 0 ? rc : 0;
}

static void wait_for_the_others(struct bough_exit_pool *p)
{
    if (--p->exiting == 0) {
        bough_wake_all(&p->ends, 0);
        (void)bough_shielded_checkpoint(); /* who failed before us reports before us */
        return;
    }
    struct bough_wait wait = {.what = "the other managers of its exit pool to end"};
    bough_list_push(&p->ends, &wait.link);
    (void)bough_wait(&wait);
}

/* It had no body: what its enter fails with. */
static int refuse(const struct member *member, int rc)
{
    const struct bough_site *site = member->manager.site;
    if (rc < 0)
        return rc;
    if (member->asked) /* a cancel of who entered it is not for it to suppress */
        return -ECANCELED;
    return bough_fail_at(-EPROTO, site, "the manager %s ended without bough_yield()", site->what);
}

static int member_main(void *arg)
{
    const struct membership *m = arg;
    struct member member;
    member.manager.yield = yield_in_pool;
    member.manager.site = m->site;
    member.manager.misused = false;
    member.pool = m->pool;
    member.task = bough_task_current();
    member.asked = member.entered = false;
    if (m->name)
        bough_task_set_name("%s", m->name);
    int rc = m->fn(&member.manager, m->arg);
    if (rc >= 0 && member.manager.misused)
        rc = bough_fail_at(-EPROTO, m->site, "the manager %s yielded twice", m->site->what);
    if (!member.entered)
        return refuse(&member, rc);
    rc = judge(m->pool, rc);
    wait_for_the_others(m->pool);
    return rc;
}

static int enter(const struct membership *m, void **ret_value)
{
    if (m->pool->left)
        return bough_fail_text(-EBADF, "the body of the exit pool has left");
    return bough_nursery_start_with_at(&m->pool->nursery, member_main, m, sizeof(*m), ret_value,
                                       m->site);
}

int bough_exit_pool_enter_at(struct bough_exit_pool *p, bough_manager_fn *fn, void *arg,
                             void **ret_value, const struct bough_site *site)
{
    struct membership m = {.pool = p, .fn = fn, .arg = arg, .site = site};
    return enter(&m, ret_value);
}

int(bough_exit_pool_enter)(struct bough_exit_pool *p, bough_manager_fn *fn, void *arg,
                           void **ret_value)
{
    return bough_exit_pool_enter_at(p, fn, arg, ret_value, BOUGH_SITE("manager"));
}

/* --- open and close --- */

void bough_exit_pool_open_at(struct bough_exit_pool *p, const struct bough_site *site)
{
    p->rc = 0;
    p->left = p->no_body = false;
    p->entered = p->exiting = p->suppressed = 0;
    bough_list_init(&p->yields);
    bough_list_init(&p->ends);
    bough_nursery_open_at(&p->nursery, NULL, site);
    p->body = BOUGH_SCOPE();
    bough_scope_enter_at(&p->body, site);
}

void(bough_exit_pool_open)(struct bough_exit_pool *p)
{
    bough_exit_pool_open_at(p, BOUGH_SITE("exit pool"));
}

int bough_exit_pool_close(struct bough_exit_pool *p, int rc)
{
    struct bough_wait wait = {.what = "the managers of an exit pool to end"};
    p->rc = rc;
    rc = bough_scope_exit(&p->body, rc);
    p->left = true;
    bough_wake_all(&p->yields, 0);
    if (p->exiting) {
        bough_list_push(&p->ends, &wait.link);
        (void)bough_wait(&wait);
    }
    if (rc < 0 && !p->no_body && p->entered && p->suppressed == p->entered)
        rc = 0;
    return bough_nursery_close(&p->nursery, rc);
}

/* --- all at once --- */

struct entering {
    struct bough_exit_pool *pool;
    struct bough_resource *resource;
    const struct bough_site *site;
};

static int enter_one(void *arg)
{
    struct entering *e = arg;
    struct bough_resource *r = e->resource;
    struct membership m = {
        .pool = e->pool, .fn = r->fn, .arg = r->arg, .name = r->name, .site = e->site};
    return enter(&m, &r->value);
}

static int enter_all(struct bough_exit_pool *p, struct bough_resource *resources, size_t count,
                     const struct bough_site *site)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (size_t i = 0; i < count && rc == 0; i++) {
            struct entering e = {.pool = p, .resource = &resources[i], .site = site};
            rc = bough_nursery_start_soon_with_at(n, enter_one, &e, sizeof(e), site);
        }
    }
    return rc;
}

int bough_exit_pool_enter_all(struct bough_exit_pool *p, struct bough_resource *resources,
                              size_t count)
{
    return enter_all(p, resources, count, BOUGH_SITE("bough_exit_pool_enter_all"));
}

/* --- the blocks --- */

struct bough_exit_pool_block *bough_exit_pool_block_enter(struct bough_exit_pool_block *b,
                                                          struct bough_resource *resources,
                                                          size_t count, int *rc,
                                                          const struct bough_site *site)
{
    b->rc = rc;
    b->open = b->ended = false;
    bough_exit_pool_open_at(&b->pool, site);
    int entered = enter_all(&b->pool, resources, count, site);
    if (entered < 0) {
        b->pool.no_body = true;
        *rc = bough_exit_pool_close(&b->pool, entered);
        return NULL;
    }
    b->open = true;
    return b;
}

struct bough_exit_pool_block *bough_exit_pool_block_exit(struct bough_exit_pool_block *b)
{
    b->open = false;
    *b->rc = bough_exit_pool_close(&b->pool, *b->rc);
    return NULL;
}

void bough_exit_pool_block_abandon(struct bough_exit_pool_block *b)
{
    if (!b->open)
        return;
    b->open = false;
    bough_block_defer(bough_exit_pool_close(&b->pool, bough_block_guess()));
}
