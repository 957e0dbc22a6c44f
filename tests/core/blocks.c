/* Block macros: what rc is after a block. Blocks that are left by return or goto are in
 * blocks_left.c.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

/* --- the end --- */

TASK_TEST(at_its_end_a_block_passes_the_result_of_its_body)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = 7;
    CHECK_EQ(rc, 7);
    bough_fail_after (BOUGH_SEC, &rc)
        rc = -EIO;
    CHECK_EQ(rc, -EIO);
    bough_shielded (BOUGH_SEC, &rc)
        rc = 3;
    CHECK_EQ(rc, 3);
    bough_graceful (&rc)
        rc = 4;
    CHECK_EQ(rc, 4);
    struct bough_scope s = BOUGH_SCOPE();
    bough_with_scope (&s, &rc)
        rc = 5;
    CHECK_EQ(rc, 5);
    return 0;
}

TASK_TEST(a_body_runs_once)
{
    int rc = 0, runs = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        runs++;
    bough_fail_after (0, &rc)
        runs++;
    bough_shielded (0, &rc)
        runs++;
    CHECK_EQ(runs, 3);
    CHECK_EQ(rc, 0);
    return rc;
}

TASK_TEST(a_block_opens_and_closes_its_scope)
{
    int rc = 0;
    struct bough_scope *before = bough_scope_current();
    bough_move_on_after (BOUGH_SEC, &rc)
        CHECK(bough_scope_current() != before);
    CHECK(bough_scope_current() == before);
    struct bough_scope s = BOUGH_SCOPE();
    bough_with_scope (&s, &rc)
        CHECK(bough_scope_current() == &s);
    CHECK(bough_scope_current() == before);
    return rc;
}

/* --- time is up --- */

TASK_TEST(move_on_after_gives_zero_and_cancelled_caught_tells)
{
    int rc = 0;
    bough_move_on_after (2 * BOUGH_SEC, &rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    bough_move_on_after (2 * BOUGH_SEC, &rc)
        rc = bough_sleep(BOUGH_SEC);
    CHECK_EQ(rc, 0);
    CHECK(!bough_scope_cancelled_caught(NULL));
    return rc;
}

TASK_TEST(fail_after_gives_etimedout)
{
    int rc = 0;
    bough_fail_after (2 * BOUGH_SEC, &rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    CHECK(bough_catch(&rc, -ETIMEDOUT));
    return rc;
}

TASK_TEST(fail_after_in_time_gives_the_result)
{
    int rc = 0;
    bough_fail_after (2 * BOUGH_SEC, &rc) {
        rc = bough_sleep(BOUGH_SEC);
        rc = rc < 0 ? rc : 9;
    }
    CHECK_EQ(rc, 9);
    return 0;
}

TASK_TEST(fail_after_whose_body_ended_although_time_was_up_is_no_timeout)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc) {
        CHECK_EQ(bough_sleep_forever(), -ECANCELED);
        rc = 6;
    }
    CHECK_EQ(rc, 6);
    CHECK(!bough_scope_cancelled_caught(NULL));
    return 0;
}

TASK_TEST(fail_after_lets_a_real_error_pass)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_keep(bough_sleep_forever(), bough_fail(-EIO, "while unwinding"));
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(fail_after_is_no_timeout_when_the_cancel_came_from_outside)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        bough_fail_after (5 * BOUGH_SEC, &rc)
            rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TASK_TEST(fail_after_is_no_timeout_when_its_scope_was_cancelled_otherwise)
{
    int rc = 0;
    bough_fail_after (5 * BOUGH_SEC, &rc) {
        bough_scope_cancel(bough_scope_current(), "done early");
        rc = bough_checkpoint();
    }
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(NULL));
    return rc;
}

