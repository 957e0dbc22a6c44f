/* Streams over descriptors: sockets, pipes, terminals.
 *
 * The system call comes first; only when it says EAGAIN the task waits. One thing saves a call a
 * message: after a receive that did not fill its buffer a TCP socket was empty, so the next one
 * waits first ('drained'). Other descriptors may return less for other reasons: a line, a message.
 *
 * The system tells once that a connection is lost, in whichever direction asks first; after that
 * receiving looks like the end. But a message that was cut off must not pass for a whole one, so it
 * is kept here ('lost').
 *
 * A driver may receive ahead of us, which is faster, but takes from the socket what nobody has
 * asked for. So it may do so only with connections whose descriptor nobody else knows
 * ('is_private'), and whose receiver comes back again and again.
 * SPDX-License-Identifier: MIT */
#include "io/fdstream.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/panic.h"
#include "bough/wait.h"
#include "io/fd.h"

enum { OFTEN = 4 }; /* has somebody waited who will do so again */

struct fd_stream {
    struct bough_stream stream;
    int fd; /* -1: closed */
    bool is_socket, is_tcp, is_unix;
    bool is_private; /* nobody else knows the descriptor */
    bool drained;
    bool ahead;              /* the driver may have received something */
    unsigned waits;          /* of receivers */
    bool sending, receiving; /* a task is in it */
    bool ended;              /* send_eof was called */
    int lost;                /* the connection was, by this error; 0: not that we know */
    bool orphan;             /* freed while a task was in it: the last one out frees it */
};

static struct fd_stream *fd_stream_of(struct bough_stream *s)
{
    return bough_container_of(s, struct fd_stream, stream);
}

static int transport_failed(int rc)
{
    switch (rc) {
    case -EPIPE:
    case -ESHUTDOWN:
        return bough_fail_text(-EPIPE, "the peer has closed the connection");
    case -ECONNRESET:
        return bough_fail_text(-EPIPE, "connection reset by the peer");
    case -ETIMEDOUT: /* TCP gave up; nothing of ours timed out */
        return bough_fail_text(-EPIPE, "the peer does not answer any more");
    case -EBADF:
        return bough_fail_text(-EBADF, "the stream is closed");
    default:
        return bough_fail(rc, "the stream failed: %s", bough_error_name(rc));
    }
}

/* A call on the descriptor has failed. */
static int failed(struct fd_stream *f, int rc)
{
    if (f->is_socket &&
        (rc == -ECONNRESET || rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -ENETUNREACH))
        f->lost = rc;
    if (rc == -EBADF && f->fd >= 0)
        return bough_fail_text(-EBADF, "the descriptor of this stream does not go this way");
    return transport_failed(rc);
}

static int busy(const char *direction)
{
    return bough_fail(-EBUSY, "another task is %s this stream", direction);
}

/* A task is out again. */
static void leave(struct fd_stream *f)
{
    if (BOUGH_UNLIKELY(f->orphan) && !f->sending && !f->receiving)
        free(f);
}

/* --- sending --- */

static int write_some(const struct fd_stream *f, const char *data, size_t size)
{
    if (size > INT32_MAX)
        size = INT32_MAX;
    return f->is_socket ? sys_call(ECONNRESET, send(f->fd, data, size, MSG_NOSIGNAL))
                        : sys_call(EPIPE, write(f->fd, data, size));
}

static int send_rest(struct fd_stream *f, const char *data, size_t size)
{
    while (size) {
        int n = write_some(f, data, size);
        if (n >= 0) {
            data += n;
            size -= (size_t)n;
        } else if (n == -EAGAIN) {
            n = bough__fd_wait(f->fd, BOUGH_WRITABLE);
            if (n < 0)
                return n;
        } else if (n != -EINTR) {
            return failed(f, n);
        }
        if (f->fd < 0) /* closed while we waited */
            return transport_failed(-EBADF);
    }
    return 0;
}

static int fd_send_all(struct bough_stream *s, const void *data, size_t size)
{
    struct fd_stream *f = fd_stream_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (f->fd < 0 || f->ended)
        return transport_failed(-EBADF);
    if (f->sending)
        return busy("sending into");
    f->sending = true;
    rc = send_rest(f, data, size);
    f->sending = false;
    leave(f);
    bough_passed();
    return rc;
}

