/* What the tests of actors share: each runs with its actors in threads and again in processes, in real
 * time; afterwards no child, no descriptor and no thread may be left.
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
#include <sys/wait.h>

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

struct actor_test {
    enum bough_place place;
    int (*fn)(enum bough_place place);
};

static int actor_test_task(void *arg)
{
    const struct actor_test *t = arg;
    return t->fn(t->place);
}

/* Can processes be started here? Not under an emulator, which does not run what is executed. */
__attribute__((unused)) static void actor_test_run(int (*fn)(enum bough_place place))
{
    static const enum bough_place places[] = {BOUGH_PLACE_THREAD, BOUGH_PLACE_PROCESS};
    for (int i = 0; i < (test_is_emulated() ? 1 : 2); i++) {
        struct actor_test t = {places[i], fn};
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
    }
}

#define ACTOR_TEST(test_name)                                                                      \
    static int test_name##_places(enum bough_place place);                                         \
    TEST(test_name)                                                                                \
    {                                                                                              \
        actor_test_run(test_name##_places);                                                        \
    }                                                                                              \
    static int test_name##_places(__attribute__((unused)) enum bough_place place)
