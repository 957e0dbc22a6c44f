/* The measures of files: what both sides use.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "measure.h"

enum {
    FILE_BLOCK = 4096, /* bytes of a read or write */
    FILE_BLOCKS = 256,
    FILE_TASKS = 64,
    FILE_CALLS = 20000, /* that wait, of all tasks together */
    FILE_READS = 500000,
};

/* A file without a name, which is in the system's cache; -1: there can be none. */
static inline int file_anonymous(void)
{
    static const char block[FILE_BLOCK];
    const char *place = getenv("TMPDIR");
    int fd = open(place ? place : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < FILE_BLOCKS; i++)
        if (write(fd, block, sizeof(block)) != sizeof(block))
            return -1;
    return fd;
}

static inline long file_offset(long i)
{
    return i * 7 % FILE_BLOCKS * FILE_BLOCK;
}
