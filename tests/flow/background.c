/* bough_with_background and bough_move_on_when.
 * SPDX-License-Identifier: MIT */
#include "job.h"

#include <bough/background.h>

/* --- a service beside a body --- */

TASK_TEST(the_function_runs_beside_the_body_and_ends_with_it)
{
    struct work w = {.takes = BOUGH_NEVER, .cleanup = BOUGH_SEC};
    int rc = 0;
    bough_with_background (do_work, &w, &rc) {
        CHECK(!w.began); /* it begins when the body waits */
        rc = bough_sleep(2 * BOUGH_SEC);
        CHECK(w.began && !w.was_cancelled);
        rc = 7;
    }
    CHECK_EQ(rc, 7);
    CHECK(w.was_cancelled && w.cleaned_up);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_body_that_never_waits_still_lets_it_begin)
{
    struct work w = {.takes = BOUGH_NEVER};
    int rc = 0;
    bough_with_background (do_work, &w, &rc)
        rc = 3;
    CHECK_EQ(rc, 3);
    CHECK(w.began && w.was_cancelled);
    return 0;
}

TASK_TEST(a_function_that_returns_well_lets_the_body_go_on)
{
    struct work w = {.takes = BOUGH_SEC, .rc = 5};
    int rc = 0;
    bough_with_background (do_work, &w, &rc) {
        rc = bough_sleep(2 * BOUGH_SEC);
        CHECK_EQ(rc, 0);
        CHECK_EQ(w.ended, BOUGH_SEC);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_function_that_fails_cancels_the_body_and_its_failure_comes_out)
{
    struct work w = {.takes = BOUGH_SEC, .rc = -EIO};
    int rc = 0;
    bough_with_background (do_work, &w, &rc) {
        rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(a_body_that_fails_ends_it_with_its_own_error)
{
    struct work w = {.takes = BOUGH_NEVER};
    int rc = 0;
    bough_with_background (do_work, &w, &rc)
        rc = -ENOENT;
    CHECK_EQ(rc, -ENOENT);
    CHECK(w.was_cancelled);
    return 0;
}

TASK_TEST(failures_of_both_are_a_group)
{
    struct work w = {.takes = BOUGH_NEVER, .rc = -EIO, .stubborn = true};
    int rc = 0;
    bough_with_background (do_work, &w, &rc) {
        rc = bough_checkpoint();
        rc = bough_fail(-ENOENT, "the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ENOENT);
    return 0;
}

TASK_TEST(a_function_that_fails_while_it_is_stopped_is_heard)
{
    struct work w = {.takes = BOUGH_NEVER, .rc = -EIO, .stubborn = true};
    int rc = 0;
    bough_with_background (do_work, &w, &rc)
        rc = bough_checkpoint();
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(a_cancel_from_outside_reaches_the_body_first)
{
    struct work w = {.takes = BOUGH_NEVER};
    struct bough_scope scope = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    int rc = 0;
    bough_with_scope (&scope, &rc) {
        bough_with_background (do_work, &w, &rc) {
            rc = bough_sleep(BOUGH_MINUTE);
            CHECK_EQ(rc, -ECANCELED);
            int cleanup_rc = 0;
            bough_shielded (BOUGH_MINUTE, &cleanup_rc)
                cleanup_rc = bough_sleep(BOUGH_SEC);
            CHECK_EQ(cleanup_rc, 0);
            CHECK(!w.was_cancelled); /* the service is still there */
        }
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    CHECK(w.was_cancelled);
    CHECK_EQ(w.ended, 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(in_a_scope_that_is_cancelled_already_the_body_begins)
{
    struct work w = {.takes = BOUGH_NEVER};
    struct bough_scope scope = BOUGH_SCOPE();
    int rc = 0, seen = 0;
    bough_scope_cancel(&scope, "before");
    bough_with_scope (&scope, &rc)
        bough_with_background (do_work, &w, &rc)
            seen = rc = bough_checkpoint();
    CHECK_EQ(rc, 0);
    CHECK_EQ(seen, -ECANCELED);
    CHECK(w.began && w.was_cancelled);
    return 0;
}

TASK_TEST(blocks_nest_and_the_inner_service_ends_first)
{
    struct work outer = {.takes = BOUGH_NEVER},
                inner = {.takes = BOUGH_NEVER, .cleanup = BOUGH_SEC};
    int rc = 0;
    bough_with_background (do_work, &outer, &rc)
        bough_with_background (do_work, &inner, &rc)
            rc = bough_checkpoint();
    CHECK(inner.cleaned_up && !outer.cleaned_up && outer.was_cancelled);
    CHECK_EQ(outer.ended, BOUGH_SEC);
    return rc;
}

/* --- other ways out --- */

TASK_TEST(break_leaves_the_block_with_the_result_in_rc)
{
    struct work w = {.takes = BOUGH_NEVER};
    int rc = 0;
    bough_with_background (do_work, &w, &rc) {
        rc = 5;
        if (rc == 5)
            break;
        rc = 6;
    }
    CHECK_EQ(rc, 5);
    CHECK(w.was_cancelled);
    return 0;
}

static int return_from(void *arg)
{
    int rc = 0;
    bough_with_background (do_work, arg, &rc)
        return bough_checkpoint() < 0 ? -ECANCELED : 4;
    return rc;
}

TASK_TEST(return_ends_the_function_too)
{
    struct work w = {.takes = BOUGH_NEVER};
    CHECK_EQ(return_from(&w), 4);
    CHECK(w.was_cancelled);
    return 0;
}

TASK_TEST(after_return_a_failure_goes_to_the_enclosing_nursery)
{
    struct work w = {.takes = BOUGH_NEVER, .rc = -EIO, .stubborn = true};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(return_from(&w), 4);
        rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

/* --- a watcher that ends the body --- */

TASK_TEST(the_body_is_cut_short_when_the_function_returns)
{
    struct work w = {.takes = BOUGH_SEC, .rc = 3};
    int rc = 0;
    bough_move_on_when (do_work, &w, &rc) {
        rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(a_body_that_ends_first_cancels_the_function)
{
    struct work w = {.takes = BOUGH_MINUTE};
    int rc = 0;
    bough_move_on_when (do_work, &w, &rc) {
        rc = bough_sleep(BOUGH_SEC);
        rc = 9;
    }
    CHECK(!bough_scope_cancelled_caught(NULL));
    CHECK_EQ(rc, 9);
    CHECK(w.was_cancelled);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(a_body_that_fails_while_it_is_cut_short_is_heard)
{
    struct work w = {.takes = BOUGH_SEC};
    int rc = 0;
    bough_move_on_when (do_work, &w, &rc) {
        rc = bough_sleep(BOUGH_MINUTE);
        rc = bough_fail(-EIO, "cleanup");
    }
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(a_watcher_that_fails_does_not_say_that_it_is_so)
{
    struct work w = {.takes = BOUGH_SEC, .rc = -EIO};
    int rc = 0;
    bough_move_on_when (do_work, &w, &rc)
        rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(a_deadline_outside_still_works)
{
    struct work w = {.takes = BOUGH_NEVER};
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        bough_move_on_when (do_work, &w, &rc)
            rc = bough_sleep(BOUGH_MINUTE);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK(w.was_cancelled);
    return 0;
}

/* --- faults, cancels, orders --- */

static int both_kinds(__attribute__((unused)) void *arg)
{
    struct work service = {.takes = BOUGH_NEVER}, watcher = {.takes = BOUGH_SEC};
    int rc = 0;
    bool body = false;
    bough_with_background (do_work, &service, &rc) {
        bough_move_on_when (do_work, &watcher, &rc) {
            body = true;
            rc = bough_sleep(BOUGH_MINUTE);
        }
    }
    CHECK(rc < 0 || body);
    CHECK_EQ(service.began, service.was_cancelled);
    CHECK(rc < 0 || bough_now() == BOUGH_SEC);
    return rc;
}

TEST(without_memory_for_the_function_the_body_does_not_run)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, both_kinds, NULL) > 1);
}

TEST(cancelled_at_any_point_nothing_is_left_running)
{
    CHECK_CANCELS(both_kinds, NULL, 4);
}

TEST(whatever_the_order_it_ends_the_same)
{
    CHECK_EQ(bough_test_seeds(30, both_kinds, NULL), 0);
}
