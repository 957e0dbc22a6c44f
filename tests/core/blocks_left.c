/* Blocks that are left by return or goto: their value is fixed before they close, so what they have
 * to say goes to the nursery around them or to the task's result.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static int returns(int value)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        return value;
    return rc;
}

TASK_TEST(return_closes_the_scope_and_keeps_its_value)
{
    struct bough_scope *before = bough_scope_current();
    CHECK_EQ(returns(7), 7);
    CHECK_EQ(returns(-EIO), -EIO);
    CHECK(bough_scope_current() == before);
    return 0;
}

static int returns_from_three_blocks(int value)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_fail_after (BOUGH_SEC, &rc)
        bough_with_scope (&s, &rc)
            bough_shielded (BOUGH_SEC, &rc)
                return value;
    return rc;
}

TASK_TEST(return_closes_nested_blocks)
{
    struct bough_scope *before = bough_scope_current();
    CHECK_EQ(returns_from_three_blocks(8), 8);
    CHECK(bough_scope_current() == before);
    return 0;
}

TASK_TEST(goto_closes_the_scope)
{
    int rc = 1;
    struct bough_scope *before = bough_scope_current();
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = 2;
        goto out;
    }
    CHECK(!"not reached");
out:
    CHECK(bough_scope_current() == before);
    CHECK_EQ(rc, 2);
    return 0;
}

static int returns_a_timeout(void *arg)
{
    int rc = 0;
    bool asks = arg != NULL;
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = bough_sleep_forever();
        if (rc < 0 && asks)
            CHECK_EQ(bough_error_code(bough_error_last()), -ECANCELED);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int swallows_what_it_returned(void *arg)
{
    CHECK_EQ(returns_a_timeout(arg), -ECANCELED);
    return 0;
}

static int in_a_nursery(bough_task_fn *fn, void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fn, arg);
    return rc;
}

TASK_TEST(a_timeout_left_by_return_is_the_result_of_the_task)
{
    CHECK_EQ(in_a_nursery(returns_a_timeout, NULL), -ETIMEDOUT);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK_EQ(in_a_nursery(swallows_what_it_returned, NULL), -ETIMEDOUT);
    return 0;
}

TASK_TEST(a_timeout_left_by_return_is_not_lost_when_the_cancel_was_looked_at)
{
    static bool yes = true;
    CHECK_EQ(in_a_nursery(returns_a_timeout, &yes), -ETIMEDOUT);
    return 0;
}

TASK_TEST(a_timeout_left_by_return_goes_to_the_enclosing_nursery)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = returns_a_timeout(NULL);
        CHECK_EQ(rc, -ECANCELED);
        CHECK(bough_scope_cancel_called(bough_nursery_scope(n)));
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    return 0;
}

TEST(a_timeout_left_by_return_is_the_result_of_the_run)
{
    CHECK_EQ(bough_test_run(NULL, returns_a_timeout, NULL), -ETIMEDOUT);
}

static int goes_out_with_a_timeout(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = bough_sleep_forever();
        goto out;
    }
    rc = 1;
out:
    CHECK_EQ(rc, -ECANCELED);
    return 0;
}

TASK_TEST(a_timeout_left_by_goto_is_the_result_of_the_task)
{
    CHECK_EQ(in_a_nursery(goes_out_with_a_timeout, NULL), -ETIMEDOUT);
    return 0;
}

static int returns_in_time(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = bough_sleep(BOUGH_MS);
        return rc;
    }
    return 0;
}

static int returns_its_own_error(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        return bough_fail(-EIO, "no time was up");
    return rc;
}

static int returns_from_inside_a_cancelled_scope(__attribute__((unused)) void *arg)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE(.timeout = 0);
    bough_scope_enter(&s);
    rc = returns_a_timeout(NULL);
    CHECK_EQ(rc, -ECANCELED);
    return bough_scope_exit(&s, rc);
}

TASK_TEST(a_return_that_is_no_timeout_adds_none)
{
    CHECK_EQ(in_a_nursery(returns_in_time, NULL), 0);
    CHECK_EQ(in_a_nursery(returns_its_own_error, NULL), -EIO);
    CHECK_EQ(in_a_nursery(returns_from_inside_a_cancelled_scope, NULL), 0);
    return 0;
}

static int fails_io(__attribute__((unused)) void *arg)
{
    return bough_fail(-EIO, "of a child");
}

static int leaves_a_nursery_by_return(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fails_io, NULL);
        if (rc == 0)
            return 5;
    }
    return rc;
}

TASK_TEST(an_error_of_a_child_left_by_return_is_the_result_of_the_task)
{
    CHECK_EQ(in_a_nursery(leaves_a_nursery_by_return, NULL), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "of a child");
    return 0;
}

TASK_TEST(an_error_of_a_child_left_by_return_goes_to_the_enclosing_nursery)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(leaves_a_nursery_by_return(NULL), 5);
        CHECK(bough_scope_cancel_called(bough_nursery_scope(n)));
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

static int sleeps_forever(__attribute__((unused)) void *arg)
{
    int rc = bough_sleep_forever();
    CHECK_EQ(rc, -ECANCELED);
    return rc;
}

static int leaves_sleepers(int how)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        if (rc == 0)
            rc = bough_checkpoint();
        if (how == 0)
            return 5;
        if (how == 1)
            goto out;
        rc = 5;
        break;
    }
out:
    return how == 1 ? 5 : rc;
}

TASK_TEST(a_nursery_left_early_cancels_its_children_and_waits)
{
    struct bough_run_stats stats;
    for (int how = 0; how < 3; how++) {
        CHECK_EQ(leaves_sleepers(how), 5);
        bough_run_statistics(&stats);
        CHECK_EQ(stats.tasks, 1);
    }
    CHECK_EQ(bough_now(), 0);
    return bough_checkpoint();
}

static int leaves_two_errors(__attribute__((unused)) void *arg)
{
    (void)leaves_a_nursery_by_return(NULL);
    (void)leaves_a_nursery_by_return(NULL);
    return bough_fail(-EPIPE, "its own");
}

TASK_TEST(all_errors_left_by_return_are_kept)
{
    CHECK_EQ(in_a_nursery(leaves_two_errors, NULL), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 3);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 2);
    return 0;
}

static int leaves_an_error_in_a_scope(__attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = leaves_a_nursery_by_return(NULL);
    CHECK_EQ(rc, 5);
    return rc;
}

TASK_TEST(an_error_left_by_return_passes_the_scopes_around)
{
    CHECK_EQ(in_a_nursery(leaves_an_error_in_a_scope, NULL), -EIO);
    return 0;
}
