/* Pools when memory or descriptors run out, and when they are cancelled anywhere.
 * SPDX-License-Identifier: MIT */
#include "pool_crew.h"

static enum bough_place where;

static int use_it_all(void *arg)
{
    int rc = 0;
    long items[] = {1, 2, 3, 4, 5, 6}, results[6];
    struct bough_pool_options options = {.type = "crew",
                                         .place = where,
                                         .workers = 2,
                                         .max_tasks = 3,
                                         .restarts = -1,
                                         .grace = BOUGH_SEC};
    (void)arg;
    bough_with_pool (p, &options, &rc) {
        long y;
        struct bough_pool_map_options map = {.items = items,
                                             .item_size = sizeof(*items),
                                             .count = 6,
                                             .results = results,
                                             .result_size = sizeof(*results)};
        rc = ask_long(p, "square", 12, &y);
        if (rc == 0)
            rc = bough_pool_map(p, "square", &map);
        if (rc == 0)
            CHECK_EQ(results[5], 36);
    }
    return rc;
}

static void with_faults(enum bough_place place, enum bough_fault fault)
{
    int fds = count_in("/proc/self/fd");
    where = place;
    for (int nth = 1;; nth++) {
        bough_fault_set(fault, nth);
        int rc = bough_run(use_it_all, NULL);
        bool hit = bough_fault_was_hit(fault);
        bough_fault_set(fault, 0);
        if (rc < 0 && !hit)
            bough_error_print(bough_error_last(), stderr);
        bough_error_clear();
        CHECK_EQ(count_in("/proc/self/fd"), fds);
        CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
        if (!hit) {
            CHECK_EQ(rc, 0);
            return;
        }
    }
}

TEST(a_pool_of_threads_stands_every_allocation_failing)
{
    with_faults(BOUGH_PLACE_THREAD, BOUGH_FAULT_MEMORY);
}

TEST(a_pool_of_threads_stands_every_system_call_failing)
{
    with_faults(BOUGH_PLACE_THREAD, BOUGH_FAULT_CALL);
}

TEST(a_pool_of_processes_stands_every_allocation_failing)
{
    if (test_is_emulated() || test_on_valgrind())
        test_skip("processes are slow here");
    with_faults(BOUGH_PLACE_PROCESS, BOUGH_FAULT_MEMORY);
}

TEST(a_pool_of_processes_stands_every_system_call_failing)
{
    if (test_is_emulated() || test_on_valgrind())
        test_skip("processes are slow here");
    with_faults(BOUGH_PLACE_PROCESS, BOUGH_FAULT_CALL);
}

/* Cancelled after 0, 100, 200, ... us of it: while it starts, works, and ends. */
static int cancelled_after(int64_t time)
{
    int rc = 0;
    bough_move_on_after (time, &rc)
        rc = use_it_all(NULL);
    return rc;
}

ACTOR_TEST(a_pool_may_be_cancelled_at_any_time)
{
    int rc = 0;
    where = place;
    for (int64_t time = 0; time < 12 * BOUGH_MS && rc == 0;
         time += test_is_sanitized() || test_on_valgrind() ? BOUGH_MS : 100 * BOUGH_US)
        rc = cancelled_after(time);
    return rc;
}
