/* SPDX-License-Identifier: MIT */
#include "actor/find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/wait.h"

/* Of a task here ('task'), or of a child ('from'), which calls it 'context'. */
struct find {
    struct bough_list link;
    char name[ACTOR_NAME], who[ACTOR_NAME];
    struct session *from;
    uint64_t context;
    uint64_t asked; /* what we call it upwards; 0: we have not asked */
    struct bough_wait *task;
    struct found found; /* for a task */
};

void finds_init(struct finds *fs, struct directory *d)
{
    *fs = (struct finds){.directory = d};
    bough_list_init(&fs->all);
}

/* --- answers --- */

/* 'fd' is what was found, or < 0. Takes it over, and the find off. */
static void answer(struct find *f, int fd, struct bough_nursery *host)
{
    bough_list_unlink(&f->link);
    if (f->task) {
        f->found = (struct found){fd, host};
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

static void answer_with(struct find *f, struct entry *e)
{
    answer(f, directory_connect(e, f->who), &e->via->block->nursery);
}

/* Answer it, hand it on upwards, or keep it until the name comes. */
static void pursue(struct finds *fs, struct find *f, int64_t when)
{
    struct session *up = fs->directory->up;
    struct entry *e = directory_look_up(fs->directory, f->name);
    bough_list_push(&fs->all, &f->link);
    if (e) {
        answer_with(f, e);
    } else if (up && !up->broken) {
        f->asked = ++fs->next;
        struct frame_head head = {.type = FRAME_FIND, .context = f->asked, .value = when};
        int rc = request_send(up, head, f->name, f->who, -1);
        if (rc < 0)
            answer(f, rc, NULL);
    } else if (when == FIND_NOW) {
        answer(f, -ENOENT, NULL);
    }
}

static void give_up(struct finds *fs, struct find *f)
{
    struct session *up = fs->directory->up;
    bough_list_unlink(&f->link);
    if (f->asked && up)
        session_say(up, FRAME_FIND, f->asked, FIND_NO_MORE, BOUGH_NO_BYTES);
}

void finds_serve(struct finds *fs, struct entry *e)
{
    bough_list_foreach (node, &fs->all) {
        struct find *f = bough_container_of(node, struct find, link);
        if (!f->asked && strcmp(f->name, e->name) == 0)
            answer_with(f, e);
    }
}

void finds_forget(struct finds *fs, struct session *from)
{
    bough_list_foreach (node, &fs->all) {
        struct find *f = bough_container_of(node, struct find, link);
        if (f->from == from) {
            give_up(fs, f);
            free(f);
        }
    }
}

void finds_fail(struct finds *fs, int code)
{
    while (!bough_list_is_empty(&fs->all))
        answer(bough_container_of(fs->all.next, struct find, link), code, NULL);
}

/* --- of children --- */

static struct find *find_of_child(struct finds *fs, struct session *s, uint64_t context)
{
    bough_list_foreach (node, &fs->all) {
        struct find *f = bough_container_of(node, struct find, link);
        if (f->from == s && f->context == context)
            return f;
    }
    return NULL;
}

void find_asked(struct finds *fs, struct session *s, struct frame *f)
{
    const char *name, *who;
    struct find *known = find_of_child(fs, s, f->head.context);
    if (f->head.value == FIND_NO_MORE) {
        if (known)
            give_up(fs, known);
        free(known);
        return;
    }
    if (known || !request_take(f, &name, &who)) {
        session_refuse(s, f, "as a search for a name");
        return;
    }
    struct find *find = sys_calloc(1, sizeof(*find));
    if (!find) {
        session_say(s, FRAME_FOUND, f->head.context, -ENOMEM, BOUGH_NO_BYTES);
        return;
    }
    *find = (struct find){.from = s, .context = f->head.context};
    snprintf(find->name, sizeof(find->name), "%s", name);
    snprintf(find->who, sizeof(find->who), "%s", who);
    pursue(fs, find, f->head.value);
}

void find_answered(struct finds *fs, struct frame *f, struct bough_nursery *host)
{
    bough_list_foreach (node, &fs->all) {
        struct find *find = bough_container_of(node, struct find, link);
        if (find->asked != f->head.context)
            continue;
        int fd = f->head.value < 0 ? (int)f->head.value : f->fd;
        f->fd = -1;
        answer(find, fd, host);
        return;
    }
}

/* --- of tasks --- */

struct local_find {
    struct find find;
    struct bough_wait wait;
    struct finds *finds;
};

static bool stop_looking(struct bough_wait *wait)
{
    struct local_find *l = bough_container_of(wait, struct local_find, wait);
    if (!bough_list_is_empty(&l->find.link))
        give_up(l->finds, &l->find);
    return true;
}

int find_here(struct finds *fs, const char *name, const char *who, int64_t when,
              struct found *ret_found)
{
    struct local_find l = {.finds = fs,
                           .wait = {.abort = stop_looking, .what = "an actor to be found"}};
    snprintf(l.find.name, sizeof(l.find.name), "%s", name);
    snprintf(l.find.who, sizeof(l.find.who), "%s", who);
    l.find.task = &l.wait;
    bough_list_init(&l.find.link);
    pursue(fs, &l.find, when);
    int rc = bough_list_is_empty(&l.find.link) ? 0 : bough_wait(&l.wait);
    if (rc == 0 && l.find.found.fd < 0)
        rc = l.find.found.fd;
    *ret_found = l.find.found;
    return rc;
}
