/* Asking: the end of a call or dialogue that has opened it.
 *
 * It waits in one place, for "started" or the outcome. A cancel there is handed on and the wait
 * goes on: the outcome is certain to come, from the other end or because the session breaks. So no
 * task over there outlives who has asked for it.
 * SPDX-License-Identifier: MIT */
#include "actor/dialogue.h"
#include "actor/failure.h"
#include "actor/handle.h"
#include "actor/why.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"

enum { OPERATION_NAME = 1024 };

struct asking {
    struct bough_dialogue d;
    struct bough_wait *waiter;
    struct bough_scope *body; /* of the dialogue: cancelled by a failure over there */
    bool is_dialogue;         /* and no plain call */
    bool cancelled;           /* FRAME_CANCEL has been sent */
    bool settled;             /* 'outcome' is there; type 0: the session broke */
    struct bough_timer late;  /* armed when the cancel is sent, if the session is impatient */
    struct frame started, outcome;
};

static struct asking *asking_of(struct bough_dialogue *d)
{
    return bough_container_of(d, struct asking, d);
}

/* --- what comes --- */

static void wake_waiter(struct asking *a)
{
    if (a->waiter)
        bough_wake(a->waiter, 0);
    a->waiter = NULL;
}

/* As it was asked to be. */
static bool is_cancelled(const struct asking *a)
{
    return a->outcome.head.type == FRAME_CANCELLED && a->outcome.head.flags & FRAME_AS_ASKED;
}

static bool is_failure(const struct asking *a)
{
    return a->outcome.head.type != FRAME_REPLY && !is_cancelled(a);
}

/* What is done with it here is to end, too. */
static void cancel_body(struct asking *a)
{
    bool is_told = a->outcome.head.type == FRAME_ERROR;
    int code = is_told ? (int)a->outcome.head.value : a->d.session->broken;
    bough_scope_cancel_elsewhere(a->body, "the dialogue with %s has failed%s%s", a->d.session->peer,
                                 code ? ": " : "", code ? bough_error_name(code) : "");
}

static void settle(struct asking *a)
{
    a->settled = true;
    a->d.failed = is_failure(a);
    bough_timer_disarm(&a->late);
    dialogue_close(&a->d);
    if (a->body && a->d.failed)
        cancel_body(a);
    wake_waiter(a);
}

static void take(struct frame *to, struct frame *f)
{
    *to = *f;
    f->data = NULL;
    f->fd = -1;
}

static void answer_came(struct bough_dialogue *d, struct frame *f)
{
    struct asking *a = asking_of(d);
    switch (f->head.type) {
    case FRAME_STARTED:
        if (!a->is_dialogue || f->head.value <= 0 || f->head.value > INT32_MAX) {
            session_refuse(d->session, f, "no dialogue starts like this");
            return;
        }
        if (d->stream) {
            session_refuse(d->session, f, "it has started already");
            return;
        }
        take(&a->started, f);
        d->stream = true;
        d->may_send = f->head.value;
        if (!a->cancelled)
            wake_waiter(a);
        break;
    case FRAME_REPLY:
    case FRAME_ERROR:
    case FRAME_CANCELLED:
        take(&a->outcome, f);
        settle(a);
        break;
    default:
        session_refuse(d->session, f, "it is not for who has asked");
    }
}

static void answer_is_lost(struct bough_dialogue *d)
{
    struct asking *a = asking_of(d);
    a->outcome.head.type = 0;
    settle(a);
}

static const struct dialogue_end asking_end = {answer_came, answer_is_lost};

/* --- asking, waiting, cancelling --- */

static void cancelled_too_long(struct bough_timer *timer)
{
    struct session *s = bough_container_of(timer, struct asking, late)->d.session;
    if (s->stuck)
        s->stuck(s);
}

static void cancel(struct asking *a, const char *reason)
{
    struct session *s = a->d.session;
    if (a->cancelled || a->settled)
        return;
    a->cancelled = true;
    session_expect_ack(s);
    if (s->impatient)
        bough_timer_arm(&a->late, bough_after(bough_now(), s->grace));
    session_say(a->d.session, FRAME_CANCEL, dialogue_number(&a->d), 0, bough_text(reason));
}

struct waiting {
    struct bough_wait wait;
    struct asking *asking;
    const struct bough_scope *scope; /* of who waits: it is cancelled by others */
};

/* The scope is cancelled: tell them, and wait on. */
static bool hand_on(struct bough_wait *wait)
{
    struct waiting *w = bough_container_of(wait, struct waiting, wait);
    char why[WHY_TEXT];
    cancel(w->asking, why_scope(w->scope, "the caller is cancelled", why));
    return false;
}

