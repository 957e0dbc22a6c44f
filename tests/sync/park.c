/* bough_lot, the parking lot.
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

static int lot_park(void *lot)
{
    return bough_lot_park(lot, "the test");
}

static unsigned lot_waiting(const struct bough_lot *lot)
{
    struct bough_lot_stats stats;
    bough_lot_stats(lot, &stats);
    return stats.waiting;
}

static void park_all(struct bough_nursery *n, struct bough_lot *lot, struct waiter *w, int count)
{
    for (int i = 0; i < count; i++) {
        w[i] = (struct waiter){.call = lot_park, .object = lot};
        waiter_park(n, &w[i]);
    }
}

TASK_TEST(unparking_an_empty_lot_does_nothing_and_is_not_remembered)
{
    struct bough_lot lot, other;
    bough_lot_init(&lot);
    bough_lot_init(&other);
    CHECK_EQ(bough_lot_unpark(&lot, 3), 0);
    CHECK_EQ(bough_lot_unpark_all(&lot), 0);
    CHECK_EQ(bough_lot_repark(&lot, &other, 3), 0);
    CHECK_EQ(call_timed(BOUGH_SEC, lot_park, &lot), -ETIMEDOUT);
    return 0;
}

TASK_TEST(unpark_wakes_the_longest_sleepers_in_order)
{
    struct bough_lot lot;
    struct waiter w[4];
    int rc = 0;
    bough_lot_init(&lot);
    bough_with_nursery (n, &rc) {
        park_all(n, &lot, w, 4);
        CHECK_EQ(lot_waiting(&lot), 4);
        CHECK_EQ(bough_lot_unpark(&lot, 0), 0);
        CHECK_EQ(bough_lot_unpark(&lot, 2), 2);
        CHECK_EQ(lot_waiting(&lot), 2);
        rc = bough_wait_all_tasks_blocked();
        CHECK(w[0].turn == 1 && w[1].turn == 2 && w[2].rc == STILL_WAITING);
        CHECK_EQ(bough_lot_unpark(&lot, 10), 2);
    }
    CHECK(w[2].turn == 3 && w[3].turn == 4);
    return rc;
}

TASK_TEST(unpark_all_wakes_all)
{
    struct bough_lot lot;
    struct waiter w[3];
    int rc = 0;
    bough_lot_init(&lot);
    bough_with_nursery (n, &rc) {
        park_all(n, &lot, w, 3);
        CHECK_EQ(bough_lot_unpark_all(&lot), 3);
        CHECK_EQ(lot_waiting(&lot), 0);
    }
    for (unsigned i = 0; i < 3; i++)
        CHECK(w[i].rc == 0 && w[i].turn == i + 1);
    return rc;
}

TASK_TEST(repark_moves_the_longest_sleepers_behind_those_of_the_other_lot)
{
    struct bough_lot a, b;
    struct waiter in_a[3], in_b[1];
    int rc = 0;
    bough_lot_init(&a);
    bough_lot_init(&b);
    bough_with_nursery (n, &rc) {
        park_all(n, &a, in_a, 3);
        park_all(n, &b, in_b, 1);
        CHECK_EQ(bough_lot_repark(&a, &b, 2), 2);
        CHECK_EQ(lot_waiting(&a), 1);
        CHECK_EQ(lot_waiting(&b), 3);
        rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(in_a[0].rc, STILL_WAITING);
        CHECK_EQ(bough_lot_unpark_all(&b), 3);
        rc = bough_wait_all_tasks_blocked();
        CHECK(in_b[0].turn == 1 && in_a[0].turn == 2 && in_a[1].turn == 3);
        CHECK_EQ(in_a[2].rc, STILL_WAITING);
        CHECK_EQ(bough_lot_unpark_all(&a), 1);
    }
    return rc;
}

TASK_TEST(repark_into_the_same_lot_sends_them_to_the_end)
{
    struct bough_lot lot;
    struct waiter w[3];
    int rc = 0;
    bough_lot_init(&lot);
    bough_with_nursery (n, &rc) {
        park_all(n, &lot, w, 3);
        CHECK_EQ(bough_lot_repark(&lot, &lot, 1), 1);
        CHECK_EQ(bough_lot_unpark_all(&lot), 3);
    }
    CHECK(w[1].turn == 1 && w[2].turn == 2 && w[0].turn == 3);
    return rc;
}

TASK_TEST(a_cancel_takes_a_sleeper_out_of_the_lot_it_was_moved_to)
{
    struct bough_lot a, b;
    struct waiter w[2];
    int rc = 0;
    bough_lot_init(&a);
    bough_lot_init(&b);
    bough_with_nursery (n, &rc) {
        park_all(n, &a, w, 2);
        CHECK_EQ(bough_lot_repark(&a, &b, 2), 2);
        bough_scope_cancel(&w[0].scope, NULL);
        CHECK_EQ(lot_waiting(&b), 1);
        CHECK_EQ(bough_lot_unpark_all(&b), 1);
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK_EQ(w[1].rc, 0);
    return rc;
}

TASK_TEST(parking_in_a_cancelled_scope_does_not_park)
{
    struct bough_lot lot;
    bough_lot_init(&lot);
    CHECK_EQ(call_cancelled(lot_park, &lot), -ECANCELED);
    CHECK_EQ(lot_waiting(&lot), 0);
    return 0;
}

TASK_TEST(an_unpark_before_a_cancel_beats_it)
{
    struct bough_lot lot;
    struct waiter w[1];
    int rc = 0;
    bough_lot_init(&lot);
    bough_with_nursery (n, &rc) {
        park_all(n, &lot, w, 1);
        CHECK_EQ(bough_lot_unpark(&lot, 1), 1);
        bough_scope_cancel(&w[0].scope, "too late");
        CHECK_EQ(bough_lot_unpark(&lot, 1), 0);
    }
    CHECK_EQ(w[0].rc, 0);
    CHECK_EQ(w[0].next_rc, -ECANCELED);
    return rc;
}
