/* Channels: closing and cloning their handles.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

static struct ends clone_of(struct ends ends)
{
    struct ends clone;
    CHECK_EQ(bough_sender_clone(ends.tx, &clone.tx), 0);
    CHECK_EQ(bough_receiver_clone(ends.rx, &clone.rx), 0);
    return clone;
}

/* --- the two ends --- */

TASK_TEST(what_is_in_the_buffer_is_received_before_the_end)
{
    struct ends ends = open_ints(3);
    int item = 0;
    CHECK(send_nowait(ends, 1) == 0 && send_nowait(ends, 2) == 0);
    bough_sender_close(ends.tx);
    CHECK_EQ(receive_nowait(ends), 1);
    CHECK_EQ(bough_receive(ends.rx, &item), 1);
    CHECK_EQ(item, 2);
    CHECK_EQ(bough_receive(ends.rx, &item), 0);
    CHECK_EQ(item, 2);
    CHECK_EQ(receive_nowait(ends), 0); /* and it stays the end */
    bough_receiver_close(ends.rx);
    return 0;
}

TASK_TEST(the_last_sender_to_close_wakes_all_receivers_with_the_end)
{
    struct ends ends = open_ints(2), clone = clone_of(ends);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], ends);
        park_receive(n, &w[1], &t[1], clone);
        bough_sender_close(ends.tx);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(w[0].rc == STILL_WAITING && w[1].rc == STILL_WAITING);
        bough_sender_close(clone.tx);
    }
    CHECK(w[0].rc == 0 && w[1].rc == 0);
    CHECK(t[0].item == 0 && t[1].item == 0);
    bough_receiver_close(ends.rx);
    bough_receiver_close(clone.rx);
    return rc;
}

TASK_TEST(the_last_receiver_to_close_wakes_all_senders_with_EPIPE)
{
    struct ends ends = open_ints(0), clone = clone_of(ends);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_send(n, &w[0], &t[0], ends, 1);
        park_send(n, &w[1], &t[1], clone, 2);
        bough_receiver_close(ends.rx);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(w[0].rc == STILL_WAITING && w[1].rc == STILL_WAITING);
        bough_receiver_close(clone.rx);
    }
    CHECK(w[0].rc == -EPIPE && w[1].rc == -EPIPE);
    CHECK_STR(w[0].message, "the channel has no receiver left");
    CHECK_EQ(send_nowait(ends, 3), -EPIPE); /* and it stays so */
    CHECK_EQ(bough_send(clone.tx, &t[0].item), -EPIPE);
    CHECK_STR(bough_error_message(bough_error_last()), "the channel has no receiver left");
    bough_sender_close(ends.tx);
    bough_sender_close(clone.tx);
    return rc;
}

TASK_TEST(what_is_in_the_buffer_is_dropped_with_the_last_receiver)
{
    struct ends ends = open_ints(2);
    struct bough_channel_stats stats;
    CHECK_EQ(send_nowait(ends, 1), 0);
    bough_receiver_close(ends.rx);
    bough_channel_stats(ends.tx, &stats);
    CHECK_EQ(stats.buffered, 0);
    CHECK_EQ(stats.receivers, 0);
    CHECK_EQ(send_nowait(ends, 2), -EPIPE); /* although there is room */
    bough_sender_close(ends.tx);
    return 0;
}

/* --- one handle of several --- */

TASK_TEST(closing_a_sender_wakes_those_who_send_through_it_and_nobody_else)
{
    struct ends ends = open_ints(0), clone = clone_of(ends);
    struct transfer t[4];
    struct waiter w[4];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 4; i++)
            park_send(n, &w[i], &t[i], i % 2 ? clone : ends, i + 1);
        bough_sender_close(ends.tx);
        CHECK_EQ(stats_of(clone).waiting_senders, 2);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(w[0].rc == -EBADF && w[2].rc == -EBADF);
        CHECK_STR(w[0].message, "this handle of the channel is closed");
        CHECK(w[1].rc == STILL_WAITING && w[3].rc == STILL_WAITING);
        CHECK_EQ(receive_nowait(clone), 2); /* in their order; the others' items are gone */
        CHECK_EQ(receive_nowait(clone), 4);
    }
    CHECK(w[1].rc == 0 && w[3].rc == 0);
    close_ends(ends);
    close_ends(clone);
    return rc;
}

TASK_TEST(closing_a_receiver_wakes_those_who_receive_through_it_and_nobody_else)
{
    struct ends ends = open_ints(1), clone = clone_of(ends);
    struct transfer t[4];
    struct waiter w[4];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 4; i++)
            park_receive(n, &w[i], &t[i], i % 2 ? clone : ends);
        bough_receiver_close(ends.rx);
        CHECK_EQ(stats_of(clone).waiting_receivers, 2);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK(w[0].rc == -EBADF && w[2].rc == -EBADF);
        CHECK_STR(w[0].message, "this handle of the channel is closed");
        CHECK(w[1].rc == STILL_WAITING && w[3].rc == STILL_WAITING);
        CHECK_EQ(send_nowait(clone, 7), 0);
        CHECK_EQ(send_nowait(clone, 8), 0);
    }
    CHECK(t[1].item == 7 && t[3].item == 8);
    close_ends(ends);
    close_ends(clone);
    return rc;
}