/* Until there is news. 'deaf': a cancel does not matter any more. */
static void wait_for_news(struct asking *a, bool deaf)
{
    struct waiting w = {.wait = {.abort = deaf ? NULL : hand_on, .what = "an actor's answer"},
                        .asking = a,
                        .scope = bough_scope_current()};
    a->waiter = &w.wait;
    (void)bough_wait(&w.wait);
    a->waiter = NULL;
}

/* It takes no more, or its link cannot be written to any more, which is known before it is lost. */
static int stopping(struct bough_actor *actor)
{
    actor->session.stopping = true;
    return bough_fail(-EPIPE, "the actor %s is stopping", actor->name);
}

/* A link that has ended takes nothing any more; then the session is about to break, and what is
 * open on it is told why. */
static int open_context(struct asking *a, struct bough_actor *actor, const char *operation,
                        struct bough_bytes request, unsigned flags)
{
    struct session *s = &actor->session;
    size_t length = strlen(operation) + 1;
    int rc = bough_pass();
    if (rc == 0)
        rc = dialogue_check_size(request.size);
    if (rc == 0 && length > OPERATION_NAME)
        rc = bough_fail_text(-ENOSYS, "no operation has a name that is so long");
    if (rc == 0 && !s->broken && !s->stopping)
        rc = s->link->kind->wait_room(s->link);
    if (rc < 0 && rc != -EPIPE)
        return rc;
    if (s->broken)
        return session_failed(s);
    if (s->stopping)
        return stopping(actor);
    struct frame_head head = {.type = FRAME_CALL,
                              .flags = (uint16_t)flags,
                              .context = s->next_context,
                              .value = flags ? WINDOW : 0};
    struct bough_bytes name = {operation, length};
    if (session_send(s, head, name, request, -1) == -ENOMEM)
        return bough_fail_text(-ENOMEM, "no memory for a call");
    *a = (struct asking){.is_dialogue = flags & FRAME_IS_DIALOGUE,
                         .started.fd = -1,
                         .outcome.fd = -1,
                         .late.fire = cancelled_too_long};
    dialogue_init(&a->d, s, &asking_end, s->next_context);
    s->next_context += 2;
    return 0;
}

/* Who waits for room may run after the actor's block has ended, and so holds it. */
static int ask(struct asking *a, struct bough_actor *actor, const char *operation,
               struct bough_bytes request, unsigned flags)
{
    struct session *s = &actor->session;
    if (s->hold)
        s->hold(s, true);
    int rc = open_context(a, actor, operation, request, flags);
    if (s->hold)
        s->hold(s, false);
    return rc;
}

/* --- the outcome --- */

static int cancelled_by_others(struct asking *a)
{
    return bough_fail(-ECANCELED, "%s has cancelled it: %s", a->d.session->peer,
                      frame_text(&a->outcome));
}

/* The cancel that was handed on, and did what it should: of our scope, with its reason. */
static int cancelled_by_us(void)
{
    int rc = bough_checkpoint_if_cancelled();
    return rc < 0 ? rc : bough_fail(-ECANCELED, "the caller was cancelled, and is no more");
}

/* What the outcome is as a result, with the value taken out. A cancel as asked for is 0, too. */
static int outcome_of(struct asking *a, struct bough_message *ret_value)
{
    switch (a->outcome.head.type) {
    case FRAME_REPLY:
        if (a->outcome.lost)
            return bough_fail_text(-ENOMEM, "no memory for an actor's reply");
        if (ret_value) {
            *ret_value = message_of(a->outcome.data);
            a->outcome.data = NULL;
        }
        return 0;
    case FRAME_ERROR:
        return failure_unpack(a->outcome.data, a->outcome.head.value, a->d.session);
    case FRAME_CANCELLED:
        return is_cancelled(a) ? 0 : cancelled_by_others(a);
    default:
        return session_failed(a->d.session);
    }
}

static void asking_release(struct asking *a)
{
    dialogue_release(&a->d);
    frame_release(&a->started);
    frame_release(&a->outcome);
}

int bough_call(struct bough_actor *actor, const char *operation, struct bough_bytes request,
               struct bough_message *ret_reply)
{
    struct asking a;
    int rc = ask(&a, actor, operation, request, 0);
    if (rc < 0)
        return rc;
    while (!a.settled)
        wait_for_news(&a, a.cancelled);
    struct bough_message reply = {0};
    rc = is_cancelled(&a) ? cancelled_by_us() : outcome_of(&a, &reply);
    if (rc == 0 && ret_reply)
        *ret_reply = reply;
    else
        bough_message_free(&reply);
    asking_release(&a);
    return rc;
}

/* --- dialogues --- */

