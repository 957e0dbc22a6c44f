/* Files, inside the library. For users: bough/file.h.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/file.h"
#include "io/operation.h"

/* A call with a path, by the driver or as fn(operation) in a thread; a failure gets words: "unlink
 * /tmp/x: ENOENT ...". */
int bough__path_call(bough_thread_fn *fn, struct bough_io_operation *operation, const char *what);

/* A STAT operation, without its 'data'. */
int bough__stat_call(struct bough_io_operation *operation, struct stat *ret_stat);
