/* Time: sleeps, in virtual time; and the clock.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static unsigned armed_timers(void)
{
    struct bough_run_stats stats;
    bough_run_statistics(&stats);
    return stats.timers;
}

TASK_TEST(a_sleep_takes_its_time)
{
    CHECK_EQ(bough_now(), 0);
    CHECK_EQ(bough_sleep(5 * BOUGH_SEC), 0);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(1), 0);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC + 1);
    return 0;
}

TASK_TEST(sleep_until_is_absolute)
{
    CHECK_EQ(bough_sleep(5 * BOUGH_SEC), 0);
    CHECK_EQ(bough_sleep_until(8 * BOUGH_SEC), 0);
    CHECK_EQ(bough_now(), 8 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_time_that_has_passed_is_a_plain_checkpoint)
{
    int rc = bough_sleep(BOUGH_SEC);
    bough_assert_checkpoints (&rc)
        rc = bough_sleep_until(0);
    bough_assert_checkpoints (&rc)
        rc = bough_sleep_until(bough_now());
    bough_assert_checkpoints (&rc)
        rc = bough_sleep(0);
    bough_assert_checkpoints (&rc)
        rc = bough_sleep(-BOUGH_SEC);
    bough_assert_checkpoints (&rc)
        rc = bough_sleep(INT64_MIN);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TASK_TEST(a_sleep_that_is_cancelled_leaves_no_timer)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_sleep(BOUGH_MINUTE);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(armed_timers(), 0);
    struct bough_scope s = BOUGH_SCOPE(.timeout = 0);
    bough_scope_enter(&s);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), -ECANCELED);
    CHECK_EQ(bough_sleep_until(BOUGH_MINUTE), -ECANCELED);
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    CHECK_EQ(armed_timers(), 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return bough_scope_exit(&s, rc);
}

TASK_TEST(a_sleep_notices_a_deadline_that_has_passed_since_entry)
{
    for (int i = 0; i < 2; i++) {
        struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
        int64_t entered = bough_now();
        bough_scope_enter(&s);
        bough_test_clock_advance(2 * BOUGH_SEC);
        CHECK_EQ(i ? bough_sleep_forever() : bough_sleep(BOUGH_MINUTE), -ECANCELED);
        CHECK_EQ(bough_now(), entered + 2 * BOUGH_SEC);
        CHECK_EQ(bough_scope_exit(&s, -ECANCELED), 0);
        CHECK_EQ(armed_timers(), 0);
    }
    return 0;
}

TASK_TEST(a_sleep_forever_ends_only_by_a_cancel)
{
    int rc = 0;
    bough_move_on_after (100 * 365 * 24 * 60 * BOUGH_MINUTE, &rc) {
        rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(bough_now(), 100 * 365 * 24 * 60 * BOUGH_MINUTE);
    return rc;
}

static int sleeps_without_end(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

static int sleeps_until_never(__attribute__((unused)) void *arg)
{
    return bough_sleep_until(BOUGH_NEVER);
}

TEST(a_sleep_without_end_is_a_deadlock)
{
    int64_t never = BOUGH_NEVER;
    CHECK_EQ(bough_test_run(NULL, sleeps_without_end, &never), -EDEADLK);
    CHECK_EQ(bough_test_run(NULL, sleeps_until_never, NULL), -EDEADLK);
}

TASK_TEST(times_add_with_saturation)
{
    CHECK_EQ(bough_after(5, 6), 11);
    CHECK_EQ(bough_after(5, -6), -1);
    CHECK_EQ(bough_after(INT64_MAX - 1, 5), BOUGH_NEVER);
    CHECK_EQ(bough_after(INT64_MIN + 1, -5), INT64_MIN);
    CHECK_EQ(bough_after(BOUGH_NEVER, -5), BOUGH_NEVER);
    CHECK_EQ(bough_after(-5, BOUGH_NEVER), BOUGH_NEVER);
    return 0;
}

static int order[6], order_count;

struct sleeper {
    int number;
    int64_t duration;
};

static int sleeps(void *arg)
{
    struct sleeper *s = arg;
    int rc = bough_sleep(s->duration);
    CHECK_EQ(bough_now(), s->duration);
    order[order_count++] = s->number;
    return rc;
}

TASK_TEST(sleepers_wake_in_the_order_of_their_times)
{
    static const int64_t seconds[] = {4, 1, 5, 0, 3, 2};
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 6 && rc == 0; i++)
            rc = BOUGH_START(n, sleeps, struct sleeper, .number = (int)seconds[i],
                             .duration = seconds[i] * BOUGH_SEC);
    CHECK_EQ(order_count, 6);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(order[i], i);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return rc;
}

static int sleeps_a_random_while(void *arg)
{
    static int64_t latest;
    int64_t at = *(int64_t *)arg;
    int rc = bough_sleep_until(at);
    CHECK_EQ(bough_now(), at);
    CHECK(at >= latest);
    latest = at;
    return rc;
}

TASK_TEST(many_sleepers_wake_on_time)
{
    int rc = 0;
    unsigned random = 1;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < test_scale(100000) && rc == 0; i++) {
            int64_t at = (int64_t)((random = random * 1664525 + 1013904223) >> 8) + 1;
            rc = bough_nursery_start_soon_with(n, sleeps_a_random_while, &at, sizeof(at));
        }
        if (rc == 0)
            rc = bough_checkpoint();
        CHECK_EQ(armed_timers(), test_scale(100000));
    }
    CHECK_EQ(armed_timers(), 0);
    return rc;
}

/* --- timers --- */

