/* The suite for what one task at a time can have: a lock, a semaphore at 1, a limiter of 1, a
 * readers-writer lock for writing. The file that includes this says what it is:
 *
 *     struct thing { ... };
 *     static void thing_init(struct thing *thing);
 *     static int thing_acquire(void *thing);
 *     static int thing_acquire_nowait(struct thing *thing);
 *     static void thing_release(void *thing);
 *     static unsigned thing_waiting(struct thing *thing);
 *
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

/* A waiter for 'thing' that releases it again. */
#define EXCLUSIVE_WAITER(thing)                                                                    \
    {                                                                                              \
        .call = thing_acquire, .undo = thing_release, .object = (thing)                            \
    }

TASK_TEST(it_is_free_at_first)
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    thing_release(&thing);
    CHECK_EQ(thing_acquire_nowait(&thing), 0);
    thing_release(&thing);
    return 0;
}

TASK_TEST(acquiring_is_a_checkpoint_also_when_it_is_free)
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    bough_assert_checkpoints (&rc)
        rc = thing_acquire(&thing);
    bough_assert_no_checkpoints (&rc)
        thing_release(&thing);
    bough_assert_no_checkpoints (&rc)
        rc = thing_acquire_nowait(&thing);
    thing_release(&thing);
    return rc;
}

static int acquire_and_wonder(void *object)
{
    struct thing *thing = object;
    CHECK_EQ(thing_acquire_nowait(thing), -EAGAIN);
    CHECK(bough_error_last() && *bough_error_message(bough_error_last()));
    return 0;
}

TASK_TEST(nowait_fails_while_another_task_has_it)
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, acquire_and_wonder, &thing);
    thing_release(&thing);
    return rc;
}

TASK_TEST(an_acquire_waits_for_the_release)
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(thing_waiting(&thing), 1);
        thing_release(&thing);
        CHECK_EQ(thing_waiting(&thing), 0);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w.rc, 0);
    }
    return rc;
}

struct rotation {
    struct thing thing;
    bool inside;
    char log[64];
};

struct rotator {
    struct rotation *rotation;
    char name;
};

static int rotate(void *arg)
{
    struct rotator *us = arg;
    struct rotation *r = us->rotation;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 5; i++) {
        CHECK_EQ(thing_acquire(&r->thing), 0);
        CHECK(!r->inside);
        r->inside = true;
        strncat(r->log, &us->name, 1);
        rc = bough_sleep(i % 2 ? BOUGH_MS : 0);
        CHECK(r->inside);
        r->inside = false;
        thing_release(&r->thing);
    }
    return rc;
}

TASK_TEST(tasks_that_take_it_again_and_again_take_turns)
{
    struct rotation r = {0};
    struct rotator rotators[] = {{&r, 'a'}, {&r, 'b'}, {&r, 'c'}};
    int rc = 0;
    thing_init(&r.thing);
    bough_with_nursery (n, &rc) {
        for (int i = 0; rc == 0 && i < 3; i++)
            rc = bough_nursery_start_soon(n, rotate, &rotators[i]);
    }
    CHECK_STR(r.log, "abcabcabcabcabc");
    return rc;
}

TASK_TEST(those_who_wait_get_it_in_order)
{
    struct thing thing;
    struct waiter w[] = {EXCLUSIVE_WAITER(&thing), EXCLUSIVE_WAITER(&thing),
                         EXCLUSIVE_WAITER(&thing), EXCLUSIVE_WAITER(&thing)};
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 4; i++)
            waiter_park(n, &w[i]);
        CHECK_EQ(thing_waiting(&thing), 4);
        thing_release(&thing);
    }
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(w[i].turn, i + 1);
    return rc;
}

TASK_TEST(a_newcomer_cannot_steal_what_was_given_to_a_waiter)
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        thing_release(&thing);
        CHECK_EQ(w.rc, STILL_WAITING); /* it has it, but has not run */
        CHECK_EQ(thing_acquire_nowait(&thing), -EAGAIN);
        CHECK_EQ(thing_acquire(&thing), 0);
        CHECK_EQ(w.rc, 0);
        CHECK_EQ(w.turn, 1);
        thing_release(&thing);
    }
    return rc;
}

TASK_TEST(an_acquire_in_a_cancelled_scope_takes_nothing)
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(call_cancelled(thing_acquire, &thing), -ECANCELED);
    CHECK_EQ(thing_acquire_nowait(&thing), 0);
    thing_release(&thing);
    return 0;
}

