/* Links between processes: frames over a Unix socket, out (actor/socket_out.h) and in
 * (actor/socket_in.h).
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actor/link.h"
#include "actor/socket_in.h"
#include "actor/socket_out.h"
#include "base/sys.h"
#include "bough/error.h"
#include "io/fd.h"

struct socket_link {
    struct link link;
    int fd;
    struct socket_out out;
    struct socket_in in;
};

static struct socket_link *of(struct link *link)
{
    return bough_container_of(link, struct socket_link, link);
}

static int socket_send(struct link *link, const struct frame_head *head,
                       const struct bough_bytes *parts, int fd)
{
    return socket_out_send(&of(link)->out, head, parts, fd);
}

static int socket_receive(struct link *link, struct frame *ret_frame)
{
    return socket_in_receive(&of(link)->in, ret_frame);
}

static int socket_wait_room(struct link *link)
{
    return socket_out_wait_room(&of(link)->out);
}

static int socket_pump(struct link *link)
{
    return socket_out_pump(&of(link)->out);
}

static int socket_drain(struct link *link)
{
    return socket_out_drain(&of(link)->out);
}

static void socket_hang_up(struct link *link)
{
    (void)shutdown(of(link)->fd, SHUT_RDWR);
}

static void socket_free(struct link *link)
{
    struct socket_link *s = of(link);
    socket_out_break(&s->out, -EBADF);
    socket_in_free(&s->in);
    bough__fd_close(s->fd);
    free(s);
}

static const struct link_kind socket_kind = {
    .send = socket_send,
    .receive = socket_receive,
    .wait_room = socket_wait_room,
    .pump = socket_pump,
    .drain = socket_drain,
    .hang_up = socket_hang_up,
    .free = socket_free,
};

/* Who has made the socket, or its pair, is the user that we are. */
static int check_user(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    return peer.uid == geteuid() ? 0 : -EPERM;
}

int link_socket_open(int fd, struct link **ret_link)
{
    struct socket_link *s = sys_calloc(1, sizeof(*s));
    int rc = s ? socket_in_init(&s->in, fd) : -ENOMEM;
    if (rc >= 0)
        rc = check_user(fd);
    if (rc >= 0)
        rc = bough__fd_set_nonblocking(fd);
    if (rc >= 0)
        rc = bough__fd_adopt(fd);
    if (rc < 0) {
        if (s)
            socket_in_free(&s->in);
        free(s);
        close(fd);
        return bough_fail(rc, "no link to an actor: %s", bough_error_name(rc));
    }
    s->link.kind = &socket_kind;
    s->fd = fd;
    socket_out_init(&s->out, fd);
    *ret_link = &s->link;
    return 0;
}
