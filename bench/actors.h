/* The measures of actors: CPU time of both sides.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "measure.h"

/* Of this process, and of another one (0: none), in nanoseconds. */
static inline double cpu_of_both(pid_t other)
{
    struct timespec t = {0};
    clockid_t clock;
    if (other && clock_getcpuclockid(other, &clock) == 0)
        clock_gettime(clock, &t);
    return cpu_ns() + (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double actor_call_thread(void);
double actor_call_process(void);
double actor_stream_64(void);
double actor_stream_64_thread(void);
double actor_stream_4k(void);
double actor_stream_1m(void);
double actor_start(void);
double pool_map(void);
double pool_heavy(void);

#define ACTOR_MEASURES                                                                             \
    {"actor-call-thread", actor_call_thread}, {"actor-call-process", actor_call_process},          \
        {"actor-stream-64", actor_stream_64}, {"actor-stream-4k", actor_stream_4k},                \
        {"actor-stream-1m", actor_stream_1m},                                                      \
    {                                                                                              \
        "actor-start", actor_start                                                                 \
    }
