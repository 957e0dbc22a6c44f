/* What the tests of actors share: each runs with its actors in threads and again in processes, in
 * real time; afterwards no child, no descriptor and no thread may be left.
 *
 *     ACTOR_TEST(a_call_gets_its_reply)
 *     {
 *         struct bough_actor_spec spec = {.type = "calc", .place = place};
 *         ...
 *         return rc;
 *     }
 * SPDX-License-Identifier: MIT */
#pragma once

#include "../harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((unused)) static int count_in(const char *directory)
{
    DIR *d = opendir(directory);
    int count = 0;
    CHECK(d != NULL);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

/* --- notes: what happens over there, in the order in which it happens --- */

#define NOTES "BOUGH_TEST_NOTES" /* a variable that processes inherit */

/* A file without a name, which others reach through us. */
__attribute__((unused)) static int notes_open(void)
{
    char path[64];
    int fd = memfd_create("notes", MFD_CLOEXEC);
    CHECK(fd >= 0);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    setenv(NOTES, path, 1);
    return fd;
}

__attribute__((unused, format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    va_list values;
    int fd = open(getenv(NOTES), O_WRONLY | O_APPEND | O_CLOEXEC);
    CHECK(fd >= 0);
    va_start(values, fmt);
    vdprintf(fd, fmt, values);
    va_end(values);
    close(fd);
}

/* All of them so far. */
__attribute__((unused)) static const char *notes(void)
{
    static char text[4096];
    int fd = open(getenv(NOTES), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Wait, in a task, until 'text' is there. */
__attribute__((unused)) static void await_note(const char *text)
{
    int64_t end = bough_now() + 20 * BOUGH_SEC;
    while (!strstr(notes(), text)) {
        if (bough_now() > end)
            test_fail(__FILE__, __LINE__, "\"%s\" was never noted; \"%s\" was", text, notes());
        CHECK_EQ(bough_sleep(BOUGH_MS), 0);
    }
}

/* --- the two places --- */

struct actor_test {
    enum bough_place place;
    int (*fn)(enum bough_place place);
};

static int actor_test_task(void *arg)
{
    const struct actor_test *t = arg;
    return t->fn(t->place);
}

/* An error is shown before the test fails. */
#define CHECK_RC(actual, expected)                                                                 \
    do {                                                                                           \
        int rc_ = (actual);                                                                        \
        if (rc_ < 0 && rc_ != (expected))                                                          \
            bough_error_print(bough_error_last(), stderr);                                         \
        CHECK_EQ(rc_, expected);                                                                   \
    } while (0)

__attribute__((unused)) static struct bough_actor *start_checked(struct bough_actors *an,
                                                                 struct bough_actor_spec spec)
{
    struct bough_actor *a;
    CHECK_RC(bough_actor_start(an, &spec, &a), 0);
    return a;
}
/* In an ACTOR_TEST: start(an, .type = "calc"). */
#define start(an, ...) start_checked(an, (struct bough_actor_spec){.place = place, __VA_ARGS__})

/* The words of the last failure. */
#define WHY bough_error_message(bough_error_last())

/* Can processes be started here? Not under an emulator, which does not run what is executed. */
__attribute__((unused)) static void actor_test_run(int (*fn)(enum bough_place place))
{
    static const enum bough_place places[] = {BOUGH_PLACE_THREAD, BOUGH_PLACE_PROCESS};
    for (int i = 0; i < (test_is_emulated() ? 1 : 2); i++) {
        struct actor_test t = {places[i], fn};
        int notes_fd = notes_open();
        int fds = count_in("/proc/self/fd");
        int rc = bough_run(actor_test_task, &t);
        if (rc < 0) {
            bough_error_print(bough_error_last(), stderr);
            test_fail(__FILE__, __LINE__, "in a %s: %s", i ? "process" : "thread",
                      bough_error_name(rc));
        }
        bough_error_clear();
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
        CHECK_EQ(errno, ECHILD);
        CHECK_EQ(count_in("/proc/self/fd"), fds);
        close(notes_fd);
    }
}

#define ACTOR_TEST(test_name)                                                                      \
    static int test_name##_places(enum bough_place place);                                         \
    TEST(test_name)                                                                                \
    {                                                                                              \
        actor_test_run(test_name##_places);                                                        \
    }                                                                                              \
    static int test_name##_places(__attribute__((unused)) enum bough_place place)
