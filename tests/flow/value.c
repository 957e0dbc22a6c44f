/* Async values and flags.
 * SPDX-License-Identifier: MIT */
#include "../sync/waiter.h"

#include <bough/value.h>

struct number {
    struct bough_value value;
    int stored;
};

static void number_init(struct number *v, int first)
{
    v->stored = first;
    bough_value_init(&v->value, &v->stored, sizeof(v->stored));
}

static void set(struct number *v, int to)
{
    bough_value_set(&v->value, &to);
}

/* One who waits: for at least, or for a change across, 'limit'. */
struct wish {
    struct number *of;
    int limit;
    int64_t held;
    int got;
    unsigned asked;
};

static bool at_least(const void *value, void *arg)
{
    struct wish *w = arg;
    w->asked++;
    return *(const int *)value >= w->limit;
}

static bool rises_to(const void *value, const void *before, void *arg)
{
    struct wish *w = arg;
    w->asked++;
    return *(const int *)before < w->limit && *(const int *)value >= w->limit;
}

static int call_wait(void *object)
{
    struct wish *w = object;
    return bough_value_wait(&w->of->value, at_least, w, &w->got);
}

static int call_held(void *object)
{
    struct wish *w = object;
    return bough_value_wait_held(&w->of->value, at_least, w, w->held, &w->got);
}

static int call_equal(void *object)
{
    struct wish *w = object;
    return bough_value_wait_equal(&w->of->value, &w->limit);
}

static int call_change(void *object)
{
    struct wish *w = object;
    return bough_value_wait_change(&w->of->value, rises_to, w, &w->got);
}

static int call_any_change(void *object)
{
    struct wish *w = object;
    return bough_value_wait_change(&w->of->value, NULL, NULL, &w->got);
}

static void park(struct bough_nursery *n, struct waiter *w, int (*call)(void *), struct wish *wish)
{
    *w = (struct waiter){.call = call, .object = wish};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}

/* Let whoever was woken run. */
static void settle(void)
{
    CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
}

/* --- levels --- */

TASK_TEST(a_condition_that_holds_already_is_met_at_once)
{
    struct number v;
    struct wish w = {.of = &v, .limit = 5};
    int rc = 0, seen = 0;
    number_init(&v, 7);
    bough_assert_checkpoints (&rc)
        rc = call_wait(&w);
    CHECK_EQ(rc, 0);
    CHECK_EQ(w.got, 7);
    bough_value_get(&v.value, &seen);
    CHECK_EQ(seen, 7);
    CHECK_EQ(bough_value_wait(&v.value, at_least, &w, NULL), 0);
    CHECK_EQ(bough_now(), 0);
    return 0;
}

TASK_TEST(a_set_wakes_only_those_whose_condition_it_meets)
{
    struct number v;
    struct wish wish[] = {{.of = &v, .limit = 5}, {.of = &v, .limit = 10}, {.of = &v, .limit = 3}};
    struct waiter w[3];
    int rc = 0;
    number_init(&v, 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            park(n, &w[i], call_wait, &wish[i]);
        set(&v, 2);
        settle();
        CHECK(w[0].rc == STILL_WAITING && w[1].rc == STILL_WAITING && w[2].rc == STILL_WAITING);
        set(&v, 6);
        CHECK_EQ(w[0].rc, STILL_WAITING); /* setting does not switch */
        settle();
        CHECK(w[0].rc == 0 && w[1].rc == STILL_WAITING && w[2].rc == 0);
        CHECK(w[0].turn == 1 && w[2].turn == 2);
        set(&v, 10);
        settle();
        CHECK_EQ(w[1].rc, 0);
    }
    CHECK(wish[0].got == 6 && wish[1].got == 10 && wish[2].got == 6);
    CHECK_EQ(wish[0].asked, 3); /* by the call, and two sets; not when it has gone */
    return rc;
}

