/* bough_lock: the suite of what one task can have, and its owner.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/sync.h>

struct thing {
    struct bough_lock lock;
};

static void thing_init(struct thing *thing)
{
    bough_lock_init(&thing->lock);
}

static int thing_acquire(void *thing)
{
    return bough_lock_acquire(&((struct thing *)thing)->lock);
}

static int thing_acquire_nowait(struct thing *thing)
{
    return bough_lock_acquire_nowait(&thing->lock);
}

static void thing_release(void *thing)
{
    bough_lock_release(&((struct thing *)thing)->lock);
}

static unsigned thing_waiting(struct thing *thing)
{
    struct bough_lock_stats stats;
    bough_lock_stats(&thing->lock, &stats);
    return stats.waiting;
}

#include "exclusive.h"

/* --- the owner --- */

TASK_TEST(a_lock_knows_its_owner_and_where_it_was_taken)
{
    struct bough_lock lock;
    struct bough_lock_stats stats;
    bough_lock_init(&lock);
    CHECK(!bough_lock_is_held(&lock));
    CHECK(bough_lock_owner(&lock) == NULL);
    bough_lock_stats(&lock, &stats);
    CHECK(!stats.held && !stats.broken && !stats.owner && !stats.acquired_at);

    int line = __LINE__, rc = bough_lock_acquire(&lock);
    CHECK(bough_lock_is_held(&lock));
    CHECK(bough_lock_owner(&lock) == bough_task_current());
    bough_lock_stats(&lock, &stats);
    CHECK(stats.held && stats.owner == bough_task_current());
    CHECK_EQ(stats.acquired_at->line, line);
    bough_lock_release(&lock);
    CHECK(!bough_lock_is_held(&lock));
    return rc;
}

TASK_TEST(release_makes_the_longest_waiter_the_owner_at_once)
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        thing_release(&thing);
        CHECK(bough_lock_is_held(&thing.lock));
        CHECK(bough_lock_owner(&thing.lock) != bough_task_current());
        CHECK_STR(bough_task_name(bough_lock_owner(&thing.lock)), "waiter_main");
    }
    CHECK(!bough_lock_is_held(&thing.lock));
    return rc;
}

TASK_TEST(the_functions_behind_the_macros_work_too)
{
    struct bough_lock lock;
    bough_lock_init(&lock);
    CHECK_EQ((bough_lock_acquire)(&lock), 0);
    bough_lock_release(&lock);
    CHECK_EQ((bough_lock_acquire_nowait)(&lock), 0);
    bough_lock_release(&lock);
    return 0;
}

/* --- misuse --- */

TEST_PANICS(acquiring_your_own_lock_panics, "task main acquires a lock at ")
{
    struct bough_lock lock;
    bough_lock_init(&lock);
    CHECK_EQ(bough_lock_acquire(&lock), 0);
    return bough_lock_acquire(&lock);
}

TEST_PANICS(acquiring_your_own_lock_without_waiting_panics, "that it holds already: it took it at ")
{
    struct bough_lock lock;
    bough_lock_init(&lock);
    CHECK_EQ(bough_lock_acquire(&lock), 0);
    return bough_lock_acquire_nowait(&lock);
}

TEST_PANICS(releasing_a_free_lock_panics, "task main releases a lock that nobody holds")
{
    struct bough_lock lock;
    bough_lock_init(&lock);
    bough_lock_release(&lock);
    return 0;
}

static int release_it(void *lock)
{
    bough_lock_release(lock);
    return 0;
}

TEST_PANICS(releasing_the_lock_of_another_panics_and_names_both,
            "task release_it releases a lock that task main holds, which took it at ")
{
    struct bough_lock lock;
    int rc = 0;
    bough_lock_init(&lock);
    CHECK_EQ(bough_lock_acquire(&lock), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, release_it, &lock);
    return rc;
}

TEST_PANICS(the_old_owner_cannot_release_what_it_handed_over,
            "task main releases a lock that task waiter_main holds")
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        thing_release(&thing);
        thing_release(&thing);
    }
    return rc;
}

/* --- an owner that ends --- */

static int acquire_and_end(void *arg)
{
    bough_task_set_name("careless");
    CHECK_EQ(thing_acquire(arg), 0);
    return bough_sleep(BOUGH_SEC);
}

TASK_TEST(a_lock_whose_owner_ended_is_broken_for_those_who_wait_and_those_who_come)
{
    struct thing thing;
    struct waiter w[] = {EXCLUSIVE_WAITER(&thing), EXCLUSIVE_WAITER(&thing)};
    struct bough_lock_stats stats;
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, acquire_and_end, &thing), 0);
        for (int i = 0; i < 2; i++)
            waiter_park(n, &w[i]);
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(w[i].rc, -EOWNERDEAD);
        CHECK_HAS(w[i].message, "task careless, which took it at ");
    }
    CHECK_EQ(thing_acquire(&thing), -EOWNERDEAD);
    CHECK_HAS(bough_error_message(bough_error_last()), "careless");
    CHECK_HAS(bough_error_file(bough_error_last()), "lock.c");
    CHECK_EQ(thing_acquire_nowait(&thing), -EOWNERDEAD);
    CHECK_EQ(call_cancelled(thing_acquire, &thing), -ECANCELED);
    bough_lock_stats(&thing.lock, &stats);
    CHECK(stats.broken && !stats.held);
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    thing_release(&thing);
    return rc;
}

static int acquire_and_fail(void *arg)
{
    CHECK_EQ(thing_acquire(arg), 0);
    return bough_fail(-EIO, "something else");
}

TASK_TEST(an_owner_that_fails_breaks_the_lock)
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, acquire_and_fail, &thing);
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(thing_acquire(&thing), -EOWNERDEAD);
    return 0;
}

TASK_TEST(a_lock_that_was_handed_over_breaks_when_the_new_owner_ends)
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, acquire_and_end, &thing), 0);
        rc = bough_wait_all_tasks_blocked();
        thing_release(&thing);
    }
    CHECK_EQ(thing_acquire(&thing), -EOWNERDEAD);
    return rc;
}

TASK_TEST(an_owner_that_released_in_time_breaks_nothing)
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc)
        waiter_park(n, &w);
    CHECK_EQ(thing_acquire(&thing), 0);
    thing_release(&thing);
    return rc;
}

TEST_PANICS(releasing_a_broken_lock_says_why_it_is_not_yours, "that is broken: task careless")
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, acquire_and_end, &thing);
    thing_release(&thing);
    return rc;
}

static int acquire_three_and_end(void *arg)
{
    struct thing *things = arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thing_acquire(&things[i]), 0);
    thing_release(&things[1]);
    return 0;
}

TASK_TEST(only_the_locks_that_are_still_held_break)
{
    struct thing things[3];
    int rc = 0;
    for (int i = 0; i < 3; i++)
        thing_init(&things[i]);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, acquire_three_and_end, things);
    CHECK_EQ(thing_acquire_nowait(&things[0]), -EOWNERDEAD);
    CHECK_EQ(thing_acquire_nowait(&things[1]), 0);
    CHECK_EQ(thing_acquire_nowait(&things[2]), -EOWNERDEAD);
    thing_release(&things[1]);
    return rc;
}
