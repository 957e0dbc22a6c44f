/* Channels: sending and receiving. Closing is in channel_close.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

TASK_TEST(items_arrive_in_the_order_in_which_they_were_sent)
{
    struct ends ends = open_ints(8);
    for (int round = 0; round < 5; round++) { /* goes around the ring */
        for (int i = 1; i <= 6; i++)
            CHECK_EQ(bough_send(ends.tx, &i), 0);
        for (int i = 1, item; i <= 6; i++) {
            CHECK_EQ(bough_receive(ends.rx, &item), 1);
            CHECK_EQ(item, i);
        }
    }
    close_ends(ends);
    return 0;
}

TASK_TEST(a_rendezvous_send_ends_when_the_item_has_been_received)
{
    struct ends ends = open_ints(0);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(send_nowait(ends, 1), -EAGAIN);
        park_send(n, &w, &t, ends, 7);
        CHECK_EQ(stats_of(ends).waiting_senders, 1);
        CHECK_EQ(stats_of(ends).buffered, 0);
        CHECK_EQ(receive_nowait(ends), 7);
        CHECK_EQ(receive_nowait(ends), -EAGAIN); /* once */
    }
    CHECK_EQ(w.rc, 0);
    close_ends(ends);
    return rc;
}

TASK_TEST(a_rendezvous_send_gives_to_who_waits)
{
    struct ends ends = open_ints(0);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w, &t, ends);
        CHECK_EQ(send_nowait(ends, 7), 0);
        CHECK_EQ(send_nowait(ends, 8), -EAGAIN);
        CHECK_EQ(w.rc, STILL_WAITING); /* sending does not switch */
    }
    CHECK_EQ(w.rc, 1);
    CHECK_EQ(t.item, 7);
    close_ends(ends);
    return rc;
}

struct counted {
    struct ends ends;
    int sent;
};

static int send_ten(void *arg)
{
    struct counted *c = arg;
    for (int i = 1; i <= 10; i++) {
        CHECK_EQ(bough_send(c->ends.tx, &i), 0);
        c->sent++;
    }
    return 0;
}

TASK_TEST(a_sender_is_never_ahead_by_more_than_the_capacity)
{
    struct counted c = {.ends = open_ints(3)};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, send_ten, &c), 0);
        for (int i = 1; i <= 10; i++) {
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
            CHECK_EQ(c.sent, i + 2 < 10 ? i + 2 : 10);
            CHECK_EQ(receive_nowait(c.ends), i);
        }
    }
    close_ends(c.ends);
    return rc;
}

TASK_TEST(senders_that_wait_are_served_in_order_behind_what_is_in_the_buffer)
{
    for (size_t capacity = 0; capacity <= 2; capacity++) {
        struct ends ends = open_ints(capacity);
        struct transfer t[3];
        struct waiter w[3];
        int rc = 0, next = 1;
        while (send_nowait(ends, next) == 0)
            next++;
        CHECK_EQ(next, (int)capacity + 1);
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 3; i++)
                park_send(n, &w[i], &t[i], ends, next + i);
            for (int i = 1; i < next + 3; i++)
                CHECK_EQ(receive_nowait(ends), i);
        }
        CHECK_EQ(rc, 0);
        for (unsigned i = 0; i < 3; i++)
            CHECK_EQ(w[i].turn - w[0].turn, i);
        close_ends(ends);
    }
    return 0;
}

TASK_TEST(receivers_that_wait_are_served_in_order)
{
    for (size_t capacity = 0; capacity <= 2; capacity++) {
        struct ends ends = open_ints(capacity);
        struct transfer t[3];
        struct waiter w[3];
        int rc = 0;
        bough_with_nursery (n, &rc) {
            for (int i = 0; i < 3; i++)
                park_receive(n, &w[i], &t[i], ends);
            for (int i = 1; i <= 3; i++)
                CHECK_EQ(send_nowait(ends, i), 0);
        }
        CHECK_EQ(rc, 0);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(w[i].rc, 1);
            CHECK_EQ(t[i].item, i + 1);
        }
        close_ends(ends);
    }
    return 0;
}

