/* Blocks with actors, and their handles.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "actor/dialogue.h"
#include "actor/keeper.h"
#include "actor/type.h"
#include "base/sys.h"
#include "bough/error.h"

enum { BLOCK_OPEN, BLOCK_ENDING, BLOCK_CLOSED };
#define GRACE (5 * BOUGH_SEC)

/* --- the block --- */

void bough_actors_open_at(struct bough_actors *an, const struct bough_site *site)
{
    bough_list_init(&an->members);
    an->state = BLOCK_OPEN;
    bough_nursery_open_at(&an->nursery, NULL, site);
}

static void discard(struct bough_actor *a)
{
    bough_list_unlink(&a->link);
    actor_release(a);
}

/* A death is one failure, though it also was that of each call to the dead; and so is that of an
 * actor which failed because another one died, though calls were told of that death before. */
static void take_off(struct bough_actors *an, int *rc)
{
    while (!bough_list_is_empty(&an->members)) {
        struct bough_actor *a = bough_container_of(an->members.next, struct bough_actor, link);
        if (a->session.told)
            (void)bough_catch_echo(rc, a->session.broken);
        if (a->reported)
            (void)bough_catch_echo_by(rc, &a->session);
        discard(a);
    }
}

int bough_actors_close(struct bough_actors *an, int rc)
{
    an->state = BLOCK_ENDING;
    if (rc >= 0)
        bough_list_foreach (node, &an->members)
            keeper_ask(bough_container_of(node, struct bough_actor, link), NULL);
    rc = bough_nursery_close(&an->nursery, rc);
    an->state = BLOCK_CLOSED;
    take_off(an, &rc);
    return rc;
}

struct bough_actors_block *bough_actors_block_enter(struct bough_actors_block *b, int *rc,
                                                    const struct bough_site *site)
{
    b->rc = rc;
    b->ended = false;
    bough_actors_open_at(&b->actors, site);
    return b;
}

/* After a break the body has not ended: what is under way is cancelled, as in a nursery. */
static int leave(struct bough_actors_block *b, int rc)
{
    if (!b->ended && rc >= 0)
        bough_scope_cancel(bough_nursery_scope(&b->actors.nursery), "the block is left");
    return bough_actors_close(&b->actors, rc);
}

struct bough_actors_block *bough_actors_block_exit(struct bough_actors_block *b)
{
    *b->rc = leave(b, *b->rc);
    return NULL;
}

void bough_actors_block_abandon(struct bough_actors_block *b)
{
    if (b->actors.state != BLOCK_CLOSED)
        bough_block_defer(leave(b, bough_block_guess()));
}

/* --- start --- */

static int check(const struct bough_actors *an, const struct bough_actor_spec *spec)
{
    if (an->state != BLOCK_OPEN)
        return bough_fail_text(-EBADF, "the block of actors has ended");
    if (!spec->type)
        return bough_fail_text(-EINVAL, "an actor without a type");
    if (spec->place != BOUGH_PLACE_THREAD && spec->place != BOUGH_PLACE_PROCESS)
        return bough_fail(-EINVAL, "no such place for an actor: %d", (int)spec->place);
    if (strlen(spec->type) >= ACTOR_NAME || (spec->name && strlen(spec->name) >= ACTOR_NAME))
        return bough_fail(-EINVAL, "the names of actors have at most %d bytes", ACTOR_NAME - 1);
    int rc = type_check(spec->type, spec->program);
    return rc < 0 ? rc : dialogue_check_size(spec->argument.size);
}

static unsigned next_number(void)
{
    static unsigned number;
    return __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED);
}

static struct bough_actor *actor_new(struct bough_actors *an, const struct bough_actor_spec *spec)
{
    struct bough_actor *a = sys_calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->block = an;
    a->held = 1;
    a->spec = spec;
    a->where = spec->place;
    a->grace = spec->grace ? spec->grace : GRACE;
    a->may_fail = spec->may_fail;
    a->kill_on_cancel = spec->kill_on_cancel;
    a->outcome.fd = -1;
    a->pid = -1;
    bough_event_init(&a->gone);
    snprintf(a->type, sizeof(a->type), "%s", spec->type);
    if (spec->name)
        snprintf(a->name, sizeof(a->name), "%s", spec->name);
    else
        snprintf(a->name, sizeof(a->name), "%.48s-%u", spec->type, next_number());
    bough_list_push(&an->members, &a->link);
    return a;
}

int bough_actor_start_at(struct bough_actors *an, const struct bough_actor_spec *spec,
                         struct bough_actor **ret_actor, const struct bough_site *site)
{
    int rc = bough_pass();
    if (rc == 0)
        rc = check(an, spec);
    if (rc < 0)
        return rc;
    struct bough_actor *a = actor_new(an, spec);
    if (!a)
        return bough_fail_text(-ENOMEM, "no memory for an actor");
    a->site = site;
    if (getrandom(a->token, sizeof(a->token), 0) != sizeof(a->token))
        rc = bough_fail_text(-EAGAIN, "no randomness for an actor's token");
    if (rc == 0)
        rc = bough_nursery_start_at(&an->nursery, keeper_main, a, NULL, site);
    a->spec = NULL;
    if (rc < 0)
        discard(a);
    else
        *ret_actor = a;
    return rc;
}

/* --- stop, join --- */

static int not_ours(const struct bough_actor *a)
{
    return bough_fail(-EINVAL, "the actor %s was not started here", a->name);
}

/* Who waits may run after the block has ended, and so holds it. */

int bough_actor_join(struct bough_actor *a)
{
    if (!a->block)
        return not_ours(a);
    actor_hold(a);
    int rc = bough_event_wait(&a->gone);
    if (rc == 0)
        rc = keeper_outcome(a);
    actor_release(a);
    return rc;
}

/* Until it is gone, also if we are cancelled: then not so gently. */
static int see_it_stop(struct bough_actor *a)
{
    char why[WHY_TEXT];
    int rc = bough_event_wait(&a->gone), shielded = 0;
    if (rc == 0)
        return keeper_outcome(a);
    keeper_ask(a, why_scope(bough_scope_current(), "who waits for its end is cancelled", why));
    bough_shielded (BOUGH_NEVER, &shielded)
        shielded = bough_event_wait(&a->gone);
    (void)shielded;
    return rc;
}

int bough_actor_stop(struct bough_actor *a, const char *reason)
{
    if (!a->block)
        return not_ours(a);
    char why[WHY_TEXT];
    actor_hold(a);
    keeper_ask(a, reason ? why_words(reason, why) : NULL);
    int rc = see_it_stop(a);
    actor_release(a);
    return rc;
}

bool bough_actor_is_up(const struct bough_actor *a)
{
    return a->state == ACTOR_UP && !a->leaving && !a->lost && !a->session.broken &&
           !a->session.stopping;
}

const char *bough_actor_name(const struct bough_actor *a)
{
    return a->name;
}

pid_t bough_actor_pid(const struct bough_actor *a)
{
    return a->pid;
}

enum bough_place bough_actor_place(const struct bough_actor *a)
{
    return a->where;
}