TASK_TEST(a_value_that_was_there_for_a_moment_counts_and_is_the_one_that_is_given)
{
    struct number v;
    struct wish wish = {.of = &v, .limit = 5};
    struct waiter w;
    int rc = 0;
    number_init(&v, 0);
    bough_with_nursery (n, &rc) {
        park(n, &w, call_wait, &wish);
        set(&v, 8);
        set(&v, 9);
        set(&v, 1);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(wish.got, 8);
    CHECK_EQ(v.stored, 1);
    return rc;
}

TASK_TEST(waiting_for_a_certain_value_is_over_when_it_is_that)
{
    struct number v;
    struct wish wish = {.of = &v, .limit = 5};
    struct waiter w;
    int rc = 0;
    number_init(&v, 5);
    CHECK_EQ(call_equal(&wish), 0);
    set(&v, 4);
    bough_with_nursery (n, &rc) {
        park(n, &w, call_equal, &wish);
        set(&v, 6);
        settle();
        CHECK_EQ(w.rc, STILL_WAITING);
        set(&v, 5);
        settle();
        CHECK_EQ(w.rc, 0);
    }
    return rc;
}

TASK_TEST(setting_what_is_equal_asks_nobody)
{
    struct number v;
    struct wish wish = {.of = &v, .limit = 5}, any = {.of = &v};
    struct waiter level, edge;
    int rc = 0;
    number_init(&v, 3);
    bough_with_nursery (n, &rc) {
        park(n, &level, call_wait, &wish);
        park(n, &edge, call_any_change, &any);
        set(&v, 3);
        settle();
        CHECK_EQ(edge.rc, STILL_WAITING);
        CHECK_EQ(wish.asked, 1);
        set(&v, 5);
    }
    CHECK(level.rc == 0 && edge.rc == 0);
    return rc;
}

static bool sets_it(const void *value, void *arg)
{
    struct number *v = arg;
    if (*(const int *)value == 2)
        set(v, 3);
    return false;
}

static int wait_with_bad_manners(void *arg)
{
    struct number *v = arg;
    return bough_value_wait(&v->value, sets_it, v, NULL);
}

TEST_PANICS(a_condition_that_sets_the_value_panics, "sets the value that it is asked about")
{
    struct number v;
    int rc = 0;
    number_init(&v, 1);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, wait_with_bad_manners, &v);
        settle();
        set(&v, 2);
    }
    return rc;
}

/* --- levels that are held --- */

