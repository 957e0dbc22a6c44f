/* bough_broadcast.
 * SPDX-License-Identifier: MIT */
#include "waiter.h"

#include <bough/broadcast.h>

static struct bough_broadcast *open_lag(size_t capacity)
{
    struct bough_broadcast *b;
    CHECK_EQ(bough_broadcast_open(sizeof(int), capacity, BOUGH_BROADCAST_LAG, &b), 0);
    return b;
}

static struct bough_broadcast *open_block(size_t capacity)
{
    struct bough_broadcast *b;
    CHECK_EQ(bough_broadcast_open(sizeof(int), capacity, BOUGH_BROADCAST_BLOCK, &b), 0);
    return b;
}

static struct bough_subscriber *subscribe(struct bough_broadcast *b)
{
    struct bough_subscriber *s;
    CHECK_EQ(bough_broadcast_subscribe(b, &s), 0);
    return s;
}

static int send_nowait(struct bough_broadcast *b, int item)
{
    return bough_broadcast_send_nowait(b, &item);
}

/* The item, or what went wrong; items are > 0. 0: the end. */
static int receive_nowait(struct bough_subscriber *s)
{
    int item = 0, rc = bough_subscriber_receive_nowait(s, &item);
    return rc == 1 ? item : rc;
}

/* One send or receive, for struct waiter. */
struct transfer {
    struct bough_broadcast *to;
    struct bough_subscriber *from;
    int item;
};

static int call_send(void *object)
{
    struct transfer *t = object;
    return bough_broadcast_send(t->to, &t->item);
}

static int call_receive(void *object)
{
    struct transfer *t = object;
    return bough_subscriber_receive(t->from, &t->item);
}

static void park_send(struct bough_nursery *n, struct waiter *w, struct transfer *t,
                      struct bough_broadcast *to, int item)
{
    *t = (struct transfer){.to = to, .item = item};
    *w = (struct waiter){.call = call_send, .object = t};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}

static void park_receive(struct bough_nursery *n, struct waiter *w, struct transfer *t,
                         struct bough_subscriber *from)
{
    *t = (struct transfer){.from = from};
    *w = (struct waiter){.call = call_receive, .object = t};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}

/* --- everybody sees everything --- */

TASK_TEST(every_subscriber_sees_every_item_in_order)
{
    for (int policy = 0; policy < 2; policy++) {
        struct bough_broadcast *b = policy ? open_lag(3) : open_block(3);
        struct bough_subscriber *s[2] = {subscribe(b), subscribe(b)};
        for (int i = 1; i <= 12; i += 3) { /* goes around the ring */
            CHECK(send_nowait(b, i) == 0 && send_nowait(b, i + 1) == 0 &&
                  send_nowait(b, i + 2) == 0);
            for (int k = 0; k < 2; k++) {
                CHECK_EQ(receive_nowait(s[k]), i);
                CHECK_EQ(receive_nowait(s[k]), i + 1);
                CHECK_EQ(receive_nowait(s[k]), i + 2);
                CHECK_EQ(receive_nowait(s[k]), -EAGAIN);
                CHECK_EQ(bough_subscriber_lost(s[k]), 0);
            }
        }
        bough_broadcast_close(b);
        bough_subscriber_close(s[0]);
        bough_subscriber_close(s[1]);
    }
    return 0;
}

TASK_TEST(a_late_subscriber_sees_what_comes_after_it)
{
    struct bough_broadcast *b = open_block(2);
    CHECK_EQ(send_nowait(b, 1), 0); /* nobody is there: gone */
    struct bough_subscriber *early = subscribe(b);
    CHECK_EQ(send_nowait(b, 2), 0);
    struct bough_subscriber *late = subscribe(b);
    CHECK_EQ(receive_nowait(late), -EAGAIN);
    CHECK_EQ(send_nowait(b, 3), 0);
    CHECK_EQ(receive_nowait(late), 3);
    CHECK_EQ(receive_nowait(early), 2);
    CHECK_EQ(receive_nowait(early), 3);
    bough_subscriber_close(early);
    bough_subscriber_close(late);
    bough_broadcast_close(b);
    return 0;
}

TASK_TEST(with_no_subscriber_a_send_never_waits)
{
    struct bough_broadcast *b = open_block(1);
    for (int i = 1; i <= 5; i++)
        CHECK_EQ(send_nowait(b, i), 0);
    bough_broadcast_close(b);
    return 0;
}

