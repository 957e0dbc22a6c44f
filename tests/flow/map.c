/* bough_map.
 * SPDX-License-Identifier: MIT */
#include "job.h"

enum { COUNT = 12 };

/* What the calls share. */
struct crew {
    unsigned running, most, begun, cancelled;
    int fails_at; /* the item whose call fails */
    int64_t cleanup;
};

static int square(const void *item, void *ret_result, void *arg)
{
    struct crew *crew = arg;
    int x = *(const int *)item, cleanup_rc = 0;
    crew->begun++;
    if (++crew->running > crew->most)
        crew->most = crew->running;
    int rc = bough_sleep((x * 7 % 5 + 1) * BOUGH_SEC); /* not in order */
    if (rc < 0 && crew->cleanup) {
        bough_shielded (BOUGH_NEVER, &cleanup_rc)
            cleanup_rc = bough_sleep(crew->cleanup);
        CHECK_EQ(cleanup_rc, 0);
    }
    crew->running--;
    crew->cancelled += rc == -ECANCELED;
    if (rc == 0 && x == crew->fails_at)
        return bough_fail(-EIO, "cannot square %d", x);
    if (rc == 0 && ret_result)
        *(long *)ret_result = (long)x * x;
    return rc < 0 ? rc : 99; /* what is not negative is well */
}

static void fill(int items[COUNT])
{
    for (int i = 0; i < COUNT; i++)
        items[i] = i + 1;
}

TASK_TEST(the_results_stand_in_the_order_of_the_items)
{
    for (unsigned limit = 0; limit < COUNT + 2; limit++) {
        struct crew crew = {0};
        int items[COUNT];
        long results[COUNT + 1] = {0};
        fill(items);
        CHECK_EQ(bough_map(square, &crew, items, sizeof(*items), results, sizeof(*results), COUNT,
                           limit),
                 0);
        for (int i = 0; i < COUNT; i++)
            CHECK_EQ(results[i], (i + 1) * (i + 1));
        CHECK_EQ(results[COUNT], 0);
        CHECK_EQ(crew.begun, COUNT);
        CHECK_EQ(crew.most,
                 limit == 0 || limit > COUNT ? COUNT : limit); /* as many as may, no more */
        CHECK_EQ(crew.running, 0);
    }
    return 0;
}

TASK_TEST(one_at_a_time_they_are_called_in_order)
{
    struct crew crew = {0};
    int items[] = {4, 3, 2, 1};
    CHECK_EQ(bough_map(square, &crew, items, sizeof(*items), NULL, 0, 4, 1), 0);
    CHECK_EQ(bough_now(), (4 + 2 + 5 + 3) * BOUGH_SEC);
    CHECK_EQ(crew.most, 1);
    return 0;
}

TASK_TEST(results_may_be_left_out)
{
    struct crew crew = {0};
    int items[COUNT];
    fill(items);
    CHECK_EQ(bough_map(square, &crew, items, sizeof(*items), NULL, 0, COUNT, 0), 0);
    CHECK_EQ(crew.begun, COUNT);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC); /* all at once */
    return 0;
}

TASK_TEST(of_no_items_it_is_done_at_once)
{
    struct crew crew = {0};
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_map(square, &crew, NULL, sizeof(int), NULL, 0, 0, 3);
    CHECK_EQ(crew.begun, 0);
    CHECK_EQ(bough_now(), 0);
    return rc;
}

TASK_TEST(a_failure_cancels_those_that_run_and_the_rest_is_not_begun)
{
    struct crew crew = {.fails_at = 5, .cleanup = BOUGH_SEC}; /* takes 1 s: 35 % 5 + 1 */
    int items[COUNT];
    fill(items);
    items[1] = 5;
    CHECK_EQ(bough_map(square, &crew, items, sizeof(*items), NULL, 0, COUNT, 3), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "cannot square 5");
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC); /* with the cleanup of the others */
    CHECK_EQ(crew.begun, 3);
    CHECK_EQ(crew.cancelled, 2);
    CHECK_EQ(crew.running, 0);
    return 0;
}

TASK_TEST(several_failures_are_a_group)
{
    struct crew crew = {.fails_at = 5};
    int items[] = {5, 5, 5};
    CHECK_EQ(bough_map(square, &crew, items, sizeof(*items), NULL, 0, 3, 0), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 3);
    return 0;
}

TASK_TEST(a_cancel_reaches_those_that_run_and_those_that_wait_for_their_turn)
{
    for (unsigned limit = 0; limit < 3; limit++) {
        struct crew crew = {.cleanup = BOUGH_SEC};
        int items[] = {2, 2, 2, 2}; /* 5 s each */
        struct cancelled c = CALL_CANCELLED(
            BOUGH_SEC, bough_map(square, &crew, items, sizeof(*items), NULL, 0, 4, limit));
        CHECK_EQ(c.rc, -ECANCELED);
        CHECK_EQ(c.elapsed, 2 * BOUGH_SEC);
        CHECK_EQ(crew.begun, limit ? limit : 4);
        CHECK_EQ(crew.cancelled, crew.begun);
    }
    return 0;
}

TASK_TEST(cancelled_before_it_begins_nothing_is_called)
{
    struct crew crew = {0};
    int items[] = {1};
    CHECK_EQ(CALL_CANCELLED(0, bough_map(square, &crew, items, sizeof(*items), NULL, 0, 1, 0)).rc,
             -ECANCELED);
    CHECK_EQ(crew.begun, 0);
    return 0;
}

static int map_some(void *arg)
{
    struct crew crew = {0};
    int items[COUNT];
    long results[COUNT];
    fill(items);
    int rc = bough_map(square, &crew, items, sizeof(*items), results, sizeof(*results), COUNT,
                       *(unsigned *)arg);
    for (int i = 0; rc == 0 && i < COUNT; i++)
        CHECK_EQ(results[i], (i + 1) * (i + 1));
    CHECK_EQ(crew.running, 0);
    return rc;
}

TEST(without_memory_for_a_call_it_fails_and_the_others_are_cancelled)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, map_some, &(unsigned){0}) > 1);
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, map_some, &(unsigned){3}) > 1);
}

TEST(whatever_the_order_the_results_are_the_same)
{
    CHECK_EQ(bough_test_seeds(20, map_some, &(unsigned){4}), 0);
}
