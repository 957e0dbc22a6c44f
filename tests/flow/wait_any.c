/* bough_wait_any and bough_wait_all.
 * SPDX-License-Identifier: MIT */
#include "job.h"

/* What the conditions share: how each of three goes. */
struct link {
    struct work w[3];
};

static int first(void *arg)
{
    return do_work(&((struct link *)arg)->w[0]);
}

static int second(void *arg)
{
    return do_work(&((struct link *)arg)->w[1]);
}

static int third(void *arg)
{
    return do_work(&((struct link *)arg)->w[2]);
}

/* --- any --- */

TASK_TEST(the_first_that_returns_ends_the_waiting_and_is_named_by_its_place)
{
    struct link l = {{{.takes = 3 * BOUGH_SEC, .cleanup = BOUGH_SEC},
                      {.takes = 2 * BOUGH_SEC, .rc = 7},
                      {.takes = BOUGH_MINUTE}}};
    CHECK_EQ(bough_wait_any(&l, first, second, third), 1); /* not 7 */
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);                  /* 2, and the cleanup */
    CHECK(l.w[0].was_cancelled && l.w[0].cleaned_up && l.w[2].was_cancelled);
    CHECK(!l.w[1].was_cancelled);
    return 0;
}

TASK_TEST(a_condition_that_is_so_at_once_needs_no_time)
{
    struct link l = {{{.takes = BOUGH_SEC}, {.takes = BOUGH_SEC}, {.takes = 0}}};
    CHECK_EQ(bough_wait_any(&l, first, second, third), 2);
    CHECK_EQ(bough_now(), 0);
    return 0;
}

TASK_TEST(waiting_for_any_of_one_is_waiting_for_it)
{
    struct link l = {{{.takes = BOUGH_SEC}}};
    int rc = 99;
    bough_assert_checkpoints (&rc)
        rc = bough_wait_any(&l, first);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(a_condition_that_fails_ends_the_waiting_with_its_error)
{
    struct link l = {{{.takes = BOUGH_MINUTE}, {.takes = BOUGH_SEC, .rc = -EIO}}};
    CHECK_EQ(bough_wait_any(&l, first, second), -EIO);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(l.w[0].was_cancelled);
    return 0;
}

TASK_TEST(a_failure_of_one_that_is_being_cancelled_is_not_hidden)
{
    struct link l = {{{.takes = BOUGH_SEC}, {.takes = BOUGH_MINUTE, .rc = -EIO, .stubborn = true}}};
    CHECK_EQ(bough_wait_any(&l, first, second), -EIO);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(one_that_returns_well_although_it_is_cancelled_was_not_the_first)
{
    struct link l = {{{.takes = BOUGH_MINUTE, .rc = 3, .stubborn = true}, {.takes = BOUGH_SEC}}};
    CHECK_EQ(bough_wait_any(&l, first, second), 1);
    return 0;
}

TASK_TEST(a_cancel_reaches_all_conditions)
{
    struct link l = {{{.takes = BOUGH_MINUTE}, {.takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC}}};
    struct cancelled c = CALL_CANCELLED(BOUGH_SEC, bough_wait_any(&l, first, second));
    CHECK_EQ(c.rc, -ECANCELED);
    CHECK_EQ(c.elapsed, 2 * BOUGH_SEC);
    CHECK(l.w[0].was_cancelled && l.w[1].cleaned_up);
    return 0;
}

TASK_TEST(cancelled_before_it_begins_no_condition_is_called)
{
    struct link l = {{{.takes = 0}}};
    CHECK_EQ(CALL_CANCELLED(0, bough_wait_any(&l, first)).rc, -ECANCELED);
    CHECK_EQ(CALL_CANCELLED(0, bough_wait_all(&l, first)).rc, -ECANCELED);
    CHECK(!l.w[0].began);
    return 0;
}

TASK_TEST(a_cancel_while_the_others_end_does_not_take_back_what_has_come)
{
    struct link l = {{{.takes = BOUGH_SEC}, {.takes = BOUGH_MINUTE, .cleanup = 3 * BOUGH_SEC}}};
    struct bough_scope scope = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    int rc = 0;
    bough_with_scope (&scope, &rc) {
        CHECK_EQ(bough_wait_any(&l, first, second), 0);
        CHECK_EQ(bough_now(), 4 * BOUGH_SEC);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK(bough_scope_cancelled_caught(&scope));
    return rc;
}

TASK_TEST(an_array_of_conditions_may_be_empty)
{
    static const struct bough_site site = {"nobody", __FILE__, __LINE__};
    CHECK_EQ(bough_wait_any_of(NULL, NULL, 0, &site), -EINVAL);
    CHECK_EQ(bough_wait_all_of(NULL, NULL, 0, &site), 0);
    return 0;
}

/* --- all --- */

TASK_TEST(all_is_when_the_last_has_returned)
{
    struct link l = {
        {{.takes = BOUGH_SEC, .rc = 5}, {.takes = 3 * BOUGH_SEC}, {.takes = 2 * BOUGH_SEC}}};
    CHECK_EQ(bough_wait_all(&l, first, second, third), 0);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    CHECK(!l.w[0].was_cancelled && !l.w[1].was_cancelled && !l.w[2].was_cancelled);
    return 0;
}

TASK_TEST(one_of_all_that_fails_cancels_the_rest)
{
    struct link l = {{{.takes = BOUGH_MINUTE}, {.takes = BOUGH_SEC, .rc = -EIO}, {.takes = 0}}};
    CHECK_EQ(bough_wait_all(&l, first, second, third), -EIO);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(l.w[0].was_cancelled && !l.w[2].was_cancelled);
    return 0;
}

TASK_TEST(failures_of_several_come_out_as_a_group)
{
    struct link l = {{{.takes = BOUGH_SEC, .rc = -EIO},
                      {.takes = BOUGH_MINUTE, .rc = -ENOENT, .stubborn = true}}};
    CHECK_EQ(bough_wait_all(&l, first, second), -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENOENT), 1);
    return 0;
}

TASK_TEST(a_cancel_while_waiting_for_all_comes_out_when_they_have_ended)
{
    struct link l = {{{.takes = 0}, {.takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC}}};
    struct cancelled c = CALL_CANCELLED(BOUGH_SEC, bough_wait_all(&l, first, second));
    CHECK_EQ(c.rc, -ECANCELED);
    CHECK_EQ(c.elapsed, 2 * BOUGH_SEC);
    CHECK(l.w[1].cleaned_up);
    return 0;
}

/* --- faults and orders --- */

static int wait_for_both(__attribute__((unused)) void *arg)
{
    struct link l = {{{.takes = BOUGH_MS}, {.takes = BOUGH_MS}, {.takes = BOUGH_SEC}}};
    int rc = bough_wait_any(&l, first, second, third);
    if (rc < 0)
        return rc;
    CHECK(rc < 2);
    CHECK(!l.w[rc].was_cancelled && l.w[2].was_cancelled);
    CHECK_EQ(bough_now(), BOUGH_MS);
    rc = bough_wait_all(&l, first, second);
    CHECK(rc < 0 || bough_now() == 2 * BOUGH_MS);
    return rc;
}

TEST(without_memory_the_waiting_fails_and_nothing_is_left)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, wait_for_both, NULL) > 1);
}

TEST(cancelled_at_any_point_the_waiting_ends)
{
    CHECK_CANCELS(wait_for_both, NULL, 6);
}

TEST(whatever_the_order_one_comes_first_and_all_come)
{
    CHECK_EQ(bough_test_seeds(40, wait_for_both, NULL), 0);
}
