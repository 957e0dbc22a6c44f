/* Sockets: try, and wait when it would block.
 * SPDX-License-Identifier: MIT */
#include "bough/socket.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/time.h"
#include "bough/wait.h"
#include "io/fd.h"

#define PAUSE_FIRST BOUGH_MS
#define PAUSE_MOST (50 * BOUGH_MS)

int bough_socket_open(int domain, int type, int protocol)
{
    int fd = sys_call(EMFILE, socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (fd < 0)
        return bough_fail(fd, "no socket to be had: %s", bough_error_name(fd));
    int rc = bough__fd_adopt(fd);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int bough_socket_adopt(int fd)
{
    int rc = bough__fd_set_nonblocking(fd);
    if (rc < 0)
        return bough_fail(rc, "descriptor %d cannot be a socket of ours", fd);
    return bough__fd_adopt(fd);
}

void bough_socket_close(int fd)
{
    if (fd >= 0)
        bough__fd_close(fd);
}

/* After a call that returned 'rc': may it be tried again (perhaps after a wait)? If not, *rc is the
 * result. */
static bool try_again(int *rc, int fd, enum bough_direction direction)
{
    if (*rc == -EINTR)
        return true;
    if (*rc == -EAGAIN) {
        *rc = bough__fd_wait(fd, direction);
        return *rc == 0;
    }
    bough_passed();
    return false;
}

static int failed(int rc, const char *what)
{
    return rc >= 0 || rc == -ECANCELED ? rc : bough_fail(rc, "%s: %s", what, bough_error_name(rc));
}

/* --- connect --- */

static int connect_now(int fd, const struct bough_address *to)
{
    return sys_call(ECONNREFUSED, connect(fd, (const struct sockaddr *)&to->storage, to->size));
}

/* The socket may have been reported for an attempt before this one, so ask what became of ours:
 * connect() tells, too. */
static int connect_finish(int fd, const struct bough_address *to)
{
    int rc;
    do {
        rc = bough__fd_wait(fd, BOUGH_WRITABLE);
        if (rc < 0)
            return rc;
        rc = connect_now(fd, to);
    } while (rc == -EALREADY || rc == -EINTR);
    return rc == -EISCONN ? 0 : rc;
}

/* A sleep does not see that the socket is closed, and its number may be another's by the end. */
static int sleep_beside(int fd, int64_t duration)
{
    struct stat before, after;
    int rc = fstat(fd, &before) < 0 ? -errno : bough_sleep(duration);
    if (rc < 0)
        return rc;
    return fstat(fd, &after) == 0 && after.st_ino == before.st_ino ? 0 : -EBADF;
}

/* The listener's queue was full: the kernel does not say when there is room. */
static int connect_patiently(int fd, const struct bough_address *to)
{
    int64_t pause = PAUSE_FIRST;
    int rc;
    do {
        rc = sleep_beside(fd, pause);
        if (rc < 0)
            return rc;
        pause = 2 * pause < PAUSE_MOST ? 2 * pause : PAUSE_MOST;
        rc = connect_now(fd, to);
    } while (rc == -EAGAIN || rc == -EINTR);
    return rc;
}

int bough_socket_connect(int fd, const struct bough_address *to)
{
    char text[BOUGH_ADDRESS_TEXT];
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    rc = connect_now(fd, to);
    if (rc == -EINPROGRESS || rc == -EINTR)
        rc = connect_finish(fd, to);
    else if (rc == -EAGAIN && to->storage.ss_family == AF_UNIX)
        rc = connect_patiently(fd, to);
    else
        bough_passed();
    if (rc == 0 || rc == -ECANCELED)
        return rc;
    return bough_fail(rc, "cannot connect to %s: %s", bough_address_format(to, text, sizeof(text)),
                      bough_error_name(rc));
}

/* --- accept --- */

static int accept_now(int fd, struct bough_address *ret_from)
{
    struct bough_address from = {.size = sizeof(from.storage)};
    int client = sys_call(EMFILE, accept4(fd, (struct sockaddr *)&from.storage, &from.size,
                                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client < 0)
        return client;
    int rc = bough__fd_adopt(client);
    if (rc < 0) {
        close(client);
        return rc;
    }
    if (ret_from)
        *ret_from = from;
    return client;
}

int bough_socket_accept(int fd, struct bough_address *ret_from)
{
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    do
        rc = accept_now(fd, ret_from);
    while (bough__fd_accept_passes(rc) || try_again(&rc, fd, BOUGH_READABLE));
    return failed(rc, "accept");
}

/* --- receive and send --- */

static int limit(size_t size)
{
    return size < INT32_MAX ? (int)size : INT32_MAX;
}

int bough_socket_receive_from(int fd, void *ret_buffer, size_t size, int flags,
                              struct bough_address *ret_from)
{
    struct bough_address from;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    do {
        from.size = sizeof(from.storage);
        rc = sys_call(ECONNRESET, recvfrom(fd, ret_buffer, (size_t)limit(size), flags,
                                           (struct sockaddr *)&from.storage, &from.size));
    } while (try_again(&rc, fd, BOUGH_READABLE));
    if (rc >= 0 && ret_from)
        *ret_from = from;
    return failed(rc, "receive");
}

int bough_socket_receive(int fd, void *ret_buffer, size_t size, int flags)
{
    return bough_socket_receive_from(fd, ret_buffer, size, flags, NULL);
}

int bough_socket_send_to(int fd, const void *data, size_t size, int flags,
                         const struct bough_address *to)
{
    const struct sockaddr *address = to ? (const struct sockaddr *)&to->storage : NULL;
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    do
        rc = sys_call(ECONNRESET, sendto(fd, data, (size_t)limit(size), flags | MSG_NOSIGNAL,
                                         address, to ? to->size : 0));
    while (try_again(&rc, fd, BOUGH_WRITABLE));
    return failed(rc, "send");
}

int bough_socket_send(int fd, const void *data, size_t size, int flags)
{
    return bough_socket_send_to(fd, data, size, flags, NULL);
}
