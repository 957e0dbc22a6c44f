/* bough_event.
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

static int event_wait(void *event)
{
    return bough_event_wait(event);
}

static unsigned event_waiting(const struct bough_event *e)
{
    struct bough_event_stats stats;
    bough_event_stats(e, &stats);
    CHECK_EQ(stats.set, bough_event_is_set(e));
    return stats.waiting;
}

TASK_TEST(an_event_is_not_set_at_first_and_set_for_ever_after)
{
    struct bough_event e;
    bough_event_init(&e);
    CHECK(!bough_event_is_set(&e));
    CHECK_EQ(bough_event_wait_nowait(&e), -EAGAIN);
    bough_event_set(&e);
    bough_event_set(&e);
    CHECK(bough_event_is_set(&e));
    CHECK_EQ(bough_event_wait_nowait(&e), 0);
    CHECK_EQ(bough_event_wait(&e), 0);
    CHECK_EQ(bough_event_wait(&e), 0);
    return 0;
}

TASK_TEST(set_wakes_all_who_wait_in_order)
{
    struct bough_event e;
    struct waiter w[3];
    int rc = 0;
    bough_event_init(&e);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++) {
            w[i] = (struct waiter){.call = event_wait, .object = &e};
            waiter_park(n, &w[i]);
        }
        CHECK_EQ(event_waiting(&e), 3);
        bough_event_set(&e);
        CHECK_EQ(event_waiting(&e), 0);
        CHECK_EQ(w[0].rc, STILL_WAITING); /* set does not switch */
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(w[i].rc, 0);
        CHECK_EQ(w[i].turn, i + 1);
    }
    return rc;
}

TASK_TEST(a_static_event_needs_no_init)
{
    static struct bough_event e = BOUGH_EVENT_INIT(e);
    struct waiter w = {.call = event_wait, .object = &e};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_event_set(&e);
    }
    CHECK_EQ(w.rc, 0);
    return rc;
}

TASK_TEST(waiting_is_a_checkpoint_also_when_it_is_set)
{
    struct bough_event e;
    int rc = 0;
    bough_event_init(&e);
    bough_assert_no_checkpoints (&rc)
        bough_event_set(&e);
    bough_assert_checkpoints (&rc)
        rc = bough_event_wait(&e);
    bough_assert_no_checkpoints (&rc)
        rc = bough_event_wait_nowait(&e);
    return rc;
}

TASK_TEST(a_wait_in_a_cancelled_scope_fails_set_or_not)
{
    struct bough_event e;
    bough_event_init(&e);
    CHECK_EQ(call_cancelled(event_wait, &e), -ECANCELED);
    CHECK_EQ(event_waiting(&e), 0);
    bough_event_set(&e);
    CHECK_EQ(call_cancelled(event_wait, &e), -ECANCELED);
    return 0;
}

TASK_TEST(a_cancelled_wait_leaves_the_others_waiting)
{
    struct bough_event e;
    struct waiter w[2];
    int rc = 0;
    bough_event_init(&e);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 2; i++) {
            w[i] = (struct waiter){.call = event_wait, .object = &e};
            waiter_park(n, &w[i]);
        }
        bough_scope_cancel(&w[0].scope, NULL);
        CHECK_EQ(event_waiting(&e), 1);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w[0].rc, -ECANCELED);
        CHECK_EQ(w[1].rc, STILL_WAITING);
        bough_event_set(&e);
    }
    CHECK_EQ(w[1].rc, 0);
    return rc;
}

TASK_TEST(a_wait_can_time_out)
{
    struct bough_event e;
    bough_event_init(&e);
    CHECK_EQ(call_timed(BOUGH_SEC, event_wait, &e), -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(event_waiting(&e), 0);
    return 0;
}

TASK_TEST(a_set_before_a_cancel_beats_it)
{
    struct bough_event e;
    struct waiter w = {.call = event_wait, .object = &e};
    int rc = 0;
    bough_event_init(&e);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_event_set(&e);
        bough_scope_cancel(&w.scope, "too late");
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(w.next_rc, -ECANCELED);
    return rc;
}

struct alarm {
    struct bough_timer timer;
    struct bough_event event;
};

static void alarm_rings(struct bough_timer *timer)
{
    bough_event_set(&bough_container_of(timer, struct alarm, timer)->event);
}

/* Entering the wait looks at the clock, which may be what sets the event. */
TASK_TEST(an_event_that_is_set_by_a_timer_just_when_we_begin_to_wait_is_not_missed)
{
    struct alarm alarm = {.timer = {.fire = alarm_rings}};
    int rc = 0;
    bough_event_init(&alarm.event);
    bough_timer_arm(&alarm.timer, BOUGH_SEC);
    bough_test_clock_advance(BOUGH_SEC);
    bough_fail_after (BOUGH_MINUTE, &rc)
        rc = bough_event_wait(&alarm.event);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}
