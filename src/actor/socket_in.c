/* SPDX-License-Identifier: MIT */
#include "actor/socket_in.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/spare.h"
#include "base/sys.h"
#include "bough/error.h"
#include "bough/wait.h"
#include "io/fd.h"

enum { READ_AT_ONCE = 64 << 10 };

/* --- bytes --- */

/* Descriptors that came with some bytes. More than can be expected, or cut off: it is no peer of
 * ours. */
static int take_fds(struct socket_in *s, struct msghdr *header)
{
    int rc = header->msg_flags & MSG_CTRUNC
                 ? bough_fail(-EMFILE, "a descriptor that was sent could not be opened")
                 : 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (s->fd_count < SOCKET_FDS) {
                s->fds[s->fd_count++] = fd;
            } else {
                close(fd);
                rc = bough_fail(-EPROTO, "more descriptors than frames that have one");
            }
        }
    }
    return rc;
}

/* Read something, waiting for it. The number of bytes; 0: the end. */
static int read_some(struct socket_in *s, void *buffer, size_t size)
{
    struct iovec bytes = {buffer, size};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(SOCKET_FDS * sizeof(int))];
    } control;
    for (;;) {
        struct msghdr header = {.msg_iov = &bytes,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof(control)};
        int n = s->drained ? -EAGAIN
                           : sys_call(ECONNRESET,
                                      recvmsg(s->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
        s->drained = n > 0 && (size_t)n < size && !s->fd_follows;
        if (n >= 0) {
            int rc = header.msg_controllen ? take_fds(s, &header) : 0;
            bough_passed();
            return rc < 0 ? rc : n;
        }
        if (n == -ECONNRESET)
            return 0;
        if (n != -EINTR && n != -EAGAIN)
            return bough_fail(n, "a link to an actor: %s", bough_error_name(n));
        n = n == -EAGAIN ? bough__fd_wait(s->fd, BOUGH_READABLE) : 0;
        if (n < 0)
            return n;
    }
}

/* At least 'size' (small) bytes in the buffer. 1; 0: the end; who was killed may have got no
 * further than the middle of a frame. */
static int fill(struct socket_in *s, size_t size)
{
    size_t have;
    while ((have = s->end - s->at) < size) {
        if (have && s->at)
            memmove(s->bytes, s->bytes + s->at, have);
        s->at = 0;
        s->end = have;
        int n = read_some(s, s->bytes + have, READ_AT_ONCE - have);
        if (n <= 0)
            return n;
        s->end += (size_t)n;
    }
    return 1;
}

/* The next 'size' bytes, to 'to', or to nowhere. 1; 0: the end; or an error. */
static int read_payload(struct socket_in *s, char *to, size_t size)
{
    size_t have = s->end - s->at, n = have < size ? have : size;
    if (to && n)
        memcpy(to, s->bytes + s->at, n);
    s->at += n;
    while (n < size) {
        size_t left = size - n;
        int got = to ? read_some(s, to + n, left)
                     : read_some(s, s->bytes, left < READ_AT_ONCE ? left : READ_AT_ONCE);
        if (got <= 0)
            return got;
        n += (size_t)got;
    }
    return 1;
}

/* --- frames --- */

static int take_fd(struct socket_in *s, struct frame *f)
{
    if (!(f->head.flags & FRAME_HAS_FD))
        return 1;
    if (s->fd_count == 0)
        return bough_fail(-EPROTO, "a frame without the descriptor that it should have");
    f->fd = s->fds[0];
    memmove(s->fds, s->fds + 1, --s->fd_count * sizeof(int));
    return 1;
}

/* The next head, and its descriptor. 1; 0: the end. */
static int read_head(struct socket_in *s, struct frame *f)
{
    int rc = fill(s, sizeof(f->head));
    if (rc <= 0)
        return rc;
    memcpy(&f->head, s->bytes + s->at, sizeof(f->head));
    s->at += sizeof(f->head);
    rc = frame_check(&f->head);
    if (rc < 0)
        return rc;
    s->fd_follows = f->head.type == FRAME_FD_FOLLOWS;
    if (s->fd_follows)
        s->drained = false;
    return take_fd(s, f);
}

/* A frame of the link's own. 0, or what is wrong with it. */
static int own_frame(struct socket_in *s, struct frame *f)
{
    int fd = f->fd;
    if (f->head.size || (f->head.type == FRAME_FD_FOLLOWS && fd >= 0))
        return bough_fail(-EPROTO, "a frame of the link itself has a payload");
    f->fd = -1;
    if (f->head.type == FRAME_ARENA && fd >= 0)
        return arena_map(&s->arena, fd, f->head.value);
    if (f->head.type == FRAME_ARENA) {
        arena_unmap(&s->arena);
        spare_trim();
    }
    return 0;
}

/* A payload that does not fit into memory is skipped. 1; 0: the end; or an error. */
static int take_payload(struct socket_in *s, struct frame *f)
{
    uint64_t place;
    f->data = frame_data_new(f->head.size);
    f->lost = !f->data;
    char *to = f->data ? f->data->bytes : NULL;
    if (!(f->head.flags & FRAME_IN_ARENA))
        return read_payload(s, to, f->head.size);
    int rc = read_payload(s, (char *)&place, sizeof(place));
    return rc <= 0 ? rc : arena_take(&s->arena, place, f->head.size, to);
}

int socket_in_receive(struct socket_in *s, struct frame *ret_frame)
{
    struct frame f = {.fd = -1};
    int rc;
    while ((rc = read_head(s, &f)) > 0 && f.head.type >= FRAME_FD_FOLLOWS)
        if ((rc = own_frame(s, &f)) < 0)
            break;
    if (rc > 0 && f.head.size)
        rc = take_payload(s, &f);
    if (rc <= 0)
        frame_release(&f);
    else
        *ret_frame = f;
    return rc;
}

int socket_in_init(struct socket_in *s, int fd)
{
    s->fd = fd;
    s->bytes = sys_malloc(READ_AT_ONCE);
    return s->bytes ? 0 : -ENOMEM;
}

void socket_in_free(struct socket_in *s)
{
    arena_unmap(&s->arena);
    for (unsigned i = 0; i < s->fd_count; i++)
        close(s->fds[i]);
    free(s->bytes);
}
