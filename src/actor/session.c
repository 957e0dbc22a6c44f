/* SPDX-License-Identifier: MIT */
#include "actor/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "bough/error.h"
#include "bough/task.h"
#include "bough/time.h"

#define GRACE (5 * BOUGH_SEC)

static struct context *context_of(struct table_node *node)
{
    return bough_container_of(node, struct context, node);
}

static void unanswered(struct bough_timer *timer)
{
    struct session *s = bough_container_of(timer, struct session, unanswered);
    if (s->stuck)
        s->stuck(s);
}

void session_init(struct session *s, struct link *link, bool far)
{
    *s = (struct session){
        .link = link,
        .next_context = far ? 3 : 2,
        .grace = GRACE,
        .unanswered.fire = unanswered,
    };
    table_init(&s->contexts);
}

void session_release(struct session *s)
{
    bough_timer_disarm(&s->unanswered);
    table_release(&s->contexts);
    s->link->kind->free(s->link);
}

/* --- breaking --- */

void session_fail_open(struct session *s)
{
    struct table_node *node;
    while ((node = table_any(&s->contexts)))
        context_of(node)->lost(context_of(node));
}

void session_break(struct session *s, int code, const char *fmt, ...)
{
    va_list values;
    if (s->broken)
        return;
    s->broken = code;
    va_start(values, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, values);
    va_end(values);
    bough_timer_disarm(&s->unanswered);
    s->link->kind->hang_up(s->link);
    if (!s->fails_later)
        session_fail_open(s);
}

int session_failed(const struct session *s)
{
    int rc = bough_fail(s->broken, "%s", s->why);
    return s->told ? bough_error_echo(rc) : rc;
}

void session_refuse(struct session *s, const struct frame *f, const char *what)
{
    session_break(s, -EPROTO, "%s sent a frame that cannot be (kind %u): %s", s->peer, f->head.type,
                  what);
}

/* --- sending --- */

int session_send(struct session *s, struct frame_head head, struct bough_bytes first,
                 struct bough_bytes second, int fd)
{
    struct bough_bytes parts[2] = {first, second};
    if (s->broken)
        return -EPIPE;
    head.size = (uint32_t)(first.size + second.size);
    head.version = FRAME_VERSION;
    if (fd >= 0)
        head.flags |= FRAME_HAS_FD;
    return link_send(s->link, &head, parts, fd);
}

void session_say_flags(struct session *s, enum frame_type type, unsigned flags, uint64_t context,
                       int64_t value, struct bough_bytes payload)
{
    struct frame_head head = {
        .type = (uint8_t)type, .flags = (uint16_t)flags, .context = context, .value = value};
    if (session_send(s, head, payload, BOUGH_NO_BYTES, -1) == -ENOMEM)
        session_break(s, -ENOMEM, "no memory for a message to %s", s->peer);
}

void session_say(struct session *s, enum frame_type type, uint64_t context, int64_t value,
                 struct bough_bytes payload)
{
    session_say_flags(s, type, 0, context, value, payload);
}

static void await_ack(struct session *s)
{
    bough_timer_arm(&s->unanswered, bough_after(bough_now(), s->grace));
}

void session_expect_ack(struct session *s)
{
    if (s->unacknowledged++ == 0)
        await_ack(s);
}

/* Who acknowledges one of several is not stuck: it gets its time for the next one. */
static void acknowledged(struct session *s)
{
    if (s->unacknowledged == 0)
        return;
    bough_timer_disarm(&s->unanswered);
    if (--s->unacknowledged > 0)
        await_ack(s);
}

/* --- receiving --- */

/* Cancels are acknowledged here, whatever has become of what is cancelled. */
static void to_context(struct session *s, struct frame *f)
{
    struct table_node *node = table_find(&s->contexts, f->head.context);
    if (f->head.type == FRAME_CANCEL)
        session_say(s, FRAME_CANCEL_ACK, f->head.context, 0, BOUGH_NO_BYTES);
    if (f->head.type == FRAME_CANCEL_ACK)
        acknowledged(s);
    else if (node) /* else it has ended, and the other end does not know yet */
        context_of(node)->frame(context_of(node), f);
}

/* There was no memory for its payload. These say enough without. */
static bool is_lost(const struct frame *f)
{
    return f->lost && f->head.type != FRAME_BYE && f->head.type != FRAME_ENDED;
}

static void to_control(struct session *s, struct frame *f)
{
    if (!s->control)
        session_refuse(s, f, "it is not for this connection");
    else if (is_lost(f))
        session_break(s, -ENOMEM, "no memory for a message from %s", s->peer);
    else
        s->control(s, f);
}

static void dispatch(struct session *s, struct frame *f)
{
    if (s->broken) /* while it was on its way */
        ;
    else if (f->head.type == FRAME_CALL)
        s->called(s, f);
    else if (f->head.type > FRAME_CALL && f->head.type <= FRAME_CANCELLED)
        to_context(s, f);
    else
        to_control(s, f);
    frame_release(f);
}

static int read_all(void *arg)
{
    struct session *s = arg;
    struct frame f;
    int rc = 0;
    bough_task_hide();
    bough_task_set_name("reader of %s", s->peer);
    while (!s->broken && (rc = s->link->kind->receive(s->link, &f)) > 0)
        dispatch(s, &f);
    if (s->broken)
        rc = 0;
    if (rc == -ECANCELED)
        return rc;
    int code = rc;
    if (code == -EPROTO && !s->broken)
        session_break(s, code, "%s: %s", s->peer, bough_error_message(bough_error_last()));
    if (s->lost)
        s->lost(s, code);
    else
        session_break(s, -EOWNERDEAD, "the connection to %s has ended", s->peer);
    return 0;
}

static int pump(void *arg)
{
    struct session *s = arg;
    bough_task_hide();
    bough_task_set_name("pump to %s", s->peer);
    int rc = s->link->kind->pump(s->link);
    if (rc == -ECANCELED)
        return rc;
    session_break(s, rc, "nothing more can be sent to %s: %s", s->peer, bough_error_name(rc));
    return 0;
}

int session_start(struct session *s, struct bough_nursery *n)
{
    if (s->link->kind->open)
        s->link->kind->open(s->link);
    int rc = bough_nursery_start_service(n, read_all, s);
    return rc < 0 ? rc : bough_nursery_start_service(n, pump, s);
}
