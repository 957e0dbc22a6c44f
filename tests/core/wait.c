/* The one way to block: park, wake, abort; and that exactly one of wake and abort ends a wait.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

/* --- the event of bough/wait.h --- */

struct event {
    bool set;
    struct bough_list waiters;
};

static int event_wait(struct event *e)
{
    if (e->set)
        return bough_pass();
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "event"};
    bough_list_push(&e->waiters, &wait.link);
    return bough_wait(&wait);
}

static void event_set(struct event *e)
{
    e->set = true;
    bough_wake_all(&e->waiters, 0);
}

static struct event event;
static int order[4], order_count;

static int waits_for_the_event(void *arg)
{
    int rc = event_wait(&event);
    order[order_count++] = *(int *)arg;
    return rc;
}

TASK_TEST(an_event_wakes_all_its_waiters_in_order)
{
    static int numbers[] = {0, 1, 2, 3};
    int rc = 0;
    bough_list_init(&event.waiters);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 4 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, waits_for_the_event, &numbers[i]);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(order_count, 0);
        event_set(&event);
        CHECK_EQ(order_count, 0); /* waking never switches */
    }
    CHECK_EQ(order_count, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(order[i], i);
    return rc;
}

TASK_TEST(a_wait_for_what_has_happened_is_a_checkpoint)
{
    int rc = 0;
    bough_list_init(&event.waiters);
    event_set(&event);
    bough_assert_checkpoints (&rc)
        rc = event_wait(&event);
    CHECK_EQ(rc, 0);
    struct bough_scope s = BOUGH_SCOPE(.timeout = 0);
    bough_scope_enter(&s);
    return bough_scope_exit(&s, event_wait(&event));
}

TASK_TEST(a_cancelled_waiter_has_left_the_queue)
{
    int rc = 0;
    bough_list_init(&event.waiters);
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = event_wait(&event);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK(bough_list_is_empty(&event.waiters));
    event_set(&event);
    return rc;
}

/* --- one wait, watched --- */

struct watched {
    struct bough_wait wait;
    int aborts, result;
    bool over;  /* what the abort answers */
    bool wakes; /* the abort itself wakes */
    struct bough_scope scope;
};

static bool watched_abort(struct bough_wait *wait)
{
    struct watched *w = bough_container_of(wait, struct watched, wait);
    w->aborts++;
    if (w->wakes)
        bough_wake(wait, 77);
    return w->over;
}

static struct watched watched_new(bool over)
{
    return (struct watched){
        .wait = {.abort = watched_abort, .what = "a test"},
        .over = over,
        .result = -1,
        .scope = BOUGH_SCOPE(),
    };
}

static int waits_watched(void *arg)
{
    struct watched *w = arg;
    bough_scope_enter(&w->scope);
    w->result = bough_wait(&w->wait);
    return bough_scope_exit(&w->scope, w->result < 0 ? w->result : bough_checkpoint());
}

TASK_TEST(a_wait_returns_what_the_waker_gave)
{
    static const int values[] = {0, 1, 0x7fffffff, -EPIPE, -ECANCELED};
    for (int i = 0; i < 5; i++) {
        int rc = 0;
        struct watched w = watched_new(true);
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, waits_watched, &w);
            if (rc == 0)
                rc = bough_wait_all_tasks_blocked();
            CHECK(bough_wait_is_parked(&w.wait));
            bough_wake(&w.wait, values[i]);
            CHECK(!bough_wait_is_parked(&w.wait));
        }
        CHECK_EQ(w.result, values[i]);
        CHECK_EQ(w.aborts, 0);
    }
    return 0;
}

TASK_TEST(waking_twice_is_waking_once)
{
    int rc = 0;
    struct watched w = watched_new(true);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, waits_watched, &w);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_wake(&w.wait, 1);
        bough_wake(&w.wait, 2);
    }
    CHECK_EQ(w.result, 1);
    return rc;
}

TASK_TEST(a_cancel_aborts_a_wait_synchronously_and_once)
{
    int rc = 0;
    struct watched w = watched_new(true);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, waits_watched, &w);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_scope_cancel(&w.scope, NULL);
        CHECK_EQ(w.aborts, 1);
        CHECK_EQ(w.result, -1);
        CHECK(!bough_wait_is_parked(&w.wait));
        bough_wake(&w.wait, 5);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_EQ(w.aborts, 1);
    CHECK_EQ(w.result, -ECANCELED);
    return rc;
}

TASK_TEST(a_wait_in_a_cancelled_scope_is_aborted_without_parking)
{
    int rc = 0;
    struct watched w = watched_new(true);
    bough_scope_cancel(&w.scope, NULL);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, waits_watched, &w);
    CHECK_EQ(w.aborts, 1);
    CHECK_EQ(w.result, -ECANCELED);
    return rc;
}

TASK_TEST(an_abort_that_takes_the_wait_off_nothing_is_helped)
{
    struct bough_list queue;
    struct watched w = watched_new(true);
    bough_list_init(&queue);
    bough_list_push(&queue, &w.wait.link);
    bough_scope_cancel(&w.scope, NULL);
    CHECK_EQ(waits_watched(&w), 0);
    CHECK(bough_list_is_empty(&queue));
    return 0;
}

/* --- a wait that cannot be undone --- */