TASK_TEST(the_last_sender_closed_while_one_waits_on_it_drops_that_item_only)
{
    struct ends ends = open_ints(1);
    struct transfer t;
    struct waiter w;
    int rc = 0;
    CHECK_EQ(send_nowait(ends, 1), 0);
    bough_with_nursery (n, &rc) {
        park_send(n, &w, &t, ends, 2);
        bough_sender_close(ends.tx);
        CHECK_EQ(receive_nowait(ends), 1);
        CHECK_EQ(receive_nowait(ends), 0);
    }
    CHECK_EQ(w.rc, -EBADF);
    bough_receiver_close(ends.rx);
    return rc;
}

TASK_TEST(a_closed_handle_cannot_be_used_while_others_can)
{
    struct ends ends = open_ints(2), clone = clone_of(ends);
    int item = 7;
    CHECK_EQ(send_nowait(clone, 1), 0);
    close_ends(ends);
    CHECK_EQ(bough_send(ends.tx, &item), -EBADF);
    CHECK_STR(bough_error_message(bough_error_last()), "this handle of the channel is closed");
    CHECK_EQ(bough_send_nowait(ends.tx, &item), -EBADF);
    CHECK_EQ(bough_receive(ends.rx, &item), -EBADF); /* although there is an item */
    CHECK_EQ(bough_receive_nowait(ends.rx, &item), -EBADF);
    CHECK_EQ(item, 7);
    CHECK_EQ(receive_nowait(clone), 1);
    CHECK_EQ(send_nowait(clone, 2), 0);
    close_ends(clone);
    return 0;
}

TASK_TEST(closed_here_comes_before_gone_there)
{
    struct ends ends = open_ints(1);
    struct bough_sender *another;
    int item = 1, rc = bough_sender_clone(ends.tx, &another);
    bough_receiver_close(ends.rx);
    bough_sender_close(ends.tx);
    CHECK_EQ(bough_send(ends.tx, &item), -EBADF);
    CHECK_EQ(bough_send(another, &item), -EPIPE);
    bough_sender_close(another);

    struct bough_receiver *listener;
    ends = open_ints(1);
    CHECK_EQ(bough_receiver_clone(ends.rx, &listener), 0);
    close_ends(ends);
    CHECK_EQ(bough_receive(ends.rx, &item), -EBADF);
    CHECK_EQ(bough_receive(listener, &item), 0);
    bough_receiver_close(listener);
    return rc;
}

TASK_TEST(closing_twice_closes_one_handle)
{
    struct ends ends = open_ints(1), clone = clone_of(ends);
    close_ends(ends);
    close_ends(ends);
    CHECK_EQ(stats_of(clone).senders, 1);
    CHECK_EQ(stats_of(clone).receivers, 1);
    CHECK_EQ(send_nowait(clone, 1), 0);
    CHECK_EQ(receive_nowait(clone), 1);
    close_ends(clone);
    return 0;
}

TASK_TEST(closing_nothing_is_fine_and_no_close_is_a_checkpoint)
{
    struct bough_scope scope = BOUGH_SCOPE();
    int rc = 0;
    bough_scope_cancel(&scope, NULL);
    bough_with_scope (&scope, &rc) {
        bough_assert_no_checkpoints (&rc) {
            bough_sender_close(NULL);
            bough_receiver_close(NULL);
            close_ends(open_ints(3));
        }
    }
    return rc;
}

TASK_TEST(the_ends_may_be_closed_in_either_order)
{
    struct ends ends = open_ints(BOUGH_UNBOUNDED);
    CHECK_EQ(send_nowait(ends, 1), 0);
    bough_receiver_close(ends.rx);
    bough_sender_close(ends.tx);
    ends = open_ints(BOUGH_UNBOUNDED);
    CHECK_EQ(send_nowait(ends, 1), 0);
    bough_sender_close(ends.tx);
    bough_receiver_close(ends.rx); /* nothing leaks */
    return 0;
}

/* --- from within --- */

/* Close both ends; the channel is freed before those who wait in it run. */
static void close_in_order(struct ends ends, bool sender_first)
{
    if (sender_first)
        bough_sender_close(ends.tx);
    bough_receiver_close(ends.rx);
    if (!sender_first)
        bough_sender_close(ends.tx);
}

TASK_TEST(the_channel_may_go_while_tasks_wait_in_it)
{
    struct transfer t;
    struct waiter w;
    int rc = 0;
    for (int sender_first = 0; sender_first < 2; sender_first++) {
        struct ends ends = open_ints(0);
        bough_with_nursery (n, &rc) {
            park_send(n, &w, &t, ends, 1);
            close_in_order(ends, sender_first);
        }
        CHECK_EQ(w.rc, sender_first ? -EBADF : -EPIPE);
        ends = open_ints(0);
        bough_with_nursery (n, &rc) {
            park_receive(n, &w, &t, ends);
            close_in_order(ends, sender_first);
        }
        CHECK_EQ(w.rc, sender_first ? 0 : -EBADF);
    }
    return rc;
}

