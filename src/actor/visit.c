/* SPDX-License-Identifier: MIT */
#include "actor/visit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "actor/serve.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/task.h"

struct visit {
    struct bough_actor actor; /* first: the last one who holds it frees all of it */
    bool ours;                /* we have looked for it, and release it */
    bool released;            /* done that */
    bool has_ended;
};

static struct visit *visit_of(struct bough_actor *a)
{
    return bough_container_of(a, struct visit, actor);
}

static void connection_lost(struct session *s, int code)
{
    struct visit *v = visit_of(s->owner);
    (void)code;
    session_break(s, -EOWNERDEAD, "the connection to %s has ended", s->peer);
    v->has_ended = true;
    news_tell(&v->actor.news);
}

static bool is_released(const void *arg)
{
    const struct visit *v = arg;
    return v->ours ? v->released : v->has_ended;
}

/* The service that a connection is: it lives as long as its block, or until it is released. */
static int visit(void *arg)
{
    struct visit *v = arg;
    struct session *s = &v->actor.session;
    struct bough_nursery n;
    bough_task_hide();
    bough_task_set_name("connection to %s", v->actor.name);
    bough_nursery_open(&n);
    int rc = session_start(s, &n);
    if (rc == 0)
        rc = news_await(&v->actor.news, is_released, v, "a connection to an actor");
    session_break(s, -EOWNERDEAD, "the connection to %s has ended", v->actor.name);
    rc = bough_nursery_close(&n, rc);
    if (v->ours && !v->released) /* it has failed, but who has the handle does not know yet */
        rc = news_await(&v->actor.news, is_released, v, "the release of a connection");
    session_release(s);
    actor_release(&v->actor);
    return rc == -ECANCELED ? rc : 0;
}

int visit_start(struct service *service, int fd, const char *name, bool ours,
                struct bough_nursery *host, struct bough_actor **ret_actor)
{
    const char *words = *name ? name : "the root";
    struct link *link;
    struct visit *v = sys_calloc(1, sizeof(*v));
    if (!v) {
        close(fd);
        return bough_fail_text(-ENOMEM, "no memory for a connection to an actor");
    }
    int rc = link_socket_open(fd, &link);
    if (rc < 0) {
        free(v);
        return rc;
    }
    struct session *s = &v->actor.session;
    session_init(s, link, !ours);
    v->ours = ours;
    v->actor.state = ACTOR_UP;
    v->actor.pid = -1;
    v->actor.held = 1;
    v->actor.outcome.fd = -1;
    snprintf(v->actor.name, sizeof(v->actor.name), "%s", words);
    snprintf(s->peer, sizeof(s->peer), "%s", words);
    s->nameless = !*name;
    s->owner = &v->actor;
    s->called = serve_call;
    s->lost = connection_lost;
    s->hold = actor_hold_session;
    s->service = service;
    rc = bough_nursery_start_service(host, visit, v);
    if (rc < 0) {
        session_break(s, rc, "it could not be started");
        session_release(s);
        free(v);
    } else if (ret_actor) {
        *ret_actor = &v->actor;
    }
    return rc;
}

void bough_actor_release(struct bough_actor *a)
{
    if (!a || a->block)
        return;
    visit_of(a)->released = true;
    news_tell(&a->news);
}
