/* SPDX-License-Identifier: MIT */
#include "actor/serve.h"

#include "actor/dialogue.h"
#include "actor/failure.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/task.h"

struct bough_call {
    struct bough_dialogue d;
    struct service *service;
    const struct bough_operation *operation;
    struct bough_frame_data *payload; /* the operation's name, then the request */
    struct bough_bytes request;
    struct bough_frame_data *reply;
    struct bough_scope scope; /* around the operation */
    int64_t window;           /* that we have in the stream; 0: it is a plain call */
    bool started, replied;
};

static struct bough_call *call_of(struct bough_dialogue *d)
{
    return bough_container_of(d, struct bough_call, d);
}

/* --- what comes for it --- */

static void request_came(struct bough_dialogue *d, struct frame *f)
{
    struct bough_call *c = call_of(d);
    if (f->head.type != FRAME_CANCEL) {
        session_refuse(d->session, f, "it is not for who is asked");
        return;
    }
    bough_scope_cancel_elsewhere(&c->scope, "%s", frame_text(f));
}

static void caller_is_lost(struct bough_dialogue *d)
{
    bough_scope_cancel_elsewhere(&call_of(d)->scope, "who has asked for it is gone: %s",
                                 d->session->why);
}

static const struct dialogue_end serving_end = {request_came, caller_is_lost};

/* --- the outcome --- */

static void say_failed(struct session *s, uint64_t context, const char *actor, int rc)
{
    struct bough_frame_data *data = failure_pack(rc, actor);
    struct bough_bytes bytes = {data ? data->bytes : NULL, data ? data->size : 0};
    session_say(s, FRAME_ERROR, context, rc, bytes);
    frame_data_free(data);
}

/* A failure is told, whatever was cancelled: also that of a cleanup. */
static void say_outcome(struct bough_call *c, int rc)
{
    struct session *s = c->d.session;
    uint64_t context = dialogue_number(&c->d);
    bool as_asked = bough_scope_cancelled_caught(&c->scope);
    bool by_others = bough_effective_deadline() == INT64_MIN; /* who stop the actor */
    if (rc < 0 && rc != -ECANCELED) {
        if (by_others) /* beside it their cancel is not told */
            (void)bough_catch(&rc, -ECANCELED);
        say_failed(s, context, c->service->name, rc);
    } else if (by_others && (as_asked || rc == -ECANCELED)) {
        const char *reason = bough_scope_reason(bough_scope_current());
        session_say(s, FRAME_CANCELLED, context, 0,
                    bough_text(reason ? reason : "the actor is stopped"));
    } else if (as_asked) {
        session_say_flags(s, FRAME_CANCELLED, FRAME_AS_ASKED, context, 0, BOUGH_NO_BYTES);
    } else if (rc < 0) {
        say_failed(s, context, c->service->name, rc);
    } else {
        struct bough_bytes reply = {c->reply ? c->reply->bytes : NULL,
                                    c->reply ? c->reply->size : 0};
        session_say(s, FRAME_REPLY, context, 0, reply);
    }
}

static void call_free(struct bough_call *c)
{
    dialogue_release(&c->d);
    frame_data_free(c->payload);
    frame_data_free(c->reply);
    free(c);
}

static bool is_inner(const char *operation)
{
    return *operation == ':';
}

/* The task. Its failures are its caller's, so it ends well. */
static int serve(void *arg)
{
    struct bough_call *c = arg;
    if (is_inner(c->operation->name))
        bough_task_hide();
    bough_task_set_name("%s", c->operation->name);
    bough_scope_enter(&c->scope);
    int rc = c->operation->fn(c, c->service->state);
    rc = bough_scope_exit(&c->scope, rc);
    if (c->d.open)
        say_outcome(c, rc);
    call_free(c);
    return 0;
}

/* --- a call comes --- */

/* Its name is all that there is to say of an operation's task. */
static const struct bough_site no_place = {"an operation", __FILE__, 0};