TASK_TEST(an_item_given_to_a_waiter_cannot_be_taken_by_a_newcomer)
{
    struct ends ends = open_ints(1);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w, &t, ends);
        CHECK_EQ(send_nowait(ends, 7), 0);
        CHECK_EQ(receive_nowait(ends), -EAGAIN);
        CHECK_EQ(stats_of(ends).waiting_receivers, 0);
        CHECK_EQ(stats_of(ends).buffered, 0);
    }
    CHECK_EQ(t.item, 7);
    close_ends(ends);
    return rc;
}

TASK_TEST(room_given_to_a_waiter_cannot_be_taken_by_a_newcomer)
{
    struct ends ends = open_ints(1);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    CHECK_EQ(send_nowait(ends, 1), 0);
    bough_with_nursery (n, &rc) {
        park_send(n, &w, &t, ends, 2);
        CHECK_EQ(receive_nowait(ends), 1);
        CHECK_EQ(send_nowait(ends, 3), -EAGAIN);
        CHECK_EQ(stats_of(ends).buffered, 1);
        CHECK_EQ(stats_of(ends).waiting_senders, 0);
        CHECK_EQ(receive_nowait(ends), 2); /* although its sender has not run yet */
        CHECK_EQ(w.rc, STILL_WAITING);
    }
    CHECK_EQ(w.rc, 0);
    close_ends(ends);
    return rc;
}

TASK_TEST(an_unbounded_channel_grows_and_keeps_the_order_wherever_its_ring_begins)
{
    for (int begin = 0; begin < 40; begin++) {
        struct ends ends = open_ints(BOUGH_UNBOUNDED);
        int next = 1, sent = 0;
        CHECK_EQ(stats_of(ends).capacity, BOUGH_UNBOUNDED);
        for (; sent < begin; sent++)
            CHECK_EQ(send_nowait(ends, sent + 1), 0);
        for (; next <= begin; next++)
            CHECK_EQ(receive_nowait(ends), next);
        for (; sent < begin + 200; sent++)
            CHECK_EQ(bough_send(ends.tx, &(int){sent + 1}), 0);
        CHECK_EQ(stats_of(ends).buffered, 200);
        for (; next <= sent; next++)
            CHECK_EQ(receive_nowait(ends), next);
        CHECK_EQ(receive_nowait(ends), -EAGAIN);
        close_ends(ends);
    }
    return 0;
}

TASK_TEST(items_may_have_any_size)
{
    for (size_t size = 1; size < 300; size += 37) {
        unsigned char out[300], in[301];
        struct ends ends;
        CHECK_EQ(bough_channel_open(size, 3, &ends.tx, &ends.rx), 0);
        for (int i = 0; i < 10; i++) {
            memset(out, i + 1, size);
            memset(in, 0xee, sizeof(in));
            CHECK_EQ(bough_send(ends.tx, out), 0);
            CHECK_EQ(bough_receive(ends.rx, in), 1);
            CHECK(memcmp(in, out, size) == 0);
            CHECK_EQ(in[size], 0xee); /* and not a byte more */
        }
        close_ends(ends);
    }
    return 0;
}

static int receive_nothing(void *rx)
{
    return bough_receive(rx, NULL);
}

TASK_TEST(items_of_no_size_are_counted)
{
    static const size_t capacities[] = {0, 2, BOUGH_UNBOUNDED};
    for (int i = 0; i < 3; i++) {
        struct ends ends;
        int rc = 0;
        CHECK_EQ(bough_channel_open(0, capacities[i], &ends.tx, &ends.rx), 0);
        struct waiter w = {.call = receive_nothing, .object = ends.rx};
        bough_with_nursery (n, &rc) {
            waiter_park(n, &w);
            CHECK_EQ(bough_send(ends.tx, NULL), 0);
        }
        CHECK_EQ(w.rc, 1);
        unsigned sent = 0, received = 0;
        while (sent < 100 && bough_send_nowait(ends.tx, NULL) == 0)
            sent++;
        CHECK_EQ(sent, i == 0 ? 0 : i == 1 ? 2 : 100);
        while (bough_receive_nowait(ends.rx, NULL) == 1)
            received++;
        CHECK_EQ(received, sent);
        close_ends(ends);
    }
    return 0;
}

/* --- checkpoints --- */

