/* bough_condition.
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

struct room {
    struct bough_lock lock;
    struct bough_condition changed;
    int value;
};

static void room_init(struct room *room)
{
    bough_lock_init(&room->lock);
    bough_condition_init(&room->changed, &room->lock);
    room->value = 0;
}

static void check_stats(const struct room *room, unsigned waiting, unsigned waiting_for_lock)
{
    struct bough_condition_stats stats;
    bough_condition_stats(&room->changed, &stats);
    CHECK_EQ(stats.waiting, waiting);
    CHECK_EQ(stats.lock.waiting, waiting_for_lock);
    CHECK_EQ(stats.lock.held, bough_lock_is_held(&room->lock));
}

/* Take the lock and wait; holds the lock on return unless it is broken. */
static int room_wait(void *arg)
{
    struct room *room = arg;
    CHECK_EQ(bough_lock_acquire(&room->lock), 0);
    int rc = bough_condition_wait(&room->changed);
    if (rc != -EOWNERDEAD) {
        CHECK(bough_lock_owner(&room->lock) == bough_task_current());
        bough_lock_release(&room->lock);
    }
    return rc;
}

static void room_notify(struct room *room, unsigned count)
{
    CHECK_EQ(bough_lock_acquire(&room->lock), 0);
    bough_condition_notify(&room->changed, count);
    bough_lock_release(&room->lock);
}

static void park_all(struct bough_nursery *n, struct room *room, struct waiter *w, int count)
{
    for (int i = 0; i < count; i++) {
        w[i] = (struct waiter){.call = room_wait, .object = room};
        waiter_park(n, &w[i]);
    }
}

TASK_TEST(waiting_releases_the_lock_and_takes_it_again)
{
    struct room room;
    struct waiter w[1];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 1);
        CHECK(!bough_lock_is_held(&room.lock));
        check_stats(&room, 1, 0);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        bough_condition_notify(&room.changed, 1);
        check_stats(&room, 0, 1);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w[0].rc, STILL_WAITING); /* notified, but we hold the lock */
        bough_lock_release(&room.lock);
        CHECK(bough_lock_is_held(&room.lock)); /* handed over */
    }
    CHECK_EQ(w[0].rc, 0);
    CHECK(!bough_lock_is_held(&room.lock));
    return rc;
}

TASK_TEST(notify_wakes_as_many_as_told_in_order)
{
    struct room room;
    struct waiter w[5];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 5);
        room_notify(&room, 0);
        check_stats(&room, 5, 0);
        room_notify(&room, 2);
        rc = bough_wait_all_tasks_blocked();
        CHECK(w[0].turn == 1 && w[1].turn == 2 && w[2].rc == STILL_WAITING);
        room_notify(&room, 1);
        rc = bough_wait_all_tasks_blocked();
        CHECK(w[2].turn == 3 && w[3].rc == STILL_WAITING);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        bough_condition_notify_all(&room.changed);
        bough_lock_release(&room.lock);
    }
    CHECK(w[3].turn == 4 && w[4].turn == 5);
    return rc;
}

TASK_TEST(a_notify_that_nobody_waits_for_is_not_remembered)
{
    struct room room;
    room_init(&room);
    room_notify(&room, 1);
    CHECK_EQ(call_timed(BOUGH_SEC, room_wait, &room), -ETIMEDOUT);
    CHECK(!bough_lock_is_held(&room.lock));
    return 0;
}

TASK_TEST(the_notified_queue_behind_those_who_wait_for_the_lock)
{
    struct room room;
    struct waiter w[1];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 1);
        room_notify(&room, 1);
        CHECK_EQ(bough_lock_acquire_nowait(&room.lock), -EAGAIN);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        CHECK_EQ(w[0].rc, 0);
        bough_lock_release(&room.lock);
    }
    return rc;
}

TASK_TEST(a_cancelled_wait_takes_the_lock_again_before_it_returns)
{
    struct room room;
    struct waiter w[1];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 1);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        bough_scope_cancel(&w[0].scope, NULL);
        check_stats(&room, 0, 0);
        rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(w[0].rc, STILL_WAITING); /* shielded, in the queue of the lock */
        check_stats(&room, 0, 1);
        bough_lock_release(&room.lock);
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK(!bough_lock_is_held(&room.lock));
    return rc;
}

TASK_TEST(a_notify_before_a_cancel_beats_it_even_before_the_lock_is_free)
{
    struct room room;
    struct waiter w[2];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 2);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        bough_condition_notify(&room.changed, 1);
        bough_scope_cancel(&w[0].scope, "too late");
        rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(w[0].rc, STILL_WAITING);
        bough_lock_release(&room.lock);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w[0].rc, 0);
        CHECK_EQ(w[0].next_rc, -ECANCELED);
        room_notify(&room, 1);
    }
    CHECK_EQ(w[1].rc, 0);
    return rc;
}

