/* The ladder, and who learns what:
 *
 *     asked gently:  BYE, acknowledged within the grace; its calls end, however long that takes;
 *                    teardown, within the grace again
 *     asked now:     BYE with the reason: its calls are cancelled; all of it within the grace
 *     then:          the means of its place: SIGTERM, a second later SIGKILL
 *
 * The end of an actor is the end of its thread or process, which a task of its own waits for. An
 * actor whose link has ended, or that does not acknowledge, is on its way there and gets no more
 * time than its grace. Only when it is over its session breaks, so that those who had calls in
 * flight are told how it ended.
 * SPDX-License-Identifier: MIT */
#include "actor/keeper.h"

#include <errno.h>
#include <stdio.h>

#include "actor/failure.h"
#include "actor/fields.h"
#include "actor/names.h"
#include "actor/place.h"
#include "actor/serve.h"
#include "bough/error.h"
#include "bough/scope.h"
#include "bough/task.h"

/* --- what it says --- */

static void hello_came(struct bough_actor *a, struct frame *f)
{
    if (a->identified || !f->data || f->data->size != sizeof(a->token) ||
        memcmp(f->data->bytes, a->token, sizeof(a->token)) != 0) {
        session_refuse(&a->session, f, "it is not the one that was started");
        return;
    }
    if (a->where == BOUGH_PLACE_THREAD)
        a->pid = (pid_t)f->head.value;
    a->identified = true;
}

static void ended_came(struct bough_actor *a, struct frame *f)
{
    if (a->outcome.head.type) {
        session_refuse(&a->session, f, "it has ended already");
        return;
    }
    a->outcome = *f;
    f->data = NULL;
    f->fd = -1;
}

static void control(struct session *s, struct frame *f)
{
    struct bough_actor *a = s->owner;
    switch (f->head.type) {
    case FRAME_HELLO:
        hello_came(a, f);
        break;
    case FRAME_READY:
        a->ready = a->identified;
        break;
    case FRAME_BYE_ACK:
        a->acknowledged = true;
        break;
    case FRAME_LEAVING:
        a->leaving = true;
        break;
    case FRAME_ENDED:
        ended_came(a, f);
        break;
    default:
        if (!names_frame(a->names, s, f))
            session_refuse(s, f, "it is not for who has started it");
    }
    news_tell(&a->news);
}

/* Also if it is only that we cannot read any more: then the actor has to learn of it, or both ends
 * would wait, it for its last words to be read, we for its end. */
static void lost(struct session *s, int code)
{
    struct bough_actor *a = s->owner;
    (void)code;
    s->link->kind->hang_up(s->link);
    a->lost = true;
    news_tell(&a->news);
}

static void stuck(struct session *s)
{
    struct bough_actor *a = s->owner;
    a->stuck = true;
    news_tell(&a->news);
}

static int watch(void *arg)
{
    struct bough_actor *a = arg;
    bough_task_hide();
    bough_task_set_name("watcher of %s", a->name);
    int rc = a->place->kind->wait(a->place);
    if (rc < 0)
        return rc;
    a->over = true;
    news_tell(&a->news);
    return 0;
}

void keeper_ask(struct bough_actor *a, const char *reason)
{
    a->asked_gently = true;
    if (reason && !a->asked_hard) {
        a->asked_hard = true;
        snprintf(a->reason, sizeof(a->reason), "%s", reason);
    }
    news_tell(&a->news);
}

/* --- conditions that the keeper waits for --- */

static bool is_dying(const struct bough_actor *a)
{
    return a->over || a->lost || a->stuck || a->session.broken;
}

static bool is_identified(const void *arg)
{
    const struct bough_actor *a = arg;
    return a->identified || is_dying(a);
}

static bool is_ready(const void *arg)
{
    const struct bough_actor *a = arg;
    return a->ready || a->outcome.head.type || is_dying(a);
}

static bool is_to_end(const void *arg)
{
    const struct bough_actor *a = arg;
    return a->asked_gently || a->outcome.head.type || is_dying(a);
}

static bool has_acknowledged(const void *arg)
{
    const struct bough_actor *a = arg;
    return a->acknowledged || is_dying(a);
}

static bool is_leaving(const void *arg)
{
    const struct bough_actor *a = arg;
    return a->leaving || a->outcome.head.type || a->asked_hard || is_dying(a);
}

