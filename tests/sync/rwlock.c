/* bough_rwlock: for writing it is exclusive; and readers.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/sync.h>

struct thing {
    struct bough_rwlock lock;
};

static void thing_init(struct thing *thing)
{
    bough_rwlock_init(&thing->lock);
}

static int thing_acquire(void *thing)
{
    return bough_rwlock_write_acquire(&((struct thing *)thing)->lock);
}

static int thing_acquire_nowait(struct thing *thing)
{
    return bough_rwlock_write_acquire_nowait(&thing->lock);
}

static void thing_release(void *thing)
{
    bough_rwlock_write_release(&((struct thing *)thing)->lock);
}

static unsigned thing_waiting(struct thing *thing)
{
    struct bough_rwlock_stats stats;
    bough_rwlock_stats(&thing->lock, &stats);
    return stats.waiting_writers + stats.waiting_readers;
}

#include "exclusive.h"

static int read_acquire(void *thing)
{
    return bough_rwlock_read_acquire(&((struct thing *)thing)->lock);
}

static void read_release(void *thing)
{
    bough_rwlock_read_release(&((struct thing *)thing)->lock);
}

#define READER(thing)                                                                              \
    (struct waiter)                                                                                \
    {                                                                                              \
        .call = read_acquire, .undo = read_release, .object = (thing), .hold = BOUGH_SEC           \
    }
#define WRITER(thing)                                                                              \
    (struct waiter)                                                                                \
    {                                                                                              \
        .call = thing_acquire, .undo = thing_release, .object = (thing), .hold = BOUGH_SEC         \
    }

static void check_stats(const struct thing *thing, unsigned readers, bool written,
                        unsigned waiting_readers, unsigned waiting_writers)
{
    struct bough_rwlock_stats stats;
    bough_rwlock_stats(&thing->lock, &stats);
    CHECK_EQ(stats.readers, readers);
    CHECK_EQ(stats.writer != NULL, written);
    CHECK_EQ(stats.waiting_readers, waiting_readers);
    CHECK_EQ(stats.waiting_writers, waiting_writers);
}

TASK_TEST(readers_go_in_together)
{
    struct thing thing;
    struct waiter w[3];
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++) {
            w[i] = READER(&thing);
            waiter_park(n, &w[i]);
            CHECK_EQ(w[i].rc, 0);
        }
        check_stats(&thing, 3, false, 0, 0);
        CHECK_EQ(bough_rwlock_write_acquire_nowait(&thing.lock), -EAGAIN);
        CHECK_EQ(bough_rwlock_read_acquire_nowait(&thing.lock), 0);
        read_release(&thing);
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    check_stats(&thing, 0, false, 0, 0);
    return rc;
}

TASK_TEST(going_in_to_read_is_a_checkpoint)
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    bough_assert_checkpoints (&rc)
        rc = read_acquire(&thing);
    bough_assert_no_checkpoints (&rc)
        read_release(&thing);
    bough_assert_no_checkpoints (&rc)
        rc = bough_rwlock_read_acquire_nowait(&thing.lock);
    read_release(&thing);
    CHECK_EQ(call_cancelled(read_acquire, &thing), -ECANCELED);
    check_stats(&thing, 0, false, 0, 0);
    return rc;
}

TASK_TEST(a_waiting_writer_holds_back_later_readers)
{
    struct thing thing;
    struct waiter w[4];
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc) {
        w[0] = READER(&thing);
        w[1] = WRITER(&thing);
        w[2] = READER(&thing);
        w[3] = READER(&thing);
        for (int i = 0; i < 4; i++)
            waiter_park(n, &w[i]);
        check_stats(&thing, 1, false, 2, 1);
        CHECK_EQ(bough_rwlock_read_acquire_nowait(&thing.lock), -EAGAIN);
        rc = bough_sleep(BOUGH_SEC + 1);
        check_stats(&thing, 0, true, 2, 0);
        rc = bough_sleep(BOUGH_SEC);
        check_stats(&thing, 2, false, 0, 0);
    }
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return rc;
}

TASK_TEST(only_consecutive_readers_go_in_together)
{
    struct thing thing;
    struct waiter w[5];
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        w[0] = READER(&thing);
        w[1] = READER(&thing);
        w[2] = WRITER(&thing);
        w[3] = WRITER(&thing);
        w[4] = READER(&thing);
        for (int i = 0; i < 5; i++)
            waiter_park(n, &w[i]);
        check_stats(&thing, 0, true, 3, 2);
        thing_release(&thing);
        check_stats(&thing, 2, false, 1, 2);
    }
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(w[i].turn, i + 1);
    CHECK_EQ(bough_now(), 4 * BOUGH_SEC);
    return rc;
}

TASK_TEST(cancelling_a_waiting_writer_lets_the_readers_behind_it_in)
{
    struct thing thing;
    struct waiter w[4];
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc) {
        w[0] = READER(&thing);
        w[1] = WRITER(&thing);
        w[2] = READER(&thing);
        w[3] = WRITER(&thing);
        for (int i = 0; i < 4; i++)
            waiter_park(n, &w[i]);
        bough_scope_cancel(&w[1].scope, NULL);
        check_stats(&thing, 2, false, 0, 1);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w[1].rc, -ECANCELED);
        CHECK_EQ(w[2].rc, 0);
        CHECK_EQ(w[3].rc, STILL_WAITING);
    }
    CHECK_EQ(w[3].rc, 0);
    return rc;
}

/* All at once by one scope: whoever is let in by a cancel on the way goes on to release. */
TASK_TEST(cancelling_everybody_leaves_the_lock_free)
{
    struct thing thing;
    struct waiter w[5];
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(read_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 5; i++) {
            w[i] = i % 2 ? READER(&thing) : WRITER(&thing);
            w[i].hold = 0;
            waiter_park(n, &w[i]);
        }
        bough_scope_cancel(bough_nursery_scope(n), "all");
    }
    check_stats(&thing, 1, false, 0, 0);
    read_release(&thing);
    CHECK_EQ(thing_acquire_nowait(&thing), 0);
    thing_release(&thing);
    return rc;
}

