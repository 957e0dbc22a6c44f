/* What stands for the io_uring driver in a build without liburing.
 * SPDX-License-Identifier: MIT */
#include "io/uring.h"

#include <errno.h>

int bough__uring_open(struct bough_driver **ret_driver)
{
    (void)ret_driver;
    return -ENOTSUP;
}

int bough__uring_open_plain(struct bough_driver **ret_driver)
{
    return bough__uring_open(ret_driver);
}

void bough__uring_close(struct bough_driver *driver)
{
    (void)driver;
}
