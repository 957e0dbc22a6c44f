/* The driver for every Linux: epoll. See bough/driver.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"

/* 0, or -EMFILE, -ENOMEM and the like. */
int bough__epoll_open(struct bough_driver **ret_driver);
void bough__epoll_close(struct bough_driver *driver);

/* The test kernel's: look for descriptors that were closed behind our back. Returns how many waits
 * it woke. */
int bough__epoll_sweep(struct bough_driver *driver);

/* Readable when wait() would wake somebody: for a loop around this one. */
int bough__epoll_fd(struct bough_driver *driver);