TASK_TEST(cancelled_readers_leave_the_queue)
{
    struct thing thing;
    struct waiter w[2];
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 2; i++) {
            w[i] = READER(&thing);
            waiter_park(n, &w[i]);
        }
        bough_scope_cancel(&w[0].scope, NULL);
        check_stats(&thing, 0, true, 1, 0);
        thing_release(&thing);
        check_stats(&thing, 1, false, 0, 0);
        bough_scope_cancel(&w[1].scope, "too late");
        w[1].hold = 0;
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK_EQ(w[1].rc, 0);
    CHECK_EQ(w[1].next_rc, -ECANCELED);
    return rc;
}

TASK_TEST(a_newcomer_cannot_steal_from_waiting_readers)
{
    struct thing thing;
    struct waiter w;
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        w = READER(&thing);
        waiter_park(n, &w);
        thing_release(&thing);
        CHECK_EQ(thing_acquire_nowait(&thing), -EAGAIN);
        CHECK_EQ(thing_acquire(&thing), 0);
        CHECK_EQ(bough_now(), BOUGH_SEC);
        thing_release(&thing);
    }
    return rc;
}

static int read_too_late(void *arg)
{
    /* The writer's time is up, but nobody has looked at the clock: to begin to wait looks. */
    int rc = 0;
    bough_test_clock_advance(BOUGH_SEC);
    bough_fail_after (BOUGH_MINUTE, &rc)
        rc = read_acquire(arg);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    read_release(arg);
    return rc;
}

static int write_in_time(void *arg)
{
    CHECK_EQ(call_timed(BOUGH_SEC, thing_acquire, arg), -ETIMEDOUT);
    return 0;
}

TASK_TEST(a_reader_that_begins_to_wait_when_the_writer_before_it_times_out_goes_in)
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(read_acquire(&thing), 0);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, write_in_time, &thing), 0);
        rc = bough_checkpoint();
        rc = bough_nursery_start_soon(n, read_too_late, &thing);
    }
    read_release(&thing);
    return rc;
}

/* --- the writer --- */