TASK_TEST(an_item_given_before_the_close_is_received)
{
    struct ends ends = open_ints(0);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], ends);
        CHECK_EQ(send_nowait(ends, 7), 0);
        close_ends(ends);
    }
    CHECK(w[0].rc == 1 && t[0].item == 7);
    ends = open_ints(0);
    bough_with_nursery (n, &rc) {
        park_send(n, &w[1], &t[1], ends, 8);
        CHECK_EQ(receive_nowait(ends), 8);
        close_ends(ends);
    }
    CHECK_EQ(w[1].rc, 0);
    return rc;
}

TASK_TEST(a_cancel_before_the_close_beats_it_and_the_other_way_round)
{
    struct ends ends = open_ints(0);
    struct transfer t[2];
    struct waiter w[2];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], ends);
        park_receive(n, &w[1], &t[1], ends);
        bough_scope_cancel(&w[0].scope, "in time");
        bough_sender_close(ends.tx);
        bough_scope_cancel(&w[1].scope, "too late");
    }
    CHECK_EQ(w[0].rc, -ECANCELED);
    CHECK(w[1].rc == 0 && w[1].next_rc == -ECANCELED);
    bough_receiver_close(ends.rx);
    return rc;
}

/* --- clones --- */

TASK_TEST(a_clone_is_another_handle_of_the_same_end)
{
    struct ends ends = open_ints(4), clone = clone_of(ends);
    CHECK(clone.tx != ends.tx && clone.rx != ends.rx);
    CHECK(send_nowait(ends, 1) == 0 && send_nowait(clone, 2) == 0 && send_nowait(ends, 3) == 0);
    CHECK_EQ(receive_nowait(clone), 1); /* each item goes to one of them */
    CHECK_EQ(receive_nowait(ends), 2);
    CHECK_EQ(receive_nowait(clone), 3);
    CHECK_EQ(receive_nowait(ends), -EAGAIN);
    close_ends(ends);
    close_ends(clone);
    return 0;
}

TASK_TEST(a_closed_handle_cannot_be_cloned)
{
    struct ends ends = open_ints(1), clone = clone_of(ends), none = {0};
    close_ends(ends);
    CHECK_EQ(bough_sender_clone(ends.tx, &none.tx), -EBADF);
    CHECK_EQ(bough_receiver_clone(ends.rx, &none.rx), -EBADF);
    CHECK_STR(bough_error_message(bough_error_last()), "this handle of the channel is closed");
    CHECK(!none.tx && !none.rx);
    close_ends(clone);
    return 0;
}

TASK_TEST(cloning_is_no_checkpoint_and_works_with_nobody_left_on_the_other_side)
{
    struct ends ends = open_ints(1);
    struct bough_sender *another = NULL;
    int rc = 0, item = 1;
    bough_receiver_close(ends.rx);
    bough_assert_no_checkpoints (&rc)
        CHECK_EQ(bough_sender_clone(ends.tx, &another), 0);
    bough_sender_close(ends.tx);
    CHECK_EQ(bough_send(another, &item), -EPIPE);
    bough_sender_close(another);
    return rc;
}

TASK_TEST(cloning_and_closing_for_ever_needs_no_more_memory)
{
    struct ends ends = open_ints(1);
    close_ends(clone_of(ends));
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    for (int i = 0; i < 1000; i++)
        close_ends(clone_of(ends));
    CHECK(!bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    bough_fault_set(BOUGH_FAULT_MEMORY, 0);
    CHECK_EQ(stats_of(ends).senders, 1);
    close_ends(ends);
    return 0;
}

/* Each producer has a handle of its own; the consumers end when the last of them has closed it. */
static int produce_some(void *arg)
{
    struct transfer *t = arg;
    int rc = 0;
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = bough_send(t->ends.tx, &t->item);
    bough_sender_close(t->ends.tx);
    return rc;
}

static int consume_all(void *arg)
{
    struct transfer *t = arg;
    int rc, item;
    while ((rc = bough_receive(t->ends.rx, &item)) > 0)
        t->item += item;
    bough_receiver_close(t->ends.rx);
    return rc;
}

static int crowd(__attribute__((unused)) void *arg)
{
    struct ends ends = open_ints(2);
    struct transfer from[3], to[3];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 3; i++) {
            from[i] = (struct transfer){.ends = clone_of(ends), .item = 1 << (4 * i)};
            to[i] = (struct transfer){.ends.rx = from[i].ends.rx};
            CHECK_EQ(bough_nursery_start_soon(n, produce_some, &from[i]), 0);
            CHECK_EQ(bough_nursery_start_soon(n, consume_all, &to[i]), 0);
        }
        close_ends(ends);
    }
    CHECK_EQ(to[0].item + to[1].item + to[2].item, 0x555);
    return rc;
}

TEST(many_producers_and_consumers_end_by_closing_their_clones)
{
    CHECK_EQ(bough_test_seeds(50, crowd, NULL), 0);
}
