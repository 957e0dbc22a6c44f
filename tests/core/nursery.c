/* Nurseries: the block and its children, whose errors and cancels go where.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static int sleep_for(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

/* Count, and be fine. */
static int count_up(void *arg)
{
    ++*(int *)arg;
    return 0;
}

/* Sleep until cancelled, and say so. */
static int note_cancel(void *arg)
{
    int rc = bough_sleep_forever();
    *(int *)arg = rc;
    return rc;
}

struct failure {
    int64_t after;
    int code;
};

static int fail_later(void *arg)
{
    struct failure *f = arg;
    int rc = bough_sleep(f->after);
    return rc < 0 ? rc : bough_fail(f->code, "after %d ms", (int)(f->after / BOUGH_MS));
}

/* Fails with its own code however it is woken. */
static int fail_when_cancelled(void *arg)
{
    (void)bough_sleep_forever();
    return bough_fail(*(int *)arg, "in cleanup");
}

/* --- waiting --- */

TASK_TEST(a_block_ends_when_its_last_child_has_ended)
{
    int rc = 0;
    int64_t short_time = BOUGH_SEC, long_time = 7 * BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleep_for, &long_time);
        CHECK_EQ(rc, 0);
        rc = bough_nursery_start_soon(n, sleep_for, &short_time);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), long_time);
    return 0;
}

TASK_TEST(the_plain_pair_waits_like_the_block)
{
    struct bough_nursery n;
    int64_t time = 3 * BOUGH_SEC;
    bough_nursery_open(&n);
    CHECK_EQ(bough_nursery_start_soon(&n, sleep_for, &time), 0);
    CHECK_EQ(bough_now(), 0);
    CHECK_EQ(bough_nursery_close(&n, 0), 0);
    CHECK_EQ(bough_now(), time);
    return 0;
}

TASK_TEST(the_functions_behind_the_macros_do_the_same)
{
    struct bough_nursery n;
    int count = 0, with = 5;
    (bough_nursery_open)(&n);
    CHECK_EQ((bough_nursery_start_soon)(&n, count_up, &count), 0);
    CHECK_EQ((bough_nursery_start_soon_with)(&n, count_up, &with, sizeof(with)), 0);
    CHECK_EQ((bough_nursery_start_service)(&n, count_up, &count), 0);
    CHECK_EQ(bough_nursery_close(&n, 0), 0);
    CHECK_EQ(count, 2);
    CHECK_EQ(with, 5); /* the copy was counted up */
    return 0;
}

TASK_TEST(a_result_above_zero_passes_through_the_block)
{
    int rc = 0, count = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), 0);
        rc = 42;
    }
    CHECK_EQ(rc, 42);
    CHECK_EQ(count, 1);
    return 0;
}

TASK_TEST(start_soon_never_runs_the_child_at_once)
{
    int rc = 0, count = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 1000; i++)
            CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), 0);
        CHECK_EQ(count, 0);
        CHECK_EQ(bough_nursery_count(n), 1000);
        rc = bough_checkpoint();
        CHECK_EQ(count, 1000);
        CHECK_EQ(bough_nursery_count(n), 0);
    }
    return rc;
}

TASK_TEST(opening_and_starting_are_no_checkpoints_and_closing_is_a_schedule_point)
{
    struct bough_nursery n;
    int count = 0;
    uint64_t cancel_points = bough_task_cancel_points();
    uint64_t schedule_points = bough_task_schedule_points();
    bough_nursery_open(&n);
    CHECK_EQ(bough_nursery_start_soon(&n, count_up, &count), 0);
    CHECK_EQ(bough_task_schedule_points(), schedule_points);
    CHECK_EQ(bough_nursery_close(&n, 0), 0);
    CHECK_EQ(bough_task_cancel_points(), cancel_points);
    CHECK(bough_task_schedule_points() > schedule_points);
    schedule_points = bough_task_schedule_points();
    bough_nursery_open(&n);
    CHECK_EQ(bough_nursery_close(&n, 0), 0);
    CHECK_EQ(bough_task_cancel_points(), cancel_points);
    CHECK(bough_task_schedule_points() > schedule_points);
    return 0;
}

