/* What users ask of children: they set marks (supervisor_rules.c), and wait for what comes of it.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actor/supervisor_rules.h"
#include "actor/supervisor_spec.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/panic.h"

/* Who waits is woken before the body is cancelled: then that is why. */
static int is_stopping(const struct bough_supervisor *sv)
{
    int rc = bough_checkpoint_if_cancelled();
    return rc < 0 ? rc : bough_fail(-EBADF, "%s is stopping, and starts nobody", sv->name);
}

/* --- supervise --- */

static struct child *child_new(struct bough_supervisor *sv, const struct bough_child_spec *spec,
                               const struct bough_site *site)
{
    struct child *c = sys_calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->sv = sv;
    if (spec_copy(c, spec) < 0) {
        free(c);
        return NULL;
    }
    c->site = site;
    c->number = ++sv->last_number;
    c->unproven = c->wanted = true;
    bough_list_init(&c->waiters);
    bough_list_push(&sv->children, &c->link);
    supervisor_tell(sv);
    return c;
}

/* Until its present life has ended, and was judged. */
static int await_down(struct child *c)
{
    unsigned life = c->starts;
    int rc = 0;
    while (rc == 0 && c->state != LIFE_DOWN && c->starts == life)
        rc = child_await(c);
    return rc;
}

static void withdraw(struct child *c)
{
    int rc = 0;
    c->wanted = false;
    if (child_runs(c) && !c->asked)
        child_ask(c, "who supervises it is cancelled");
    bough_shielded (BOUGH_NEVER, &rc)
        rc = await_down(c);
    (void)rc;
}

/* Until it is up for the first time; or it will never be, and is gone. */
static int await_first(struct child *c)
{
    int rc = 0;
    while (rc == 0 && c->unproven && !c->refused)
        rc = c->sv->ending ? is_stopping(c->sv) : child_await(c);
    if (!c->unproven)
        return 0;
    if (!c->refused)
        withdraw(c);
    if (!c->unproven) /* it was up for a moment, but not for us: the governor has its outcome */
        return rc;
    return c->refused ? bough_keep(rc, child_outcome(c)) : rc;
}

/* In order, a child that is not up yet holds up those after it: it cannot wait for one of them. */
static int check_caller(const struct bough_supervisor *sv)
{
    struct bough_list *children = (struct bough_list *)&sv->children;
    if (sv->options.strategy == BOUGH_ONE_FOR_ONE)
        return 0;
    bough_list_foreach (node, children) {
        struct child *c = child_of(node);
        if (c->starting && bough_scope_is_around(c->starting))
            return bough_fail(-EDEADLK,
                              "child %s waits for one after it to be up, but is not up itself: "
                              "it has to call bough_started() before",
                              c->spec.id);
    }
    return 0;
}

static struct bough_supervised handle_of(const struct child *c)
{
    return (struct bough_supervised){.number = c->number, .generation = c->generation};
}

int bough_supervise_at(struct bough_supervisor *sv, const struct bough_child_spec *spec,
                       struct bough_supervised *ret_handle, const struct bough_site *site)
{
    int rc = bough_pass();
    if (rc == 0 && sv->ending)
        rc = is_stopping(sv);
    if (rc == 0)
        rc = spec_check(sv, spec);
    if (rc == 0)
        rc = check_caller(sv);
    if (rc < 0)
        return rc;
    struct child *c = child_new(sv, spec, site);
    if (!c)
        return bough_fail_text(-ENOMEM, "no memory for a child");
    child_use(c);
    rc = await_first(c);
    if (rc == 0 && ret_handle)
        *ret_handle = (struct bough_supervised){.number = c->number, .generation = 1};
    if (rc < 0)
        child_forget(c);
    child_unuse(c);
    return rc;
}

/* --- handles --- */

