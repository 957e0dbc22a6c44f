/* Calls on files, by the driver or in a thread.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/driver.h"
#include "bough/thread.h"

/* Do it, waiting: by the driver, or, if it does none like that, by in_thread(operation) in a worker
 * thread. A checkpoint: cancelled before it begins, -ECANCELED, and nothing has happened; cancelled
 * later it is taken back where that is possible, which is the same; else what has happened counts.
 * What it came to. */
int bough__operation(struct bough_io_operation *operation, bough_thread_fn *in_thread);

/* The same for cleanup: also when we are cancelled. */
int bough__operation_always(struct bough_io_operation *operation, bough_thread_fn *in_thread);
