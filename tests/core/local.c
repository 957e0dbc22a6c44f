/* Task locals and run locals.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <malloc.h>

static struct bough_local colour, shape = {.fallback = "round"};

TASK_TEST(a_local_that_was_not_set_gives_its_fallback)
{
    CHECK(bough_local_get(&colour) == NULL);
    CHECK_STR(bough_local_get(&shape), "round");
    CHECK(bough_run_local_get(&colour) == NULL);
    CHECK_STR(bough_run_local_get(&shape), "round");
    return 0;
}

TASK_TEST(a_local_gives_what_was_set_last)
{
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    CHECK_EQ(bough_local_set(&shape, "square"), 0);
    CHECK_STR(bough_local_get(&colour), "red");
    CHECK_EQ(bough_local_set(&colour, "blue"), 0);
    CHECK_STR(bough_local_get(&colour), "blue");
    CHECK_STR(bough_local_get(&shape), "square");
    CHECK_EQ(bough_local_set(&shape, NULL), 0); /* NULL is a value, not the fallback */
    CHECK(bough_local_get(&shape) == NULL);
    return 0;
}

static int expect_red(__attribute__((unused)) void *arg)
{
    CHECK_STR(bough_local_get(&colour), "red");
    CHECK_EQ(bough_local_set(&colour, "green"), 0);
    CHECK_STR(bough_local_get(&colour), "green");
    return 0;
}

TASK_TEST(a_child_inherits_the_locals_as_they_were_when_it_was_started)
{
    int rc = 0;
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, expect_red, NULL), 0);
        CHECK_EQ(bough_local_set(&colour, "blue"), 0); /* before it has run */
    }
    CHECK_STR(bough_local_get(&colour), "blue"); /* and what it sets stays its own */
    return rc;
}

static int start_red(void *arg)
{
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    return bough_nursery_start_soon(arg, expect_red, NULL);
}

TASK_TEST(it_inherits_from_who_started_it_and_not_from_the_nursery)
{
    int rc = 0;
    CHECK_EQ(bough_local_set(&colour, "blue"), 0);
    bough_with_nursery (n, &rc)
        bough_with_nursery (starters, &rc)
            rc = bough_nursery_start_soon(starters, start_red, n);
    CHECK_STR(bough_local_get(&colour), "blue");
    return rc;
}

static int expect_red_and_start(void *arg)
{
    (void)expect_red(arg);
    bough_started(NULL);
    return 0;
}

TASK_TEST(services_and_started_tasks_inherit_too)
{
    int rc = 0;
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_service(n, expect_red, NULL), 0);
        CHECK_EQ(bough_nursery_start(n, expect_red_and_start, NULL, NULL), 0);
    }
    CHECK_STR(bough_local_get(&colour), "red");
    return rc;
}

static int set_run_local(void *arg)
{
    CHECK_STR(bough_run_local_get(&colour), "red");
    CHECK(bough_local_get(&colour) == NULL); /* they are two things */
    return bough_run_local_set(&colour, arg);
}

TASK_TEST(a_run_local_is_shared_by_all_tasks_of_the_run)
{
    int rc = 0;
    CHECK_EQ(bough_run_local_set(&colour, "red"), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, set_run_local, "blue");
    CHECK_STR(bough_run_local_get(&colour), "blue");
    return rc;
}

static int expect_nothing(__attribute__((unused)) void *arg)
{
    CHECK(bough_run_local_get(&colour) == NULL);
    CHECK(bough_local_get(&colour) == NULL);
    CHECK_EQ(bough_run_local_set(&colour, "red"), 0);
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    return 0;
}

TEST(a_new_run_starts_without_locals)
{
    CHECK_EQ(bough_test_run(NULL, expect_nothing, NULL), 0);
    CHECK_EQ(bough_test_run(NULL, expect_nothing, NULL), 0);
}

TASK_TEST(locals_do_not_block)
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc) {
        CHECK_EQ(bough_local_set(&colour, "red"), 0);
        CHECK_STR(bough_local_get(&colour), "red");
        CHECK_EQ(bough_run_local_set(&colour, "red"), 0);
        CHECK_STR(bough_run_local_get(&colour), "red");
    }
    return rc;
}

TASK_TEST(setting_two_locals_in_turn_for_ever_does_not_grow)
{
    int number = 0;
    CHECK_EQ(bough_local_set(&colour, &number), 0);
    CHECK_EQ(bough_local_set(&shape, &number), 0);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ(bough_local_set(&colour, &number + (i & 1)), 0);
        CHECK_EQ(bough_local_set(&shape, &number), 0);
        CHECK_EQ(bough_run_local_set(i % 2 ? &colour : &shape, &number), 0);
    }
    CHECK(mallinfo2().uordblks <= before + 256);
    return 0;
}

static int nothing(__attribute__((unused)) void *arg)
{
    return 0;
}

TASK_TEST(setting_locals_and_starting_tasks_in_turn_for_ever_does_not_grow)
{
    int rc = 0, number = 0;
    size_t before = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 10000; i++) {
            CHECK_EQ(bough_local_set(&colour, &number), 0);
            CHECK_EQ(bough_nursery_start_soon(n, nothing, NULL), 0);
            CHECK_EQ(bough_local_set(&shape, &number), 0);
            CHECK_EQ(bough_nursery_start_soon(n, nothing, NULL), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            if (i == 10)
                before = mallinfo2().uordblks;
        }
    CHECK(mallinfo2().uordblks <= before + 256);
    return rc;
}

static int keep_own_value(void *arg)
{
    CHECK(bough_local_get(&colour) == arg);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK(bough_local_get(&colour) == arg);
    CHECK_EQ(bough_local_set(&shape, arg), 0);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK(bough_local_get(&shape) == arg);
    return 0;
}

TASK_TEST(a_thousand_tasks_keep_their_own_values)
{
    static char values[1000];
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 1000; i++) {
            CHECK_EQ(bough_local_set(&colour, &values[i]), 0);
            CHECK_EQ(bough_nursery_start_soon(n, keep_own_value, &values[i]), 0);
        }
    CHECK(bough_local_get(&colour) == &values[999]);
    return rc;
}

static int set_without_memory(__attribute__((unused)) void *arg)
{
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_local_set(&shape, "square"), -ENOMEM);
    CHECK_STR(bough_local_get(&colour), "red");
    CHECK_STR(bough_local_get(&shape), "round");
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_run_local_set(&shape, "square"), -ENOMEM);
    CHECK_STR(bough_run_local_get(&shape), "round");
    return 0;
}

TEST(without_memory_a_local_keeps_its_value)
{
    CHECK_EQ(bough_test_run(NULL, set_without_memory, NULL), 0);
}

TEST_DIES(a_local_outside_a_run_panics, SIGABRT, "outside a run")
{
    (void)bough_local_get(&colour);
}
