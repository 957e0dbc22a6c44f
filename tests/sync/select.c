/* bough_select over channels, events and deadlines. Descriptors are in select_fd.
 * SPDX-License-Identifier: MIT */
#include "transfer.h"

#include <bough/select.h>

enum { CASES = 6 };

/* A select by a task of its own. */
struct choice {
    struct bough_case cases[CASES];
    unsigned count;
    int items[CASES];
};

static int call_select(void *object)
{
    struct choice *c = object;
    return bough_select(c->cases, c->count);
}

static void add(struct choice *c, struct bough_case new_case)
{
    c->cases[c->count++] = new_case;
}

static void add_receive(struct choice *c, struct ends ends)
{
    add(c, bough_case_receive(ends.rx, &c->items[c->count]));
}

static void add_send(struct choice *c, struct ends ends, int item)
{
    c->items[c->count] = item;
    add(c, bough_case_send(ends.tx, &c->items[c->count]));
}

static void park_choice(struct bough_nursery *n, struct waiter *w, struct choice *c)
{
    *w = (struct waiter){.call = call_select, .object = c};
    waiter_park(n, w);
    CHECK_EQ(w->rc, STILL_WAITING);
}

/* Nobody waits in it. */
static void check_quiet(struct ends ends)
{
    CHECK_EQ(stats_of(ends).waiting_senders, 0);
    CHECK_EQ(stats_of(ends).waiting_receivers, 0);
}

static unsigned event_waiting(const struct bough_event *e)
{
    struct bough_event_stats stats;
    bough_event_stats(e, &stats);
    return stats.waiting;
}

/* --- what is ready --- */

TASK_TEST(the_first_in_the_list_that_is_ready_happens_and_no_other)
{
    struct ends a = open_ints(1), b = open_ints(1), c = open_ints(1);
    struct bough_event set;
    struct choice choice = {.count = 0};
    bough_event_init(&set);
    bough_event_set(&set);
    CHECK(send_nowait(b, 2) == 0 && send_nowait(c, 3) == 0);
    add_receive(&choice, a); /* empty */
    add_send(&choice, b, 9); /* full */
    add_receive(&choice, c);
    add_receive(&choice, b);
    add(&choice, bough_case_event(&set));
    add(&choice, bough_case_deadline(0));
    CHECK_EQ(call_select(&choice), 2);
    CHECK(choice.cases[2].result == 1 && choice.items[2] == 3);
    CHECK_EQ(call_select(&choice), 3); /* c is empty now */
    CHECK(choice.cases[3].result == 1 && choice.items[3] == 2);
    CHECK_EQ(choice.cases[2].result, 0); /* the list may be used again */
    CHECK_EQ(call_select(&choice), 1);   /* and b has room */
    CHECK_EQ(receive_nowait(b), 9);
    CHECK_EQ(bough_select(choice.cases + 4, 2), 0);
    CHECK_EQ(bough_select(choice.cases + 5, 1), 0);
    close_ends(a);
    close_ends(b);
    close_ends(c);
    return 0;
}

TASK_TEST(a_select_that_need_not_wait_is_a_checkpoint)
{
    struct ends ends = open_ints(1);
    struct choice choice = {.count = 0};
    int rc = 0;
    add_send(&choice, ends, 1);
    bough_assert_checkpoints (&rc)
        rc = call_select(&choice);
    CHECK_EQ(rc, 0);
    close_ends(ends);
    return rc;
}

TASK_TEST(nowait_takes_what_is_ready_and_is_no_checkpoint)
{
    struct ends ends = open_ints(1);
    struct choice choice = {.count = 0};
    struct bough_case nothing = bough_case_event(NULL);
    int rc = 0;
    add_receive(&choice, ends);
    add(&choice, bough_case_deadline(BOUGH_SEC));
    bough_assert_no_checkpoints (&rc) {
        CHECK_EQ(bough_select_nowait(choice.cases, 2), -EAGAIN);
        check_quiet(ends);
        CHECK_EQ(send_nowait(ends, 7), 0);
        CHECK_EQ(bough_select_nowait(choice.cases, 2), 0);
        CHECK(choice.cases[0].result == 1 && choice.items[0] == 7);
        CHECK_EQ(bough_select_nowait(choice.cases, 0), -EAGAIN);
        CHECK_EQ(bough_select_nowait(&nothing, 1), -EAGAIN);
    }
    close_ends(ends);
    return rc;
}