static int fired[3], fired_count;

struct numbered {
    struct bough_timer timer;
    int number;
};

static void note_fire(struct bough_timer *timer)
{
    struct numbered *numbered = bough_container_of(timer, struct numbered, timer);
    if (fired_count < 3)
        fired[fired_count++] = numbered->number;
}

TASK_TEST(timers_fire_in_order_and_can_be_moved_and_disarmed)
{
    struct numbered timers[4];
    for (int i = 0; i < 4; i++) {
        timers[i] = (struct numbered){.timer = {.fire = note_fire}, .number = i};
        bough_timer_arm(&timers[i].timer, (10 + i) * BOUGH_SEC);
    }
    bough_timer_arm(&timers[3].timer, BOUGH_SEC);
    bough_timer_disarm(&timers[1].timer);
    bough_timer_disarm(&timers[1].timer);
    CHECK_EQ(armed_timers(), 3);
    CHECK_EQ(bough_sleep(5 * BOUGH_SEC), 0);
    CHECK_EQ(fired_count, 1);
    CHECK_EQ(fired[0], 3);
    bough_timer_arm(&timers[0].timer, BOUGH_NEVER);
    bough_timer_arm(&timers[1].timer, 20 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(50 * BOUGH_SEC), 0);
    CHECK_EQ(fired_count, 3);
    CHECK_EQ(fired[1], 2);
    CHECK_EQ(fired[2], 1);
    CHECK_EQ(armed_timers(), 0);
    return 0;
}

/* --- the clock --- */

TEST(outside_a_run_time_is_the_systems)
{
    int64_t before = bough_now();
    CHECK(before > 0);
    CHECK(bough_now() >= before);
}

static int checks_the_system_clock(void *arg)
{
    int64_t outside = *(int64_t *)arg, inside = bough_now();
    CHECK(inside >= outside && inside - outside < 100 * BOUGH_SEC);
    int rc = bough_sleep(BOUGH_MS);
    CHECK(bough_now() - inside >= BOUGH_MS);
    return rc;
}

TEST(an_ordinary_run_has_the_systems_clock_and_no_sleep_is_early)
{
    int64_t now = bough_now();
    CHECK_EQ(bough_run(checks_the_system_clock, &now), 0);
}
