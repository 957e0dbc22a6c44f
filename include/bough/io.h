/* Descriptors: wait until one is readable or writable. With this, any C library that has a
 * non-blocking mode can be driven from a task.
 *
 *     while ((n = read(fd, buffer, size)) < 0 && errno == EAGAIN) {
 *         int rc = bough_wait_readable(fd);
 *         if (rc < 0)
 *             return rc;
 *     }
 *     ...
 *     bough_notify_closing(fd);
 *     close(fd);
 *
 * The descriptor must be non-blocking, or a read may block the whole run. Sockets and the like are
 * at a higher level in bough/net.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

BOUGH_BEGIN_DECLS

/* Wait until 'fd' can be read (or written) without blocking, or has an error or an end, which the
 * next call on it will tell. Returns soon if it can already. A checkpoint. 0; -ECANCELED; -EBUSY:
 * another task waits for the same; -EBADF: it is not open, or was closed while we waited; -ENOMEM.
 * Always ready, such as a regular file: 0. */
BOUGH_MUST_CHECK int bough_wait_readable(int fd);
BOUGH_MUST_CHECK int bough_wait_writable(int fd);

/* 'fd' is about to be closed: tasks that wait for it get -EBADF, and the run forgets it. To be
 * called before close(). (A descriptor that is closed without it is noticed too, but only after a
 * while, and not if its number is in use again.) Does not block. */
void bough_notify_closing(int fd);

BOUGH_END_DECLS
