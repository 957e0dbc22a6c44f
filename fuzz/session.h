/* A session with a peer who sends what he likes: the bytes go over a real socket into an end that
 * serves a few operations, has a call and a dialogue open itself, and takes it for a child that
 * tells of names and looks for some. When they are over, so is all. For fuzz/session.c and
 * tests/actor/fuzzed.c.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bough.h>

#include "actor/handle.h"
#include "actor/names.h"
#include "actor/news.h"
#include "actor/serve.h"

struct victim {
    struct bough_actor actor; /* who sends, as a handle: his session */
    struct bough_actors block;
    struct service service;
    struct news news;
    bool ended;
};

struct fed {
    const uint8_t *data;
    size_t size;
    bool in_time; /* it ended because the bytes had: nothing has kept it */
};

static int victim_echo(struct bough_call *call, void *state)
{
    (void)state;
    return bough_call_reply(call, bough_call_request(call));
}

static int victim_fail(struct bough_call *call, void *state)
{
    (void)state;
    return bough_fail(-EIO, "as %s asked", bough_call_peer(call));
}

static int victim_hang(struct bough_call *call, void *state)
{
    (void)call, (void)state;
    return bough_sleep_forever();
}

/* Sends back what comes. */
static int victim_talk(struct bough_call *call, void *state)
{
    struct bough_dialogue *d;
    struct bough_message m;
    (void)state;
    int rc = bough_call_started(call, bough_text("hello"), &d);
    while (rc >= 0 && (rc = bough_dialogue_receive(d, &m)) == 1) {
        rc = bough_dialogue_send(d, (struct bough_bytes){m.data, m.size});
        bough_message_free(&m);
    }
    return rc;
}

static const struct bough_operation victim_operations[] = {{"echo", victim_echo},
                                                           {"fail", victim_fail},
                                                           {"hang", victim_hang},
                                                           {"talk", victim_talk},
                                                           {0}};

static void victim_control(struct session *s, struct frame *f)
{
    struct victim *v = s->owner;
    if (!names_frame(v->actor.names, s, f))
        session_refuse(s, f, "it is not about names");
}

static void victim_lost(struct session *s, int code)
{
    struct victim *v = s->owner;
    (void)code;
    v->ended = true;
    session_break(s, -EOWNERDEAD, "it is over");
    news_tell(&v->news);
}

static bool victim_has_ended(const void *arg)
{
    return ((const struct victim *)arg)->ended;
}

static int victim_calls(void *arg)
{
    struct victim *v = arg;
    struct bough_message m;
    if (bough_call(&v->actor, "square", bough_text("7"), &m) == 0)
        bough_message_free(&m);
    return 0;
}

static int victim_converses(void *arg)
{
    struct victim *v = arg;
    struct bough_message m;
    int rc = 0;
    bough_with_dialogue (d, &v->actor, "watch", BOUGH_NO_BYTES, &rc) {
        while ((rc = bough_dialogue_receive(d, &m)) == 1)
            bough_message_free(&m);
    }
    return 0;
}

/* In the nursery of the session's tasks. */
static int victim_live(struct victim *v, int peer, const struct fed *fed)
{
    struct bough_nursery calls;
    bough_nursery_open(&calls);
    v->service.calls = &calls;
    int rc = bough_nursery_start_soon(&calls, victim_calls, v);
    if (rc == 0)
        rc = bough_nursery_start_soon(&calls, victim_converses, v);
    if (rc == 0)
        rc = bough_checkpoint(); /* both have asked */
    if (rc == 0 && fed->size && send(peer, fed->data, fed->size, MSG_NOSIGNAL) < 0)
        rc = -errno;
    shutdown(peer, SHUT_WR);
    if (rc == 0)
        rc = news_await(&v->news, victim_has_ended, v, "the end of the bytes");
    session_break(&v->actor.session, -EOWNERDEAD, "it is over");
    return bough_nursery_close(&calls, rc);
}

/* The main task of a run; 'arg' is a struct fed, of at most 100,000 bytes. */
static int victim_is_fed(void *arg)
{
    struct fed *fed = arg;
    struct victim v = {.service = {.name = "victim", .operations = victim_operations}};
    struct session *s = &v.actor.session;
    struct bough_nursery n;
    struct link *link;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int rc = link_socket_open(fds[0], &link);
    if (rc < 0) {
        close(fds[1]);
        return rc;
    }
    v.actor.names = names_hold();
    v.actor.block = &v.block;
    v.actor.where = BOUGH_PLACE_THREAD; /* so that nobody is killed in the name of a number */
    session_init(s, link, false);
    snprintf(s->peer, sizeof(s->peer), "the peer");
    s->owner = &v;
    s->called = serve_call;
    s->control = victim_control;
    s->lost = victim_lost;
    s->service = &v.service;
    v.service.accepting = true;
    v.actor.state = ACTOR_UP;
    bough_nursery_open(&n);
    rc = v.actor.names ? session_start(s, &n) : -ENOMEM;
    if (rc == 0)
        rc = victim_live(&v, fds[1], fed);
    fed->in_time = v.ended;
    rc = bough_nursery_close(&n, rc);
    if (v.actor.names) {
        names_forget_actor(v.actor.names, &v.actor);
        names_release(v.actor.names);
    }
    session_release(s);
    close(fds[1]);
    return rc;
}