TASK_TEST(a_level_has_to_be_held_for_the_whole_time)
{
    struct number v;
    struct wish wish = {.of = &v, .limit = 5, .held = 10};
    struct waiter w;
    int rc = 0;
    number_init(&v, 0);
    bough_with_nursery (n, &rc) {
        park(n, &w, call_held, &wish);
        CHECK_EQ(bough_sleep(100), 0);
        set(&v, 5);
        CHECK_EQ(bough_sleep(6), 0);
        set(&v, 7); /* still held: the time goes on */
        CHECK_EQ(bough_sleep(3), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        CHECK_EQ(bough_sleep(2), 0);
        CHECK_EQ(w.rc, 0);
        set(&v, 8);
    }
    CHECK_EQ(wish.got, 7);
    return rc;
}

TASK_TEST(a_break_begins_the_time_anew_though_it_was_too_short_for_anyone_to_see)
{
    struct number v;
    struct wish wish = {.of = &v, .limit = 5, .held = 10};
    struct waiter w;
    int rc = 0;
    number_init(&v, 5);
    bough_with_nursery (n, &rc) {
        park(n, &w, call_held, &wish);
        CHECK_EQ(bough_sleep(9), 0);
        set(&v, 1);
        set(&v, 6);
        CHECK_EQ(bough_sleep(9), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        set(&v, 2);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(w.rc, STILL_WAITING);
        set(&v, 9);
        CHECK_EQ(bough_sleep(11), 0);
        CHECK_EQ(w.rc, 0);
    }
    CHECK_EQ(wish.got, 9);
    return rc;
}

TASK_TEST(the_time_begins_with_the_call_if_the_level_is_there_already)
{
    struct number v;
    struct wish w = {.of = &v, .limit = 5, .held = 10};
    number_init(&v, 5);
    CHECK_EQ(bough_sleep(100), 0);
    CHECK_EQ(call_held(&w), 0);
    CHECK_EQ(bough_now(), 110);
    CHECK_EQ(w.got, 5);
    w.held = 0;
    CHECK_EQ(call_held(&w), 0);
    CHECK_EQ(bough_now(), 110);
    return 0;
}

TASK_TEST(a_held_wait_that_is_cancelled_leaves_nothing_behind)
{
    struct number v;
    struct wish w = {.of = &v, .limit = 5, .held = 10};
    number_init(&v, 5);
    CHECK_EQ(call_timed(4, call_held, &w), -ETIMEDOUT);
    CHECK_EQ(call_cancelled(call_held, &w), -ECANCELED);
    set(&v, 1);
    set(&v, 9);
    CHECK_EQ(bough_sleep(100), 0);
    CHECK_EQ(w.got, 0);
    CHECK_EQ(w.asked, 2); /* by the calls */
    return 0;
}

/* --- edges --- */

TASK_TEST(an_edge_is_a_change_from_now_on)
{
    struct number v;
    struct wish wish = {.of = &v, .limit = 5};
    struct waiter w;
    int rc = 0;
    number_init(&v, 7); /* above already: no edge */
    bough_with_nursery (n, &rc) {
        park(n, &w, call_change, &wish);
        set(&v, 9);
        set(&v, 2);
        set(&v, 4);
        settle();
        CHECK_EQ(w.rc, STILL_WAITING);
        set(&v, 6);
        set(&v, 1);
    }
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(wish.got, 6);
    CHECK_EQ(wish.asked, 4);
    return rc;
}

TASK_TEST(each_who_waits_sees_its_own_edge)
{
    struct number v;
    struct wish wish[] = {{.of = &v, .limit = 5}, {.of = &v, .limit = 2}};
    struct waiter w[2];
    int rc = 0;
    number_init(&v, 0);
    bough_with_nursery (n, &rc) {
        park(n, &w[0], call_change, &wish[0]);
        park(n, &w[1], call_change, &wish[1]);
        set(&v, 3);
        set(&v, 8);
    }
    CHECK(wish[0].got == 8 && wish[1].got == 3);
    return rc;
}

TASK_TEST(an_edge_while_nobody_waits_is_gone)
{
    struct number v;
    struct wish w = {.of = &v, .limit = 5};
    number_init(&v, 0);
    set(&v, 9);
    CHECK_EQ(call_timed(BOUGH_SEC, call_change, &w), -ETIMEDOUT);
    CHECK_EQ(call_timed(BOUGH_SEC, call_any_change, &w), -ETIMEDOUT);
    return 0;
}

/* --- cancels --- */

static int (*const calls[])(void *) = {call_wait, call_held, call_equal, call_change,
                                       call_any_change};
enum { CALLS = sizeof(calls) / sizeof(*calls) };

TASK_TEST(a_wait_that_is_cancelled_had_no_effect)
{
    for (int i = 0; i < CALLS; i++) {
        struct number v;
        struct wish w = {.of = &v, .limit = 5, .held = 1};
        number_init(&v, 0);
        CHECK_EQ(call_cancelled(calls[i], &w), -ECANCELED);
        CHECK_EQ(call_timed(BOUGH_SEC, calls[i], &w), -ETIMEDOUT);
        unsigned asked = w.asked;
        set(&v, 5);
        CHECK(w.got == 0 && w.asked == asked);
        if (calls[i] != call_change && calls[i] != call_any_change)
            CHECK_EQ(call_cancelled(calls[i], &w), -ECANCELED); /* also when it holds */
        CHECK_EQ(w.got, 0);
    }
    return 0;
}

TASK_TEST(a_wake_beats_a_cancel)
{
    for (int i = 0; i < CALLS; i++) {
        struct number v;
        struct wish wish = {.of = &v, .limit = 5};
        struct waiter w;
        int rc = 0;
        number_init(&v, 0);
        bough_with_nursery (n, &rc) {
            park(n, &w, calls[i], &wish);
            set(&v, 5);
            bough_scope_cancel(&w.scope, "too late");
        }
        CHECK_EQ(rc, 0);
        CHECK(w.rc == 0 && w.next_rc == -ECANCELED);
    }
    return 0;
}

TASK_TEST(one_who_is_cancelled_does_not_disturb_those_who_wait_with_it)
{
    struct number v;
    struct wish wish[3] = {{.of = &v, .limit = 5}, {.of = &v, .limit = 5}, {.of = &v, .limit = 5}};
    struct waiter w[3];
    int rc = 0;
    number_init(&v, 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            park(n, &w[i], call_wait, &wish[i]);
        bough_scope_cancel(&w[1].scope, "this one");
        set(&v, 5);
    }
    CHECK(w[0].rc == 0 && w[1].rc == -ECANCELED && w[2].rc == 0);
    CHECK_EQ(wish[1].got, 0);
    return rc;
}

/* --- flags --- */

struct flag_wish {
    struct bough_flag *flag;
    bool on;
};

static int call_flag(void *object)
{
    struct flag_wish *w = object;
    return bough_flag_wait(w->flag, w->on);
}

static int call_flag_held(void *object)
{
    struct flag_wish *w = object;
    return bough_flag_wait_held(w->flag, w->on, 10);
}

static int call_flag_change(void *object)
{
    struct flag_wish *w = object;
    return bough_flag_wait_change(w->flag, w->on);
}

TASK_TEST(a_flag_can_be_waited_for_both_ways)
{
    struct bough_flag flag;
    struct waiter w[2];
    struct flag_wish up = {&flag, true}, down = {&flag, false};
    int rc = 0;
    bough_flag_init(&flag, false);
    CHECK_EQ(bough_flag_wait(&flag, false), 0);
    bough_with_nursery (n, &rc) {
        w[0] = (struct waiter){.call = call_flag, .object = &up};
        waiter_park(n, &w[0]);
        CHECK_EQ(w[0].rc, STILL_WAITING);
        bough_flag_set(&flag, true);
        CHECK(bough_flag_get(&flag));
        settle();
        CHECK_EQ(w[0].rc, 0);
        w[1] = (struct waiter){.call = call_flag, .object = &down};
        waiter_park(n, &w[1]);
        bough_flag_set(&flag, true);
        settle();
        CHECK_EQ(w[1].rc, STILL_WAITING);
        bough_flag_set(&flag, false);
        bough_flag_set(&flag, true);
        settle();
        CHECK_EQ(w[1].rc, 0);
    }
    CHECK_EQ(call_cancelled(call_flag, &up), -ECANCELED);
    CHECK_EQ(call_timed(BOUGH_SEC, call_flag, &down), -ETIMEDOUT);
    return rc;
}

TASK_TEST(a_flag_that_is_held_and_a_flag_that_changes)
{
    struct bough_flag flag;
    struct flag_wish up = {&flag, true};
    struct waiter held = {.call = call_flag_held, .object = &up};
    struct waiter changed = {.call = call_flag_change, .object = &up};
    int rc = 0;
    bough_flag_init(&flag, true);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &held);
        waiter_park(n, &changed);
        CHECK_EQ(bough_sleep(9), 0);
        CHECK_EQ(changed.rc, STILL_WAITING); /* up is no change */
        bough_flag_set(&flag, false);
        settle();
        CHECK_EQ(changed.rc, STILL_WAITING);
        bough_flag_set(&flag, true);
        settle();
        CHECK_EQ(changed.rc, 0);
        CHECK_EQ(bough_sleep(9), 0);
        CHECK_EQ(held.rc, STILL_WAITING);
    }
    CHECK_EQ(held.rc, 0);
    CHECK_EQ(bough_now(), 19);
    return rc;
}

