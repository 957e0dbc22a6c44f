/* SPDX-License-Identifier: MIT */
#include "actor/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor/fields.h"
#include "actor/stray.h"
#include "base/sys.h"

void directory_init(struct directory *d)
{
    *d = (struct directory){0};
    bough_list_init(&d->entries);
}

struct entry *directory_look_up(struct directory *d, const char *name)
{
    bough_list_foreach (node, &d->entries) {
        struct entry *e = bough_container_of(node, struct entry, link);
        if (strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

static void tell_up(struct directory *d, enum frame_type type, const char *name, pid_t pid)
{
    if (d->up)
        session_say(d->up, type, 0, pid, bough_text(name));
}

struct entry *directory_add(struct directory *d, struct bough_actor *via, const char *name,
                            pid_t pid)
{
    struct entry *e = sys_malloc(sizeof(*e) + strlen(name) + 1);
    if (!e)
        return NULL;
    strcpy(e->name, name);
    e->via = via;
    e->pid = pid;
    bough_list_push(&d->entries, &e->link);
    tell_up(d, FRAME_NAME_ADD, name, pid);
    return e;
}

static void entry_remove(struct directory *d, struct entry *e, bool orphan)
{
    tell_up(d, FRAME_NAME_REMOVE, e->name, orphan ? e->pid : 0);
    if (orphan && !d->up && e->via->where == BOUGH_PLACE_PROCESS)
        stray_adopt(e->pid, e->via->pid, &e->via->block->nursery);
    bough_list_unlink(&e->link);
    free(e);
}

void directory_remove(struct directory *d, struct bough_actor *via, const char *name, bool orphan)
{
    bough_list_foreach (node, &d->entries) {
        struct entry *e = bough_container_of(node, struct entry, link);
        if (e->via == via && strcmp(e->name, name) == 0) {
            entry_remove(d, e, orphan);
            return;
        }
    }
}

void directory_remove_all(struct directory *d, struct bough_actor *via)
{
    bough_list_foreach (node, &d->entries) {
        struct entry *e = bough_container_of(node, struct entry, link);
        if (e->via == via) /* of the root's own the group is seen to, by the keeper */
            entry_remove(d, e, d->up != NULL);
    }
}

int directory_connect(struct entry *e, const char *who)
{
    struct frame_head head = {.type = FRAME_CONNECT};
    int fds[2];
    int rc = sys_call(EMFILE, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    if (rc == 0 && (rc = request_send(&e->via->session, head, e->name, who, fds[1])) < 0)
        close(fds[0]);
    return rc < 0 ? rc : fds[0];
}

int request_send(struct session *s, struct frame_head head, const char *name, const char *who,
                 int fd)
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

bool request_take(struct frame *f, const char **ret_name, const char **ret_who)
{
    struct bough_bytes rest = {f->data ? f->data->bytes : NULL, f->data ? f->data->size : 0};
    return fields_take_text(&rest, ret_name) && fields_take_text(&rest, ret_who) &&
           strlen(*ret_name) < ACTOR_NAME && strlen(*ret_who) < ACTOR_NAME;
}