TASK_TEST(of_nested_fail_after_the_one_whose_time_is_up_fails)
{
    int rc = 0;
    bough_fail_after (5 * BOUGH_SEC, &rc) {
        int inner = 0;
        bough_fail_after (BOUGH_SEC, &inner)
            inner = bough_sleep_forever();
        CHECK_EQ(inner, -ETIMEDOUT);
        CHECK_EQ(bough_now(), BOUGH_SEC);
        bough_fail_after (50 * BOUGH_SEC, &rc)
            rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
        CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    return 0;
}

TASK_TEST(blocks_expired_on_entry_start_their_body)
{
    int rc = 0;
    bool started = false;
    bough_fail_after (0, &rc) {
        started = true;
        rc = bough_checkpoint();
    }
    CHECK(started);
    CHECK_EQ(rc, -ETIMEDOUT);
    bough_move_on_after (-1, &rc)
        rc = bough_checkpoint();
    CHECK_EQ(rc, 0);
    bough_fail_after (BOUGH_NEVER, &rc)
        rc = bough_sleep(1000 * BOUGH_MINUTE);
    CHECK_EQ(rc, 0);
    return rc;
}

/* --- break and continue --- */

TASK_TEST(break_leaves_the_block_with_its_scope_closed_and_the_result_in_rc)
{
    int rc = 0, passes = 0;
    struct bough_scope *before = bough_scope_current();
    for (int i = 0; i < 3; i++) {
        bough_fail_after (BOUGH_SEC, &rc) {
            rc = 40 + i;
            if (i >= 0)
                break;
            rc = -EIO;
        }
        CHECK(bough_scope_current() == before);
        CHECK_EQ(rc, 40 + i);
        passes++;
    }
    CHECK_EQ(passes, 3);
    return 0;
}

TASK_TEST(break_after_the_time_is_up_is_a_timeout)
{
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = bough_sleep_forever();
        if (rc < 0)
            break;
        rc = 5;
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    return 0;
}

TASK_TEST(continue_is_the_end_of_the_block)
{
    int rc = 0, passes = 0;
    for (int i = 0; i < 3; i++) {
        bough_move_on_after (BOUGH_SEC, &rc) {
            rc = i;
            if (i >= 0)
                continue;
            rc = -EIO;
        }
        CHECK_EQ(rc, i);
        passes++;
    }
    CHECK_EQ(passes, 3);
    return 0;
}

TASK_TEST(break_and_continue_of_a_loop_inside_belong_to_the_loop)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        for (int i = 0; i < 5; i++) {
            if (i == 1)
                continue;
            if (i == 3)
                break;
            rc += i;
        }
        rc += 10;
    }
    CHECK_EQ(rc, 12);
    return 0;
}

/* --- many of them --- */

TASK_TEST(blocks_nest_to_any_depth_and_in_any_order)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_move_on_after (5 * BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc)
            bough_with_scope (&s, &rc)
                bough_graceful (&rc)
                    bough_shielded (20 * BOUGH_SEC, &rc)
                        bough_fail_after (10 * BOUGH_SEC, &rc)
                            rc = bough_sleep_forever();
    CHECK_EQ(bough_now(), 10 * BOUGH_SEC);
    CHECK_EQ(rc, -ETIMEDOUT);
    return 0;
}

TASK_TEST(two_blocks_may_stand_in_one_line)
{
    int a = 0, b = 0;
    /* clang-format off */
    bough_move_on_after (BOUGH_SEC, &a) { a = 1; } bough_move_on_after (BOUGH_SEC, &b) { b = 2; }
    CHECK_EQ(a, 1);
    CHECK_EQ(b, 2);
    bough_move_on_after (2 * BOUGH_SEC, &a) {
        bough_fail_after (BOUGH_SEC, &b) { b = bough_sleep_forever(); } a = 3; }
    /* clang-format on */
    CHECK_EQ(a, 3);
    CHECK_EQ(b, -ETIMEDOUT);
    return 0;
}

TASK_TEST(a_block_is_one_statement)
{
    int rc = 0, branch = 0;
    if (rc == 1)
        bough_move_on_after (BOUGH_SEC, &rc)
            branch = 1;
    else
        branch = 2;
    CHECK_EQ(branch, 2);
    do
        bough_graceful (&rc)
            branch++;
    while (branch < 5);
    CHECK_EQ(branch, 5);
    return rc;
}

TASK_TEST(blocks_share_an_rc)
{
    int rc = 0;
    for (int i = 0; i < 1000; i++) {
        bough_fail_after (BOUGH_SEC, &rc)
            rc = bough_sleep(i % 2 ? BOUGH_MS : 2 * BOUGH_SEC);
        CHECK_EQ(rc, i % 2 ? 0 : -ETIMEDOUT);
        rc = 0;
    }
    return rc;
}

TASK_TEST(the_error_of_before_passes_a_block)
{
    int rc = bough_fail(-EIO, "earlier");
    bough_shielded (BOUGH_SEC, &rc)
        (void)bough_sleep(BOUGH_MS);
    CHECK_EQ(rc, -EIO);
    return 0;
}

static int counted;

static int *counts(int *rc)
{
    counted++;
    return rc;
}

static int64_t counts_time(int64_t duration)
{
    counted++;
    return duration;
}

TASK_TEST(the_arguments_of_a_block_are_evaluated_once)
{
    int rc = 0;
    bough_fail_after (counts_time(BOUGH_SEC), counts(&rc))
        rc = bough_checkpoint();
    CHECK_EQ(counted, 2);
    return rc;
}