/* --- errors --- */

TASK_TEST(a_child_that_fails_cancels_its_siblings_and_the_body)
{
    int rc = 0, sibling = 1, body = 1;
    struct failure f = {BOUGH_SEC, -EIO};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &sibling), 0);
        CHECK_EQ(bough_nursery_start_soon(n, fail_later, &f), 0);
        rc = body = bough_sleep_forever();
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(sibling, -ECANCELED);
    CHECK_EQ(body, -ECANCELED);
    CHECK_EQ(rc, -EIO); /* only the real error is left */
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "after 1000 ms");
    CHECK_STR(bough_error_task(bough_error_last()), "main/fail_later");
    return bough_checkpoint(); /* and the cancel is over */
}

TASK_TEST(a_body_that_fails_cancels_the_children)
{
    int rc = 0, child = 1;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &child), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = bough_fail(-EPERM, "the body");
    }
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(rc, -EPERM);
    CHECK_STR(bough_error_message(bough_error_last()), "the body");
    return 0;
}

TASK_TEST(a_sibling_in_a_loop_of_checkpoints_is_cancelled)
{
    int rc = 0, turns = 0;
    struct failure f = {0, -EIO};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, fail_later, &f), 0);
        while ((rc = bough_checkpoint()) == 0)
            CHECK(++turns < 10);
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(all_errors_are_kept_in_order_of_completion)
{
    int rc = 0, code = -ENOSPC;
    struct failure first = {BOUGH_SEC, -EIO};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, &code), 0);
        CHECK_EQ(bough_nursery_start_soon(n, fail_later, &first), 0);
        (void)bough_sleep_forever();
        rc = bough_fail(-EPERM, "the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    const struct bough_error *e = bough_error_first(bough_error_last());
    CHECK(e);
    CHECK_EQ(bough_error_code(e), -EIO);
    e = bough_error_next(e);
    CHECK(e);
    /* The body was woken before the child: it parked first. */
    CHECK_EQ(bough_error_code(e), -EPERM);
    e = bough_error_next(e);
    CHECK(e);
    CHECK_EQ(bough_error_code(e), -ENOSPC);
    CHECK(!bough_error_next(e));
    CHECK(bough_catch(&rc, -EIO));
    CHECK(bough_catch(&rc, -EPERM));
    CHECK_EQ(rc, -ENOSPC);
    return 0;
}

TASK_TEST(the_errors_of_a_thousand_children_are_all_kept)
{
    int rc = 0, code = -ENOSPC, count = test_scale(1000);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < count; i++)
            CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, &code), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENOSPC), count);
    return 0;
}

static int fail_barely(__attribute__((unused)) void *arg)
{
    return -ENOTTY;
}

TASK_TEST(a_bare_negative_result_is_an_error_with_the_place_of_its_task)
{
    int rc = 0, line = 0;
    bough_with_nursery (n, &rc) {
        line = __LINE__ + 1;
        rc = bough_nursery_start_soon(n, fail_barely, NULL);
    }
    CHECK_EQ(rc, -ENOTTY);
    CHECK_EQ(bough_error_code(bough_error_last()), -ENOTTY);
    CHECK_STR(bough_error_task(bough_error_last()), "main/fail_barely");
    CHECK_HAS(bough_error_file(bough_error_last()), "nursery.c");
    CHECK_EQ(bough_error_line(bough_error_last()), line);
    return 0;
}

TASK_TEST(a_groups_leaves_join_those_of_the_nursery_around_it)
{
    int rc = 0, one = -EIO, two = -ENOSPC;
    bough_with_nursery (outer, &rc) {
        bough_with_nursery (n, &rc) {
            CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, &one), 0);
            CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, &two), 0);
            bough_scope_cancel(bough_nursery_scope(n), NULL);
        }
        CHECK_EQ(rc, -BOUGH_EGROUP);
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 2);
    return 0;
}