static bool is_over(const void *arg)
{
    return ((const struct bough_actor *)arg)->over;
}

/* Within 'limit', whoever is cancelled. Did it come? */
static bool await_shielded(struct bough_actor *a, bool (*test)(const void *), int64_t limit)
{
    int rc = 0;
    if (limit < 0)
        limit = 0;
    bough_shielded (limit, &rc)
        rc = news_await(&a->news, test, a, "the end of an actor");
    (void)rc;
    return test(a);
}

/* --- start --- */

static int say_spec(struct bough_actor *a)
{
    const char *self = bough_actor_self();
    struct bough_bytes fields[] = {field_of_text(a->type), field_of_text(a->name),
                                   field_of_text(self ? self : ""), a->spec->argument};
    struct bough_frame_data *data = fields_new(fields, 4);
    if (!data)
        return bough_fail_text(-ENOMEM, "no memory for an actor");
    struct frame_head head = {.type = FRAME_SPEC, .value = a->grace};
    int rc = session_send(&a->session, head, (struct bough_bytes){data->bytes, data->size},
                          BOUGH_NO_BYTES, -1);
    frame_data_free(data);
    return rc == -ENOMEM ? bough_fail_text(rc, "no memory for an actor")
                         : 0; /* lost: we are told */
}

/* If that is well and it is not ready it is about to end. */
static int be_up(struct bough_actor *a)
{
    int rc = news_await(&a->news, is_identified, a, "an actor's first word");
    if (rc == 0 && a->identified)
        rc = say_spec(a);
    return rc < 0 ? rc : news_await(&a->news, is_ready, a, "an actor's setup");
}

/* --- the end --- */

/* Also to one that has not been heard of yet: a thread can only be asked. Who calls one that is
 * dying is not told that it is stopping, but, a little later, that it has died. */
static void say_bye(struct bough_actor *a, bool hard)
{
    struct bough_bytes why = hard ? bough_text(a->reason) : BOUGH_NO_BYTES;
    a->state = ACTOR_STOPPING;
    a->session.stopping = a->asked_gently;
    session_say(&a->session, FRAME_BYE, 0, hard, why);
}

/* 0 when it leaves, or the ladder has to go on. -ECANCELED: not so gently. */
static int end_gently(struct bough_actor *a)
{
    say_bye(a, false);
    if (!await_shielded(a, has_acknowledged, a->grace))
        a->stuck = true;
    return news_await(&a->news, is_leaving, a, "an actor's calls to end");
}

static void end(struct bough_actor *a, int rc)
{
    char why[WHY_TEXT];
    bool gentle = rc == 0 && !a->asked_hard && !is_dying(a);
    if (gentle && end_gently(a) < 0)
        rc = -ECANCELED;
    if (rc < 0)
        keeper_ask(a, why_scope(bough_scope_current(), "its block is left", why));
    if (a->asked_hard || !gentle)
        say_bye(a, true);
    bool mute = !a->identified && !is_dying(a); /* a thread may still listen */
    bool unseen = !a->watched;                  /* nobody tells us when it is over */
    if (a->stuck || mute || unseen || !await_shielded(a, is_over, a->grace)) {
        a->died = a->over || a->asked_hard ? 0 : -EOWNERDEAD;
        if (a->died)
            snprintf(a->how, sizeof(a->how), "did not answer for %lld ms, and was killed",
                     (long long)(a->grace / BOUGH_MS));
    }
}

/* By force, if need be. */
static void see_it_end(struct bough_actor *a)
{
    a->place->kind->stop(a->place);
    if (a->watched) {
        (void)await_shielded(a, is_over, BOUGH_NEVER);
        return;
    }
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = a->place->kind->wait(a->place);
    (void)rc;
}

static bool has_been_heard(const void *arg)
{
    const struct bough_actor *a = arg;
    return a->lost || a->session.broken;
}

/* It is over, but its last words may not have been read yet: answers, and how it ended. (If it has
 * left its end of the link to somebody else there is no end to wait for.) */
static void hear_it_out(struct bough_actor *a)
{
    if (a->watched)
        (void)await_shielded(a, has_been_heard, BOUGH_SEC);
}