TASK_TEST(a_timed_out_acquire_takes_nothing)
{
    struct thing thing;
    struct waiter owner = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    owner.hold = 3 * BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        waiter_start(n, &owner);
        rc = bough_checkpoint();
        CHECK_EQ(call_timed(BOUGH_SEC, thing_acquire, &thing), -ETIMEDOUT);
        CHECK_EQ(bough_now(), BOUGH_SEC);
        CHECK_EQ(thing_waiting(&thing), 0);
        CHECK_EQ(thing_acquire(&thing), 0);
        CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
        thing_release(&thing);
    }
    return rc;
}

TASK_TEST(a_cancelled_acquire_leaves_the_queue_and_those_behind_it_move_up)
{
    struct thing thing;
    struct waiter w[] = {EXCLUSIVE_WAITER(&thing), EXCLUSIVE_WAITER(&thing),
                         EXCLUSIVE_WAITER(&thing)};
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            waiter_park(n, &w[i]);
        bough_scope_cancel(&w[0].scope, "the test says so");
        CHECK_EQ(thing_waiting(&thing), 2);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w[0].rc, -ECANCELED);
        CHECK_EQ(w[1].rc, STILL_WAITING);
        thing_release(&thing);
    }
    CHECK_EQ(w[1].turn, 2);
    CHECK_EQ(w[2].turn, 3);
    return rc;
}

TASK_TEST(a_release_before_a_cancel_beats_it)
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        thing_release(&thing);
        bough_scope_cancel(&w.scope, "too late");
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(w.next_rc, -ECANCELED);
    return rc;
}

TASK_TEST(a_cancel_before_a_release_beats_it)
{
    struct thing thing;
    struct waiter w[] = {EXCLUSIVE_WAITER(&thing), EXCLUSIVE_WAITER(&thing)};
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w[0]);
        waiter_park(n, &w[1]);
        bough_scope_cancel(&w[0].scope, "in time");
        thing_release(&thing);
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK_EQ(w[1].rc, 0);
    return rc;
}

struct loop {
    struct thing thing;
    bool stop;
};

static int acquire_until_told(void *arg)
{
    struct loop *loop = arg;
    while (!loop->stop) {
        CHECK_EQ(thing_acquire(&loop->thing), 0);
        thing_release(&loop->thing);
    }
    return 0;
}

TASK_TEST(a_loop_of_acquires_that_never_wait_starves_nobody)
{
    struct loop loop = {0};
    int rc = 0;
    thing_init(&loop.thing);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, acquire_until_told, &loop);
        for (int i = 0; rc == 0 && i < 3; i++)
            rc = bough_checkpoint();
        loop.stop = true; /* had it starved us, we would not be here */
    }
    return rc;
}

/* Tasks that take it, give up after a while, hold it for a while: whatever the order, one at a time
 * has it, and at the end it is free and nobody waits. */
struct crowd {
    struct thing thing;
    unsigned inside, taken, given_up;
};

static int crowd_member(void *arg)
{
    struct crowd *c = arg;
    uint32_t dice = 2463534242u + 77777u * (c->taken + c->given_up);
    for (int i = 0; i < 20; i++) {
        dice = dice * 1664525u + 1013904223u;
        int64_t patience = (dice >> 24) % 7 * BOUGH_MS, hold = (dice >> 16) % 5 * BOUGH_MS;
        int rc = 0;
        bough_move_on_after (patience, &rc) {
            rc = thing_acquire(&c->thing);
            if (rc < 0) {
                CHECK_EQ(rc, -ECANCELED);
                c->given_up++;
                break;
            }
            CHECK_EQ(++c->inside, 1);
            rc = bough_sleep(hold);
            CHECK_EQ(c->inside--, 1);
            thing_release(&c->thing);
            c->taken++;
        }
        CHECK_EQ(rc, 0);
    }
    return 0;
}

static int crowd_main(__attribute__((unused)) void *arg)
{
    struct crowd c = {0};
    int rc = 0;
    thing_init(&c.thing);
    bough_with_nursery (n, &rc) {
        for (int i = 0; rc == 0 && i < 8; i++)
            rc = bough_nursery_start_soon(n, crowd_member, &c);
    }
    CHECK_EQ(c.taken + c.given_up, 160);
    CHECK(c.taken > 0 && c.given_up > 0);
    CHECK_EQ(thing_waiting(&c.thing), 0);
    CHECK_EQ(thing_acquire_nowait(&c.thing), 0);
    thing_release(&c.thing);
    return rc;
}

TEST(whatever_the_order_one_at_a_time_has_it)
{
    CHECK_EQ(bough_test_seeds(30, crowd_main, NULL), 0);
}
