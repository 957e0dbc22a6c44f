/* bough_limiter: with one token it is exclusive; and borrowers, and the total.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/sync.h>

/* The tasks of the suite have no room for a token: they take the next of these, which has been
 * given back long ago. */
struct thing {
    struct bough_limiter limiter;
    struct bough_token tokens[64];
    unsigned next;
};

static void thing_init(struct thing *thing)
{
    bough_limiter_init(&thing->limiter, 1);
    thing->next = 0;
}

static struct bough_token *thing_token(struct thing *thing)
{
    return &thing->tokens[thing->next++ % 64];
}

static int thing_acquire(void *arg)
{
    struct thing *thing = arg;
    return bough_limiter_acquire(&thing->limiter, thing_token(thing));
}

static int thing_acquire_nowait(struct thing *thing)
{
    return bough_limiter_acquire_nowait(&thing->limiter, thing_token(thing));
}

static void thing_release(void *thing)
{
    bough_limiter_release(&((struct thing *)thing)->limiter);
}

static unsigned thing_waiting(struct thing *thing)
{
    struct bough_limiter_stats stats;
    bough_limiter_stats(&thing->limiter, &stats);
    return stats.waiting;
}

#include "exclusive.h"

/* --- borrowers --- */

TASK_TEST(a_limiter_knows_who_borrows)
{
    struct bough_limiter l;
    struct bough_limiter_stats stats;
    struct bough_token ours, theirs;
    int somebody;
    bough_limiter_init(&l, 3);
    CHECK_EQ(bough_limiter_acquire(&l, &ours), 0);
    CHECK_EQ(bough_limiter_acquire_on_behalf(&l, &theirs, &somebody), 0);
    CHECK(bough_limiter_has_borrowed(&l, bough_task_current()));
    CHECK(bough_limiter_has_borrowed(&l, &somebody));
    CHECK(!bough_limiter_has_borrowed(&l, &stats));
    CHECK_EQ(bough_limiter_total(&l), 3);
    CHECK_EQ(bough_limiter_borrowed(&l), 2);
    CHECK_EQ(bough_limiter_available(&l), 1);
    bough_limiter_stats(&l, &stats);
    CHECK_EQ(stats.total, 3);
    CHECK_EQ(stats.borrowed, 2);
    CHECK_EQ(stats.available, 1);
    CHECK_EQ(stats.waiting, 0);
    bough_limiter_release_on_behalf(&l, &somebody);
    CHECK(!bough_limiter_has_borrowed(&l, &somebody));
    bough_limiter_release(&l);
    CHECK_EQ(bough_limiter_borrowed(&l), 0);
    return 0;
}

TASK_TEST(one_task_may_borrow_on_behalf_of_many)
{
    enum { MANY = 3000 };
    static struct bough_token tokens[MANY];
    static char borrowers[MANY];
    struct bough_limiter l;
    uint32_t dice = 1;
    bough_limiter_init(&l, MANY);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(bough_limiter_acquire_on_behalf_nowait(&l, &tokens[i], &borrowers[i]), 0);
    for (int round = 0; round < 20000; round++) {
        dice = dice * 1664525u + 1013904223u;
        int i = (int)((dice >> 8) % MANY);
        if (bough_limiter_has_borrowed(&l, &borrowers[i]))
            bough_limiter_release_on_behalf(&l, &borrowers[i]);
        else
            CHECK_EQ(bough_limiter_acquire_on_behalf(&l, &tokens[i], &borrowers[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        if (bough_limiter_has_borrowed(&l, &borrowers[i]))
            bough_limiter_release_on_behalf(&l, &borrowers[i]);
        CHECK(!bough_limiter_has_borrowed(&l, &borrowers[i]));
    }
    CHECK_EQ(bough_limiter_borrowed(&l), 0);
    return 0;
}

static int give_back(void *arg)
{
    bough_limiter_release_on_behalf(arg, arg);
    return 0;
}

TASK_TEST(any_task_may_give_back_what_was_borrowed_on_behalf)
{
    struct bough_limiter l;
    struct bough_token token;
    int rc = 0;
    bough_limiter_init(&l, 1);
    CHECK_EQ(bough_limiter_acquire_on_behalf(&l, &token, &l), 0);
    CHECK_EQ(bough_limiter_acquire_on_behalf_nowait(&l, &(struct bough_token){0}, &rc), -EAGAIN);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, give_back, &l);
    CHECK_EQ(bough_limiter_borrowed(&l), 0);
    return rc;
}

TASK_TEST(a_token_is_room_and_may_be_used_again)
{
    struct bough_limiter l;
    struct bough_token token;
    memset(&token, 0xff, sizeof(token));
    bough_limiter_init(&l, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(bough_limiter_acquire(&l, &token), 0);
        bough_limiter_release(&l);
    }
    return 0;
}

TASK_TEST(a_cancelled_borrower_is_forgotten)
{
    struct thing thing;
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    struct bough_token token;
    int rc = 0;
    thing_init(&thing);
    CHECK_EQ(bough_limiter_acquire_on_behalf(&thing.limiter, &token, &token), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(call_timed(BOUGH_MS, thing_acquire, &thing), -ETIMEDOUT);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        CHECK(!bough_limiter_has_borrowed(&thing.limiter, &w));
        bough_limiter_release_on_behalf(&thing.limiter, &token);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(bough_limiter_borrowed(&thing.limiter), 0);
    CHECK(thing.limiter.tokens == NULL);
    return rc;
}

/* --- misuse --- */

TEST_PANICS(borrowing_twice_panics, "that has a token of a limiter asks for another")
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    return thing_acquire(&thing);
}

TEST_PANICS(borrowing_twice_without_waiting_panics,
            "that has a token of a limiter asks for another")
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    return thing_acquire_nowait(&thing);
}

static int acquire_for_the_limiter(void *arg)
{
    struct thing *thing = arg;
    return bough_limiter_acquire_on_behalf(&thing->limiter, thing_token(thing), &thing->limiter);
}

TEST_PANICS(waiting_twice_panics, "that waits for a token of a limiter asks for another")
{
    struct thing thing;
    struct waiter w = {.call = acquire_for_the_limiter, .object = &thing};
    int rc = 0;
    bough_limiter_init(&thing.limiter, 0);
    thing.next = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        rc = acquire_for_the_limiter(&thing);
    }
    return rc;
}