/* --- at any point, in any order --- */

static int raise_it(void *arg)
{
    int rc = 0;
    for (int i = 1; i <= 6 && rc == 0; i++) {
        set(arg, i);
        rc = bough_sleep(2);
    }
    return rc;
}

static int wait_for_some(__attribute__((unused)) void *arg)
{
    struct number v;
    struct wish wish[CALLS];
    struct waiter w[CALLS];
    int rc = 0;
    number_init(&v, 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < CALLS; i++) {
            wish[i] = (struct wish){.of = &v, .limit = 3, .held = 2};
            w[i] = (struct waiter){.call = calls[i], .object = &wish[i]};
            waiter_start(n, &w[i]);
        }
        rc = bough_sleep(1);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, raise_it, &v);
    }
    CHECK(bough_list_is_empty(&v.value.waiters));
    if (rc == 0 && w[0].rc == 0)
        CHECK(wish[0].got == 3 && wish[1].got >= 3 && wish[3].got == 3 && wish[4].got == 1);
    return rc;
}

TEST(cancelled_at_any_point_no_wait_is_left_behind)
{
    CHECK_CANCELS(wait_for_some, NULL, 11);
}

TEST(whatever_the_order_each_gets_what_it_waits_for)
{
    CHECK_EQ(bough_test_seeds(50, wait_for_some, NULL), 0);
}