TASK_TEST(cases_of_nothing_never_happen)
{
    struct ends ends = open_ints(1);
    struct choice choice = {.count = 0};
    int item = 0;
    add(&choice, bough_case_send(NULL, &item));
    add(&choice, bough_case_receive(NULL, &item));
    add(&choice, bough_case_event(NULL));
    add(&choice, bough_case_deadline(BOUGH_NEVER));
    add(&choice, bough_case_readable(-1));
    CHECK_EQ(call_select(&choice), -EINVAL);
    CHECK_HAS(bough_error_message(bough_error_last()), "no case that could ever happen");
    CHECK_EQ(bough_select(NULL, 0), -EINVAL);
    choice.cases[4] = bough_case_writable(-1);
    CHECK_EQ(call_select(&choice), -EINVAL);
    add_send(&choice, ends, 1);
    CHECK_EQ(call_select(&choice), 5);
    close_ends(ends);
    return 0;
}

/* --- waiting --- */

TASK_TEST(whichever_happens_first_ends_the_wait_for_all)
{
    struct ends in = open_ints(0), out = open_ints(0);
    int rc = 0;
    for (int i = 0; i < 4; i++) {
        struct choice choice = {.count = 0};
        struct bough_event event;
        struct waiter w;
        int64_t start = bough_now();
        bough_event_init(&event);
        add_receive(&choice, in);
        add_send(&choice, out, 5);
        add(&choice, bough_case_event(&event));
        add(&choice, bough_case_deadline(start + BOUGH_SEC));
        bough_with_nursery (n, &rc) {
            park_choice(n, &w, &choice);
            CHECK_EQ(stats_of(in).waiting_receivers, 1);
            CHECK_EQ(stats_of(out).waiting_senders, 1);
            CHECK_EQ(event_waiting(&event), 1);
            if (i == 0)
                CHECK_EQ(send_nowait(in, 4), 0);
            if (i == 1)
                CHECK_EQ(receive_nowait(out), 5);
            if (i == 2)
                bough_event_set(&event);
            if (i == 3)
                CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
            check_quiet(in); /* at once, although it has not run */
            check_quiet(out);
            CHECK_EQ(event_waiting(&event), 0);
            CHECK_EQ(send_nowait(in, 6), -EAGAIN);
            CHECK_EQ(receive_nowait(out), -EAGAIN);
        }
        CHECK_EQ(w.rc, i);
        for (int k = 0; k < 4; k++)
            CHECK_EQ(choice.cases[k].result, k == 0 && i == 0);
        CHECK_EQ(choice.items[0], i == 0 ? 4 : 0);
    }
    close_ends(in);
    close_ends(out);
    return rc;
}

TASK_TEST(it_ends_at_the_earliest_deadline)
{
    struct choice choice = {.count = 0};
    add(&choice, bough_case_deadline(3 * BOUGH_SEC));
    add(&choice, bough_case_deadline(2 * BOUGH_SEC));
    add(&choice, bough_case_deadline(2 * BOUGH_SEC));
    CHECK_EQ(call_select(&choice), 1);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0); /* the other timers are gone with the select */
    return 0;
}

TASK_TEST(selects_queue_like_everybody_else)
{
    struct ends ends = open_ints(0);
    struct transfer t[2];
    struct choice choice = {.count = 0};
    struct waiter w[3];
    int rc = 0;
    add_receive(&choice, ends);
    bough_with_nursery (n, &rc) {
        park_receive(n, &w[0], &t[0], ends);
        park_choice(n, &w[1], &choice);
        park_receive(n, &w[2], &t[1], ends);
        for (int i = 1; i <= 3; i++)
            CHECK_EQ(send_nowait(ends, i), 0);
        CHECK_EQ(receive_nowait(ends), -EAGAIN);
    }
    CHECK(t[0].item == 1 && choice.items[0] == 2 && t[1].item == 3);
    close_ends(ends);
    return rc;
}

TASK_TEST(one_receiver_may_stand_in_two_cases)
{
    struct ends ends = open_ints(0);
    struct choice choice = {.count = 0};
    struct waiter w;
    int rc = 0;
    add_receive(&choice, ends);
    add_receive(&choice, ends);
    bough_with_nursery (n, &rc) {
        park_choice(n, &w, &choice);
        CHECK_EQ(stats_of(ends).waiting_receivers, 2);
        CHECK_EQ(send_nowait(ends, 7), 0);
        CHECK_EQ(send_nowait(ends, 8), -EAGAIN);
    }
    CHECK(w.rc == 0 && choice.items[0] == 7 && choice.items[1] == 0);
    close_ends(ends);
    return rc;
}