TASK_TEST(all_who_wait_are_woken_with_the_item)
{
    struct bough_broadcast *b = open_block(1);
    struct transfer t[3];
    struct waiter w[3];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            park_receive(n, &w[i], &t[i], subscribe(b));
        CHECK_EQ(send_nowait(b, 7), 0);
        CHECK_EQ(w[0].rc, STILL_WAITING); /* sending does not switch */
        for (int i = 0; i < 3; i++)       /* it is theirs already */
            CHECK_EQ(receive_nowait(t[i].from), -EAGAIN);
        CHECK_EQ(send_nowait(b, 8), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(w[i].rc == 1 && t[i].item == 7);
        CHECK_EQ(receive_nowait(t[i].from), 8);
        bough_subscriber_close(t[i].from);
    }
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(items_may_have_no_size)
{
    struct bough_broadcast *b;
    int rc = bough_broadcast_open(0, 2, BOUGH_BROADCAST_BLOCK, &b);
    if (rc < 0)
        return rc;
    struct bough_subscriber *s = subscribe(b);
    CHECK_EQ(bough_broadcast_send_nowait(b, NULL), 0);
    CHECK_EQ(bough_broadcast_send_nowait(b, NULL), 0);
    CHECK_EQ(bough_broadcast_send_nowait(b, NULL), -EAGAIN);
    CHECK_EQ(bough_subscriber_receive_nowait(s, NULL), 1);
    CHECK_EQ(bough_subscriber_receive_nowait(s, NULL), 1);
    CHECK_EQ(bough_subscriber_receive_nowait(s, NULL), -EAGAIN);
    bough_subscriber_close(s);
    bough_broadcast_close(b);
    return 0;
}

/* --- the slow ones --- */

TASK_TEST(blocking_a_send_waits_for_the_slowest)
{
    struct bough_broadcast *b = open_block(2);
    struct bough_subscriber *fast = subscribe(b), *slow = subscribe(b);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    CHECK(send_nowait(b, 1) == 0 && send_nowait(b, 2) == 0);
    CHECK_EQ(send_nowait(b, 3), -EAGAIN);
    bough_with_nursery (n, &rc) {
        CHECK(receive_nowait(fast) == 1 && receive_nowait(fast) == 2);
        park_send(n, &w[0], &t[0], b, 3);
        park_send(n, &w[1], &t[1], b, 4);
        CHECK_EQ(receive_nowait(fast), -EAGAIN);
        CHECK_EQ(receive_nowait(slow), 1);
        CHECK_EQ(send_nowait(b, 5), -EAGAIN); /* the room is given to who waits */
        CHECK_EQ(receive_nowait(fast), 3);    /* whose item is there at once */
        CHECK_EQ(receive_nowait(fast), -EAGAIN);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(w[0].rc == 0 && w[1].rc == STILL_WAITING);
        CHECK(receive_nowait(slow) == 2 && receive_nowait(slow) == 3 && receive_nowait(slow) == 4);
    }
    CHECK_EQ(w[1].rc, 0);
    CHECK_EQ(receive_nowait(fast), 4);
    CHECK_EQ(bough_subscriber_lost(slow), 0);
    bough_subscriber_close(fast);
    bough_subscriber_close(slow);
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(when_the_slowest_is_closed_the_senders_it_held_up_go_on)
{
    struct bough_broadcast *b = open_block(1);
    struct bough_subscriber *fast = subscribe(b), *slow = subscribe(b);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    CHECK_EQ(send_nowait(b, 1), 0);
    CHECK_EQ(receive_nowait(fast), 1);
    bough_with_nursery (n, &rc) {
        park_send(n, &w[0], &t[0], b, 2);
        park_send(n, &w[1], &t[1], b, 3);
        bough_subscriber_close(slow);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(w[0].rc == 0 && w[1].rc == STILL_WAITING); /* now for the fast one */
        CHECK_EQ(receive_nowait(fast), 2);
        CHECK_EQ(receive_nowait(fast), 3);
    }
    bough_subscriber_close(fast);
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(when_the_last_subscriber_is_closed_all_senders_go_on)
{
    struct bough_broadcast *b = open_block(1);
    struct bough_subscriber *s = subscribe(b);
    struct transfer t[3];
    struct waiter w[3];
    int rc = 0;
    CHECK_EQ(send_nowait(b, 1), 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            park_send(n, &w[i], &t[i], b, i + 2);
        bough_subscriber_close(s);
    }
    CHECK(w[0].rc == 0 && w[1].rc == 0 && w[2].rc == 0);
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(lagging_a_slow_subscriber_is_told_how_many_it_has_missed)
{
    struct bough_broadcast *b = open_lag(3);
    struct bough_subscriber *fast = subscribe(b), *slow = subscribe(b);
    for (int i = 1; i <= 10; i++) {
        CHECK_EQ(send_nowait(b, i), 0); /* never waits */
        CHECK_EQ(receive_nowait(fast), i);
    }
    CHECK_EQ(bough_subscriber_lost(slow), 0); /* it will learn of it when it reads */
    CHECK_EQ(receive_nowait(slow), -EOVERFLOW);
    CHECK_STR(bough_error_message(bough_error_last()),
              "a subscriber was too slow and has missed items");
    CHECK_EQ(bough_subscriber_lost(slow), 7);
    CHECK_EQ(receive_nowait(slow), 8); /* and goes on with the oldest that is kept */
    CHECK_EQ(send_nowait(b, 11), 0);
    CHECK_EQ(receive_nowait(slow), 9); /* three behind is not too slow */
    for (int i = 12; i <= 15; i++)
        CHECK_EQ(send_nowait(b, i), 0);
    CHECK_EQ(receive_nowait(slow), -EOVERFLOW);
    CHECK_EQ(bough_subscriber_lost(slow), 10); /* ever: 1 to 7, 10 to 12 */
    for (int i = 13; i <= 15; i++)
        CHECK_EQ(receive_nowait(slow), i);
    CHECK_EQ(receive_nowait(slow), -EAGAIN);
    CHECK_EQ(bough_subscriber_lost(fast), 0);
    bough_subscriber_close(fast);
    bough_subscriber_close(slow);
    bough_broadcast_close(b);
    return 0;
}

/* --- closing --- */

TASK_TEST(items_that_were_sent_before_the_close_are_read_before_the_end)
{
    for (int policy = 0; policy < 2; policy++) {
        struct bough_broadcast *b = policy ? open_lag(2) : open_block(2);
        struct bough_subscriber *s = subscribe(b), *none;
        int item = 7;
        CHECK(send_nowait(b, 1) == 0 && send_nowait(b, 2) == 0);
        if (policy)
            CHECK_EQ(send_nowait(b, 3), 0);
        bough_broadcast_close(b);
        CHECK_EQ(send_nowait(b, 4), -EBADF);
        CHECK_EQ(bough_broadcast_send(b, &item), -EBADF);
        CHECK_EQ(bough_broadcast_subscribe(b, &none), -EBADF);
        CHECK_STR(bough_error_message(bough_error_last()), "the broadcast is closed");
        if (policy)
            CHECK_EQ(receive_nowait(s), -EOVERFLOW);
        else
            CHECK_EQ(receive_nowait(s), 1);
        CHECK_EQ(receive_nowait(s), 2);
        if (policy)
            CHECK_EQ(receive_nowait(s), 3);
        CHECK_EQ(receive_nowait(s), 0);
        CHECK_EQ(bough_subscriber_receive(s, &item), 0);
        CHECK_EQ(item, 7);
        bough_subscriber_close(s);
    }
    return 0;
}

TASK_TEST(the_close_wakes_subscribers_with_the_end_and_senders_with_EBADF)
{
    struct bough_broadcast *b = open_block(1);
    struct bough_subscriber *slow = subscribe(b), *waiting = subscribe(b);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    CHECK_EQ(send_nowait(b, 1), 0);
    CHECK_EQ(receive_nowait(waiting), 1);
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], waiting);
        park_send(n, &w[1], &t[1], b, 2);
        bough_broadcast_close(b);
    }
    CHECK_EQ(w[0].rc, 0);
    CHECK_EQ(w[1].rc, -EBADF);
    CHECK_STR(w[1].message, "the broadcast was closed");
    CHECK_EQ(receive_nowait(slow), 1);
    CHECK_EQ(receive_nowait(slow), 0); /* the item of that sender was never sent */
    bough_subscriber_close(slow);
    bough_subscriber_close(waiting);
    return rc;
}

TASK_TEST(a_subscriber_may_be_closed_while_its_task_waits)
{
    struct bough_broadcast *b = open_block(1);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w, &t, subscribe(b));
        bough_subscriber_close(t.from);
        CHECK_EQ(send_nowait(b, 1), 0);
        bough_broadcast_close(b);
    }
    CHECK_EQ(w.rc, -EBADF);
    CHECK_STR(w.message, "the subscriber was closed");
    CHECK_EQ(t.item, 0);
    return rc;
}

