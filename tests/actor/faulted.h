/* A run with its 1st, 2nd, ... allocation or system call failing, each in a process of its own: so
 * no memory that an earlier run has left to its thread stands in for one that is to fail. Whatever
 * such a run comes to, it ends, soon, and leaves no descriptor, no process and no thread.
 *
 * The graces in it are to be long, so that a test in which one of them runs out hangs: a failure is
 * told, and nobody has to wait until it is noticed.
 *
 * The fault is in the process with the test, and in the actors that are threads of it; or, with
 * .over_there, in each actor that is a process.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "actor.h"

#define FAULT_OVER_THERE "BOUGH_TEST_FAULT" /* a variable: "kind:nth" */

enum { FAULTED_CLEAN = 0, FAULTED_HIT = 3 };

struct faulted {
    int (*fn)(void *arg);
    enum bough_fault fault;
    enum bough_place place; /* fn's argument points to it */
    bool over_there;
    int at_least; /* so many faults there have to be */
};

/* --- over there --- */

static enum bough_fault faulted_kind;

static void faulted_ends(void)
{
    note(bough_fault_was_hit(faulted_kind) ? "hit " : "clean ");
}

/* It comes before the run of an actor, which comes before main(). */
__attribute__((constructor)) static void faulted_begins(void)
{
    const char *text = getenv(FAULT_OVER_THERE);
    int kind, nth;
    if (!text || sscanf(text, "%d:%d", &kind, &nth) != 2)
        return;
    faulted_kind = (enum bough_fault)kind;
    bough_fault_set(faulted_kind, nth);
    atexit(faulted_ends);
}

/* --- here --- */

static bool faulted_was_hit(const struct faulted *f)
{
    if (!f->over_there)
        return bough_fault_was_hit(f->fault);
    return strstr(notes(), "hit") || !strstr(notes(), "clean"); /* neither: it was killed */
}

static void faulted_set(const struct faulted *f, int nth)
{
    char text[32];
    snprintf(text, sizeof(text), "%d:%d", (int)f->fault, nth);
    if (f->over_there)
        setenv(FAULT_OVER_THERE, text, 1);
    else
        bough_fault_set(f->fault, nth);
}

/* One that was joined may be listed for a moment. */
static void await_one_thread(void)
{
    int count;
    if (test_is_sanitized() || test_is_emulated())
        return; /* those have threads of their own */
    for (int i = 0; (count = count_in("/proc/self/task")) > 3; i++) {
        if (i > 5000)
            test_fail(__FILE__, __LINE__, "%d threads are left", count - 3);
        usleep(1000);
    }
}

/* In the process of its own. */
static int faulted_run(const struct faulted *f, int nth)
{
    enum bough_place place = f->place;
    int notes_fd = notes_open(), fds = count_in("/proc/self/fd");
    faulted_set(f, nth);
    int rc = bough_run(f->fn, &place);
    bool hit = faulted_was_hit(f);
    bough_fault_set(f->fault, 0);
    unsetenv(FAULT_OVER_THERE);
    if (rc < 0 && !hit) {
        bough_error_print(bough_error_last(), stderr);
        test_fail(__FILE__, __LINE__, "without a fault: %d", rc);
    }
    bough_error_clear();
    CHECK_EQ(count_in("/proc/self/fd"), fds);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    await_one_thread();
    close(notes_fd);
    return hit ? FAULTED_HIT : FAULTED_CLEAN;
}

static int faulted_fork(const struct faulted *f, int nth)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        exit(faulted_run(f, nth));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != FAULTED_CLEAN && WEXITSTATUS(status) != FAULTED_HIT))
        test_fail(__FILE__, __LINE__, "with fault %d it ended with status %#x", nth, status);
    return WEXITSTATUS(status);
}

/* All of them; of slow tools' many, some, which are others each time. */
__attribute__((unused)) static void fail_each(struct faulted f)
{
    bool slow = test_on_valgrind() || test_is_sanitized() || test_is_emulated();
    int step = slow ? 7 : 1, nth = 1 + (int)getpid() % step;
    if (f.place == BOUGH_PLACE_PROCESS && (test_is_emulated() || test_on_valgrind()))
        test_skip("processes are slow here, or cannot be started");
    while (faulted_fork(&f, nth) == FAULTED_HIT)
        nth += step;
    if (nth <= f.at_least)
        test_fail(__FILE__, __LINE__, "only %d faults", nth - 1);
    fprintf(stderr, "%d faults\n", (nth - 1) / step);
}
