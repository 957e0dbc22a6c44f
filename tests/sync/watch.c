/* bough_watch.
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

#include <bough/watch.h>

struct watched {
    struct bough_watch watch;
    int value;
};

static void watched_init(struct watched *w, int value)
{
    w->value = value;
    bough_watch_init(&w->watch, &w->value, sizeof(w->value));
}

static void set(struct watched *w, int value)
{
    bough_watch_set(&w->watch, &value);
}

/* One who looks: what it has seen so far. */
struct look {
    struct watched *at;
    uint64_t seen;
    int value;
};

static int call_next(void *object)
{
    struct look *l = object;
    return bough_watch_next(&l->at->watch, &l->seen, &l->value);
}

static void park_next(struct bough_nursery *n, struct waiter *w, struct look *l)
{
    *w = (struct waiter){.call = call_next, .object = l};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}

TASK_TEST(the_first_look_gives_the_value_that_is_there)
{
    struct watched watched;
    struct look l = {.at = &watched};
    int value = 0;
    watched_init(&watched, 7);
    bough_watch_get(&watched.watch, &value);
    CHECK_EQ(value, 7);
    CHECK_EQ(call_next(&l), 1);
    CHECK_EQ(l.value, 7);
    CHECK_EQ(call_timed(BOUGH_SEC, call_next, &l), -ETIMEDOUT); /* once */
    return 0;
}

TASK_TEST(a_slow_reader_sees_the_latest_and_not_those_in_between)
{
    struct watched watched;
    struct look l = {.at = &watched};
    watched_init(&watched, 1);
    CHECK_EQ(call_next(&l), 1);
    set(&watched, 2);
    set(&watched, 3);
    CHECK_EQ(call_next(&l), 1);
    CHECK_EQ(l.value, 3);
    CHECK_EQ(call_timed(BOUGH_SEC, call_next, &l), -ETIMEDOUT);
    set(&watched, 3); /* equal, but new */
    CHECK_EQ(call_next(&l), 1);
    return 0;
}

TASK_TEST(a_change_wakes_all_who_wait_and_they_see_the_latest)
{
    struct watched watched;
    struct look l[3];
    struct waiter w[3];
    int rc = 0, value;
    watched_init(&watched, 1);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++) {
            l[i] = (struct look){.at = &watched};
            CHECK_EQ(call_next(&l[i]), 1);
            park_next(n, &w[i], &l[i]);
        }
        set(&watched, 2);
        CHECK_EQ(w[0].rc, STILL_WAITING); /* setting does not switch */
        set(&watched, 3);                 /* before they run */
        bough_watch_get(&watched.watch, &value);
        CHECK_EQ(value, 3);
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK(w[i].rc == 1 && l[i].value == 3);
        CHECK_EQ(w[i].turn, i + 1);
        CHECK_EQ(call_timed(BOUGH_SEC, call_next, &l[i]), -ETIMEDOUT);
    }
    return rc;
}

TASK_TEST(the_value_is_copied_both_ways)
{
    struct watched watched;
    struct look l = {.at = &watched};
    int mine = 2;
    watched_init(&watched, 1);
    bough_watch_set(&watched.watch, &mine);
    mine = 3;
    CHECK_EQ(call_next(&l), 1);
    CHECK_EQ(l.value, 2);
    l.value = 9;
    bough_watch_get(&watched.watch, &mine);
    CHECK_EQ(mine, 2);
    CHECK_EQ(watched.value, 2); /* in the storage that we gave it */
    return 0;
}

TASK_TEST(the_close_gives_the_latest_value_first_and_then_0)
{
    struct watched watched;
    struct look fresh = {.at = &watched}, l = {.at = &watched};
    watched_init(&watched, 1);
    CHECK_EQ(call_next(&l), 1);
    set(&watched, 2);
    bough_watch_close(&watched.watch);
    bough_watch_close(&watched.watch);
    CHECK_EQ(call_next(&l), 1);
    CHECK_EQ(l.value, 2);
    CHECK_EQ(call_next(&l), 0);
    CHECK_EQ(call_next(&l), 0);
    CHECK_EQ(call_next(&fresh), 1);
    CHECK_EQ(call_next(&fresh), 0);
    CHECK_EQ(fresh.value, 2);
    return 0;
}