static const struct bough_operation *find(const struct service *service, const char *name)
{
    const struct bough_operation *o = !service         ? NULL
                                      : is_inner(name) ? service->inner
                                                       : service->operations;
    for (; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static struct bough_call *call_new(struct session *s, struct frame *f,
                                   const struct bough_operation *operation)
{
    struct bough_call *c = sys_malloc(sizeof(*c));
    if (!c)
        return NULL;
    size_t length = strlen(operation->name) + 1;
    *c = (struct bough_call){
        .service = s->service,
        .operation = operation,
        .payload = f->data,
        .request = {f->data->bytes + length, f->data->size - length},
        .scope = BOUGH_SCOPE(),
        .window = f->head.flags & FRAME_IS_DIALOGUE ? f->head.value : 0,
    };
    f->data = NULL;
    dialogue_init(&c->d, s, &serving_end, f->head.context);
    return c;
}

/* Why it cannot be served, or 0. */
static int check(struct session *s, const struct frame *f,
                 const struct bough_operation **ret_operation)
{
    const char *name = frame_text(f);
    if (f->lost)
        return bough_fail_text(-ENOMEM, "no memory for a request");
    if (!s->service)
        return bough_fail(-ENOSYS, "who was asked for \"%s\" is no actor", name);
    if (!(*ret_operation = find(s->service, name)))
        return bough_fail(-ENOSYS, "the actor %s has no operation \"%s\"", s->service->name, name);
    if (!s->service->accepting)
        return bough_fail(-EPIPE, "the actor %s takes no calls: it is not up yet, or stopping",
                          s->service->name);
    return 0;
}

void serve_call(struct session *s, struct frame *f)
{
    const struct bough_operation *operation = NULL;
    bool named = f->lost || (f->data && memchr(f->data->bytes, '\0', f->data->size));
    if (!named || table_find(&s->contexts, f->head.context) ||
        (f->head.context ^ s->next_context) % 2 == 0 || f->head.value < 0 ||
        f->head.value > INT32_MAX) {
        session_refuse(s, f, "no call is like this");
        return;
    }
    int rc = check(s, f, &operation);
    struct bough_call *c = rc == 0 ? call_new(s, f, operation) : NULL;
    if (rc == 0 && !c)
        rc = bough_fail_text(-ENOMEM, "no memory for a call");
    if (rc == 0) {
        rc = bough_nursery_start_soon_at(s->service->calls, serve, c, &no_place);
        if (rc < 0)
            call_free(c);
    }
    if (rc < 0)
        say_failed(s, f->head.context, s->service ? s->service->name : "", rc);
}

/* --- an operation's view of its call --- */

struct bough_bytes bough_call_request(const struct bough_call *call)
{
    return call->request;
}

const char *bough_call_peer(const struct bough_call *call)
{
    return call->d.session->nameless ? "" : call->d.session->peer;
}

int bough_call_reply(struct bough_call *call, struct bough_bytes reply)
{
    int rc = dialogue_check_size(reply.size);
    if (rc < 0)
        return rc;
    if (call->replied)
        return bough_fail(-EPROTO, "the operation %s has replied already", call->operation->name);
    if (!(call->reply = frame_data_new(reply.size)))
        return bough_fail_text(-ENOMEM, "no memory for a reply");
    if (reply.size)
        memcpy(call->reply->bytes, reply.data, reply.size);
    call->replied = true;
    return 0;
}

int bough_call_started(struct bough_call *call, struct bough_bytes value,
                       struct bough_dialogue **ret_dialogue)
{
    int rc = dialogue_check_size(value.size);
    if (rc < 0)
        return rc;
    if (call->started)
        bough_panic("the operation %s calls bough_call_started() a second time",
                    call->operation->name);
    struct frame_head head = {
        .type = FRAME_STARTED, .context = dialogue_number(&call->d), .value = WINDOW};
    rc = call->window && call->d.open
             ? session_send(call->d.session, head, value, BOUGH_NO_BYTES, -1)
             : 0;
    if (rc == -ENOMEM)
        return bough_fail_text(rc, "no memory to say that an operation has started");
    call->started = true;
    call->d.stream = call->window > 0;
    call->d.may_send = call->window;
    if (ret_dialogue)
        *ret_dialogue = &call->d;
    return 0;
}
