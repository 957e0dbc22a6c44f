/* Descriptors, inside the library. For users: bough/io.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"

/* Wait for 'fd', after EAGAIN or a short read. As bough_wait_readable() and bough_wait_writable(),
 * which ask for a level. */
int bough__fd_wait(int fd, enum bough_direction direction);

/* The same for several at once, which have all said EAGAIN, until the first of them is readable. */
enum { FDS_MOST = 8 };
int bough__fd_wait_any(const int *fds, unsigned count);

/* From here on 'fd' is closed by bough__fd_close() and nothing else; who waits for it has seen it
 * drained. */
int bough__fd_adopt(int fd);
void bough__fd_close(int fd);

int bough__fd_set_nonblocking(int fd);

/* Did accept(2) fail because of the connection that it would have returned, rather than for us?
 * Then there may be others. */
bool bough__fd_accept_passes(int rc);