/* Entered, or not: then why. */
static int enter(struct bough_dialogue_block *b, struct asking *a)
{
    while (!a->settled && !(a->d.stream && !a->cancelled))
        wait_for_news(a, a->cancelled);
    if (a->d.stream && !a->cancelled && !a->started.lost) {
        b->scope = BOUGH_SCOPE();
        return 0;
    }
    if (!a->settled) { /* started without the memory for it */
        cancel(a, "no memory");
        while (!a->settled)
            wait_for_news(a, true);
        return bough_fail_text(-ENOMEM, "no memory for the value of a dialogue");
    }
    int rc = outcome_of(a, NULL);
    if (rc == 0 && a->cancelled)
        return cancelled_by_us();
    return rc < 0 ? rc
                  : bough_fail(-EPROTO, "the operation has ended without bough_call_started()");
}

/* A failure that came before the body: cancel it as it begins. */
static void open_body(struct bough_dialogue_block *b, struct asking *a,
                      const struct bough_site *site)
{
    bough_scope_enter_at(&b->scope, site);
    a->body = &b->scope;
    if (a->d.failed)
        cancel_body(a);
}

struct bough_dialogue_block *bough_dialogue_block_enter(struct bough_dialogue_block *b,
                                                        struct bough_actor *actor,
                                                        const char *operation,
                                                        struct bough_bytes request, int *rc,
                                                        const struct bough_site *site)
{
    b->rc = rc;
    b->dialogue = NULL;
    b->ended = false;
    struct asking *a = sys_malloc(sizeof(*a));
    int entered = a ? ask(a, actor, operation, request, FRAME_IS_DIALOGUE)
                    : bough_fail_text(-ENOMEM, "no memory for a dialogue");
    if (entered == 0) {
        entered = enter(b, a);
        if (entered < 0)
            asking_release(a);
    }
    if (entered < 0) {
        free(a);
        *rc = entered;
        return NULL;
    }
    open_body(b, a, site);
    b->dialogue = &a->d;
    return b;
}

/* The end: the operation is cancelled if it still runs, and waited for. */
static int leave(struct bough_dialogue_block *b, int rc)
{
    struct asking *a = asking_of(b->dialogue);
    a->body = NULL;
    rc = bough_scope_exit(&b->scope, rc);
    char why[WHY_TEXT];
    cancel(a, why_words("the block of the dialogue has ended", why));
    while (!a->settled)
        wait_for_news(a, true);
    if (a->d.failed) { /* of which the body may have learned */
        (void)bough_catch_echo(&rc, a->d.session->broken ? a->d.session->broken : -EPIPE);
        rc = bough_keep(rc, outcome_of(a, NULL));
    }
    b->dialogue = NULL;
    asking_release(a);
    free(a);
    return rc;
}

struct bough_dialogue_block *bough_dialogue_block_exit(struct bough_dialogue_block *b)
{
    *b->rc = leave(b, *b->rc);
    return NULL;
}

void bough_dialogue_block_abandon(struct bough_dialogue_block *b)
{
    if (b->dialogue)
        bough_block_defer(leave(b, bough_block_guess()));
}

struct bough_bytes bough_dialogue_value(const struct bough_dialogue *d)
{
    const struct asking *a = bough_container_of(d, struct asking, d);
    if (d->end != &asking_end || !a->started.data)
        return BOUGH_NO_BYTES;
    return (struct bough_bytes){a->started.data->bytes, a->started.data->size};
}

static int no_asker(void)
{
    return bough_fail_text(-EINVAL, "this end of the dialogue has not opened it");
}

int bough_dialogue_result(struct bough_dialogue *d, struct bough_message *ret_reply)
{
    struct asking *a = asking_of(d);
    struct bough_message m;
    if (d->end != &asking_end)
        return no_asker();
    int rc = bough_dialogue_finish(d);
    while (rc >= 0 && (rc = bough_dialogue_receive(d, &m)) == 1)
        bough_message_free(&m);
    while (rc >= 0 && !a->settled) {
        struct bough_wait wait = {.abort = bough_wait_leave, .what = "the result of a dialogue"};
        if (a->waiter)
            return bough_fail_text(-EBUSY, "another task waits for the result already");
        a->waiter = &wait;
        rc = bough_wait(&wait);
        if (a->waiter == &wait)
            a->waiter = NULL;
    }
    if (rc < 0)
        return rc;
    if (a->d.failed) /* which has cancelled the body, and comes out of the block */
        return bough_error_echo(bough_fail_text(-EPIPE, "the operation has failed"));
    if (ret_reply)
        *ret_reply = (struct bough_message){0};
    return outcome_of(a, ret_reply);
}

void bough_dialogue_cancel(struct bough_dialogue *d, const char *reason)
{
    char why[WHY_TEXT];
    if (d->end == &asking_end)
        cancel(asking_of(d), why_words(reason, why));
}