static struct child *find_number(const struct bough_supervisor *sv, unsigned number)
{
    struct bough_list *children = (struct bough_list *)&sv->children;
    bough_list_foreach (node, children)
        if (child_of(node)->number == number)
            return child_of(node);
    return NULL;
}

static int has_gone(void)
{
    return bough_fail_text(-ESTALE, "the child is not there any more");
}

static int find(const struct bough_supervisor *sv, struct bough_supervised handle,
                struct child **ret_child)
{
    struct child *c = find_number(sv, handle.number);
    if (!c)
        return has_gone();
    if (c->generation != handle.generation)
        return bough_fail(
            -ESTALE, "the handle of child %s is of its life number %llu; it is at %llu now",
            c->spec.id, (unsigned long long)handle.generation, (unsigned long long)c->generation);
    *ret_child = c;
    return 0;
}

/* The child, which is used now: the caller is going to wait for it. */
static int find_other(const struct bough_supervisor *sv, struct bough_supervised handle,
                      struct child **ret_child)
{
    struct child *c = NULL;
    int rc = bough_pass();
    if (rc == 0)
        rc = find(sv, handle, &c);
    if (rc < 0)
        return rc;
    if (c->state != LIFE_DOWN && bough_scope_is_around(&c->scope))
        return bough_fail(-EDEADLK, "child %s waits for its own end: it has to return instead",
                          c->spec.id);
    child_use(c);
    *ret_child = c;
    return 0;
}

int bough_supervisor_find(struct bough_supervisor *sv, const char *id,
                          struct bough_supervised *ret_handle)
{
    bough_list_foreach (node, &sv->children)
        if (strcmp(child_of(node)->spec.id, id) == 0) {
            *ret_handle = handle_of(child_of(node));
            return 0;
        }
    return bough_fail(-ENOENT, "%s has no child %s", sv->name, id);
}

/* --- stop, restart, wait --- */

static int stop(struct child *c)
{
    c->wanted = false;
    if (c->state == LIFE_DOWN) {
        if (c->spec.restart == BOUGH_TEMPORARY)
            child_forget(c);
        return 0;
    }
    c->stoppers++;
    if (child_runs(c) && !c->asked)
        child_ask(c, "it is stopped");
    int rc = await_down(c);
    c->stoppers--;
    if (rc == 0 && c->rc < 0)
        rc = child_outcome(c);
    return rc;
}

int bough_supervisor_stop(struct bough_supervisor *sv, struct bough_supervised handle)
{
    struct child *c = NULL;
    int rc = find_other(sv, handle, &c);
    if (rc < 0)
        return rc;
    rc = stop(c);
    child_unuse(c);
    return rc;
}

int bough_supervisor_remove(struct bough_supervisor *sv, struct bough_supervised handle)
{
    struct child *c = NULL;
    int rc = find_other(sv, handle, &c);
    if (rc < 0)
        return rc;
    rc = stop(c);
    if (c->state == LIFE_DOWN)
        child_forget(c);
    else
        c->to_forget = true;
    child_unuse(c);
    return rc;
}

static bool is_up_again(const struct child *c, uint64_t generation)
{
    return c->state == LIFE_UP && c->generation > generation && !c->asked;
}

static int await_up(struct child *c, uint64_t generation, struct bough_supervised *ret_handle)
{
    int rc = 0;
    while (rc == 0 && !is_up_again(c, generation)) {
        if (c->sv->ending)
            rc = is_stopping(c->sv);
        else if (c->forgotten || !c->wanted)
            rc = bough_fail(-ESTALE, "child %s will not start again", c->spec.id);
        else
            rc = child_await(c);
    }
    if (rc == 0 && ret_handle)
        *ret_handle = handle_of(c);
    return rc;
}

static void begin_restart(struct child *c)
{
    c->wanted = true;
    c->not_before = 0;
    c->streak = 0;
    c->leaving = c->state != LIFE_DOWN;
    if (c->leaving)
        rules_mark(c);
    supervisor_tell(c->sv);
}