static int fail_the_abort(bool cancel_before, bool no_abort)
{
    int rc = 0;
    struct watched w = watched_new(false);
    if (no_abort)
        w.wait.abort = NULL;
    if (cancel_before)
        bough_scope_cancel(&w.scope, NULL);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, waits_watched, &w);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_scope_cancel(&w.scope, NULL);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(w.result, -1);
        CHECK(bough_wait_is_parked(&w.wait));
        bough_scope_set_shield(&w.scope, true);
        bough_scope_set_shield(&w.scope, false);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        CHECK_EQ(w.aborts, no_abort ? 0 : 1);
        bough_wake(&w.wait, 9);
    }
    CHECK_EQ(w.result, 9);
    return rc;
}

TASK_TEST(an_abort_that_fails_leaves_the_wait_and_the_next_checkpoint_fails)
{
    CHECK_EQ(fail_the_abort(false, false), 0);
    CHECK_EQ(fail_the_abort(true, false), 0);
    return 0;
}

TASK_TEST(an_abort_is_tried_once_a_wait)
{
    int rc = 0;
    struct watched w = watched_new(false);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, waits_watched, &w);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        for (int i = 0; i < 3; i++) {
            bough_scope_set_shield(&w.scope, true);
            bough_scope_set_shield(&w.scope, false);
        }
        CHECK_EQ(w.aborts, 1);
        bough_wake(&w.wait, 9);
    }
    CHECK_EQ(w.result, 9);
    return rc;
}

TASK_TEST(a_wait_without_an_abort_cannot_be_cancelled)
{
    CHECK_EQ(fail_the_abort(false, true), 0);
    CHECK_EQ(fail_the_abort(true, true), 0);
    return 0;
}

TASK_TEST(an_abort_that_wakes_beats_the_cancel)
{
    for (int before = 0; before < 2; before++) {
        int rc = 0;
        struct watched w = watched_new(true);
        w.wakes = true;
        if (before)
            bough_scope_cancel(&w.scope, NULL);
        bough_with_nursery (n, &rc) {
            rc = bough_nursery_start_soon(n, waits_watched, &w);
            if (rc == 0)
                rc = bough_wait_all_tasks_blocked();
            bough_scope_cancel(&w.scope, NULL);
        }
        CHECK_EQ(w.result, 77);
        CHECK_EQ(w.aborts, 1);
        CHECK_EQ(rc, 0);
    }
    return 0;
}

/* --- part of a larger wait --- */

static int parts_woken, part_result;

static void part_woken(struct bough_wait *part, int result)
{
    CHECK(part->link.next == NULL || part->link.next == &part->link);
    parts_woken++;
    part_result = result;
}

TASK_TEST(a_wake_of_a_part_calls_it_instead)
{
    struct bough_list queue;
    struct bough_wait part = {.woken = part_woken};
    bough_list_init(&queue);
    bough_list_push(&queue, &part.link);
    bough_wake_all(&queue, 8);
    CHECK_EQ(parts_woken, 1);
    CHECK_EQ(part_result, 8);
    CHECK(bough_list_is_empty(&queue));
    return 0;
}

/* --- nothing on the stack --- */

static int waits_in_its_room(void *arg)
{
    struct bough_wait *wait = bough_wait_room();
    *wait = (struct bough_wait){.abort = bough_wait_leave, .what = "event"};
    bough_list_push(arg, &wait->link);
    return bough_wait(wait);
}

static int waits_in_its_room_and_fails(void *arg)
{
    int rc = waits_in_its_room(arg);
    CHECK_EQ(rc, -EPIPE);
    CHECK_STR(bough_error_message(bough_error_last()), "nobody is left");
    rc = waits_in_its_room(arg); /* the room is there again */
    CHECK_EQ(rc, -ECANCELED);
    return rc;
}

TASK_TEST(a_wait_may_be_in_the_tasks_own_room_and_a_wake_may_bring_a_failure_with_words)
{
    struct bough_list queue;
    int rc = 0;
    bough_list_init(&queue);
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, waits_in_its_room_and_fails, &queue);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_wake_failed(bough_container_of(queue.next, struct bough_wait, link), -EPIPE,
                          "nobody is left");
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        CHECK(!bough_list_is_empty(&queue));
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK(bough_list_is_empty(&queue));
    return rc;
}

/* A cancel that comes while a call has let the others run, before it did anything, is its result.
 */
static int cancels(void *scope)
{
    bough_scope_cancel(scope, NULL);
    return 0;
}

TASK_TEST(a_cancel_that_comes_while_a_pass_lets_the_others_run_is_seen)
{
    int rc = 0, passes = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, cancels, bough_nursery_scope(n));
        while (rc == 0 && passes < 10000) {
            rc = bough_pass();
            passes += rc == 0;
        }
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK(passes < 1000);
    return rc;
}

/* --- at scale --- */

static int waits_forever(__attribute__((unused)) void *arg)
{
    return event_wait(&event);
}

TASK_TEST(a_hundred_thousand_waiters_are_woken)
{
    int rc = 0, count = test_scale(100000);
    bough_list_init(&event.waiters);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < count && rc == 0; i++)
            rc = bough_nursery_start_soon(n, waits_forever, NULL);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        CHECK_EQ(bough_nursery_count(n), count);
        event_set(&event);
    }
    return rc;
}
