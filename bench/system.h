/* The measures of what is beside a program: its clients, and processes.
 *
 * run.py names a small static program in BENCH_NOTHING: it is what process-start starts.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "measure.h"

enum { PROCESSES = 200 };

static inline const char *nothing_path(void)
{
    const char *path = getenv("BENCH_NOTHING");
    if (!path) {
        fprintf(stderr, "BENCH_NOTHING is not set: bench/run.py does that\n");
        exit(1);
    }
    return path;
}

double http(void);
double process_start(void);

#ifdef BENCH_WITHOUT_HTTP
#define SYSTEM_MEASURES                                                                            \
    {                                                                                              \
        "process-start", process_start                                                             \
    }
#else
#define SYSTEM_MEASURES                                                                            \
    {"http", http},                                                                                \
    {                                                                                              \
        "process-start", process_start                                                             \
    }
#endif
