/* Checkpoints: what each kind of them does, and that a loop that never waits starves nobody.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

/* Counts the turns that a task got. */
static int turns;
static bool stop;

static int takes_turns(__attribute__((unused)) void *arg)
{
    int rc = 0;
    while (rc == 0 && !stop) {
        turns++;
        rc = bough_checkpoint();
    }
    return rc;
}

static int beside_a_task(int (*call)(void), int count)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, takes_turns, NULL);
        if (rc == 0)
            rc = bough_checkpoint();
        turns = 0;
        for (int i = 0; i < count && rc == 0; i++)
            rc = call();
        stop = true;
    }
    return rc;
}

/* --- checkpoint --- */

TASK_TEST(a_checkpoint_lets_the_others_run_once)
{
    CHECK_EQ(beside_a_task(bough_checkpoint, 10), 0);
    CHECK(turns >= 10 && turns <= 11);
    return 0;
}

TASK_TEST(a_shielded_checkpoint_lets_the_others_run_once)
{
    CHECK_EQ(beside_a_task(bough_shielded_checkpoint, 10), 0);
    CHECK(turns >= 10 && turns <= 11);
    return 0;
}

TASK_TEST(checkpoint_if_cancelled_does_nothing_when_not_cancelled)
{
    CHECK_EQ(beside_a_task(bough_checkpoint_if_cancelled, 1000), 0);
    CHECK(turns <= 1);
    return 0;
}

TASK_TEST(a_run_of_calls_that_need_not_wait_yields_after_a_budget)
{
    CHECK_EQ(beside_a_task(bough_pass, 1000), 0);
    CHECK(turns >= 5);
    CHECK(turns <= 200);
    return 0;
}

TASK_TEST(a_sleep_of_nothing_lets_the_others_run)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, takes_turns, NULL);
        for (int i = 0; i < 10 && rc == 0; i++)
            rc = i % 2 ? bough_sleep(0) : bough_sleep_until(bough_now() - 1);
        CHECK(turns >= 9);
        stop = true;
    }
    return rc;
}

TASK_TEST(a_checkpoint_if_cancelled_that_fails_lets_the_others_run)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_scope s = BOUGH_SCOPE(.timeout = 0);
        rc = bough_nursery_start_soon(n, takes_turns, NULL);
        bough_scope_enter(&s);
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bough_checkpoint_if_cancelled(), -ECANCELED);
        CHECK(turns >= 9);
        stop = true;
        rc = bough_keep(rc, bough_scope_exit(&s, 0));
    }
    return rc;
}

TASK_TEST(a_shielded_checkpoint_does_not_notice_a_cancel)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 0);
    bough_scope_enter(&s);
    CHECK_EQ(bough_shielded_checkpoint(), 0);
    for (int i = 0; i < 1000; i++)
        bough_passed();
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, -ECANCELED);
}

/* --- during its own yield --- */

static int cancels(void *arg)
{
    bough_scope_cancel(arg, "during the yield");
    return 0;
}

static int cancelled_during(int (*call)(void))
{
    int rc = 0, result = 1;
    bough_with_nursery (n, &rc) {
        struct bough_scope s = BOUGH_SCOPE();
        rc = bough_nursery_start_soon(n, cancels, &s);
        bough_scope_enter(&s);
        result = call();
        CHECK(bough_scope_cancel_called(&s));
        rc = bough_keep(rc, bough_scope_exit(&s, result));
        CHECK_EQ(bough_scope_cancelled_caught(&s), result == -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    return result;
}

TASK_TEST(a_checkpoint_notices_a_cancel_that_comes_during_its_yield)
{
    CHECK_EQ(cancelled_during(bough_checkpoint), -ECANCELED);
    return 0;
}

TASK_TEST(a_shielded_checkpoint_does_not_notice_a_cancel_that_comes_during_its_yield)
{
    CHECK_EQ(cancelled_during(bough_shielded_checkpoint), 0);
    return 0;
}

TASK_TEST(a_checkpoint_notices_a_deadline_that_expires_during_its_yield)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_test_clock_advance(BOUGH_SEC);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, -ECANCELED);
}

