/* SPDX-License-Identifier: MIT */
#include "actor/names.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor/fields.h"
#include "actor/serve.h"
#include "actor/stray.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/task.h"

struct names {
    unsigned held;
    const char *self; /* NULL in a run that is no actor */
    struct session *up;
    struct bough_nursery *host;
    struct service *service;
    struct bough_list entries;
    struct bough_list actors; /* struct bough_actor, by 'sibling' */
    struct bough_list finds;
    uint64_t next_find;
};

/* A name below us, and the child it is reached through. */
struct entry {
    struct bough_list link;
    struct bough_actor *via;
    pid_t pid; /* of its process; 0: it has none of its own */
    char name[];
};

/* Somebody looks for a name: a task here, or a child ('from'), who calls it 'context'. */
struct find {
    struct bough_list link;
    char name[ACTOR_NAME], who[ACTOR_NAME];
    struct session *from;
    uint64_t context;
    uint64_t asked; /* what we call it upwards; 0: we have not asked */
    struct bough_wait *task;
    int fd;                     /* for a task: what was found, */
    struct bough_nursery *host; /* and where its connection is to live */
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
        bough_list_init(&n->entries);
        bough_list_init(&n->actors);
        bough_list_init(&n->finds);
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
    n->up = up;
    n->host = host;
    n->service = service;
}

struct service *names_service(const struct names *n)
{
    return n->service;
}

/* --- connecting --- */

