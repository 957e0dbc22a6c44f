/* The test harness: a test is a function whose name is a sentence; each runs in a process of its
 * own.
 *
 *     TASK_TEST(a_cancelled_sleep_returns_at_once)
 *     {
 *         int rc = 0;
 *         bough_move_on_after (BOUGH_SEC, &rc)
 *             rc = bough_sleep(BOUGH_MINUTE);
 *         CHECK_EQ(rc, 0);
 *         CHECK_EQ(bough_now() - start, BOUGH_SEC);       // virtual time: exact
 *         return rc;
 *     }
 *
 * A file of tests is a program that prints TAP. Its arguments: parts of names, to run only those;
 * -v shows the output of tests that pass, too; -l lists; -n runs in this process, for a debugger. A
 * test fails by a CHECK that does not hold, by dying, by a leak (under ASan), or by taking longer
 * than 30 s.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bough.h>

struct test {
    const char *name;
    void (*fn)(void);
    const char *says; /* it must die, and say this on stderr; NULL: it must not die */
    int dies_of;      /* by this signal */
    struct test *next;
};

void test_register(struct test *test);
void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
/* Not here and now: too slow under Valgrind, no such kernel. It is shown, and counts as passed. */
void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Slower checking tools run smaller numbers: test_scale(100000). */
int test_scale(int count);
bool test_on_valgrind(void);
bool test_is_sanitized(void);
/* User-mode emulation, where some system calls are missing. */
bool test_is_emulated(void);

/* Run 'fn' as the main task on the test kernel, whose time jumps; fails unless it returns >= 0. */
void test_run(const char *file, int line, int (*fn)(void *arg));

/* bough_test_cancels(), and fails with what went wrong. The number of cancels, at least 'least'. */
int test_cancels(const char *file, int line, int (*fn)(void *arg), void *arg, int least);
#define CHECK_CANCELS(fn, arg, least) test_cancels(__FILE__, __LINE__, fn, arg, least)

#define TEST_AS_(test_name, died, said)                                                            \
    static void test_name(void);                                                                   \
    __attribute__((constructor)) static void test_name##_register(void)                            \
    {                                                                                              \
        static struct test test_ = {#test_name, test_name, said, died, NULL};                      \
        test_register(&test_);                                                                     \
    }

/* A test outside a run. */
#define TEST(test_name)                                                                            \
    TEST_AS_(test_name, 0, NULL)                                                                   \
    static void test_name(void)

/* A test that dies of 'signal' and says 'said' on stderr. */
#define TEST_DIES(test_name, signal, said)                                                         \
    TEST_AS_(test_name, signal, said)                                                              \
    static void test_name(void)

/* A test that is the main task of a run on the test kernel: ends with return rc. */
#define TASK_TEST_AS_(test_name, died, said)                                                       \
    TEST_AS_(test_name, died, said)                                                                \
    static int test_name##_task(void *arg);                                                        \
    static void test_name(void)                                                                    \
    {                                                                                              \
        test_run(__FILE__, __LINE__, test_name##_task);                                            \
    }                                                                                              \
    static int test_name##_task(__attribute__((unused)) void *arg)
#define TASK_TEST(test_name) TASK_TEST_AS_(test_name, 0, NULL)

/* The same, for misuse: it must panic with 'said' in the message. */
#define TEST_PANICS(test_name, said) TASK_TEST_AS_(test_name, SIGABRT, said)

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "%s does not hold", #condition))

#define CHECK_EQ(actual, expected)                                                                 \
    do {                                                                                           \
        intmax_t actual_ = (intmax_t)(actual), expected_ = (intmax_t)(expected);                   \
        if (actual_ != expected_)                                                                  \
            test_fail(__FILE__, __LINE__, "%s is %jd, not %s (%jd)", #actual, actual_, #expected,  \
                      expected_);                                                                  \
    } while (0)

#define CHECK_STR(actual, expected)                                                                \
    do {                                                                                           \
        const char *actual_ = (actual), *expected_ = (expected);                                   \
        if (!actual_ || strcmp(actual_, expected_) != 0)                                           \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual,                     \
                      actual_ ? actual_ : "(null)", expected_);                                    \
    } while (0)

/* Does 'text' contain 'part'? */
#define CHECK_HAS(text, part)                                                                      \
    do {                                                                                           \
        const char *text_ = (text), *part_ = (part);                                               \
        if (!text_ || !strstr(text_, part_))                                                       \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", without \"%s\"", #text,                   \
                      text_ ? text_ : "(null)", part_);                                            \
    } while (0)