TASK_TEST(a_select_on_both_ends_of_a_channel_does_not_meet_itself_but_another)
{
    struct ends ends = open_ints(0);
    struct choice choice[2] = {{.count = 0}, {.count = 0}};
    struct waiter w;
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        add_send(&choice[i], ends, i + 1);
        add_receive(&choice[i], ends);
    }
    bough_with_nursery (n, &rc) {
        park_choice(n, &w, &choice[0]);
        CHECK_EQ(call_select(&choice[1]), 0);
        check_quiet(ends);
    }
    CHECK(w.rc == 1 && choice[0].items[1] == 2);
    close_ends(ends);
    return rc;
}

TASK_TEST(two_selects_on_the_same_things_get_one_each)
{
    struct ends a = open_ints(0), b = open_ints(0);
    struct choice choice[2] = {{.count = 0}, {.count = 0}};
    struct waiter w[2];
    int rc = 0;
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < 2; i++) {
            add_receive(&choice[i], a);
            add_receive(&choice[i], b);
            park_choice(n, &w[i], &choice[i]);
        }
        CHECK_EQ(send_nowait(b, 7), 0);
        CHECK_EQ(send_nowait(b, 8), 0);
        CHECK_EQ(send_nowait(a, 9), -EAGAIN);
    }
    for (int i = 0; i < 2; i++)
        CHECK(w[i].rc == 1 && choice[i].items[1] == 7 + i && choice[i].items[0] == 0);
    close_ends(a);
    close_ends(b);
    return rc;
}

/* --- cancel and close --- */

TASK_TEST(in_a_cancelled_select_nothing_has_happened)
{
    struct ends ends = open_ints(0), ready = open_ints(1);
    struct choice choice = {.count = 0};
    struct bough_event event;
    struct waiter w;
    int rc = 0;
    bough_event_init(&event);
    CHECK_EQ(send_nowait(ready, 1), 0);
    add_receive(&choice, ready);
    CHECK_EQ(call_cancelled(call_select, &choice), -ECANCELED); /* before the call */
    CHECK_EQ(receive_nowait(ready), 1);
    add_receive(&choice, ends);
    add_send(&choice, ends, 2);
    add(&choice, bough_case_event(&event));
    add(&choice, bough_case_deadline(BOUGH_SEC));
    bough_with_nursery (n, &rc) {
        park_choice(n, &w, &choice);
        bough_scope_cancel(&w.scope, "the test says so");
        check_quiet(ends);
        check_quiet(ready);
        CHECK_EQ(event_waiting(&event), 0);
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
    }
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK(choice.items[0] == 0 && choice.items[1] == 0);
    close_ends(ends);
    close_ends(ready);
    return rc;
}

TASK_TEST(what_happened_before_a_cancel_is_reported)
{
    struct ends ends = open_ints(0);
    struct choice choice = {.count = 0};
    struct waiter w;
    int rc = 0;
    add_receive(&choice, ends);
    bough_with_nursery (n, &rc) {
        park_choice(n, &w, &choice);
        CHECK_EQ(send_nowait(ends, 7), 0);
        bough_scope_cancel(&w.scope, "too late");
    }
    CHECK(w.rc == 0 && choice.items[0] == 7 && w.next_rc == -ECANCELED);
    close_ends(ends);
    return rc;
}

static int call_select_result(void *object)
{
    struct choice *c = object;
    int rc = call_select(c);
    return rc < 0 ? rc : c->cases[rc].result;
}

TASK_TEST(a_case_whose_handle_is_closed_while_it_waits_happens_with_the_error)
{
    struct ends ends = open_ints(0), other = open_ints(0);
    struct bough_receiver *another;
    struct choice choice = {.count = 0};
    struct waiter w = {.call = call_select_result, .object = &choice};
    int rc = bough_receiver_clone(ends.rx, &another);
    add_receive(&choice, other);
    add_receive(&choice, ends);
    add_receive(&choice, ends);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w);
        bough_receiver_close(ends.rx); /* takes both off the queue, wakes one */
        check_quiet(other);
    }
    CHECK_EQ(w.rc, -EBADF);
    CHECK_EQ(choice.cases[1].result, -EBADF);
    CHECK_EQ(choice.cases[2].result, 0);
    CHECK_HAS(w.message, "was closed");
    CHECK_EQ(call_select(&choice), 1); /* as well as before it would wait */
    CHECK_EQ(choice.cases[1].result, -EBADF);
    bough_receiver_close(another);
    bough_sender_close(ends.tx);
    close_ends(other);
    return rc;
}