TASK_TEST(a_cancel_before_a_notify_leaves_the_notify_to_the_next)
{
    struct room room;
    struct waiter w[2];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 2);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        bough_scope_cancel(&w[0].scope, "in time");
        bough_condition_notify(&room.changed, 1);
        bough_lock_release(&room.lock);
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK_EQ(w[1].rc, 0);
    return rc;
}

TASK_TEST(a_wait_in_a_cancelled_scope_does_not_even_release_the_lock)
{
    struct room room;
    struct waiter w = {.call = room_wait, .object = &room};
    int rc = 0, waited = 0;
    room_init(&room);
    CHECK_EQ(bough_lock_acquire(&room.lock), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_move_on_after (0, &waited) {
            waited = bough_condition_wait(&room.changed);
            CHECK_EQ(waited, -ECANCELED);
        }
        CHECK(bough_lock_owner(&room.lock) == bough_task_current());
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_lock_release(&room.lock);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        room_notify(&room, 1);
    }
    return rc;
}

/* --- wait_until --- */

static bool is_three(void *value)
{
    return *(int *)value == 3;
}

static int wait_for_three(void *arg)
{
    struct room *room = arg;
    CHECK_EQ(bough_lock_acquire(&room->lock), 0);
    int rc = bough_condition_wait_until(&room->changed, is_three, &room->value);
    CHECK(bough_lock_owner(&room->lock) == bough_task_current());
    bough_lock_release(&room->lock);
    return rc;
}

TASK_TEST(wait_until_waits_until_the_predicate_is_true)
{
    struct room room;
    struct waiter w = {.call = wait_for_three, .object = &room};
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        for (int i = 1; rc == 0 && i <= 3; i++) {
            CHECK_EQ(w.rc, STILL_WAITING);
            CHECK_EQ(bough_lock_acquire(&room.lock), 0);
            room.value = i;
            bough_condition_notify_all(&room.changed);
            bough_lock_release(&room.lock);
            rc = bough_wait_all_tasks_blocked();
        }
        CHECK_EQ(w.rc, 0);
    }
    return rc;
}

TASK_TEST(wait_until_is_a_checkpoint_also_when_it_is_true_already)
{
    struct room room;
    int rc = 0;
    room_init(&room);
    room.value = 3;
    CHECK_EQ(bough_lock_acquire(&room.lock), 0);
    bough_assert_checkpoints (&rc)
        rc = bough_condition_wait_until(&room.changed, is_three, &room.value);
    bough_assert_no_checkpoints (&rc)
        bough_condition_notify_all(&room.changed);
    bough_lock_release(&room.lock);
    return rc;
}

TASK_TEST(wait_until_can_be_cancelled)
{
    struct room room;
    int rc = 0;
    room_init(&room);
    CHECK_EQ(call_timed(BOUGH_SEC, wait_for_three, &room), -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    room.value = 3;
    CHECK_EQ(bough_lock_acquire(&room.lock), 0);
    bough_move_on_after (0, &rc) {
        rc = bough_condition_wait_until(&room.changed, is_three, &room.value);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK(bough_lock_owner(&room.lock) == bough_task_current());
    bough_lock_release(&room.lock);
    return rc;
}

TASK_TEST(the_functions_behind_the_macros_work_too)
{
    struct room room;
    int rc = 0;
    room_init(&room);
    room.value = 3;
    CHECK_EQ(bough_lock_acquire(&room.lock), 0);
    CHECK_EQ((bough_condition_wait_until)(&room.changed, is_three, &room.value), 0);
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = (bough_condition_wait)(&room.changed);
    CHECK_EQ(rc, 0);
    bough_lock_release(&room.lock);
    return rc;
}

/* --- the owner of the lock ends --- */

static int acquire_and_end(void *arg)
{
    struct room *room = arg;
    CHECK_EQ(bough_lock_acquire(&room->lock), 0);
    bough_condition_notify(&room->changed, 1);
    return 0;
}

TASK_TEST(a_broken_lock_wakes_those_who_were_notified_and_those_who_never_will_be)
{
    struct room room;
    struct waiter w[3];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 3);
        rc = bough_nursery_start_soon(n, acquire_and_end, &room);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(w[i].rc, -EOWNERDEAD);
        CHECK_HAS(w[i].message, "acquire_and_end");
    }
    check_stats(&room, 0, 0);
    return rc;
}

