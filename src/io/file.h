/* Files, inside the library. For users: bough/file.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/file.h"

/* A call with a path, made in a thread. */
struct path_call {
    const char *path, *other;
    unsigned mode;
    int flags;
    struct stat *stat;
};

/* Make it; a failure gets words: "unlink /tmp/x: ENOENT ...". */
int bough__path_call(int (*fn)(void *call), struct path_call *call, const char *what);

/* fn(arg) in a thread; for cleanup: also when we are cancelled. */
int bough__file_thread_always(int (*fn)(void *arg), void *arg);