/* Find out how it ended. */
static void autopsy(struct bough_actor *a)
{
    char how[sizeof(a->how)] = "ended without a word";
    if (a->outcome.head.type || a->died)
        return;
    int rc = a->place->kind->died(a->place, how, sizeof(how));
    if (rc == 0 && a->asked_hard) /* cut short, by us */
        return;
    a->died = rc < 0 ? rc : -EOWNERDEAD;
    snprintf(a->how, sizeof(a->how), "%s", how);
}

/* Another program that has ended before its first word is no actor. */
static bool is_stranger(const struct bough_actor *a)
{
    return a->died == -EOWNERDEAD && !a->identified && a->spec->program;
}

int keeper_outcome(const struct bough_actor *a)
{
    if (a->outcome.head.type && a->outcome.head.value < 0)
        return failure_unpack(a->outcome.data, a->outcome.head.value, NULL);
    if (a->session.broken == -EPROTO || a->session.broken == -ENOMEM) /* it ended because of that */
        return bough_fail_at(a->session.broken, a->site, "%s", a->session.why);
    if (a->died)
        return bough_fail_at(a->died, a->site, "the actor %s has died: %s", a->name, a->how);
    return 0;
}

/* What it died of is the block's failure, too; what calls say of it is an echo of that. */
static void break_session(struct bough_actor *a, bool was_up)
{
    a->session.told = a->died && !a->may_fail && was_up;
    if (a->died)
        session_break(&a->session, -EOWNERDEAD, "the actor %s has died: %s", a->name, a->how);
    else
        session_break(&a->session, -EOWNERDEAD, "the actor %s has ended", a->name);
    session_fail_open(&a->session);
}

/* --- the task --- */

/* In the nursery of its reader, pump and watcher. */
static int keep(struct bough_actor *a, struct bough_nursery *n)
{
    int rc = session_start(&a->session, n);
    if (rc < 0)
        session_break(&a->session, rc, "no memory for a session with %s", a->name);
    else
        rc = bough_nursery_start_service(n, watch, a);
    a->watched = rc == 0;
    if (rc == 0)
        rc = be_up(a);
    bool up = rc == 0 && a->ready;
    if (up) {
        a->state = ACTOR_UP;
        rc = names_add_actor(a->names, a);
        if (rc == 0)
            rc = bough_started(a) ? 0 : -ECANCELED;
        if (rc == 0)
            rc = news_await(&a->news, is_to_end, a, "an actor");
    }
    if (up)
        names_remove_actor(a->names, a);
    end(a, rc);
    int outcome = 0;
    see_it_end(a);
    hear_it_out(a);
    autopsy(a);
    break_session(a, up);
    names_forget_actor(a->names, a);
    if (!up && is_stranger(a))
        outcome = bough_fail(-EPROTO, "%s is no program with actors: %s", a->spec->program, a->how);
    else if (!up || !a->may_fail)
        outcome = keeper_outcome(a);
    if (!up && rc == 0 && outcome == 0)
        outcome = bough_fail(-EOWNERDEAD, "the actor %s ended before it was up", a->name);
    a->reported = up && outcome < 0;
    return outcome < 0 ? bough_keep(rc, outcome) : rc;
}

int keeper_main(void *arg)
{
    struct bough_actor *a = arg;
    struct bough_nursery n;
    struct link *link;
    bough_task_set_name("%s", a->name);
    a->keeper = bough_task_current();
    a->names = names_hold();
    int rc = !a->names                        ? bough_fail_text(-ENOMEM, "no memory for an actor")
             : a->where == BOUGH_PLACE_THREAD ? place_thread(a, &a->place, &link)
                                              : place_process(a, &a->place, &link);
    if (rc == 0) {
        session_init(&a->session, link, false);
        snprintf(a->session.peer, sizeof(a->session.peer), "%s", a->name);
        a->session.owner = a;
        a->session.called = serve_call;
        a->session.control = control;
        a->session.lost = lost;
        a->session.hold = actor_hold_session;
        a->session.stuck = stuck;
        a->session.grace = a->grace;
        a->session.impatient = a->kill_on_cancel;
        a->session.fails_later = true;
        a->session.service = names_service(a->names);
        bough_nursery_open(&n);
        rc = keep(a, &n);
        rc = bough_nursery_close(&n, rc);
        a->place->kind->free(a->place);
        session_release(&a->session);
    }
    if (a->names)
        names_release(a->names);
    a->state = ACTOR_GONE;
    a->keeper = NULL;
    bough_event_set(&a->gone);
    return rc;
}