TASK_TEST(send_and_receive_are_checkpoints_also_when_they_need_not_wait)
{
    struct transfer t = {.ends = open_ints(1), .item = 1};
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = call_send(&t);
    bough_assert_checkpoints (&rc)
        rc = call_receive(&t);
    bough_sender_close(t.ends.tx);
    bough_assert_checkpoints (&rc)
        rc = call_receive(&t);
    CHECK_EQ(rc, 0); /* the end */
    bough_receiver_close(t.ends.rx);
    return rc;
}

TASK_TEST(the_nowait_forms_are_no_checkpoints_and_do_not_feel_a_cancel)
{
    struct ends ends = open_ints(1);
    struct bough_scope scope = BOUGH_SCOPE();
    int rc = 0;
    bough_scope_cancel(&scope, NULL);
    bough_with_scope (&scope, &rc) {
        bough_assert_no_checkpoints (&rc) {
            CHECK_EQ(receive_nowait(ends), -EAGAIN);
            CHECK_EQ(send_nowait(ends, 1), 0);
            CHECK_EQ(send_nowait(ends, 2), -EAGAIN);
            CHECK_EQ(receive_nowait(ends), 1);
            close_ends(ends);
        }
    }
    return rc;
}

struct loop {
    struct transfer transfer;
    bool stop;
};

static int transfer_until_told(void *arg)
{
    struct loop *loop = arg;
    while (!loop->stop) {
        CHECK_EQ(call_send(&loop->transfer), 0);
        CHECK_EQ(call_receive(&loop->transfer), 1);
    }
    return 0;
}

TASK_TEST(a_loop_of_transfers_that_never_wait_starves_nobody)
{
    struct loop loop = {.transfer.ends = open_ints(1)};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, transfer_until_told, &loop);
        for (int i = 0; rc == 0 && i < 3; i++)
            rc = bough_checkpoint();
        loop.stop = true; /* had it starved us, we would not be here */
    }
    close_ends(loop.transfer.ends);
    return rc;
}

/* --- cancel --- */

TASK_TEST(a_send_that_was_cancelled_before_has_sent_nothing)
{
    struct transfer t = {.ends = open_ints(1), .item = 7};
    CHECK_EQ(call_cancelled(call_send, &t), -ECANCELED);
    CHECK_EQ(receive_nowait(t.ends), -EAGAIN);
    close_ends(t.ends);
    return 0;
}

TASK_TEST(a_receive_that_was_cancelled_before_has_taken_nothing)
{
    struct transfer t = {.ends = open_ints(1)};
    CHECK_EQ(send_nowait(t.ends, 7), 0);
    CHECK_EQ(call_cancelled(call_receive, &t), -ECANCELED);
    CHECK_EQ(t.item, 0);
    CHECK_EQ(receive_nowait(t.ends), 7);
    close_ends(t.ends);
    return 0;
}

TASK_TEST(a_send_that_times_out_has_sent_nothing)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct transfer t = {.ends = open_ints(capacity), .item = 7};
        int64_t start = bough_now();
        if (capacity)
            CHECK_EQ(send_nowait(t.ends, 1), 0);
        CHECK_EQ(call_timed(BOUGH_SEC, call_send, &t), -ETIMEDOUT);
        CHECK_EQ(bough_now() - start, BOUGH_SEC);
        CHECK_EQ(stats_of(t.ends).waiting_senders, 0);
        if (capacity)
            CHECK_EQ(receive_nowait(t.ends), 1);
        CHECK_EQ(receive_nowait(t.ends), -EAGAIN);
        close_ends(t.ends);
    }
    return 0;
}

TASK_TEST(a_receive_that_times_out_leaves_the_next_item_to_others)
{
    struct transfer t = {.ends = open_ints(0)};
    CHECK_EQ(call_timed(BOUGH_SEC, call_receive, &t), -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(stats_of(t.ends).waiting_receivers, 0);
    CHECK_EQ(send_nowait(t.ends, 7), -EAGAIN);
    CHECK_EQ(t.item, 0);
    close_ends(t.ends);
    return 0;
}

TASK_TEST(when_a_waiter_is_cancelled_those_behind_it_move_up)
{
    struct ends ends = open_ints(0);
    struct transfer t[3];
    struct waiter w[3];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            park_send(n, &w[i], &t[i], ends, i + 1);
        bough_scope_cancel(&w[1].scope, "the test says so");
        CHECK_EQ(stats_of(ends).waiting_senders, 2);
        CHECK_EQ(receive_nowait(ends), 1);
        CHECK_EQ(receive_nowait(ends), 3);
    }
    CHECK(w[0].rc == 0 && w[1].rc == -ECANCELED && w[2].rc == 0);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++)
            park_receive(n, &w[i], &t[i], ends);
        bough_scope_cancel(&w[0].scope, "in time");
        CHECK_EQ(send_nowait(ends, 7), 0);
        CHECK_EQ(send_nowait(ends, 8), 0);
        CHECK_EQ(send_nowait(ends, 9), -EAGAIN);
    }
    CHECK(w[0].rc == -ECANCELED && t[0].item == 0);
    CHECK(t[1].item == 7 && t[2].item == 8);
    close_ends(ends);
    return rc;
}

