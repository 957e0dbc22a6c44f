/* Pools when memory or descriptors run out, and when they are cancelled anywhere.
 * SPDX-License-Identifier: MIT */
#include "faulted.h"
#include "pool_crew.h"

static int use_it_all(void *arg)
{
    int rc = 0;
    long items[] = {1, 2, 3, 4, 5, 6}, results[6];
    struct bough_pool_options options = {.type = "crew",
                                         .place = *(enum bough_place *)arg,
                                         .workers = 2,
                                         .max_tasks = 3,
                                         .restarts = -1,
                                         .grace = BOUGH_MINUTE};
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

TEST(a_pool_of_threads_stands_every_allocation_failing)
{
    fail_each((struct faulted){use_it_all, BOUGH_FAULT_MEMORY, BOUGH_PLACE_THREAD, false, 20});
}

TEST(a_pool_of_threads_stands_every_system_call_failing)
{
    fail_each((struct faulted){use_it_all, BOUGH_FAULT_CALL, BOUGH_PLACE_THREAD, false, 5});
}

TEST(a_pool_of_processes_stands_every_allocation_failing)
{
    fail_each((struct faulted){use_it_all, BOUGH_FAULT_MEMORY, BOUGH_PLACE_PROCESS, false, 20});
}

TEST(a_pool_of_processes_stands_every_system_call_failing)
{
    fail_each((struct faulted){use_it_all, BOUGH_FAULT_CALL, BOUGH_PLACE_PROCESS, false, 10});
}

/* Workers that cannot even start are given up. */
TEST(a_pool_stands_every_allocation_of_its_processes_failing)
{
    fail_each((struct faulted){use_it_all, BOUGH_FAULT_MEMORY, BOUGH_PLACE_PROCESS, true, 10});
}

TEST(a_pool_stands_every_system_call_of_its_processes_failing)
{
    fail_each((struct faulted){use_it_all, BOUGH_FAULT_CALL, BOUGH_PLACE_PROCESS, true, 10});
}

/* Cancelled after 0, 100, 200, ... us of it: while it starts, works, and ends. */
static int cancelled_after(int64_t time, enum bough_place place)
{
    int rc = 0;
    bough_move_on_after (time, &rc)
        rc = use_it_all(&place);
    return rc;
}

ACTOR_TEST(a_pool_may_be_cancelled_at_any_time)
{
    int rc = 0;
    for (int64_t time = 0; time < 12 * BOUGH_MS && rc == 0;
         time += test_is_sanitized() || test_on_valgrind() ? BOUGH_MS : 100 * BOUGH_US)
        rc = cancelled_after(time, place);
    return rc;
}