static int acquire_and_sleep(void *arg)
{
    struct room *room = arg;
    CHECK_EQ(bough_lock_acquire(&room->lock), 0);
    return bough_sleep(BOUGH_SEC);
}

TASK_TEST(a_cancelled_wait_whose_lock_breaks_reports_that)
{
    struct room room;
    struct waiter w[1];
    int rc = 0;
    room_init(&room);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 1);
        CHECK_EQ(bough_nursery_start_soon(n, acquire_and_sleep, &room), 0);
        rc = bough_wait_all_tasks_blocked();
        bough_scope_cancel(&w[0].scope, NULL);
    }
    CHECK_EQ(w[0].rc, -EOWNERDEAD);
    return rc;
}

TASK_TEST(two_conditions_may_share_a_lock)
{
    struct room room;
    struct bough_condition other;
    struct waiter w[1];
    int rc = 0;
    room_init(&room);
    bough_condition_init(&other, &room.lock);
    bough_with_nursery (n, &rc) {
        park_all(n, &room, w, 1);
        CHECK_EQ(bough_lock_acquire(&room.lock), 0);
        bough_condition_notify_all(&other);
        bough_lock_release(&room.lock);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w[0].rc, STILL_WAITING);
        room_notify(&room, 1);
    }
    CHECK_EQ(w[0].rc, 0);
    return rc;
}

/* --- misuse --- */

TEST_PANICS(waiting_without_the_lock_panics,
            "task main waits in a condition of a lock that nobody holds")
{
    struct room room;
    room_init(&room);
    return bough_condition_wait(&room.changed);
}

TEST_PANICS(waiting_until_without_the_lock_panics, "task main waits in a condition of a lock")
{
    struct room room;
    room_init(&room);
    room.value = 3;
    return bough_condition_wait_until(&room.changed, is_three, &room.value);
}

static int notify_it(void *arg)
{
    bough_condition_notify(&((struct room *)arg)->changed, 1);
    return 0;
}

TEST_PANICS(notifying_without_the_lock_panics,
            "task notify_it notifies a condition of a lock that task main holds")
{
    struct room room;
    int rc = 0;
    room_init(&room);
    CHECK_EQ(bough_lock_acquire(&room.lock), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, notify_it, &room);
    return rc;
}

/* --- any order: a bounded queue, with impatient users --- */

struct pipe {
    struct bough_lock lock;
    struct bough_condition filled, emptied;
    int length, put, got;
    unsigned dice;
};

static int64_t roll(struct pipe *p)
{
    p->dice = p->dice * 1664525u + 1013904223u;
    return (p->dice >> 24) % 4 * BOUGH_MS;
}

static int pipe_step(struct pipe *p, bool puts)
{
    int rc = bough_lock_acquire(&p->lock);
    if (rc < 0)
        return rc;
    while (rc == 0 && p->length == (puts ? 2 : 0))
        rc = bough_condition_wait(puts ? &p->emptied : &p->filled);
    if (rc == 0) {
        p->length += puts ? 1 : -1;
        *(puts ? &p->put : &p->got) += 1;
        bough_condition_notify(puts ? &p->filled : &p->emptied, 1);
    }
    bough_lock_release(&p->lock);
    return rc;
}

static int pipe_user(struct pipe *p, bool puts)
{
    for (int done = 0; done < 30;) {
        int rc = bough_sleep(roll(p)), stepped = 0;
        bough_move_on_after (roll(p) + 1, &rc)
            rc = stepped = pipe_step(p, puts);
        CHECK_EQ(rc, 0);
        done += stepped == 0;
    }
    return 0;
}

static int pipe_putter(void *pipe)
{
    return pipe_user(pipe, true);
}

static int pipe_getter(void *pipe)
{
    return pipe_user(pipe, false);
}

static int pipe_main(__attribute__((unused)) void *arg)
{
    struct pipe p = {.dice = 4711};
    int rc = 0;
    bough_lock_init(&p.lock);
    bough_condition_init(&p.filled, &p.lock);
    bough_condition_init(&p.emptied, &p.lock);
    bough_with_nursery (n, &rc) {
        for (int i = 0; rc == 0 && i < 6; i++)
            rc = bough_nursery_start_soon(n, i % 2 ? pipe_putter : pipe_getter, &p);
    }
    CHECK_EQ(p.put, 90);
    CHECK_EQ(p.got, 90);
    CHECK_EQ(p.length, 0);
    return rc;
}

TEST(whatever_the_order_no_notify_is_lost)
{
    CHECK_EQ(bough_test_seeds(30, pipe_main, NULL), 0);
}
