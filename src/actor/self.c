/* SPDX-License-Identifier: MIT */
#include "actor/self.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "actor/failure.h"
#include "actor/fields.h"
#include "actor/handle.h"
#include "actor/names.h"
#include "actor/serve.h"
#include "actor/tree.h"
#include "actor/type.h"
#include "bough/error.h"
#include "bough/task.h"

struct self {
    const struct self_start *start;
    struct bough_actor parent; /* a handle of who has started us, with the session */
    struct service service;
    const struct bough_actor_type *type;
    struct names *names;
    char name[ACTOR_NAME];
    struct frame spec; /* its payload is what the argument points into */
    struct bough_bytes argument;
    struct bough_scope life; /* around setup, service and teardown */
    struct news news;
    bool told;         /* the spec has come */
    bool asked_to_end; /* gently or not, or nobody is left to ask */
};

static const struct bough_local self_key;

static struct self *self_of(struct session *s)
{
    return s->owner;
}

/* --- what the parent says --- */

static void spec_came(struct self *self, struct frame *f)
{
    struct session *s = &self->parent.session;
    struct bough_bytes rest = {f->data ? f->data->bytes : NULL, f->data ? f->data->size : 0};
    const char *type, *name, *peer;
    if (self->told || !fields_take_text(&rest, &type) || !fields_take_text(&rest, &name) ||
        !fields_take_text(&rest, &peer) || !fields_take(&rest, &self->argument)) {
        session_refuse(s, f, "as a spec");
        return;
    }
    snprintf(self->name, sizeof(self->name), "%s", name);
    s->nameless = !*peer;
    if (*peer) {
        snprintf(s->peer, sizeof(s->peer), "%s", peer);
        snprintf(self->parent.name, sizeof(self->parent.name), "%s", peer);
    }
    self->type = type_find(type);
    s->grace = f->head.value;
    self->spec = *f;
    f->data = NULL;
    f->fd = -1;
    self->told = true;
}

static void end(struct self *self, const char *why)
{
    self->asked_to_end = true;
    if (why)
        bough_scope_cancel_elsewhere(&self->life, "%s", why);
}

static void bye_came(struct self *self, struct frame *f)
{
    end(self, f->head.value ? frame_text(f) : NULL);
    session_say(&self->parent.session, FRAME_BYE_ACK, 0, 0, BOUGH_NO_BYTES);
}

static void self_control(struct session *s, struct frame *f)
{
    struct self *self = self_of(s);
    if (f->head.type == FRAME_SPEC)
        spec_came(self, f);
    else if (f->head.type == FRAME_BYE)
        bye_came(self, f);
    else if (!names_frame(self->names, s, f))
        session_refuse(s, f, "it is not for who has been started");
    news_tell(&self->news);
}

static void self_lost(struct session *s, int code)
{
    struct self *self = self_of(s);
    (void)code;
    if (self->start->orphaned)
        self->start->orphaned(s->grace);
    session_break(s, -EOWNERDEAD, "%s, who had started us, is gone", s->peer);
    names_lose_parent(self->names);
    end(self, s->why);
    news_tell(&self->news);
}

/* --- the life --- */

static int setup_and_teardown(struct bough_manager *manager, void *arg)
{
    struct self *self = arg;
    void *state = NULL;
    int rc = self->type->setup ? self->type->setup(self->argument, &state) : 0;
    if (rc < 0)
        return rc;
    rc = bough_yield(manager, state);
    if (self->type->teardown)
        rc = bough_keep(rc, self->type->teardown(state));
    return rc;
}

static bool may_leave(const void *arg)
{
    return ((const struct self *)arg)->asked_to_end;
}

/* Between setup and teardown. */
static int serve_all(struct self *self)
{
    struct session *s = &self->parent.session;
    struct bough_nursery calls;
    int rc;
    bough_nursery_open(&calls);
    self->service.calls = &calls;
    self->service.accepting = true;
    session_say(s, FRAME_READY, 0, 0, BOUGH_NO_BYTES);
    rc = news_await(&self->news, may_leave, self, "calls");
    self->service.accepting = false;
    rc = bough_nursery_close(&calls, rc);
    self->service.calls = NULL;
    session_say(s, FRAME_LEAVING, 0, 0, BOUGH_NO_BYTES);
    return rc;
}

