/* Periodic ticks.
 * SPDX-License-Identifier: MIT */
#include <limits.h>

#include "job.h"

#include <bough/periodic.h>

/* The next tick comes at 'at', was planned for 'planned', and says that 'missed' more were due. */
static void expect(struct bough_periodic *p, int missed, int64_t at, int64_t planned)
{
    CHECK_EQ(bough_periodic_next(p), missed);
    CHECK_EQ(bough_now(), at);
    CHECK_EQ(bough_periodic_time(p), planned);
}

static void body(int64_t takes)
{
    CHECK_EQ(bough_sleep(takes), 0);
}

/* --- the plan --- */

TASK_TEST(the_first_tick_comes_at_once_and_then_one_each_period)
{
    struct bough_periodic p = {.period = 10};
    body(5);
    expect(&p, 0, 5, 5);
    expect(&p, 0, 15, 15);
    body(9);
    expect(&p, 0, 25, 25);
    return 0;
}

TASK_TEST(a_delayed_one_begins_a_period_after_the_first_call)
{
    struct bough_periodic p = {.period = 10, .delayed = true};
    body(5);
    expect(&p, 0, 15, 15);
    expect(&p, 0, 25, 25);
    return 0;
}

TASK_TEST(nothing_drifts_when_ticks_come_late)
{
    struct bough_periodic p = {.period = 1000};
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(bough_periodic_next(&p), 0);
        CHECK_EQ(bough_periodic_time(&p), i * 1000);
        body(i % 2 ? 1700 : 17); /* late by 700, each second one */
    }
    CHECK_EQ(bough_periodic_next(&p), 0);
    CHECK_EQ(bough_periodic_time(&p), 1000 * 1000);
    return 0;
}

TASK_TEST(a_tick_that_is_late_by_less_than_a_period_misses_none)
{
    for (enum bough_ticks missed = BOUGH_TICKS_SKIP; missed <= BOUGH_TICKS_CATCH_UP; missed++) {
        struct bough_periodic p = {.period = 10, .missed = missed};
        int64_t start = bough_now();
        expect(&p, 0, start, start);
        body(19);
        expect(&p, 0, start + 19, start + 10);
        expect(&p, 0, start + 20, start + 20);
    }
    return 0;
}

TASK_TEST(a_period_that_never_ends_gives_one_tick)
{
    struct bough_periodic p = {.period = BOUGH_NEVER};
    expect(&p, 0, 0, 0);
    CHECK_EQ(CALL_CANCELLED(BOUGH_MINUTE, bough_periodic_next(&p)).rc, -ECANCELED);
    return 0;
}

TASK_TEST(without_a_period_it_fails)
{
    struct bough_periodic none = {0}, back = {.period = -1};
    CHECK_EQ(bough_periodic_next(&none), -EINVAL);
    CHECK_EQ(bough_periodic_next(&back), -EINVAL);
    return 0;
}

/* --- missed ticks --- */

TASK_TEST(skip_gives_the_latest_at_once_and_loses_the_others)
{
    struct bough_periodic p = {.period = 10};
    expect(&p, 0, 0, 0);
    body(25);
    expect(&p, 1, 25, 20); /* 10 is lost */
    expect(&p, 0, 30, 30);
    body(30);
    expect(&p, 2, 60, 60); /* 40 and 50 are lost, 60 is now */
    expect(&p, 0, 70, 70);
    return 0;
}

TASK_TEST(catch_up_gives_each_one_and_counts_those_to_come)
{
    struct bough_periodic p = {.period = 10, .missed = BOUGH_TICKS_CATCH_UP};
    expect(&p, 0, 0, 0);
    body(35);
    expect(&p, 2, 35, 10);
    expect(&p, 1, 35, 20);
    body(1);
    expect(&p, 0, 36, 30);
    expect(&p, 0, 40, 40);
    return 0;
}

TASK_TEST(pause_counts_from_the_end_of_the_body_and_misses_nothing)
{
    struct bough_periodic p = {.period = 10, .missed = BOUGH_TICKS_PAUSE};
    expect(&p, 0, 0, 0);
    body(25);
    expect(&p, 0, 35, 35);
    body(3);
    expect(&p, 0, 48, 48);
    return 0;
}

/* Computes without a pause, for so long. */
static int hold_up(__attribute__((unused)) void *arg)
{
    bough_test_clock_advance(39);
    return 0;
}

TASK_TEST(a_loop_that_was_held_up_is_counted_like_a_long_body)
{
    struct bough_periodic p = {.period = 10, .delayed = true};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, hold_up, NULL);
        expect(&p, 2, 39, 30); /* due at 10, and woken at 39 */
    }
    return rc;
}

