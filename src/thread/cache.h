/* Worker threads: kept for a while when idle, because starting one costs more than most jobs.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "bough/list.h"

/* A job; the caller's until 'fn' is called, and what becomes of it then is up to 'fn'. */
struct thread_job {
    struct bough_list link;
    void (*fn)(struct thread_job *job);
};

/* Have job->fn(job) called in some thread, soon. From any thread. 0, or -EAGAIN (no thread to be
 * had). */
int bough__thread_start(struct thread_job *job);