TASK_TEST(the_first_checkpoint_notices_a_deadline_that_has_passed_since_entry)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    bough_test_clock_advance(2 * BOUGH_SEC);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, -ECANCELED);
}

static int advances_the_clock(__attribute__((unused)) void *arg)
{
    bough_test_clock_advance(2 * BOUGH_SEC);
    return 0;
}

/* Deadlines are looked at between passes. */
TASK_TEST(a_deadline_that_another_task_ran_into_is_noticed_in_the_next_pass)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
        rc = bough_nursery_start_soon(n, advances_the_clock, NULL);
        bough_scope_enter(&s);
        int checked = bough_checkpoint();
        if (checked == 0)
            checked = bough_checkpoint();
        CHECK_EQ(checked, -ECANCELED);
        rc = bough_keep(rc, bough_scope_exit(&s, checked));
    }
    return rc;
}

TASK_TEST(a_loop_that_never_waits_notices_its_deadline)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    int rc = 0, calls = 0;
    bough_scope_enter(&s);
    for (; rc == 0 && calls < 100000; calls++) {
        bough_test_clock_advance(BOUGH_MS);
        rc = bough_pass();
    }
    CHECK_EQ(rc, -ECANCELED);
    CHECK(calls >= 1000 && calls < 1200);
    return bough_scope_exit(&s, rc);
}

/* --- what they count for --- */

static int is_checkpoint(int (*call)(void))
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = call();
    return rc;
}

static int sleep_nothing(void)
{
    return bough_sleep(0);
}

static int sleep_a_while(void)
{
    return bough_sleep(BOUGH_SEC);
}

TASK_TEST(whatever_returns_success_was_a_checkpoint)
{
    CHECK_EQ(is_checkpoint(bough_checkpoint), 0);
    CHECK_EQ(is_checkpoint(bough_pass), 0);
    CHECK_EQ(is_checkpoint(sleep_nothing), 0);
    CHECK_EQ(is_checkpoint(sleep_a_while), 0);
    CHECK_EQ(is_checkpoint(bough_wait_all_tasks_blocked), 0);
    return 0;
}

TASK_TEST(scopes_and_errors_are_no_checkpoints)
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc) {
        struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
        bough_scope_enter(&s);
        bough_scope_set_deadline(&s, 2 * BOUGH_SEC);
        bough_scope_set_shield(&s, true);
        bough_scope_cancel(&s, "no checkpoint");
        CHECK_EQ(bough_scope_exit(&s, bough_fail(-EIO, "x")), -EIO);
        CHECK(bough_error_last() != NULL);
        bough_fail_after (BOUGH_SEC, &rc)
            rc = 0;
    }
    return rc;
}

TEST_PANICS(half_a_checkpoint_is_none_without_a_schedule_point, "no schedule point")
{
    return is_checkpoint(bough_checkpoint_if_cancelled);
}

TEST_PANICS(half_a_checkpoint_is_none_without_a_cancel_point, "no cancel point")
{
    return is_checkpoint(bough_shielded_checkpoint);
}

/* --- around them --- */

static int order[8], order_count;

static int notes_its_turns(void *arg)
{
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        order[order_count++] = *(int *)arg;
        rc = bough_checkpoint();
    }
    return rc;
}

TASK_TEST(a_pass_runs_each_ready_task_once_in_order)
{
    static int numbers[] = {1, 2, 3, 4};
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 4 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, notes_its_turns, &numbers[i]);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(order[i], i % 4 + 1);
    return rc;
}

static int spoils_errno(__attribute__((unused)) void *arg)
{
    errno = ENOENT;
    return 0;
}

TASK_TEST(errno_survives_a_checkpoint)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, spoils_errno, NULL);
        errno = EPIPE;
        (void)bough_checkpoint();
        CHECK_EQ(errno, EPIPE);
    }
    return rc;
}

TEST_DIES(a_checkpoint_outside_a_run_panics, SIGABRT, "outside a run")
{
    (void)bough_checkpoint();
}