TEST_PANICS(giving_back_what_was_not_borrowed_panics,
            "that has no token of a limiter gives one back")
{
    struct thing thing;
    thing_init(&thing);
    thing_release(&thing);
    return 0;
}

TEST_PANICS(giving_back_twice_panics, "that has no token of a limiter gives one back")
{
    struct thing thing;
    thing_init(&thing);
    CHECK_EQ(thing_acquire(&thing), 0);
    thing_release(&thing);
    thing_release(&thing);
    return 0;
}

TEST_PANICS(giving_back_what_one_only_waits_for_panics,
            "that has no token of a limiter gives one back")
{
    struct thing thing;
    struct waiter w = {.call = acquire_for_the_limiter, .object = &thing};
    int rc = 0;
    bough_limiter_init(&thing.limiter, 0);
    thing.next = 0;
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_limiter_release_on_behalf(&thing.limiter, &thing.limiter);
    }
    return rc;
}

/* --- the total --- */

TASK_TEST(raising_the_total_lets_as_many_waiters_go_on)
{
    struct thing thing;
    struct waiter w[5];
    int rc = 0;
    bough_limiter_init(&thing.limiter, 0);
    thing.next = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 5; i++) {
            w[i] = (struct waiter)EXCLUSIVE_WAITER(&thing);
            w[i].hold = BOUGH_SEC;
            waiter_park(n, &w[i]);
        }
        bough_limiter_set_total(&thing.limiter, 2);
        CHECK_EQ(bough_limiter_borrowed(&thing.limiter), 2);
        CHECK_EQ(thing_waiting(&thing), 3);
        rc = bough_wait_all_tasks_blocked();
        CHECK(w[0].rc == 0 && w[1].rc == 0 && w[2].rc == STILL_WAITING);
        bough_limiter_set_total(&thing.limiter, 10);
        CHECK_EQ(bough_limiter_borrowed(&thing.limiter), 5);
        CHECK_EQ(bough_limiter_available(&thing.limiter), 5);
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(bough_limiter_borrowed(&thing.limiter), 0);
    return rc;
}

TASK_TEST(lowering_the_total_takes_nothing_back_and_lends_nothing_until_enough_came_back)
{
    struct thing thing;
    struct bough_token tokens[3];
    struct waiter w = EXCLUSIVE_WAITER(&thing);
    int rc = 0;
    bough_limiter_init(&thing.limiter, 3);
    thing.next = 0;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bough_limiter_acquire_on_behalf(&thing.limiter, &tokens[i], &tokens[i]), 0);
    bough_limiter_set_total(&thing.limiter, 1);
    CHECK_EQ(bough_limiter_borrowed(&thing.limiter), 3);
    CHECK_EQ(bough_limiter_available(&thing.limiter), 0);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_limiter_release_on_behalf(&thing.limiter, &tokens[0]);
        bough_limiter_release_on_behalf(&thing.limiter, &tokens[2]);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(w.rc, STILL_WAITING);
        bough_limiter_release_on_behalf(&thing.limiter, &tokens[1]);
        CHECK_EQ(bough_limiter_borrowed(&thing.limiter), 1);
    }
    CHECK_EQ(w.rc, 0);
    return rc;
}

TASK_TEST(a_limiter_of_0_lends_nothing)
{
    struct thing thing;
    bough_limiter_init(&thing.limiter, 0);
    thing.next = 0;
    CHECK_EQ(thing_acquire_nowait(&thing), -EAGAIN);
    CHECK_EQ(call_timed(BOUGH_SEC, thing_acquire, &thing), -ETIMEDOUT);
    return 0;
}