TASK_TEST(an_item_given_before_the_close_is_received)
{
    struct bough_broadcast *b = open_block(1);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w, &t, subscribe(b));
        CHECK_EQ(send_nowait(b, 7), 0);
        bough_broadcast_close(b);
        bough_subscriber_close(t.from);
    }
    CHECK(w.rc == 1 && t.item == 7);
    return rc;
}

TASK_TEST(closing_nothing_is_fine_and_no_close_is_a_checkpoint)
{
    int rc = 0;
    bough_assert_no_checkpoints (&rc) {
        bough_broadcast_close(NULL);
        bough_subscriber_close(NULL);
        struct bough_broadcast *b = open_lag(1);
        struct bough_subscriber *s = subscribe(b);
        bough_subscriber_close(s);
        s = subscribe(b);
        bough_broadcast_close(b);
        bough_broadcast_close(b); /* it is there as long as a subscriber is */
        bough_subscriber_close(s);
    }
    return rc;
}

/* --- checkpoints and cancel --- */

TASK_TEST(send_and_receive_are_checkpoints_and_nowait_is_not)
{
    struct bough_broadcast *b = open_block(1);
    struct transfer t = {.to = b, .from = subscribe(b), .item = 1};
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = call_send(&t);
    bough_assert_checkpoints (&rc)
        rc = call_receive(&t);
    CHECK_EQ(rc, 1);
    bough_assert_no_checkpoints (&rc) {
        CHECK_EQ(send_nowait(b, 2), 0);
        CHECK_EQ(send_nowait(b, 3), -EAGAIN);
        CHECK_EQ(receive_nowait(t.from), 2);
        CHECK_EQ(receive_nowait(t.from), -EAGAIN);
    }
    bough_broadcast_close(b);
    bough_assert_checkpoints (&rc)
        rc = call_receive(&t);
    bough_subscriber_close(t.from);
    return rc;
}