TASK_TEST(a_cancelled_result_that_no_scope_is_responsible_for_is_an_error_like_any_other)
{
    int rc = 0, sibling = 1;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &sibling), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = -ECANCELED; /* an invention */
    }
    CHECK_EQ(sibling, -ECANCELED);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(bough_checkpoint(), 0);
    return 0;
}

TASK_TEST(if_a_real_error_and_cancels_meet_only_the_error_is_left)
{
    int rc = 0, child = 1;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &child), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = -EPERM;
    }
    CHECK_EQ(rc, -EPERM);
    CHECK_EQ(bough_error_count(bough_error_last(), 0), 1);
    return 0;
}

/* --- leaving early --- */

TASK_TEST(break_cancels_the_children_and_waits_and_the_result_is_in_rc)
{
    int rc = 0, child = 1, code = -EIO;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &child), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = 7;
        break;
    }
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(rc, 7);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, &code), 0);
        break;
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(continue_is_the_end_of_the_block)
{
    int rc = 0, turns = 0;
    int64_t time = BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, sleep_for, &time), 0);
        turns++;
        continue;
    }
    CHECK_EQ(turns, 1);
    CHECK_EQ(bough_now(), BOUGH_SEC); /* waited for, not cancelled */
    return rc;
}

static int return_from_block(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, arg), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        return 5;
    }
    return 6;
}

TASK_TEST(return_cancels_the_children_and_their_error_goes_to_the_enclosing_block)
{
    int rc = 0, code = -EIO;
    bough_with_nursery (outer, &rc) {
        CHECK_EQ(return_from_block(&code), 5); /* its value was fixed before */
        CHECK(bough_scope_cancel_called(bough_nursery_scope(outer)));
        rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "in cleanup");
    return 0;
}

TASK_TEST(without_an_enclosing_block_it_goes_to_the_result_of_the_task)
{
    int rc = 0, code = -EIO;
    bough_with_nursery (n, &rc)
        CHECK_EQ(bough_nursery_start_soon(n, return_from_block, &code), 0);
    CHECK_EQ(rc, -EIO);
    return 0;
}

static int goto_out_of_block(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, fail_when_cancelled, arg), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        goto out;
    }
    rc = -EPERM;
out:
    CHECK_EQ(rc, 0);
    return bough_fail(-ENOTTY, "after goto");
}

TASK_TEST(goto_cancels_the_children_and_joins_their_error_to_the_result_of_the_task)
{
    int rc = 0, code = -EIO;
    bough_with_nursery (n, &rc)
        CHECK_EQ(bough_nursery_start_soon(n, goto_out_of_block, &code), 0);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENOTTY), 1);
    return 0;
}

static int main_that_returns_early(void *arg)
{
    return return_from_block(arg);
}

TEST(the_error_of_a_main_task_that_left_a_block_early_is_the_runs)
{
    int code = -EIO;
    CHECK_EQ(bough_test_run(NULL, main_that_returns_early, &code), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "in cleanup");
}

static int return_out_of_two_blocks(void *arg)
{
    int rc = 0;
    bough_with_nursery (outer, &rc) {
        CHECK_EQ(bough_nursery_start_soon(outer, note_cancel, arg), 0);
        bough_with_nursery (inner, &rc) {
            CHECK_EQ(bough_nursery_start_soon(inner, note_cancel, (int *)arg + 1), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            return 0;
        }
    }
    return -EPERM;
}

TASK_TEST(return_leaves_nested_blocks_from_the_inside_out)
{
    int ends[2] = {0, 0};
    CHECK_EQ(return_out_of_two_blocks(ends), 0);
    CHECK_EQ(ends[0], -ECANCELED);
    CHECK_EQ(ends[1], -ECANCELED);
    return bough_checkpoint();
}
