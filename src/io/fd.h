/* Descriptors, inside the library. For users: bough/io.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"

/* bough_wait_readable() or bough_wait_writable(). */
int bough__fd_wait(int fd, enum bough_direction direction);

/* From here on 'fd' is closed by bough__fd_close() and nothing else; who waits for it has seen it drained. */
int bough__fd_adopt(int fd);
void bough__fd_close(int fd);

int bough__fd_set_nonblocking(int fd);
