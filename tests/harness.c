/* The runner: one forked process per test, its output in a file, its end judged by the parent.
 * SPDX-License-Identifier: MIT */
#include "harness.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef BOUGH_HAVE_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#include <bough/testing.h>

enum { EXIT_FAILED = 97, EXIT_SKIPPED = 98, LIMIT_SECONDS = 30, SLOWER = 5 };

static struct test *tests, **tests_end = &tests;
static bool verbose, in_this_process;

void test_register(struct test *test)
{
    *tests_end = test;
    tests_end = &test->next;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(NULL);
    _exit(EXIT_FAILED);
}

void test_skip(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stdout, fmt, args);
    va_end(args);
    fflush(NULL);
    _exit(EXIT_SKIPPED);
}

bool test_on_valgrind(void)
{
#ifdef BOUGH_HAVE_VALGRIND_H
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

bool test_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

bool test_is_emulated(void)
{
    return getenv("BOUGH_TEST_EMULATED") != NULL;
}

int test_scale(int count)
{
    bool slow = test_on_valgrind() || test_is_sanitized() || test_is_emulated();
    return slow && count > 1000 ? count / 100 : count;
}

void test_run(const char *file, int line, int (*fn)(void *arg))
{
    int rc = bough_test_run(NULL, fn, NULL);
    if (rc < 0) {
        bough_error_print(bough_error_last(), stderr);
        test_fail(file, line, "the test returned %d (%s)", rc, bough_error_name(rc));
    }
}

int test_cancels(const char *file, int line, int (*fn)(void *arg), void *arg, int least)
{
    int count = bough_test_cancels(fn, arg);
    if (count < 0) {
        bough_error_print(bough_error_last(), stderr);
        test_fail(file, line, "with a cancel it returned %d (%s)", count, bough_error_name(count));
    }
    if (count < least)
        test_fail(file, line, "it has %d places to cancel it, not %d or more", count, least);
    return count;
}

/* --- one test --- */

static void run_child(const struct test *test, int output)
{
    struct rlimit none = {0, 0};
    sigset_t all;
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    setvbuf(stdout, NULL, _IONBF, 0);
    setpgid(0, 0);
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    if (test->dies_of)
        setrlimit(RLIMIT_CORE, &none);
    test->fn();
    exit(0); /* not _exit: the leak checker runs at exit */
}

static int time_limit(void)
{
    return test_on_valgrind() || test_is_sanitized() || test_is_emulated() ? LIMIT_SECONDS * SLOWER
                                                                           : LIMIT_SECONDS;
}

/* The child's end; it is killed, with what it started, when its time is up. */
static int wait_for_child(pid_t child, bool *ret_timed_out)
{
    int status;
    sigset_t set;
    struct timespec limit = {.tv_sec = time_limit()};
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    *ret_timed_out = false;
    for (;;) {
        pid_t done = waitpid(child, &status, WNOHANG);
        if (done == child)
            break;
        if (sigtimedwait(&set, NULL, &limit) < 0 && errno == EAGAIN) {
            *ret_timed_out = true;
            kill(child, SIGQUIT);
            kill(-child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
    }
    kill(-child, SIGKILL); /* nothing of a test outlives it */
    return status;
}

static char *read_output(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    if (text && pread(fd, text, (size_t)size, 0) < 0)
        *text = '\0';
    return text;
}

/* Why it failed, or NULL. */
static const char *judge(const struct test *test, int status, bool timed_out, const char *output)
{
    static char text[128];
    if (timed_out)
        return "it hung";
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        return NULL;
    if (test->dies_of) {
        bool died = WIFSIGNALED(status) ? WTERMSIG(status) == test->dies_of
                                        : test_is_sanitized() && WEXITSTATUS(status) != 0 &&
                                              WEXITSTATUS(status) != EXIT_FAILED;
        if (!died)
            return "it did not die as it should";
        return strstr(output, test->says) ? NULL : "it did not say what it should";
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    if (WIFSIGNALED(status))
        snprintf(text, sizeof(text), "it died of %s", strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof(text), "it exited with %d", WEXITSTATUS(status));
    return text;
}

static void print_comment(const char *text)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start)
            fputs("#   ", stdout);
        fputc(*text, stdout);
        at_start = *text == '\n';
    }
    if (!at_start)
        fputc('\n', stdout);
}

static void print_name(const char *name)
{
    for (; *name; name++)
        fputc(*name == '_' ? ' ' : *name, stdout);
}

struct outcome {
    const char *why; /* why it failed, or NULL */
    char *output;
    bool skipped;
};

static struct outcome attempt(const struct test *test)
{
    bool timed_out;
    int output = memfd_create("output", MFD_CLOEXEC);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0 || output < 0) {
        printf("Bail out! cannot start a test: %s\n", strerror(errno));
        exit(1);
    }
    if (child == 0)
        run_child(test, output);
    int status = wait_for_child(child, &timed_out);
    char *text = read_output(output);
    close(output);
    return (struct outcome){
        .why = judge(test, status, timed_out, text ? text : ""),
        .output = text,
        .skipped = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED,
    };
}

static void report(const struct test *test, int number, const struct outcome *o)
{
    printf("%sok %d - ", o->why ? "not " : "", number);
    print_name(test->name);
    if (o->skipped)
        printf(" # SKIP %s", o->output ? o->output : "");
    putchar('\n');
    if (o->why)
        printf("# %s: %s\n", test->name, o->why);
    if ((o->why || verbose) && o->output)
        print_comment(o->output);
    fflush(stdout);
}

/* With BOUGH_TEST_AGAIN a test that fails has a second chance, and is called unsteady if it takes
 * it: ./dev check names those at its end. */
static bool run_test(const struct test *test, int number)
{
    struct outcome o = attempt(test);
    if (o.why && getenv("BOUGH_TEST_AGAIN")) {
        printf("# unsteady: %s: %s\n", test->name, o.why);
        if (o.output)
            print_comment(o.output);
        free(o.output);
        o = attempt(test);
    }
    report(test, number, &o);
    free(o.output);
    return !o.why;
}

/* --- all of them --- */

static bool is_wanted(const struct test *test, char **parts)
{
    if (!*parts)
        return true;
    for (; *parts; parts++)
        if (strstr(test->name, *parts))
            return true;
    return false;
}

static int run_all(char **parts)
{
    int count = 0, number = 0, failed = 0;
    for (const struct test *test = tests; test; test = test->next)
        count += is_wanted(test, parts);
    printf("1..%d\n", count);
    for (const struct test *test = tests; test; test = test->next) {
        if (!is_wanted(test, parts))
            continue;
        if (in_this_process)
            test->fn();
        else
            failed += !run_test(test, ++number);
    }
    if (!in_this_process)
        printf("# %d passed, %d failed\n", count - failed, failed);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "vlnh")) != -1) {
        if (option == 'l') {
            for (const struct test *test = tests; test; test = test->next)
                puts(test->name);
            return 0;
        }
        verbose |= option == 'v';
        in_this_process |= option == 'n';
        if (option == 'h' || option == '?') {
            fputs("usage: [-vln] [part of a test's name ...]\n"
                  "  -v  what the tests print is shown, also when they pass\n"
                  "  -l  the tests' names, and nothing is run\n"
                  "  -n  no fork: in this process, for a debugger\n",
                  option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return run_all(argv + optind);
}
