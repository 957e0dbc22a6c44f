/* Waiting for descriptors.
 * SPDX-License-Identifier: MIT */
#include "io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/sys.h"
#include "bough/error.h"
#include "bough/io.h"

struct fd_wait {
    struct bough_wait wait;
    int fd;
    enum bough_direction direction;
};

static bool fd_abort(struct bough_wait *wait)
{
    struct fd_wait *w = bough_container_of(wait, struct fd_wait, wait);
    struct bough_driver *driver = bough_driver_current();
    driver->unwatch(driver, w->fd, w->direction);
    return true;
}

static BOUGH_COLD int fd_failed(int rc, int fd, enum bough_direction direction)
{
    const char *what = direction == BOUGH_READABLE ? "readable" : "writable";
    switch (rc) {
    case -EBUSY:
        return bough_fail(rc, "another task waits for descriptor %d to become %s", fd, what);
    case -EBADF:
        return bough_fail(rc, "descriptor %d is not open, or was closed", fd);
    default:
        return bough_fail(rc, "cannot wait for descriptor %d to become %s", fd, what);
    }
}

/* What a wait, or a watch that did not come to one, has come to. */
static int wait_result(int rc, int fd, enum bough_direction direction)
{
    if (rc == 1 || rc == -EPERM) /* an edge has come meanwhile; a file, which is always ready */
        return 0;
    return rc == 0 || rc == -ECANCELED ? rc : fd_failed(rc, fd, direction);
}

int bough__fd_wait(int fd, enum bough_direction direction)
{
    struct fd_wait w = {
        .wait = {.abort = fd_abort,
                 .what = direction == BOUGH_READABLE ? "a descriptor to become readable"
                                                     : "a descriptor to become writable"},
        .fd = fd,
        .direction = direction,
    };
    struct bough_driver *driver = bough_driver_current();
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    rc = driver->watch(driver, fd, direction, &w.wait);
    if (rc == 0)
        rc = bough_wait(&w.wait);
    else
        bough_passed();
    return wait_result(rc, fd, direction);
}

/* --- several at once --- */

struct fd_part {
    struct bough_wait wait;
    struct fd_any *any;
    int fd;
    bool watched;
};

struct fd_any {
    struct bough_wait wait;
    struct fd_part parts[FDS_MOST];
    unsigned count;
};

static void unwatch_all(struct fd_any *any)
{
    struct bough_driver *driver = bough_driver_current();
    for (unsigned i = 0; i < any->count; i++) {
        if (any->parts[i].watched)
            driver->unwatch(driver, any->parts[i].fd, BOUGH_READABLE);
        any->parts[i].watched = false;
    }
}

static void part_woken(struct bough_wait *wait, int result)
{
    struct fd_part *part = bough_container_of(wait, struct fd_part, wait);
    part->watched = false;
    unwatch_all(part->any);
    bough_wake(&part->any->wait, result);
}

static bool any_abort(struct bough_wait *wait)
{
    unwatch_all(bough_container_of(wait, struct fd_any, wait));
    return true;
}

int bough__fd_wait_any(const int *fds, unsigned count)
{
    struct fd_any any = {.wait = {.abort = any_abort, .what = "one of several descriptors"}};
    struct bough_driver *driver = bough_driver_current();
    int rc = bough_checkpoint_if_cancelled();
    if (rc < 0)
        return rc;
    while (any.count < count && rc == 0) {
        struct fd_part *part = &any.parts[any.count];
        *part = (struct fd_part){.wait.woken = part_woken, .any = &any, .fd = fds[any.count]};
        rc = driver->watch(driver, part->fd, BOUGH_READABLE, &part->wait);
        part->watched = rc == 0;
        any.count++;
    }
    if (rc == 0)
        return wait_result(bough_wait(&any.wait), any.parts[0].fd, BOUGH_READABLE);
    unwatch_all(&any);
    bough_passed();
    return wait_result(rc, any.parts[any.count - 1].fd, BOUGH_READABLE);
}

/* --- levels --- */

/* bough__fd_wait() is for those who have just been told EAGAIN. Others may ask of what is ready,
 * and of a descriptor that is ours there would be no news then. */
static int wait_for(int fd, enum bough_direction direction)
{
    struct pollfd now = {.fd = fd,
                         .events = direction == BOUGH_READABLE ? POLLIN | POLLRDHUP : POLLOUT};
    if (fd >= 0 && poll(&now, 1, 0) == 1 && !(now.revents & POLLNVAL))
        return bough_pass();
    return bough__fd_wait(fd, direction);
}

int bough_wait_readable(int fd)
{
    return wait_for(fd, BOUGH_READABLE);
}

int bough_wait_writable(int fd)
{
    return wait_for(fd, BOUGH_WRITABLE);
}

void bough_notify_closing(int fd)
{
    struct bough_driver *driver = bough_driver_current();
    driver->closing(driver, fd);
}

/* --- descriptors that are ours --- */

int bough__fd_adopt(int fd)
{
    struct bough_driver *driver = bough_driver_current();
    int rc = driver->adopt(driver, fd);
    return rc < 0 ? bough_fail_text(rc, "no memory for another descriptor") : 0;
}

void bough__fd_close(int fd)
{
    bough_notify_closing(fd);
    close(fd); /* EINTR included: it is closed on Linux */
}

int bough__fd_set_nonblocking(int fd)
{
    int flags = sys_call(EBADF, fcntl(fd, F_GETFL));
    return flags < 0 ? flags : sys_call(EBADF, fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

bool bough__fd_accept_passes(int rc)
{
    switch (rc) {
    case -EINTR:
    case -ECONNABORTED:
    case -EPERM: /* a firewall */
    case -EPROTO:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
    case -ENOPROTOOPT:
        return true;
    default:
        return false;
    }
}
