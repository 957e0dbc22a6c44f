/* bough_assert_checkpoints and bough_assert_no_checkpoints.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

TASK_TEST(a_whole_checkpoint_satisfies_the_first)
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_checkpoint();
    bough_assert_checkpoints (&rc)
        rc = bough_sleep(1);
    bough_assert_checkpoints (&rc)
        rc = bough_pass();
    bough_assert_checkpoints (&rc) {
        /* Two halves are one. */
        rc = bough_checkpoint_if_cancelled();
        bough_passed();
    }
    return rc;
}

TASK_TEST(nothing_satisfies_the_second)
{
    int rc = 0, times = 0;
    bough_assert_no_checkpoints (&rc) {
        struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
        bough_scope_enter(&s);
        bough_scope_cancel(&s, NULL);
        rc = bough_scope_exit(&s, 0);
        times++;
    }
    CHECK_EQ(times, 1);
    return rc;
}

TASK_TEST(a_body_that_fails_need_not_have_got_so_far)
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = -EINVAL;
    CHECK_EQ(rc, -EINVAL);
    return 0;
}

TEST_PANICS(no_checkpoint_where_one_is_wanted_panics, "passed no cancel point")
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = 5;
    return rc;
}

TEST_PANICS(it_names_the_place, "checkpoints.c:")
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = 5;
    return rc;
}

TEST_PANICS(half_of_one_is_none_the_cancel_half, "passed no schedule point")
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_checkpoint_if_cancelled();
    return rc;
}

TEST_PANICS(half_of_one_is_none_the_schedule_half, "passed no cancel point")
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_shielded_checkpoint();
    return rc;
}

TEST_PANICS(a_checkpoint_where_none_is_wanted_panics, "passed a cancel point")
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc)
        rc = bough_checkpoint();
    return rc;
}

TEST_PANICS(half_of_one_is_one_the_cancel_half, "passed a cancel point")
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc)
        rc = bough_checkpoint_if_cancelled();
    return rc;
}

TEST_PANICS(half_of_one_is_one_the_schedule_half, "passed a schedule point")
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc)
        rc = bough_shielded_checkpoint();
    return rc;
}

TEST_PANICS(it_is_one_also_when_the_body_fails, "passed a cancel point")
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc) {
        (void)bough_checkpoint();
        rc = -EIO;
    }
    return rc;
}

static int pass_many(__attribute__((unused)) void *arg)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(bough_checkpoint(), 0);
    return 0;
}

TASK_TEST(checkpoints_of_other_tasks_do_not_count)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, pass_many, NULL), 0);
        uint64_t cancel_points = bough_task_cancel_points(),
                 schedule_points = bough_task_schedule_points();
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(bough_task_cancel_points() - cancel_points, 1);
        CHECK_EQ(bough_task_schedule_points() - schedule_points, 1);
    }
    return rc;
}

TASK_TEST(the_blocks_nest)
{
    int rc = 0;
    bough_assert_checkpoints (&rc) {
        bough_assert_no_checkpoints (&rc)
            rc = 0;
        rc = bough_checkpoint();
    }
    return rc;
}
