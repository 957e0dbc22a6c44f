/* The stream of a dialogue: a window each way, in bytes.
 *
 * Who sends needs something left of the window, and may overdraw it by one message; who receives
 * reports what has been taken out, when that is half a window. So a stream has at most a window and
 * a message of memory at each end, and a message of any size gets through. What comes without a
 * window breaks the session.
 * SPDX-License-Identifier: MIT */
#include "actor/dialogue.h"

#include "bough/error.h"
#include "bough/wait.h"

static void wake(struct bough_wait **wait)
{
    if (*wait)
        bough_wake(*wait, 0);
    *wait = NULL;
}

/* Who is woken is off '*place' at once: by the time it runs somebody else may wait there. */
static int park(struct bough_wait **place, const char *what)
{
    struct bough_wait wait = {.abort = bough_wait_leave, .what = what};
    *place = &wait;
    int rc = bough_wait(&wait);
    if (*place == &wait)
        *place = NULL;
    return rc;
}

void dialogue_close(struct bough_dialogue *d)
{
    if (!d->open)
        return;
    table_remove(&d->session->contexts, &d->context.node);
    d->open = false;
    d->ended = true;
    wake(&d->sender);
    wake(&d->receiver);
}

void dialogue_release(struct bough_dialogue *d)
{
    dialogue_close(d);
    while (!bough_list_is_empty(&d->inbox)) {
        struct bough_list *link = bough_list_pop(&d->inbox);
        frame_data_free(bough_container_of(link, struct bough_frame_data, link));
    }
    if (d->session->hold)
        d->session->hold(d->session, false);
}

int dialogue_check_size(size_t size)
{
    return size > MESSAGE_LIMIT
               ? bough_fail(-EMSGSIZE, "a message of %zu bytes: at most %d are allowed", size,
                            MESSAGE_LIMIT)
               : 0;
}

/* --- what comes --- */

/* An empty message has no payload, but a place in the inbox. */
static void data_came(struct bough_dialogue *d, struct frame *f)
{
    if (!d->stream || d->ended || d->may_come <= 0) {
        session_refuse(d->session, f, "nobody has asked for it");
        return;
    }
    if (!f->data && !f->lost && !(f->data = frame_data_new(0)))
        f->lost = true;
    if (f->lost) {
        session_break(d->session, -ENOMEM, "no memory for a message from %s", d->session->peer);
        return;
    }
    d->may_come -= (int64_t)f->head.size + MESSAGE_COST;
    bough_list_push(&d->inbox, &f->data->link);
    f->data = NULL;
    wake(&d->receiver);
}

static void credit_came(struct bough_dialogue *d, struct frame *f)
{
    if (f->head.value <= 0 || f->head.value > INT32_MAX || d->may_send > INT32_MAX) {
        session_refuse(d->session, f, "such a credit");
        return;
    }
    d->may_send += f->head.value;
    if (d->may_send > 0)
        wake(&d->sender);
}

static void frame_came(struct context *context, struct frame *f)
{
    struct bough_dialogue *d = bough_container_of(context, struct bough_dialogue, context);
    switch (f->head.type) {
    case FRAME_DATA:
        data_came(d, f);
        break;
    case FRAME_CREDIT:
        credit_came(d, f);
        break;
    case FRAME_FINISH:
        d->ended = true;
        wake(&d->receiver);
        break;
    default:
        d->end->frame(d, f);
    }
}

static void lost(struct context *context)
{
    struct bough_dialogue *d = bough_container_of(context, struct bough_dialogue, context);
    dialogue_close(d);
    d->end->lost(d);
}

void dialogue_init(struct bough_dialogue *d, struct session *s, const struct dialogue_end *end,
                   uint64_t context)
{
    *d = (struct bough_dialogue){
        .context = {.frame = frame_came, .lost = lost},
        .session = s,
        .end = end,
        .open = true,
        .may_come = WINDOW,
    };
    bough_list_init(&d->inbox);
    table_add(&s->contexts, &d->context.node, context);
    if (s->hold)
        s->hold(s, true);
}

/* --- sending --- */

/* Why no more can come or go. If that is what comes out of the block, too, it is told there. */
static int no_other_end(const struct bough_dialogue *d)
{
    int rc = d->session->broken
                 ? session_failed(d->session)
                 : bough_fail_text(-EPIPE, "the other end of the dialogue has ended");
    return d->failed ? bough_error_echo(rc) : rc;
}

static int wait_for_window(struct bough_dialogue *d)
{
    if (d->sender)
        return bough_fail_text(-EBUSY, "another task sends in this dialogue already");
    return park(&d->sender, "the window of a dialogue");
}

int bough_dialogue_send(struct bough_dialogue *d, struct bough_bytes bytes)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc == 0)
        rc = dialogue_check_size(bytes.size);
    if (rc < 0)
        return rc;
    if (!d->stream)
        return bough_fail_text(-EPROTO, "there is no stream: this is a call, not a dialogue");
    if (d->finished)
        return bough_fail_text(-EBADF, "this end of the dialogue has been finished");
    while (rc == 0 && d->open && d->may_send <= 0)
        rc = wait_for_window(d);
    if (rc == 0 && d->open)
        rc = d->session->link->kind->wait_room(d->session->link);
    if (rc < 0 && rc != -EPIPE)
        return rc;
    if (!d->open || rc < 0)
        return no_other_end(d);
    struct frame_head head = {.type = FRAME_DATA, .context = dialogue_number(d)};
    rc = session_send(d->session, head, bytes, BOUGH_NO_BYTES, -1);
    if (rc < 0)
        return rc == -EPIPE ? no_other_end(d) : bough_fail_text(rc, "no memory for a message");
    d->may_send -= (int64_t)bytes.size + MESSAGE_COST;
    bough_passed();
    return 0;
}

int bough_dialogue_finish(struct bough_dialogue *d)
{
    if (d->finished || !d->open)
        return d->session->broken ? no_other_end(d) : 0;
    d->finished = true;
    if (d->stream)
        session_say(d->session, FRAME_FINISH, dialogue_number(d), 0, BOUGH_NO_BYTES);
    return 0;
}

/* --- receiving --- */

static void report(struct bough_dialogue *d, size_t size)
{
    d->received += size + MESSAGE_COST;
    if (!d->open || d->ended || d->received < WINDOW / 2)
        return;
    d->may_come += (int64_t)d->received;
    session_say(d->session, FRAME_CREDIT, dialogue_number(d), (int64_t)d->received, BOUGH_NO_BYTES);
    d->received = 0;
}

int bough_dialogue_receive(struct bough_dialogue *d, struct bough_message *ret_message)
{
    /* What came before the other end's last word is for us, whatever that was. */
    int rc = d->open || bough_list_is_empty(&d->inbox) ? bough_checkpoint_if_cancelled() : 0;
    if (rc < 0)
        return rc;
    if (!d->stream && d->open)
        return bough_fail_text(-EPROTO, "there is no stream: this is a call, not a dialogue");
    while (bough_list_is_empty(&d->inbox)) {
        if (d->session->broken)
            return no_other_end(d);
        if (d->ended)
            return bough_pass();
        if (d->receiver)
            return bough_fail_text(-EBUSY, "another task receives in this dialogue already");
        rc = park(&d->receiver, "a message in a dialogue");
        if (rc < 0)
            return rc;
    }
    struct bough_list *link = bough_list_pop(&d->inbox);
    struct bough_frame_data *data = bough_container_of(link, struct bough_frame_data, link);
    report(d, data->size);
    *ret_message = message_of(data);
    bough_passed();
    return 1;
}