TASK_TEST(the_end_and_a_broken_channel_are_cases_that_happen)
{
    struct ends in = open_ints(0), out = open_ints(0);
    struct choice receive = {.count = 0}, send = {.count = 0};
    struct waiter w[2] = {{.call = call_select_result, .object = &receive},
                          {.call = call_select_result, .object = &send}};
    int rc = 0;
    add_receive(&receive, in);
    add_send(&send, out, 1);
    bough_with_nursery (n, &rc) {
        waiter_park(n, &w[0]);
        waiter_park(n, &w[1]);
        bough_sender_close(in.tx);
        bough_receiver_close(out.rx);
    }
    CHECK_EQ(w[0].rc, 0);
    CHECK_EQ(w[1].rc, -EPIPE);
    CHECK_STR(w[1].message, "the channel has no receiver left");
    CHECK_EQ(call_select_result(&receive), 0);
    CHECK_EQ(call_select_result(&send), -EPIPE);
    bough_receiver_close(in.rx);
    bough_sender_close(out.tx);
    return rc;
}

/* --- many at once --- */

enum { PLAYERS = 5, CHANNELS = 3, ROUNDS = 30 };

struct game {
    struct ends ends[CHANNELS];
    uint32_t dice;
    int sent, received, timeouts, playing;
};

static unsigned roll(struct game *g, unsigned sides)
{
    g->dice = g->dice * 1664525u + 1013904223u;
    return (g->dice >> 16) % sides;
}

/* Offers an item or asks for one on several channels at once: what one player says it has got,
 * another must say it has given. */
static int play(void *arg)
{
    struct game *g = arg;
    int rc = 0;
    for (int i = 0; i < ROUNDS && rc >= 0; i++) {
        struct choice choice = {.count = 0};
        bool sends[CASES] = {false};
        while (choice.count < CASES - 1) {
            struct ends ends = g->ends[roll(g, CHANNELS)];
            sends[choice.count] = roll(g, 2);
            if (sends[choice.count])
                add_send(&choice, ends, 1);
            else
                add_receive(&choice, ends);
        }
        add(&choice, bough_case_deadline(bough_now() + (int64_t)roll(g, 5) * BOUGH_MS));
        rc = call_select(&choice);
        CHECK(rc >= 0);
        unsigned other = 0;
        for (unsigned k = 0; k < choice.count; k++)
            other +=
                k != (unsigned)rc && (choice.cases[k].result || (!sends[k] && choice.items[k]));
        CHECK_EQ(other, 0);
        if (rc == CASES - 1) {
            g->timeouts++;
        } else if (sends[rc]) {
            CHECK_EQ(choice.cases[rc].result, 0);
            g->sent++;
        } else {
            CHECK(choice.cases[rc].result == 1 && choice.items[rc] == 1);
            g->received++;
        }
    }
    return rc < 0 ? rc : 0;
}

static int game_main(void *arg)
{
    struct game *g = arg;
    int rc = 0, buffered = 0;
    g->sent = g->received = 0;
    g->dice++;
    for (size_t i = 0; i < CHANNELS; i++)
        g->ends[i] = open_ints(i < 2 ? i : BOUGH_UNBOUNDED);
    bough_with_nursery (n, &rc) {
        for (int i = 0; i < PLAYERS; i++)
            CHECK_EQ(bough_nursery_start_soon(n, play, g), 0);
    }
    for (int i = 0; i < CHANNELS; i++) {
        check_quiet(g->ends[i]);
        buffered += (int)stats_of(g->ends[i]).buffered;
        close_ends(g->ends[i]);
    }
    CHECK_EQ(g->sent, g->received + buffered);
    CHECK(g->received > 0);
    return rc;
}

TEST(whatever_the_order_exactly_one_case_of_each_select_happens)
{
    struct game game = {.dice = 1};
    CHECK_EQ(bough_test_seeds(test_on_valgrind() ? 5 : 60, game_main, &game), 0);
    CHECK(game.timeouts > 0);
}