static int live(struct self *self)
{
    static const struct bough_site no_place = {"the life of an actor", __FILE__, 0};
    struct bough_manager manager;
    bough_manager_fn *own = self->type->manager;
    void *arg = own ? (void *)&self->argument : self;
    bough_scope_enter(&self->life);
    int rc = bough_manager_enter_at(&manager, own ? own : setup_and_teardown, arg,
                                    &self->service.state, &no_place);
    if (rc == 0)
        rc = bough_manager_exit(&manager, serve_all(self));
    return bough_scope_exit(&self->life, rc);
}

static bool is_told(const void *arg)
{
    const struct self *self = arg;
    return self->told || self->asked_to_end || self->parent.session.broken;
}

/* 0; 1: there is nothing to do. */
static int be_told(struct self *self)
{
    struct session *s = &self->parent.session;
    struct frame_head hello = {.type = FRAME_HELLO, .value = getpid()};
    struct bough_bytes token = {self->start->token, TOKEN};
    int rc = session_send(s, hello, token, BOUGH_NO_BYTES, -1);
    if (rc == 0)
        rc = news_await(&self->news, is_told, self, "the spec of an actor");
    if (rc < 0)
        return rc;
    if (!self->told) /* it was asked to end, and has nothing to say about that */
        return s->broken ? session_failed(s) : 1;
    bough_task_set_name("%s", self->name);
    self->service.name = self->name;
    if (!self->type)
        return bough_fail(-ENOENT, "the program has no actor of the type \"%s\"",
                          self->spec.data->bytes + sizeof(uint32_t));
    self->service.operations = self->type->operations;
    self->service.inner = tree_operations;
    return 0;
}

/* Tell how it ended, and see it off. */
static void say_ended(struct self *self, int rc)
{
    struct session *s = &self->parent.session;
    struct bough_frame_data *data = rc < 0 ? failure_pack(rc, self->name) : NULL;
    struct bough_bytes bytes = {data ? data->bytes : NULL, data ? data->size : 0};
    session_say(s, FRAME_ENDED, 0, rc < 0 ? rc : 0, bytes);
    frame_data_free(data);
    if (!s->broken) {
        int drained = 0;
        bough_shielded (s->grace, &drained)
            drained = s->link->kind->drain(s->link);
        (void)drained;
    }
}

static int begin_to_end(struct self *self)
{
    int rc = bough_run_local_set(&self_key, self);
    if (rc == 0)
        rc = be_told(self);
    if (rc == 0)
        rc = live(self);
    say_ended(self, rc);
    return 0; /* it has been said */
}

int self_main(void *arg)
{
    struct self self = {.start = arg, .life = BOUGH_SCOPE(), .spec.fd = -1};
    struct session *s = &self.parent.session;
    struct bough_nursery n;
    session_init(s, self.start->link, true);
    ((struct self_start *)arg)->link = NULL; /* the session's now */
    snprintf(s->peer, sizeof(s->peer), "the parent");
    s->nameless = true;
    snprintf(self.name, sizeof(self.name), "actor");
    s->owner = &self;
    s->called = serve_call;
    s->control = self_control;
    s->lost = self_lost;
    s->service = &self.service;
    snprintf(self.parent.name, sizeof(self.parent.name), "the parent");
    self.parent.state = ACTOR_UP;

    self.names = names_hold();
    if (self.names)
        names_set_self(self.names, self.name, s, &n, &self.service);
    bough_nursery_open(&n);
    int rc = self.names ? session_start(s, &n) : bough_fail_text(-ENOMEM, "no memory for an actor");
    rc = bough_nursery_close(&n, rc == 0 ? begin_to_end(&self) : rc);
    session_break(s, -EPIPE, "the actor has ended");
    session_release(s);
    if (self.names)
        names_release(self.names);
    frame_release(&self.spec);
    return rc;
}

/* --- who we are --- */

const char *bough_actor_self(void)
{
    struct self *self = bough_run_local_get(&self_key);
    return self ? self->name : NULL;
}

struct bough_actor *bough_actor_parent(void)
{
    struct self *self = bough_run_local_get(&self_key);
    return self ? &self->parent : NULL;
}