TASK_TEST(the_close_wakes_all_who_wait_with_0)
{
    struct watched watched;
    struct look l[2];
    struct waiter w[2];
    int rc = 0;
    watched_init(&watched, 1);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 2; i++) {
            l[i] = (struct look){.at = &watched};
            CHECK_EQ(call_next(&l[i]), 1);
            park_next(n, &w[i], &l[i]);
        }
        bough_watch_close(&watched.watch);
    }
    CHECK(w[0].rc == 0 && w[1].rc == 0);
    return rc;
}

TASK_TEST(a_value_set_before_the_close_is_seen_by_who_waited_for_it)
{
    struct watched watched;
    struct look l = {.at = &watched};
    struct waiter w;
    int rc = 0;
    watched_init(&watched, 1);
    CHECK_EQ(call_next(&l), 1);
    bough_with_nursery (n, &rc) {
        park_next(n, &w, &l);
        set(&watched, 2);
        bough_watch_close(&watched.watch);
    }
    CHECK(w.rc == 1 && l.value == 2);
    CHECK_EQ(call_next(&l), 0);
    return rc;
}

TASK_TEST(next_is_a_checkpoint_and_nothing_else_is)
{
    struct watched watched;
    struct look l = {.at = &watched};
    int rc = 0, value;
    bough_assert_no_checkpoints (&rc) {
        watched_init(&watched, 1);
        set(&watched, 2);
        bough_watch_get(&watched.watch, &value);
    }
    bough_assert_checkpoints (&rc)
        rc = call_next(&l);
    CHECK_EQ(rc, 1);
    bough_assert_no_checkpoints (&rc)
        bough_watch_close(&watched.watch);
    bough_assert_checkpoints (&rc)
        rc = call_next(&l);
    return rc;
}

TASK_TEST(a_cancelled_look_has_seen_nothing)
{
    struct watched watched;
    struct look l[2] = {{.at = &watched}, {.at = &watched}};
    struct waiter w[2];
    int rc = 0;
    watched_init(&watched, 1);
    CHECK_EQ(call_cancelled(call_next, &l[0]), -ECANCELED);
    CHECK(l[0].seen == 0 && l[0].value == 0);
    CHECK(call_next(&l[0]) == 1 && call_next(&l[1]) == 1);
    bough_with_nursery (n, &rc) {
        park_next(n, &w[0], &l[0]);
        park_next(n, &w[1], &l[1]);
        bough_scope_cancel(&w[0].scope, "the test says so");
        set(&watched, 2);
    }
    CHECK(w[0].rc == -ECANCELED && l[0].value == 1);
    CHECK(w[1].rc == 1 && l[1].value == 2);
    CHECK_EQ(call_next(&l[0]), 1);
    CHECK_EQ(l[0].value, 2);
    return rc;
}

TASK_TEST(a_change_before_a_cancel_beats_it)
{
    struct watched watched;
    struct look l = {.at = &watched};
    struct waiter w;
    int rc = 0;
    watched_init(&watched, 1);
    CHECK_EQ(call_next(&l), 1);
    bough_with_nursery (n, &rc) {
        park_next(n, &w, &l);
        set(&watched, 2);
        bough_scope_cancel(&w.scope, "too late");
    }
    CHECK(w.rc == 1 && l.value == 2 && w.next_rc == -ECANCELED);
    return rc;
}

enum { CHANGES = 20 };

static int change(void *arg)
{
    struct watched *w = arg;
    int rc = 0;
    for (int i = 1; i <= CHANGES && rc == 0; i++) {
        set(w, i);
        rc = i % 3 ? bough_checkpoint() : bough_sleep(BOUGH_MS);
    }
    bough_watch_close(&w->watch);
    return rc;
}

static int follow(void *arg)
{
    struct look l = {.at = arg, .value = -1};
    int rc, before = -1, tries = 0;
    do {
        rc = call_timed(tries++ % 3 * BOUGH_MS, call_next, &l);
        if (rc == 1)
            CHECK(l.value > before);
        before = l.value;
    } while (rc == 1 || rc == -ETIMEDOUT);
    CHECK_EQ(l.value, CHANGES);
    return rc;
}

static int crowd_main(__attribute__((unused)) void *arg)
{
    struct watched watched;
    int rc = 0;
    watched_init(&watched, 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_nursery_start_soon(n, follow, &watched), 0);
        CHECK_EQ(bough_nursery_start_soon(n, change, &watched), 0);
    }
    return rc;
}

TEST(whatever_the_order_nobody_goes_back_and_all_see_the_last)
{
    CHECK_EQ(bough_test_seeds(50, crowd_main, NULL), 0);
}