TASK_TEST(a_cancelled_call_has_sent_and_taken_nothing)
{
    struct bough_broadcast *b = open_block(1);
    struct bough_subscriber *s = subscribe(b);
    struct transfer t = {.to = b, .from = s, .item = 1}, t2;
    struct waiter w, w2;
    int rc = 0;
    CHECK_EQ(call_cancelled(call_send, &t), -ECANCELED);
    CHECK_EQ(receive_nowait(s), -EAGAIN);
    CHECK_EQ(call_timed(BOUGH_SEC, call_receive, &t), -ETIMEDOUT);
    CHECK_EQ(call_timed(BOUGH_SEC, call_receive, &t), -ETIMEDOUT); /* it is not busy */
    CHECK_EQ(send_nowait(b, 2), 0);
    CHECK_EQ(call_cancelled(call_receive, &t), -ECANCELED);
    CHECK_EQ(t.item, 1);
    bough_with_nursery (n, &rc) {
        park_send(n, &w, &t, b, 3);
        park_send(n, &w2, &t2, b, 4);
        bough_scope_cancel(&w.scope, "the test says so");
        CHECK_EQ(receive_nowait(s), 2);
        CHECK_EQ(receive_nowait(s), 4);
        CHECK_EQ(receive_nowait(s), -EAGAIN);
    }
    CHECK(w.rc == -ECANCELED && w2.rc == 0);
    bough_subscriber_close(s);
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(what_was_given_before_a_cancel_is_there)
{
    struct bough_broadcast *b = open_block(1);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], subscribe(b));
        CHECK_EQ(send_nowait(b, 7), 0);
        bough_scope_cancel(&w[0].scope, "too late");
        CHECK_EQ(send_nowait(b, 8), 0);
        park_send(n, &w[1], &t[1], b, 9);
        CHECK_EQ(receive_nowait(t[0].from), 8);
        bough_scope_cancel(&w[1].scope, "too late");
    }
    CHECK(w[0].rc == 1 && t[0].item == 7 && w[0].next_rc == -ECANCELED);
    CHECK(w[1].rc == 0 && w[1].next_rc == -ECANCELED);
    CHECK_EQ(receive_nowait(t[0].from), 9);
    bough_subscriber_close(t[0].from);
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(one_task_at_a_time_waits_in_a_subscriber)
{
    struct bough_broadcast *b = open_lag(1);
    struct transfer t, second;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w, &t, subscribe(b));
        second = t;
        CHECK_EQ(call_receive(&second), -EBUSY);
        CHECK_EQ(receive_nowait(t.from), -EBUSY);
        CHECK_STR(bough_error_message(bough_error_last()), "another task waits in this subscriber");
        CHECK_EQ(send_nowait(b, 7), 0);
    }
    CHECK(w.rc == 1 && t.item == 7 && second.item == 0);
    bough_subscriber_close(t.from);
    bough_broadcast_close(b);
    return rc;
}

