/* A call that blocks, made in a worker thread while the task waits.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/attributes.h"

struct offload_job {
    void (*work)(void *arg); /* in the thread; may block */
    void (*drop)(void *arg); /* nobody wants the result: free it. In either thread */
    void *arg;
    const char *what; /* for the task tree */
};

/* A checkpoint. 0: work(arg) is done, and arg is the caller's again. -ECANCELED: the caller has left; when the work is done it will be
 * dropped. Other: it was not begun, and arg is the caller's: -ENOMEM, -EAGAIN. */
int bough__offload(const struct offload_job *job);
