/* SPDX-License-Identifier: MIT */
#include "actor/names.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "actor/find.h"
#include "actor/visit.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/task.h"

struct names {
    unsigned held;
    const char *self; /* NULL in a run that is no actor */
    struct bough_nursery *host;
    struct service *service;
    struct bough_list actors; /* struct bough_actor, by 'sibling' */
    struct directory directory;
    struct finds finds;
};

static const struct bough_local names_key;

struct names *names_hold(void)
{
    struct names *n = bough_run_local_get(&names_key);
    if (!n) {
        n = sys_calloc(1, sizeof(*n));
        if (!n || bough_run_local_set(&names_key, n) < 0) {
            free(n);
            return NULL;
        }
        bough_list_init(&n->actors);
        directory_init(&n->directory);
        finds_init(&n->finds, &n->directory);
    }
    n->held++;
    return n;
}

void names_release(struct names *n)
{
    if (--n->held > 0)
        return;
    (void)bough_run_local_set(&names_key, NULL); /* it is set: that needs no memory */
    free(n);
}

void names_set_self(struct names *n, const char *name, struct session *up,
                    struct bough_nursery *host, struct service *service)
{
    n->self = name;
    n->directory.up = up;
    n->host = host;
    n->service = service;
}

struct service *names_service(const struct names *n)
{
    return n->service;
}

/* --- frames --- */

/* 0; -ENOMEM: who waits for that name would wait for ever. */
static int add(struct names *n, struct bough_actor *via, const char *name, pid_t pid)
{
    struct entry *e = directory_add(&n->directory, via, name, pid);
    if (!e)
        return -ENOMEM;
    finds_serve(&n->finds, e);
    return 0;
}

/* For us, or for somebody below; if it has gone meanwhile, who looks for it sees the end soon. */
static void connect_came(struct names *n, struct session *s, struct frame *f)
{
    const char *name, *who;
    if (f->fd < 0 || !request_take(f, &name, &who)) {
        session_refuse(s, f, "as a connection");
        return;
    }
    int fd = f->fd;
    f->fd = -1;
    struct entry *e = directory_look_up(&n->directory, name);
    if (n->self && strcmp(name, n->self) == 0)
        (void)visit_start(n->service, fd, who, false, n->host, NULL);
    else if (e)
        (void)request_send(&e->via->session, f->head, name, who, fd);
    else
        close(fd);
}

static void name_came(struct names *n, struct session *s, struct frame *f)
{
    const char *name = frame_text(f);
    if (strlen(name) >= ACTOR_NAME)
        session_refuse(s, f, "as a name");
    else if (add(n, s->owner, name, (pid_t)f->head.value) < 0)
        session_break(s, -ENOMEM, "no memory for the name of an actor below %s", s->peer);
}

/* What a child says is about what is below it. */
static bool from_child(struct names *n, struct session *s, struct frame *f)
{
    switch (f->head.type) {
    case FRAME_NAME_ADD:
        name_came(n, s, f);
        return true;
    case FRAME_NAME_REMOVE:
        directory_remove(&n->directory, s->owner, frame_text(f), f->head.value != 0);
        return true;
    case FRAME_FIND:
        find_asked(&n->finds, s, f);
        return true;
    default:
        return false;
    }
}

static bool from_parent(struct names *n, struct session *s, struct frame *f)
{
    switch (f->head.type) {
    case FRAME_FOUND:
        find_answered(&n->finds, f, n->host);
        return true;
    case FRAME_CONNECT:
        connect_came(n, s, f);
        return true;
    default:
        return false;
    }
}

bool names_frame(struct names *n, struct session *s, struct frame *f)
{
    return s == n->directory.up ? from_parent(n, s, f) : from_child(n, s, f);
}

/* --- actors come and go --- */

int names_add_actor(struct names *n, struct bough_actor *a)
{
    bough_list_push(&n->actors, &a->sibling);
    int rc = add(n, a, a->name, a->where == BOUGH_PLACE_PROCESS ? a->pid : 0);
    return rc < 0 ? bough_fail_text(rc, "no memory for the name of an actor") : 0;
}

void names_remove_actor(struct names *n, struct bough_actor *a)
{
    bough_list_unlink(&a->sibling);
    directory_remove(&n->directory, a, a->name, false);
    names_forget_actor(n, a);
}

void names_forget_actor(struct names *n, struct bough_actor *a)
{
    directory_remove_all(&n->directory, a);
    finds_forget(&n->finds, &a->session);
}

void names_lose_parent(struct names *n)
{
    n->directory.up = NULL;
    finds_fail(&n->finds, -EPIPE);
}

struct bough_actor *names_next_actor(struct names *n, struct bough_actor *a)
{
    struct bough_list *next = a ? a->sibling.next : n->actors.next;
    return next == &n->actors ? NULL : bough_container_of(next, struct bough_actor, sibling);
}

/* --- looking for one --- */

static int not_found(const char *name, int rc)
{
    if (rc == -ENOENT)
        return bough_fail(rc, "there is no actor called \"%s\" in this tree", name);
    return bough_fail(rc, "no connection to the actor \"%s\"", name);
}

static int look_for(struct names *n, const char *name, int64_t when, struct bough_actor **ret_actor)
{
    struct found found;
    if (n->self && strcmp(n->self, name) == 0)
        return bough_fail(-EINVAL, "the actor %s looks for itself", name);
    int rc = find_here(&n->finds, name, n->self ? n->self : "", when, &found);
    if (rc == -ECANCELED)
        return rc;
    if (rc < 0)
        return not_found(name, rc);
    return visit_start(n->service, found.fd, name, true, found.host, ret_actor);
}

static int find(const char *name, int64_t when, struct bough_actor **ret_actor)
{
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (strlen(name) >= ACTOR_NAME)
        return not_found(name, -ENOENT);
    struct names *n = names_hold();
    if (!n)
        return bough_fail_text(-ENOMEM, "no memory to look for an actor");
    rc = look_for(n, name, when, ret_actor);
    names_release(n);
    return rc;
}

int bough_actor_find(const char *name, struct bough_actor **ret_actor)
{
    return find(name, FIND_NOW, ret_actor);
}

int bough_actor_wait(const char *name, struct bough_actor **ret_actor)
{
    return find(name, FIND_WHEN_IT_COMES, ret_actor);
}