TASK_TEST(a_broadcast_that_cannot_be_had_is_refused)
{
    struct bough_broadcast *b = NULL;
    struct bough_subscriber *s = NULL;
    CHECK_EQ(bough_broadcast_open(4, 0, BOUGH_BROADCAST_LAG, &b), -EINVAL);
    CHECK_EQ(bough_broadcast_open(4, 1, (enum bough_broadcast_policy)2, &b), -EINVAL);
    CHECK_EQ(bough_broadcast_open(SIZE_MAX / 2, 3, BOUGH_BROADCAST_LAG, &b), -EINVAL);
    CHECK_EQ(bough_broadcast_open(1, SIZE_MAX - 8, BOUGH_BROADCAST_LAG, &b), -EINVAL);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_broadcast_open(4, 1, BOUGH_BROADCAST_LAG, &b), -ENOMEM);
    CHECK(!b);
    b = open_lag(1);
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    CHECK_EQ(bough_broadcast_subscribe(b, &s), -ENOMEM);
    CHECK(!s);
    bough_broadcast_close(b);
    return 0;
}

/* --- many at once --- */

enum { SENDERS = 3, ITEMS_EACH = 20 };

struct crowd {
    struct bough_broadcast *b;
    int sending;
};

static int send_all(void *arg)
{
    struct crowd *c = arg;
    int base = ITEMS_EACH * --c->sending, rc = 0;
    for (int i = 1, tries = 0; i <= ITEMS_EACH && rc == 0; tries++) { /* with little patience */
        struct transfer t = {.to = c->b, .item = base + i};
        rc = call_timed(tries % 4 * BOUGH_MS, call_send, &t);
        i += rc == 0;
        (void)bough_catch(&rc, -ETIMEDOUT);
    }
    return rc;
}

static int receive_all(void *arg)
{
    unsigned seen[SENDERS * ITEMS_EACH + 1] = {0};
    struct transfer t = {.from = arg};
    for (int i = 0, got = 0; got < SENDERS * ITEMS_EACH; i++) {
        int rc = call_timed(i % 3 * BOUGH_MS, call_receive, &t);
        if (rc == 1) {
            CHECK_EQ(++seen[t.item], 1);
            got++;
        } else {
            CHECK_EQ(rc, -ETIMEDOUT);
        }
    }
    CHECK_EQ(bough_subscriber_receive(t.from, &t.item), 0);
    bough_subscriber_close(t.from);
    return 0;
}

static int crowd_main(__attribute__((unused)) void *arg)
{
    struct crowd c = {.b = open_block(2), .sending = SENDERS};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            CHECK_EQ(bough_nursery_start_soon(n, receive_all, subscribe(c.b)), 0);
        int sent = 0;
        bough_with_nursery (m, &sent) {
            for (int i = 0; i < SENDERS; i++)
                CHECK_EQ(bough_nursery_start_soon(m, send_all, &c), 0);
        }
        CHECK_EQ(sent, 0);
        bough_broadcast_close(c.b);
    }
    return rc;
}

TEST(whoever_gives_up_every_subscriber_sees_every_item_once)
{
    CHECK_EQ(bough_test_seeds(test_on_valgrind() ? 5 : 40, crowd_main, NULL), 0);
}