int bough_supervisor_restart(struct bough_supervisor *sv, struct bough_supervised handle,
                             struct bough_supervised *ret_handle)
{
    struct child *c = NULL;
    int rc = find_other(sv, handle, &c);
    if (rc < 0)
        return rc;
    if (!sv->ending)
        begin_restart(c);
    rc = await_up(c, handle.generation, ret_handle);
    child_unuse(c);
    return rc;
}

int bough_supervisor_wait(struct bough_supervisor *sv, struct bough_supervised handle,
                          struct bough_supervised *ret_handle)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    struct child *c = find_number(sv, handle.number);
    if (!c)
        return has_gone();
    child_use(c);
    rc = await_up(c, handle.generation, ret_handle);
    child_unuse(c);
    return rc;
}

/* --- actors --- */

int bough_supervisor_actor(struct bough_supervisor *sv, struct bough_supervised handle,
                           struct bough_actor **ret_actor)
{
    struct child *c = NULL;
    int rc = find(sv, handle, &c);
    if (rc < 0)
        return rc;
    if (!c->spec.actor)
        return bough_fail(-EINVAL, "child %s is a task, not an actor", c->spec.id);
    if (!c->actor)
        return bough_fail(-ESTALE, "child %s is down: bough_supervisor_wait() for its next life",
                          c->spec.id);
    c->holds++;
    *ret_actor = c->actor;
    return 0;
}

void bough_supervisor_release(struct bough_supervisor *sv, struct bough_supervised handle)
{
    struct child *c = find_number(sv, handle.number); /* it is there as long as it is held */
    if (!c || c->generation != handle.generation || c->holds == 0)
        bough_panic("an actor of %s is released that is not held", sv->name);
    if (--c->holds == 0)
        news_tell(&c->released);
}

int bough_supervisor_call(struct bough_supervisor *sv, struct bough_supervised handle,
                          const char *operation, struct bough_bytes request,
                          struct bough_message *ret_reply)
{
    struct bough_actor *a;
    int rc = bough_pass();
    if (rc == 0)
        rc = bough_supervisor_actor(sv, handle, &a);
    if (rc < 0)
        return rc;
    rc = bough_call(a, operation, request, ret_reply);
    bough_supervisor_release(sv, handle);
    return rc;
}

/* --- seeing --- */

static enum bough_child_state state_of(const struct child *c)
{
    if (child_runs(c) && (c->asked || c->leaving))
        return BOUGH_CHILD_STOPPING;
    if (c->state == LIFE_UP)
        return BOUGH_CHILD_UP;
    if (c->state == LIFE_STARTING)
        return BOUGH_CHILD_STARTING;
    return c->wanted && !c->sv->ending ? BOUGH_CHILD_WAITING : BOUGH_CHILD_ENDED;
}

size_t bough_supervisor_list(const struct bough_supervisor *sv, struct bough_child_info *infos,
                             size_t size)
{
    struct bough_list *children = (struct bough_list *)&sv->children;
    size_t count = 0;
    bough_list_foreach (node, children) {
        struct child *c = child_of(node);
        if (count < size)
            infos[count] = (struct bough_child_info){
                .handle = handle_of(c),
                .id = c->spec.id,
                .state = state_of(c),
                .starts = c->starts,
                .last_rc = c->last_rc,
                .since = c->since,
                .overdue = c->overdue,
            };
        count++;
    }
    return count;
}

void bough_supervisor_statistics(const struct bough_supervisor *sv,
                                 struct bough_supervisor_stats *ret_stats)
{
    struct bough_list *children = (struct bough_list *)&sv->children;
    struct bough_supervisor_stats stats = {
        .starts = sv->starts, .failures = sv->failures, .episodes = sv->episodes};
    bough_list_foreach (node, children) {
        stats.children++;
        stats.up += child_of(node)->state == LIFE_UP;
    }
    *ret_stats = stats;
}