TASK_TEST(a_pause_that_was_held_up_is_only_longer)
{
    struct bough_periodic p = {.period = 10, .missed = BOUGH_TICKS_PAUSE, .delayed = true};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, hold_up, NULL);
        expect(&p, 0, 39, 10);
        expect(&p, 0, 49, 49);
    }
    return rc;
}

TASK_TEST(more_missed_ticks_than_an_int_can_count_are_as_many_as_it_can)
{
    struct bough_periodic p = {.period = 1};
    expect(&p, 0, 0, 0);
    body(4 * (int64_t)INT_MAX);
    expect(&p, INT_MAX, 4 * (int64_t)INT_MAX, 4 * (int64_t)INT_MAX);
    return 0;
}

/* --- reset --- */

TASK_TEST(a_reset_makes_a_new_plan_with_the_period_as_it_is_then)
{
    struct bough_periodic p = {.period = 10};
    expect(&p, 0, 0, 0);
    body(35);
    p.period = 100;
    bough_periodic_reset(&p);
    expect(&p, 0, 135, 135); /* those that were missed are forgotten */
    expect(&p, 0, 235, 235);
    return 0;
}

TASK_TEST(a_reset_before_the_first_tick_delays_it)
{
    struct bough_periodic p = {.period = 10};
    bough_periodic_reset(&p);
    expect(&p, 0, 10, 10);
    return 0;
}

TASK_TEST(a_reset_pause_begins_with_the_reset)
{
    struct bough_periodic p = {.period = 10, .missed = BOUGH_TICKS_PAUSE};
    expect(&p, 0, 0, 0);
    bough_periodic_reset(&p);
    body(4);
    expect(&p, 0, 10, 10);
    return 0;
}

/* --- checkpoints and cancels --- */

static int let_me_run(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

TASK_TEST(a_tick_that_is_due_is_a_checkpoint_too)
{
    struct bough_periodic p = {.period = 10, .missed = BOUGH_TICKS_CATCH_UP};
    bool ran = false;
    int rc = 0;
    expect(&p, 0, 0, 0);
    body(35);
    bough_assert_checkpoints (&rc)
        rc = bough_periodic_next(&p);
    CHECK_EQ(rc, 2);
    rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, let_me_run, &ran);
        CHECK_EQ(bough_periodic_next(&p), 1);
        CHECK(ran);
    }
    CHECK_EQ(bough_now(), 35);
    return rc;
}

TASK_TEST(a_cancelled_wait_uses_up_no_tick)
{
    struct bough_periodic p = {.period = 10};
    expect(&p, 0, 0, 0);
    struct cancelled c = CALL_CANCELLED(4, bough_periodic_next(&p));
    CHECK_EQ(c.rc, -ECANCELED);
    CHECK_EQ(c.elapsed, 4);
    CHECK_EQ(bough_periodic_time(&p), 0);
    expect(&p, 0, 10, 10);
    body(15);
    CHECK_EQ(CALL_CANCELLED(0, bough_periodic_next(&p)).rc,
             -ECANCELED); /* due, but cancelled before */
    expect(&p, 0, 25, 20);
    return 0;
}

TASK_TEST(the_first_tick_is_planned_by_the_first_call_though_it_is_cancelled)
{
    struct bough_periodic p = {.period = 10, .delayed = true};
    CHECK_EQ(CALL_CANCELLED(4, bough_periodic_next(&p)).rc, -ECANCELED);
    expect(&p, 0, 10, 10);
    return 0;
}

TASK_TEST(a_pause_that_is_waited_for_in_short_steps_ends_all_the_same)
{
    struct bough_periodic p = {.period = 10, .missed = BOUGH_TICKS_PAUSE};
    expect(&p, 0, 0, 0);
    body(5);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(CALL_CANCELLED(3, bough_periodic_next(&p)).rc, -ECANCELED);
    expect(&p, 0, 15, 15);
    return 0;
}

static int three_ticks(__attribute__((unused)) void *arg)
{
    struct bough_periodic p = {.period = BOUGH_SEC};
    for (int i = 0; i < 3; i++) {
        int rc = bough_periodic_next(&p);
        if (rc < 0)
            return rc;
        CHECK_EQ(bough_now(), i * BOUGH_SEC);
    }
    return 0;
}

TEST(cancelled_at_any_point_the_loop_ends)
{
    CHECK_CANCELS(three_ticks, NULL, 3);
}