/* --- receiving --- */

static int read_some(const struct fd_stream *f, void *buffer, size_t size)
{
    return f->is_socket ? sys_call(ECONNRESET, recv(f->fd, buffer, size, 0))
                        : sys_call(EIO, read(f->fd, buffer, size));
}

/* What the driver of an earlier run had received is gone with it. */
static int receive_of_driver(const struct fd_stream *f, void *buffer, size_t size)
{
    struct bough_driver *driver = bough_driver_current();
    int n = driver->receive ? driver->receive(driver, f->fd, buffer, size) : -ESTALE;
    if (BOUGH_UNLIKELY(n == -ESTALE))
        bough_panic("a stream (descriptor %d) that was opened in another run is used in this one: "
                    "free it in the run that opened it",
                    f->fd);
    return n;
}

/* What the driver has received comes first, and while it receives nobody else does. */
static int receive_now(const struct fd_stream *f, void *buffer, size_t size)
{
    if (f->ahead) {
        int n = receive_of_driver(f, buffer, size);
        if (n != -EOPNOTSUPP)
            return n;
    }
    return f->drained ? -EAGAIN : read_some(f, buffer, size);
}

static void receive_ahead(struct fd_stream *f)
{
    struct bough_driver *driver = bough_driver_current();
    f->ahead = driver->receive_ahead && driver->receive_ahead(driver, f->fd, true) == 0;
}

static int wait_readable(struct fd_stream *f)
{
    if (f->is_tcp && f->is_private && ++f->waits == OFTEN)
        receive_ahead(f);
    return bough__fd_wait(f->fd, BOUGH_READABLE);
}

static int receive(struct fd_stream *f, void *buffer, size_t size)
{
    for (;;) {
        int n = receive_now(f, buffer, size);
        if (n > 0) {
            f->drained = f->is_tcp && (size_t)n < size;
            return n;
        }
        if (n == 0)
            return f->lost ? transport_failed(f->lost) : 0;
        if (n == -EAGAIN) {
            n = wait_readable(f);
            if (n < 0)
                return n;
            if (f->fd < 0)
                return transport_failed(-EBADF);
            f->drained = false;
        } else if (n != -EINTR) {
            return failed(f, n);
        }
    }
}

static int fd_receive_some(struct bough_stream *s, void *ret_buffer, size_t size)
{
    struct fd_stream *f = fd_stream_of(s);
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (f->fd < 0)
        return transport_failed(-EBADF);
    if (f->receiving)
        return busy("receiving from");
    f->receiving = true;
    rc = receive(f, ret_buffer, size);
    f->receiving = false;
    leave(f);
    bough_passed();
    return rc;
}

/* --- the end --- */

static int fd_send_eof(struct bough_stream *s)
{
    struct fd_stream *f = fd_stream_of(s);
    int rc = bough_pass();
    if (rc < 0)
        return rc;
    if (f->fd < 0)
        return transport_failed(-EBADF);
    if (f->sending)
        return busy("sending into");
    if (!f->is_socket)
        return bough_fail_text(-ENOTSUP, "a pipe cannot end one direction alone: close it");
    rc = sys_call(ENOBUFS, shutdown(f->fd, SHUT_WR));
    if (rc < 0 && rc != -ENOTCONN)
        return transport_failed(rc);
    f->ended = true;
    return 0;
}

static int fd_close(struct bough_stream *s)
{
    struct fd_stream *f = fd_stream_of(s);
    int fd = f->fd;
    f->fd = -1;
    if (fd >= 0)
        bough__fd_close(fd);
    return 0;
}

static void fd_free(struct bough_stream *s)
{
    struct fd_stream *f = fd_stream_of(s);
    (void)fd_close(s);
    f->orphan = true;
    leave(f);
}

static const struct bough_stream_operations fd_stream_operations = {
    .name = "descriptor",
    .send_all = fd_send_all,
    .receive_some = fd_receive_some,
    .send_eof = fd_send_eof,
    .close = fd_close,
    .free = fd_free,
};

/* --- calls of others --- */