TASK_TEST(an_item_given_before_a_cancel_is_received)
{
    struct ends ends = open_ints(0);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w, &t, ends);
        CHECK_EQ(send_nowait(ends, 7), 0);
        bough_scope_cancel(&w.scope, "too late");
    }
    CHECK_EQ(w.rc, 1);
    CHECK_EQ(t.item, 7);
    CHECK_EQ(w.next_rc, -ECANCELED);
    close_ends(ends);
    return rc;
}

TASK_TEST(an_item_taken_before_a_cancel_is_sent)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct ends ends = open_ints(capacity);
        struct transfer t;
        struct waiter w;
        int rc = 0;
        if (capacity)
            CHECK_EQ(send_nowait(ends, 6), 0);
        bough_with_nursery (n, &rc) {
            park_send(n, &w, &t, ends, 7);
            CHECK_EQ(receive_nowait(ends), capacity ? 6 : 7);
            bough_scope_cancel(&w.scope, "too late");
        }
        CHECK_EQ(w.rc, 0);
        CHECK_EQ(w.next_rc, -ECANCELED);
        CHECK_EQ(receive_nowait(ends), capacity ? 7 : -EAGAIN);
        close_ends(ends);
    }
    return 0;
}

struct late_item {
    struct bough_timer timer;
    struct ends ends;
};

static void item_is_due(struct bough_timer *timer)
{
    CHECK_EQ(send_nowait(bough_container_of(timer, struct late_item, timer)->ends, 7), 0);
}

/* Entering the wait looks at the clock, which may be what brings the item. */
TASK_TEST(an_item_that_comes_just_when_we_begin_to_wait_is_not_missed)
{
    struct late_item late = {.timer = {.fire = item_is_due}, .ends = open_ints(0)};
    struct transfer t = {.ends = late.ends};
    bough_timer_arm(&late.timer, BOUGH_SEC);
    bough_test_clock_advance(BOUGH_SEC);
    CHECK_EQ(call_timed(BOUGH_MINUTE, call_receive, &t), 1);
    CHECK_EQ(t.item, 7);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    close_ends(t.ends);
    return 0;
}

/* --- stats --- */

TASK_TEST(the_stats_count_items_handles_and_tasks)
{
    struct ends ends = open_ints(2);
    struct bough_sender *another;
    struct transfer t[3];
    struct waiter w[3];
    int rc = bough_sender_clone(ends.tx, &another);
    struct bough_channel_stats stats = stats_of(ends);
    CHECK(stats.capacity == 2 && stats.buffered == 0);
    CHECK(stats.senders == 2 && stats.receivers == 1);
    CHECK(stats.waiting_senders == 0 && stats.waiting_receivers == 0);
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], ends);
        park_receive(n, &w[1], &t[1], ends);
        CHECK_EQ(stats_of(ends).waiting_receivers, 2);
        CHECK(send_nowait(ends, 1) == 0 && send_nowait(ends, 2) == 0);
        CHECK(send_nowait(ends, 3) == 0 && send_nowait(ends, 4) == 0);
        CHECK_EQ(stats_of(ends).waiting_receivers, 0);
        CHECK_EQ(stats_of(ends).buffered, 2);
        park_send(n, &w[2], &t[2], ends, 5);
        CHECK_EQ(stats_of(ends).waiting_senders, 1);
        CHECK_EQ(receive_nowait(ends), 3);
        CHECK_EQ(stats_of(ends).buffered, 2);
    }
    bough_sender_close(another);
    CHECK_EQ(stats_of(ends).senders, 1);
    close_ends(ends);
    return rc;
}