TASK_TEST(the_functions_behind_the_macros_work_too)
{
    struct bough_rwlock lock;
    bough_rwlock_init(&lock);
    CHECK_EQ((bough_rwlock_read_acquire)(&lock), 0);
    CHECK_EQ((bough_rwlock_read_acquire_nowait)(&lock), 0);
    bough_rwlock_read_release(&lock);
    bough_rwlock_read_release(&lock);
    CHECK_EQ((bough_rwlock_write_acquire)(&lock), 0);
    bough_rwlock_write_release(&lock);
    CHECK_EQ((bough_rwlock_write_acquire_nowait)(&lock), 0);
    bough_rwlock_write_release(&lock);
    return 0;
}

static int write_and_end(void *arg)
{
    bough_task_set_name("careless");
    CHECK_EQ(thing_acquire(arg), 0);
    return bough_sleep(BOUGH_SEC);
}

TASK_TEST(a_writer_that_ends_while_writing_breaks_the_lock)
{
    struct thing thing;
    struct waiter w[2];
    struct bough_rwlock_stats stats;
    int rc = 0;
    thing_init(&thing);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, write_and_end, &thing), 0);
        rc = bough_wait_all_tasks_blocked();
        w[0] = READER(&thing);
        w[1] = WRITER(&thing);
        for (int i = 0; i < 2; i++) {
            w[i].hold = 0;
            waiter_park(n, &w[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(w[i].rc, -EOWNERDEAD);
        CHECK_HAS(w[i].message, "careless");
    }
    CHECK_EQ(read_acquire(&thing), -EOWNERDEAD);
    CHECK_EQ(bough_rwlock_write_acquire_nowait(&thing.lock), -EOWNERDEAD);
    bough_rwlock_stats(&thing.lock, &stats);
    CHECK(stats.broken);
    return rc;
}

TEST_PANICS(writing_twice_panics, "task main acquires a lock for writing at ")
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    return thing_acquire(&thing);
}

TEST_PANICS(reading_what_you_write_panics, "task main acquires a lock for reading at ")
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    return read_acquire(&thing);
}

TEST_PANICS(ending_a_read_that_nobody_began_panics,
            "stops reading under a lock that nobody reads under")
{
    struct thing thing;
    thing_init(&thing);
    read_release(&thing);
    return 0;
}

TEST_PANICS(ending_a_write_that_nobody_began_panics,
            "task main stops writing under a lock that nobody holds")
{
    struct thing thing;
    thing_init(&thing);
    thing_release(&thing);
    return 0;
}

static int stop_writing(void *thing)
{
    thing_release(thing);
    return 0;
}

TEST_PANICS(ending_the_write_of_another_panics_and_names_both,
            "task stop_writing stops writing under a lock that task main holds")
{
    struct thing thing;
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, stop_writing, &thing);
    return rc;
}

/* --- any order --- */

struct mixed_crowd {
    struct thing thing;
    int readers, writers;
    unsigned dice;
};

static int mixed_member(void *arg)
{
    struct mixed_crowd *c = arg;
    for (int i = 0; i < 20; i++) {
        c->dice = c->dice * 1664525u + 1013904223u;
        bool writes = c->dice >> 30 == 0;
        int64_t patience = (c->dice >> 24) % 7 * BOUGH_MS, hold = (c->dice >> 16) % 5 * BOUGH_MS;
        int rc = 0;
        bough_move_on_after (patience, &rc) {
            rc = writes ? thing_acquire(&c->thing) : read_acquire(&c->thing);
            if (rc < 0)
                break;
            *(writes ? &c->writers : &c->readers) += 1;
            CHECK(c->writers == 0 || (c->writers == 1 && c->readers == 0));
            rc = bough_sleep(hold);
            *(writes ? &c->writers : &c->readers) -= 1;
            if (writes)
                thing_release(&c->thing);
            else
                read_release(&c->thing);
        }
        CHECK_EQ(rc, 0);
    }
    return 0;
}

static int mixed_main(__attribute__((unused)) void *arg)
{
    struct mixed_crowd c = {.dice = 12345};
    int rc = 0;
    thing_init(&c.thing);
    bough_with_nursery (n, &rc) {
        for (int i = 0; rc == 0 && i < 8; i++)
            rc = bough_nursery_start_soon(n, mixed_member, &c);
    }
    check_stats(&c.thing, 0, false, 0, 0);
    return rc;
}

TEST(whatever_the_order_readers_and_writers_never_meet)
{
    CHECK_EQ(bough_test_seeds(30, mixed_main, NULL), 0);
}