static struct entry *look_up(struct names *n, const char *name)
{
    bough_list_foreach (node, &n->entries) {
        struct entry *e = bough_container_of(node, struct entry, link);
        if (strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

/* A frame with a name, who wants it, and perhaps a descriptor, which is taken over in any case. */
static int send_request(struct session *s, struct frame_head head, const char *name,
                        const char *who, int fd)
{
    struct bough_bytes fields[] = {field_of_text(name), field_of_text(who)};
    struct bough_frame_data *data = fields_new(fields, 2);
    struct bough_bytes bytes = {data ? data->bytes : NULL, data ? data->size : 0};
    int rc = data ? session_send(s, head, bytes, BOUGH_NO_BYTES, fd) : -ENOMEM;
    frame_data_free(data);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc;
}

/* One end of a new socket pair to who has the name; the other one is returned. */
static int connect_through(struct entry *e, const char *who)
{
    struct frame_head head = {.type = FRAME_CONNECT};
    int fds[2];
    int rc = sys_call(EMFILE, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    if (rc == 0 && (rc = send_request(&e->via->session, head, e->name, who, fds[1])) < 0)
        close(fds[0]);
    return rc < 0 ? rc : fds[0];
}

/* 'fd' is what was found, or < 0. Takes it over, and the find off. */
static void answer(struct find *f, int fd, struct bough_nursery *host)
{
    bough_list_unlink(&f->link);
    if (f->task) {
        f->fd = fd;
        f->host = host;
        bough_wake(f->task, 0);
        return;
    }
    struct frame_head head = {.type = FRAME_FOUND, .context = f->context, .value = fd < 0 ? fd : 0};
    if (session_send(f->from, head, BOUGH_NO_BYTES, BOUGH_NO_BYTES, fd) < 0) {
        session_break(f->from, -ENOMEM, "no memory for a message to %s", f->from->peer);
        if (fd >= 0)
            close(fd);
    }
    free(f);
}

/* Answer it, hand it on upwards, or keep it until the name comes. */
static void pursue(struct names *n, struct find *f, int64_t when)
{
    struct entry *e = look_up(n, f->name);
    bough_list_push(&n->finds, &f->link);
    if (e) {
        answer(f, connect_through(e, f->who), &e->via->block->nursery);
    } else if (n->up && !n->up->broken) {
        f->asked = ++n->next_find;
        struct frame_head head = {.type = FRAME_FIND, .context = f->asked, .value = when};
        int rc = send_request(n->up, head, f->name, f->who, -1);
        if (rc < 0)
            answer(f, rc, NULL);
    } else if (when == FIND_NOW) {
        answer(f, -ENOENT, NULL);
    }
}

/* --- a connection --- */

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

/* Over 'fd', which is taken over. */
static int visit_start(struct names *n, int fd, const char *name, bool ours,
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
    s->service = n->service;
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

/* --- frames --- */

static bool take_request(struct frame *f, const char **name, const char **who)
{
    struct bough_bytes rest = {f->data ? f->data->bytes : NULL, f->data ? f->data->size : 0};
    return fields_take_text(&rest, name) && fields_take_text(&rest, who) &&
           strlen(*name) < ACTOR_NAME && strlen(*who) < ACTOR_NAME;
}

static void tell_up(struct names *n, enum frame_type type, const char *name, pid_t pid)
{
    if (n->up)
        session_say(n->up, type, 0, pid, bough_text(name));
}

/* A name that cannot be kept cannot be found: no more is lost. */
static void add(struct names *n, struct bough_actor *via, const char *name, pid_t pid)
{
    struct entry *e = sys_malloc(sizeof(*e) + strlen(name) + 1);
    if (!e)
        return;
    strcpy(e->name, name);
    e->via = via;
    e->pid = pid;
    bough_list_push(&n->entries, &e->link);
    tell_up(n, FRAME_NAME_ADD, name, pid);
    bough_list_foreach (node, &n->finds) {
        struct find *f = bough_container_of(node, struct find, link);
        if (!f->asked && strcmp(f->name, name) == 0)
            answer(f, connect_through(e, f->who), &via->block->nursery);
    }
}

/* 'orphan': its parent has died and could not say so, so it is the root's to see it off. */
static void entry_remove(struct names *n, struct entry *e, bool orphan)
{
    tell_up(n, FRAME_NAME_REMOVE, e->name, orphan ? e->pid : 0);
    if (orphan && !n->up && e->via->where == BOUGH_PLACE_PROCESS)
        stray_adopt(e->pid, e->via->pid, &e->via->block->nursery);
    bough_list_unlink(&e->link);
    free(e);
}

static void remove_name(struct names *n, struct bough_actor *via, const char *name, bool orphan)
{
    bough_list_foreach (node, &n->entries) {
        struct entry *e = bough_container_of(node, struct entry, link);
        if (e->via == via && strcmp(e->name, name) == 0) {
            entry_remove(n, e, orphan);
            return;
        }
    }
}

static struct find *find_of_child(struct names *n, struct session *s, uint64_t context)
{
    bough_list_foreach (node, &n->finds) {
        struct find *f = bough_container_of(node, struct find, link);
        if (f->from == s && f->context == context)
            return f;
    }
    return NULL;
}

static void give_up(struct names *n, struct find *f)
{
    bough_list_unlink(&f->link);
    if (f->asked && n->up)
        session_say(n->up, FRAME_FIND, f->asked, FIND_NO_MORE, BOUGH_NO_BYTES);
}

static void find_came(struct names *n, struct session *s, struct frame *f)
{
    const char *name, *who;
    struct find *known = find_of_child(n, s, f->head.context);
    if (f->head.value == FIND_NO_MORE) {
        if (known)
            give_up(n, known);
        free(known);
        return;
    }
    if (known || !take_request(f, &name, &who)) {
        session_refuse(s, f, "as a search for a name");
        return;
    }
    struct find *find = sys_calloc(1, sizeof(*find));
    if (!find) {
        session_say(s, FRAME_FOUND, f->head.context, -ENOMEM, BOUGH_NO_BYTES);
        return;
    }
    *find = (struct find){.from = s, .context = f->head.context, .fd = -1};
    snprintf(find->name, sizeof(find->name), "%s", name);
    snprintf(find->who, sizeof(find->who), "%s", who);
    pursue(n, find, f->head.value);
}

static void found_came(struct names *n, struct frame *f)
{
    bough_list_foreach (node, &n->finds) {
        struct find *find = bough_container_of(node, struct find, link);
        if (find->asked != f->head.context)
            continue;
        int fd = f->head.value < 0 ? (int)f->head.value : f->fd;
        f->fd = -1;
        answer(find, fd, n->host);
        return;
    }
}

/* For us, or for somebody below. If it has gone meanwhile, who looks for it sees the end at once.
 */
static void connect_came(struct names *n, struct session *s, struct frame *f)
{
    const char *name, *who;
    if (f->fd < 0 || !take_request(f, &name, &who)) {
        session_refuse(s, f, "as a connection");
        return;
    }
    int fd = f->fd;
    f->fd = -1;
    struct entry *e = look_up(n, name);
    if (n->self && strcmp(name, n->self) == 0)
        (void)visit_start(n, fd, who, false, n->host, NULL);
    else if (e)
        (void)send_request(&e->via->session, f->head, name, who, fd);
    else
        close(fd);
}

/* What a child says is about what is below it. */
bool names_frame(struct names *n, struct session *s, struct frame *f)
{
    bool from_child = s != n->up;
    switch (f->head.type) {
    case FRAME_NAME_ADD:
    case FRAME_NAME_REMOVE:
    case FRAME_FIND:
        if (!from_child)
            return false;
        break;
    case FRAME_FOUND:
    case FRAME_CONNECT:
        if (from_child)
            return false;
        break;
    default:
        return false;
    }
    if (f->head.type == FRAME_NAME_ADD && strlen(frame_text(f)) < ACTOR_NAME)
        add(n, s->owner, frame_text(f), (pid_t)f->head.value);
    else if (f->head.type == FRAME_NAME_ADD)
        session_refuse(s, f, "as a name");
    else if (f->head.type == FRAME_NAME_REMOVE)
        remove_name(n, s->owner, frame_text(f), f->head.value != 0);
    else if (f->head.type == FRAME_FIND)
        find_came(n, s, f);
    else if (f->head.type == FRAME_FOUND)
        found_came(n, f);
    else
        connect_came(n, s, f);
    return true;
}

/* --- actors come and go --- */

void names_add_actor(struct names *n, struct bough_actor *a)
{
    bough_list_push(&n->actors, &a->sibling);
    add(n, a, a->name, a->where == BOUGH_PLACE_PROCESS ? a->pid : 0);
}

void names_remove_actor(struct names *n, struct bough_actor *a)
{
    bough_list_unlink(&a->sibling);
    remove_name(n, a, a->name, false);
    names_forget_actor(n, a);
}

void names_forget_actor(struct names *n, struct bough_actor *a)
{
    bough_list_foreach (node, &n->entries) {
        struct entry *e = bough_container_of(node, struct entry, link);
        if (e->via == a) /* of the root's own the group is seen to, by the keeper */
            entry_remove(n, e, n->up != NULL);
    }
    bough_list_foreach (node, &n->finds) {
        struct find *f = bough_container_of(node, struct find, link);
        if (f->from == &a->session) {
            give_up(n, f);
            free(f);
        }
    }
}

void names_lose_parent(struct names *n)
{
    n->up = NULL;
    while (!bough_list_is_empty(&n->finds))
        answer(bough_container_of(n->finds.next, struct find, link), -EPIPE, NULL);
}

struct bough_actor *names_next_actor(struct names *n, struct bough_actor *a)
{
    struct bough_list *next = a ? a->sibling.next : n->actors.next;
    return next == &n->actors ? NULL : bough_container_of(next, struct bough_actor, sibling);
}

/* --- looking for one --- */

struct local_find {
    struct find find;
    struct bough_wait wait;
    struct names *names;
};

static bool stop_looking(struct bough_wait *wait)
{
    struct local_find *l = bough_container_of(wait, struct local_find, wait);
    if (!bough_list_is_empty(&l->find.link))
        give_up(l->names, &l->find);
    return true;
}

static int not_found(const char *name, int rc)
{
    if (rc == -ENOENT)
        return bough_fail(rc, "there is no actor called \"%s\" in this tree", name);
    return bough_fail(rc, "no connection to the actor \"%s\"", name);
}

static int look_for(struct names *n, const char *name, int64_t when, struct bough_actor **ret_actor)
{
    struct local_find l = {
        .names = n, .find.fd = -1, .wait = {.abort = stop_looking, .what = "an actor to be found"}};
    snprintf(l.find.name, sizeof(l.find.name), "%s", name);
    snprintf(l.find.who, sizeof(l.find.who), "%s", n->self ? n->self : "");
    l.find.task = &l.wait;
    bough_list_init(&l.find.link);
    pursue(n, &l.find, when);
    int rc = bough_list_is_empty(&l.find.link) ? 0 : bough_wait(&l.wait);
    if (rc < 0)
        return rc;
    if (l.find.fd < 0)
        return not_found(name, l.find.fd);
    return visit_start(n, l.find.fd, name, true, l.find.host, ret_actor);
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
    if (n->self && strcmp(n->self, name) == 0)
        rc = bough_fail(-EINVAL, "the actor %s looks for itself", name);
    else
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

void bough_actor_release(struct bough_actor *a)
{
    if (!a || a->block)
        return;
    visit_of(a)->released = true;
    news_tell(&a->news);
}
