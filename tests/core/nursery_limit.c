/* Nurseries with a limit: backpressure for those who start tasks.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static int count_up(void *arg)
{
    ++*(int *)arg;
    return 0;
}

struct gauge {
    int now, most, ended;
    int64_t time;
};

static int work(void *arg)
{
    struct gauge *gauge = arg;
    if (++gauge->now > gauge->most)
        gauge->most = gauge->now;
    int rc = bough_sleep(gauge->time);
    gauge->now--;
    gauge->ended++;
    return rc;
}

TASK_TEST(a_limit_makes_start_soon_wait_while_so_many_children_run)
{
    int rc = 0;
    struct gauge gauge = {.time = BOUGH_SEC};
    bough_with_nursery (n, &rc, .limit = 3) {
        for (int i = 0; i < 9; i++)
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
        CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
        CHECK_EQ(gauge.ended, 6);
    }
    CHECK_EQ(gauge.most, 3);
    CHECK_EQ(gauge.ended, 9);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return rc;
}

TASK_TEST(with_a_limit_start_soon_is_a_checkpoint_also_when_there_is_room)
{
    int rc = 0, count = 0;
    bough_with_nursery (n, &rc, .limit = 100) {
        bough_assert_checkpoints (&rc)
            rc = bough_nursery_start_soon(n, count_up, &count);
        bough_move_on_after (0, &rc)
            CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), -ECANCELED);
        rc = 0;
    }
    CHECK_EQ(count, 1);
    bough_with_nursery (n, &rc)
        bough_assert_no_checkpoints (&rc)
            rc = bough_nursery_start_soon(n, count_up, &count);
    return rc;
}

static int spin_until_told(void *arg)
{
    while (!*(bool *)arg)
        CHECK_EQ(bough_checkpoint(), 0);
    return 0;
}

TASK_TEST(starting_in_a_loop_under_a_limit_yields_within_a_budget)
{
    int rc = 0, count = 0;
    bool done = false;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, spin_until_told, &done), 0);
        bough_with_nursery (limited, &rc, .limit = 10000) {
            for (int i = 0; i < 500; i++)
                CHECK_EQ(bough_nursery_start_soon(limited, count_up, &count), 0);
            CHECK(count >= 100);
        }
        done = true;
    }
    return rc;
}

TASK_TEST(a_starter_that_waits_and_is_cancelled_has_started_nothing)
{
    int rc = 0;
    struct gauge gauge = {.time = 10 * BOUGH_SEC};
    bough_with_nursery (n, &rc, .limit = 1) {
        CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
        bough_move_on_after (BOUGH_SEC, &rc)
            rc = bough_nursery_start_soon(n, work, &gauge);
        CHECK_EQ(rc, 0);
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_EQ(bough_now(), BOUGH_SEC);
        CHECK_EQ(bough_nursery_count(n), 1);
        bough_move_on_after (0, &rc) /* cancelled before */
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), -ECANCELED);
        /* It has left nothing in the queue: the next one gets the place when there is one. */
        CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
        CHECK_EQ(bough_now(), 10 * BOUGH_SEC);
    }
    CHECK_EQ(gauge.ended, 2);
    CHECK_EQ(gauge.most, 1);
    return rc;
}

struct starter {
    struct bough_nursery *n;
    struct gauge *gauge;
    int *order, *next;
    int number, rc;
};

static int start_one(void *arg)
{
    struct starter *s = arg;
    s->rc = bough_nursery_start_soon(s->n, work, s->gauge);
    s->order[(*s->next)++] = s->number;
    return 0;
}

TASK_TEST(places_are_handed_out_in_the_order_of_asking)
{
    int rc = 0, order[4] = {0}, next = 0;
    struct gauge gauge = {.time = BOUGH_SEC};
    struct starter starters[4];
    bough_with_nursery (helpers, &rc)
        bough_with_nursery (n, &rc, .limit = 1) {
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
            for (int i = 0; i < 4; i++) {
                starters[i] = (struct starter){n, &gauge, order, &next, i, 1};
                CHECK_EQ(bough_nursery_start_soon(helpers, start_one, &starters[i]), 0);
                CHECK_EQ(bough_checkpoint(), 0);
            }
            /* The body goes; those who wait for a place keep the nursery open one after another. */
        }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(order[i], i);
        CHECK_EQ(starters[i].rc, 0);
    }
    CHECK_EQ(gauge.ended, 5);
    CHECK_EQ(gauge.most, 1);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return rc;
}

TASK_TEST(raising_the_limit_wakes_those_who_wait)
{
    int rc = 0, order[1] = {0}, next = 0;
    struct gauge gauge = {.time = 10 * BOUGH_SEC};
    struct starter a;
    bough_with_nursery (n, &rc, .limit = 1)
        bough_with_nursery (helpers, &rc) {
            a = (struct starter){n, &gauge, order, &next, 0, 1};
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
            CHECK_EQ(bough_nursery_start_soon(helpers, start_one, &a), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            bough_nursery_set_limit(n, 2);
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
            CHECK_EQ(a.rc, 0);
        }
    return rc;
}

TASK_TEST(who_comes_after_a_raise_of_the_limit_lets_the_earlier_ones_go_first)
{
    int rc = 0, order[3] = {0}, next = 0;
    struct gauge gauge = {.time = 10 * BOUGH_SEC};
    struct starter a, b;
    bough_with_nursery (n, &rc, .limit = 1)
        bough_with_nursery (helpers, &rc) {
            a = (struct starter){n, &gauge, order, &next, 0, 1};
            b = (struct starter){n, &gauge, order, &next, 1, 1};
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
            CHECK_EQ(bough_nursery_start_soon(helpers, start_one, &a), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(a.rc, 1);
            bough_nursery_set_limit(n, 3);
            CHECK_EQ(bough_nursery_start_soon(helpers, start_one, &b), 0);
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
            CHECK_EQ(bough_now(), 0);
            CHECK_EQ(a.rc, 0);
            CHECK_EQ(b.rc, 0);
        }
    CHECK_EQ(gauge.most, 3);
    CHECK_EQ(bough_now(), 10 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_lowered_limit_holds_new_starts_until_enough_have_ended)
{
    int rc = 0;
    struct gauge gauge = {.time = BOUGH_SEC};
    bough_with_nursery (n, &rc, .limit = 3) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_nursery_set_limit(n, 1);
        gauge.most = 0;
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(bough_nursery_start_soon(n, work, &gauge), 0);
            CHECK_EQ(bough_now(), (i + 1) * BOUGH_SEC);
        }
    }
    CHECK_EQ(gauge.most, 1);
    return rc;
}
