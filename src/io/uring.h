/* The io_uring driver. See bough/driver.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"

/* 0; -ENOSYS: the kernel has none, or one that is too old (5.13 is the least), or it is Valgrind's;
 * -EPERM: it is forbidden here; -ENOTSUP: this build has none (io/uring_none.c); -EMFILE, -ENOMEM
 * and the like. */
int bough__uring_open(struct bough_driver **ret_driver);

/* The same as on a kernel that knows nothing newer: for tests. */
int bough__uring_open_plain(struct bough_driver **ret_driver);

void bough__uring_close(struct bough_driver *driver);
