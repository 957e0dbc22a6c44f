/* Descriptors that are passed through Unix sockets.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/unix.h"
#include "io/fdstream.h"

/* A message with its descriptors. There is always room for all that can come at once, so what is
 * cut off could not be opened. */
struct message {
    struct iovec bytes;
    struct msghdr header;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(BOUGH_UNIX_FDS * sizeof(int))];
    } control;
};

static void message_init(struct message *m, void *data, size_t size, size_t control)
{
    m->bytes = (struct iovec){.iov_base = data, .iov_len = size < INT_MAX ? size : INT_MAX};
    m->header = (struct msghdr){
        .msg_iov = &m->bytes,
        .msg_iovlen = 1,
        .msg_control = control ? &m->control : NULL,
        .msg_controllen = control,
    };
}

/* --- sending --- */

static int send_message(int fd, void *arg)
{
    struct message *m = arg;
    return sys_call(ECONNRESET, sendmsg(fd, &m->header, MSG_NOSIGNAL));
}

static void attach(struct message *m, const int *fds, unsigned count)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(&m->header);
    memset(&m->control, 0, CMSG_SPACE(count * sizeof(int)));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
}

int bough_unix_send_fds(struct bough_stream *s, const void *data, size_t size, const int *fds,
                        unsigned count)
{
    struct message m;
    if (size == 0)
        return bough_fail_text(-EINVAL, "descriptors travel with bytes: there are none");
    if (count > BOUGH_UNIX_FDS)
        return bough_fail(-EINVAL, "%u descriptors; at most %d can be sent at once", count,
                          BOUGH_UNIX_FDS);
    for (unsigned i = 0; i < count; i++)
        if (fcntl(fds[i], F_GETFD) < 0)
            return bough_fail(-EBADF, "descriptor %d, which is to be sent, is not open", fds[i]);
    message_init(&m, (void *)(uintptr_t)data, size, count ? CMSG_SPACE(count * sizeof(int)) : 0);
    if (count)
        attach(&m, fds, count);
    int n = bough__fd_stream_send_by(s, send_message, &m);
    if (n < 0 || (size_t)n == size)
        return n < 0 ? n : 0;
    return bough_stream_send_all(s, (const char *)data + n, size - (size_t)n);
}

/* --- receiving --- */

static int receive_message(int fd, void *arg)
{
    struct message *m = arg;
    m->header.msg_controllen = sizeof(m->control.room); /* EAGAIN has cleared it */
    return sys_call(ECONNRESET, recvmsg(fd, &m->header, MSG_CMSG_CLOEXEC));
}

/* All that came. */
static unsigned detach(struct message *m, int fds[BOUGH_UNIX_FDS])
{
    unsigned count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->header); c; c = CMSG_NXTHDR(&m->header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds + count, CMSG_DATA(c), n * sizeof(int));
        count += (unsigned)n;
    }
    return count;
}

static int refuse(const int *fds, unsigned count, int code, unsigned capacity)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    if (code == -EMFILE)
        return bough_fail_text(code, "not all descriptors that were sent could be opened");
    return bough_fail(code, "%u descriptors came, and there is room for %u", count, capacity);
}

int bough_unix_receive_fds(struct bough_stream *s, void *ret_buffer, size_t size, int *ret_fds,
                           unsigned capacity, unsigned *ret_count)
{
    struct message m;
    int fds[BOUGH_UNIX_FDS];
    if (size == 0)
        return bough_fail_text(-EINVAL, "a receive into a buffer of 0 bytes");
    message_init(&m, ret_buffer, size, sizeof(m.control.room));
    int n = bough__fd_stream_receive_by(s, receive_message, &m);
    if (n < 0)
        return n;
    unsigned count = detach(&m, fds);
    if (m.header.msg_flags & MSG_CTRUNC)
        return refuse(fds, count, -EMFILE, capacity);
    if (count > capacity)
        return refuse(fds, count, -EMSGSIZE, capacity);
    if (count)
        memcpy(ret_fds, fds, count * sizeof(int));
    *ret_count = count;
    return n;
}