/* Until it gives something other than -EAGAIN. */
static int call_and_wait(struct fd_stream *f, enum bough_direction direction,
                         bough__fd_stream_call_fn *call, void *arg)
{
    for (;;) {
        int n = call(f->fd, arg);
        if (n == 0 && direction == BOUGH_READABLE && f->lost)
            return transport_failed(f->lost);
        if (n >= 0)
            return n;
        if (n == -EAGAIN) {
            n = bough__fd_wait(f->fd, direction);
            if (n < 0)
                return n;
            if (f->fd < 0)
                return transport_failed(-EBADF);
        } else if (n != -EINTR) {
            return failed(f, n);
        }
    }
}

static int call_of_others(struct bough_stream *s, enum bough_direction direction,
                          bough__fd_stream_call_fn *call, void *arg)
{
    struct fd_stream *f = fd_stream_of(s);
    bool sends = direction == BOUGH_WRITABLE, *inside = sends ? &f->sending : &f->receiving;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    if (s->operations != &fd_stream_operations || !f->is_unix)
        return bough_fail_text(-EINVAL, "descriptors travel through Unix sockets only");
    if (f->fd < 0 || (sends && f->ended))
        return transport_failed(-EBADF);
    if (*inside)
        return busy(sends ? "sending into" : "receiving from");
    *inside = true;
    rc = call_and_wait(f, direction, call, arg);
    *inside = false;
    leave(f);
    bough_passed();
    return rc;
}

int bough__fd_stream_send_by(struct bough_stream *s, bough__fd_stream_call_fn *call, void *arg)
{
    return call_of_others(s, BOUGH_WRITABLE, call, arg);
}

int bough__fd_stream_receive_by(struct bough_stream *s, bough__fd_stream_call_fn *call, void *arg)
{
    return call_of_others(s, BOUGH_READABLE, call, arg);
}

/* --- open --- */

static void ignore_sigpipe(void)
{
    struct sigaction now, ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        (void)sigaction(SIGPIPE, &ignore, NULL);
}

static void look_at_socket(struct fd_stream *f)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);
    (void)getsockopt(f->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    (void)getsockopt(f->fd, SOL_SOCKET, SO_TYPE, &type, &size);
    f->is_socket = true;
    f->is_tcp = (domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM;
    f->is_unix = domain == AF_UNIX;
}

static int fd_stream_setup(struct fd_stream *f)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return bough_fail(-errno, "descriptor %d cannot be a stream", f->fd);
    if (S_ISSOCK(st.st_mode))
        look_at_socket(f);
    else
        ignore_sigpipe();
    int rc = bough__fd_set_nonblocking(f->fd);
    if (rc < 0)
        return bough_fail(rc, "descriptor %d cannot be made non-blocking", f->fd);
    return bough__fd_adopt(f->fd);
}

static int open_stream(int fd, bool is_private, struct bough_stream **ret_stream)
{
    struct fd_stream *f = sys_malloc(sizeof(*f));
    if (!f) {
        bough__fd_close(fd);
        return bough_fail_text(-ENOMEM, "no memory for a stream");
    }
    *f = (struct fd_stream){
        .stream.operations = &fd_stream_operations, .fd = fd, .is_private = is_private};
    int rc = fd_stream_setup(f);
    if (rc < 0) {
        fd_free(&f->stream);
        return rc;
    }
    *ret_stream = &f->stream;
    return 0;
}

int bough_fd_stream_open(int fd, struct bough_stream **ret_stream)
{
    return open_stream(fd, false, ret_stream);
}

int bough__fd_stream_open_private(int fd, struct bough_stream **ret_stream)
{
    return open_stream(fd, true, ret_stream);
}

int bough__fd_stream_fd(const struct bough_stream *s)
{
    if (s->operations != &fd_stream_operations)
        return -1;
    return bough_container_of(s, const struct fd_stream, stream)->fd;
}

int bough_stream_fd(struct bough_stream *s)
{
    int fd = bough__fd_stream_fd(s);
    if (fd < 0)
        return -1;
    struct fd_stream *f = fd_stream_of(s);
    f->is_private = false;
    struct bough_driver *driver = f->ahead ? bough_driver_current() : NULL;
    if (driver && driver->receive_ahead)
        (void)driver->receive_ahead(driver, fd, false);
    return fd;
}
