/* A driver: the kernel as the loop sees it. The library brings epoll, io_uring and the test kernel;
 * a program may bring its own through bough_run_options.
 *
 * A driver does four things: it tells the time, it waits until something happens or a deadline
 * comes and wakes whoever waited for it, it watches file descriptors, and it can be interrupted
 * while it waits. It may do more: whole calls on files, of which a disk is never "ready". All but
 * interrupt() are called in the run's thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/wait.h"

BOUGH_BEGIN_DECLS

enum bough_direction { BOUGH_READABLE, BOUGH_WRITABLE };

enum bough_operation_kind {
    BOUGH_OPERATION_NONE,   /* one that no driver does */
    BOUGH_OPERATION_OPEN,   /* path, flags, mode: close-on-exec; the descriptor */
    BOUGH_OPERATION_CLOSE,  /* fd */
    BOUGH_OPERATION_READ,   /* fd, data, size, offset: how many bytes */
    BOUGH_OPERATION_WRITE,  /* the same */
    BOUGH_OPERATION_SYNC,   /* fd; flags: 1, only the data */
    BOUGH_OPERATION_STAT,   /* fd (or AT_FDCWD), path, flags of statx(2); data: a struct statx */
    BOUGH_OPERATION_UNLINK, /* path, flags of unlinkat(2) */
    BOUGH_OPERATION_RENAME, /* path to other */
    BOUGH_OPERATION_MKDIR,  /* path, mode */
    BOUGH_OPERATION_KINDS
};

/* A system call on a file, with what it takes; the rest is 0. What it comes to is what the call
 * would return, or a negative errno. */
struct bough_io_operation {
    enum bough_operation_kind kind;
    int fd;
    const char *path, *other;
    void *data;
    size_t size;
    int64_t offset; /* -1: the file's position, which moves on */
    int flags;
    unsigned mode;
    /* Set by who submits it. */
    struct bough_wait *wait;
    /* The driver's. */
    unsigned request;
    int64_t position;
};

struct bough_driver {
    const char *name;

    /* Nanoseconds; never goes back. */
    int64_t (*now)(struct bough_driver *driver);

    /* The same, cheap: at most 'coarse_step' behind now(), never ahead. */
    int64_t (*coarse_now)(struct bough_driver *driver);
    int64_t coarse_step;

    /* While tasks are ready, wait() is called this often; 0: after every pass. */
    int64_t poll_after;

    /* Look at what has happened and wake who waited for it (bough_wake). If nothing has, sleep
     * until something does, or interrupt(), or 'deadline' (INT64_MIN: do not sleep; BOUGH_NEVER: no
     * deadline). May return early. Returns how many it woke, or < 0. */
    int (*wait)(struct bough_driver *driver, int64_t deadline);

    /* Make the wait() that is under way, or the next one, return soon. From any thread or signal
     * handler. */
    void (*interrupt)(struct bough_driver *driver);

    /* Wake 'wait' with 0 when 'fd' is ready in that direction, or broken. 0: the caller parks next.
     * 1: it may be ready now, nothing was registered. < 0, nothing was registered: -EBUSY (somebody
     * waits in that direction already), -EBADF, -EPERM (a file that is always ready), -ENOMEM. */
    int (*watch)(struct bough_driver *driver, int fd, enum bough_direction direction,
                 struct bough_wait *wait);

    /* 'fd' is ours until closing(): nobody closes it behind our back, and whoever watches it has
     * seen it drained (EAGAIN, or less than was asked for). So one registration may serve all its
     * life. */
    int (*adopt)(struct bough_driver *driver, int fd);

    /* The waiter gave up (from its abort). */
    void (*unwatch)(struct bough_driver *driver, int fd, enum bough_direction direction);

    /* 'fd' is about to be closed: wake its waiters with -EBADF and forget it. */
    void (*closing)(struct bough_driver *driver, int fd);

    /* Optional (NULL: there are none). Do 'operation' and wake operation->wait with what it came
     * to; the operation and all that it points to stay until then. 0: the caller parks next.
     * -ENOSYS, also as what it comes to: the driver does none like that after all, and nothing has
     * happened. -ENOMEM: not now. */
    int (*submit)(struct bough_driver *driver, struct bough_io_operation *operation);

    /* The waiter would rather not have it (from its abort, which answers that a wake will still
     * come): try to take it back. If it is not too late it comes to -ECANCELED or -EINTR, and has
     * done nothing. */
    void (*recall)(struct bough_driver *driver, struct bough_io_operation *operation);

    /* Optional (NULL: accept(2) for yourself). Accept ahead from a listening socket that was
     * adopted: the next connection that has been accepted, its descriptor non-blocking and
     * close-on-exec. -EAGAIN: there is none; watch() it for readable, which tells when there is.
     * -EOPNOTSUPP: accept for yourself. Other errors are those of accept(2). Connections that
     * nobody has taken are closed by closing(). */
    int (*accept)(struct bough_driver *driver, int fd);

    /* Optional (NULL: recv(2) for yourself). From the next watch() on, receive ahead from a TCP
     * socket that was adopted, or no more. 0; -EOPNOTSUPP: it will not be. */
    int (*receive_ahead)(struct bough_driver *driver, int fd, bool ahead);

    /* If receive_ahead() was ever 0 for 'fd', before recv(2): what has come, as recv(2) gives it.
     * -EAGAIN: nothing has; watch() tells when something does. -EOPNOTSUPP: receive for yourself.
     * -ESTALE: it was not adopted here. What nobody has taken is dropped by closing(), and when the
     * driver is closed. */
    int (*receive)(struct bough_driver *driver, int fd, void *ret_buffer, size_t size);

    /* Others want this thread, too: wait() is called as often when nothing is watched. */
    bool shared;

    /* Waits that can still be woken by the world: while there are any, the run is not deadlocked.
     */
    unsigned watched;

    /* Set by the loop: gates that are held (bough/entry.h). While there are any, somebody may call
     * in. */
    unsigned holds;
};

/* The driver of the current run. Panics outside one. */
struct bough_driver *bough_driver_current(void);

struct bough_run_options;

/* bough_run_with() on a driver of your own, which is not freed. What bough_run() does once it has
 * chosen a driver. */
BOUGH_MUST_CHECK int bough_run_on(struct bough_driver *driver,
                                  const struct bough_run_options *options, int (*fn)(void *arg),
                                  void *arg);

/* Called once by the loop when no task is ready and a look at the kernel found nothing, before it
 * would sleep (or the test kernel's clock would jump). What it wakes runs first. */
struct bough_idle {
    struct bough_list link;
    void (*fn)(struct bough_idle *idle);
};
void bough_idle_add(struct bough_idle *idle);
void bough_idle_remove(struct bough_idle *idle); /* idempotent */

BOUGH_END_DECLS
