/* What every measuring program in C or C++ shares: the clock, the memory, the command line.
 *
 * A program is called as `PROGRAM MEASURE`, runs that measure once, and prints one line
 * `MEASURE VALUE`: nanoseconds of CPU per operation, or bytes per task. `PROGRAM --list` prints the
 * measures it has, one a line. `PROGRAM echo` and `PROGRAM http` are servers: they print `port N`
 * and serve until they are killed; load.c drives them.
 *
 * The rules for all of them, so that the figures compare, are in README.md.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How many of everything: the same for all programs. */
enum {
    MANY = 100000,
    MILLION = 1000000,
    BATCH = 1000,
    MESSAGE = 64,   /* bytes of an echo request */
    CAPACITY = 64,  /* of the buffered channel */
    SLEEP_MS = 100, /* the longest sleep */
};

struct measure {
    const char *name;
    double (*run)(void);
};

static inline double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double real_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Resident memory of this process, in bytes. */
static inline double resident(void)
{
    long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
        exit(1);
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* How long sleeper 'i' of MANY sleeps, in microseconds: 1 to SLEEP_MS ms, in no order. */
static inline int64_t sleep_us(int64_t i)
{
    return 1000 + i * 7919 % ((SLEEP_MS - 1) * 1000);
}

static inline int measure_main(int argc, char **argv, const struct measure *list)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s MEASURE | --list\n", argv[0]);
        return 2;
    }
    for (; list->name; list++) {
        if (strcmp(argv[1], "--list") == 0) {
            puts(list->name);
        } else if (strcmp(argv[1], list->name) == 0) {
            double value = list->run();
            printf("%s %.2f\n", list->name, value);
            return value > 0 ? 0 : 1;
        }
    }
    return strcmp(argv[1], "--list") == 0 ? 0 : 2;
}

/* A function per task, so that tasks that take turns do not share call sites: a processor predicts
 * a return to the place it came from, and real programs do not oblige. X is called with 0 to 7. */
#define EIGHT_TIMES(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
/* Keeps the compiler from folding functions that differ in their name only. */
#define OWN_CODE(n) __asm__ volatile("# variant " #n)
