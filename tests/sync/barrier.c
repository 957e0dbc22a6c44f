/* bough_barrier.
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

static int barrier_wait(void *barrier)
{
    return bough_barrier_wait(barrier);
}

static unsigned barrier_waiting(const struct bough_barrier *b)
{
    struct bough_barrier_stats stats;
    bough_barrier_stats(b, &stats);
    return stats.waiting;
}

static void park_all(struct bough_nursery *n, struct bough_barrier *b, struct waiter *w, int count)
{
    for (int i = 0; i < count; i++) {
        w[i] = (struct waiter){.call = barrier_wait, .object = b};
        waiter_park(n, &w[i]);
    }
}

TASK_TEST(all_wait_for_the_last_and_are_numbered_by_arrival)
{
    struct bough_barrier b;
    struct bough_barrier_stats stats;
    struct waiter w[3];
    int rc = 0;
    bough_barrier_init(&b, 4);
    bough_with_nursery (n, &rc) {
        park_all(n, &b, w, 3);
        bough_barrier_stats(&b, &stats);
        CHECK_EQ(stats.parties, 4);
        CHECK_EQ(stats.waiting, 3);
        CHECK(!stats.aborted);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(w[i].rc, STILL_WAITING);
        CHECK_EQ(bough_barrier_wait(&b), 3);
        CHECK_EQ(barrier_waiting(&b), 0);
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(w[i].rc, i);
    return rc;
}

TASK_TEST(a_barrier_for_one_never_waits_and_is_a_checkpoint)
{
    struct bough_barrier b;
    int rc = 0;
    bough_barrier_init(&b, 1);
    bough_assert_checkpoints (&rc)
        rc = bough_barrier_wait(&b);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_barrier_wait(&b), 0);
    return rc;
}

struct rounds {
    struct bough_barrier barrier;
    int round[3]; /* of each task */
};

struct runner {
    struct rounds *rounds;
    int us;
};

static int run_rounds(void *arg)
{
    struct runner *r = arg;
    struct rounds *all = r->rounds;
    for (int i = 1; i <= 10; i++) {
        int rc = bough_sleep((i * 7 + r->us * 5) % 4 * BOUGH_MS);
        if (rc < 0)
            return rc;
        all->round[r->us] = i;
        CHECK(bough_barrier_wait(&all->barrier) >= 0);
        for (int other = 0; other < 3; other++)
            CHECK(all->round[other] == i || all->round[other] == i + 1);
    }
    return 0;
}

static int rounds_main(__attribute__((unused)) void *arg)
{
    struct rounds all = {0};
    struct runner runners[] = {{&all, 0}, {&all, 1}, {&all, 2}};
    int rc = 0;
    bough_barrier_init(&all.barrier, 3);
    bough_with_nursery (n, &rc) {
        for (int i = 0; rc == 0 && i < 3; i++)
            rc = bough_nursery_start_soon(n, run_rounds, &runners[i]);
    }
    return rc;
}

TEST(a_barrier_serves_round_after_round_whatever_the_order)
{
    CHECK_EQ(bough_test_seeds(20, rounds_main, NULL), 0);
}

TASK_TEST(the_next_round_begins_before_the_woken_have_run)
{
    struct bough_barrier b;
    struct waiter w[3];
    int rc = 0;
    bough_barrier_init(&b, 2);
    bough_with_nursery (n, &rc) {
        park_all(n, &b, w, 1);
        CHECK_EQ(bough_barrier_wait(&b), 1);
        CHECK_EQ(w[0].rc, STILL_WAITING);
        w[1] = (struct waiter){.call = barrier_wait, .object = &b};
        waiter_start(n, &w[1]);
        CHECK_EQ(bough_barrier_wait(&b), 0);
        CHECK_EQ(w[1].rc, 1);
    }
    CHECK_EQ(w[0].rc, 0);
    return rc;
}

TASK_TEST(a_cancelled_wait_does_not_count_and_those_behind_move_up)
{
    struct bough_barrier b;
    struct waiter w[3];
    int rc = 0;
    bough_barrier_init(&b, 3);
    bough_with_nursery (n, &rc) {
        park_all(n, &b, w, 2);
        bough_scope_cancel(&w[0].scope, NULL);
        CHECK_EQ(barrier_waiting(&b), 1);
        w[2] = (struct waiter){.call = barrier_wait, .object = &b};
        waiter_park(n, &w[2]);
        CHECK_EQ(w[2].rc, STILL_WAITING);
        CHECK_EQ(bough_barrier_wait(&b), 2);
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK_EQ(w[1].rc, 0);
    CHECK_EQ(w[2].rc, 1);
    return rc;
}

TASK_TEST(a_wait_in_a_cancelled_scope_does_not_arrive)
{
    struct bough_barrier b;
    struct waiter w[1];
    int rc = 0;
    bough_barrier_init(&b, 2);
    bough_with_nursery (n, &rc) {
        park_all(n, &b, w, 1);
        CHECK_EQ(call_cancelled(barrier_wait, &b), -ECANCELED);
        CHECK_EQ(barrier_waiting(&b), 1);
        CHECK_EQ(bough_barrier_wait(&b), 1);
    }
    CHECK_EQ(w[0].rc, 0);
    return rc;
}

TASK_TEST(a_wait_can_time_out)
{
    struct bough_barrier b;
    bough_barrier_init(&b, 2);
    CHECK_EQ(call_timed(BOUGH_SEC, barrier_wait, &b), -ETIMEDOUT);
    CHECK_EQ(barrier_waiting(&b), 0);
    return 0;
}

TASK_TEST(the_last_arrival_before_a_cancel_beats_it)
{
    struct bough_barrier b;
    struct waiter w[1];
    int rc = 0;
    bough_barrier_init(&b, 2);
    bough_with_nursery (n, &rc) {
        park_all(n, &b, w, 1);
        CHECK_EQ(bough_barrier_wait(&b), 1);
        bough_scope_cancel(&w[0].scope, "too late");
    }
    CHECK_EQ(w[0].rc, 0);
    CHECK_EQ(w[0].next_rc, -ECANCELED);
    return rc;
}

TASK_TEST(an_abort_fails_those_who_wait_and_those_who_come)
{
    struct bough_barrier b;
    struct bough_barrier_stats stats;
    struct waiter w[2];
    int rc = 0;
    bough_barrier_init(&b, 3);
    bough_with_nursery (n, &rc) {
        park_all(n, &b, w, 2);
        bough_barrier_abort(&b);
        bough_barrier_abort(&b);
        CHECK_EQ(bough_barrier_wait(&b), -EPIPE);
        CHECK_STR(bough_error_message(bough_error_last()), "the barrier was aborted");
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(w[i].rc, -EPIPE);
        CHECK_STR(w[i].message, "the barrier was aborted");
    }
    bough_barrier_stats(&b, &stats);
    CHECK(stats.aborted && stats.waiting == 0);
    CHECK_EQ(call_cancelled(barrier_wait, &b), -ECANCELED);
    return rc;
}

TEST_PANICS(a_barrier_for_nobody_panics, "a barrier for 0 parties")
{
    struct bough_barrier b;
    bough_barrier_init(&b, 0);
    return 0;
}
