/* The sequencer.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static struct bough_sequencer seq;
static char order[32];

struct player {
    char letter;
    unsigned places[4];
    int count;
    int rc;
};

static int play(void *arg)
{
    struct player *p = arg;
    for (int i = 0; i < p->count; i++) {
        p->rc = bough_sequencer_enter(&seq, p->places[i]);
        if (p->rc < 0)
            return p->rc;
        order[strlen(order)] = p->letter;
        CHECK_EQ(bough_checkpoint(), 0); /* others must not get in meanwhile */
        order[strlen(order)] = p->letter;
        bough_sequencer_leave(&seq);
    }
    return 0;
}

static int play_all(void *arg)
{
    int rc = 0;
    struct player a = {'a', {0, 3}, 2, 0}, b = {'b', {1, 5}, 2, 0}, c = {'c', {2, 4}, 2, 0};
    (void)arg;
    memset(order, 0, sizeof(order));
    bough_sequencer_init(&seq);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, play, &c), 0);
        CHECK_EQ(bough_nursery_start_soon(n, play, &b), 0);
        CHECK_EQ(bough_nursery_start_soon(n, play, &a), 0);
    }
    CHECK_STR(order, "aabbccaaccbb");
    return rc;
}

TEST(tasks_go_through_the_places_in_order_whatever_the_order_of_the_loop)
{
    CHECK_EQ(bough_test_run(NULL, play_all, NULL), 0);
    CHECK_EQ(bough_test_seeds(50, play_all, NULL), 0);
}

TASK_TEST(entering_is_a_checkpoint_also_when_it_need_not_wait)
{
    int rc = 0;
    bough_sequencer_init(&seq);
    bough_assert_checkpoints (&rc)
        rc = bough_sequencer_enter(&seq, 0);
    bough_sequencer_leave(&seq);
    return rc;
}

TASK_TEST(a_waiter_that_is_cancelled_breaks_the_sequence_for_all)
{
    int rc = 0;
    struct player a = {'a', {2}, 1, 0}, b = {'b', {3}, 1, 0};
    bough_sequencer_init(&seq);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, play, &a), 0);
        bough_move_on_after (BOUGH_SEC, &rc)
            CHECK_EQ(bough_sequencer_enter(&seq, 1), -ECANCELED);
        CHECK_EQ(bough_sleep_forever(), -ECANCELED); /* 'a' has failed */
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(a.rc, -EPIPE);
    CHECK_HAS(bough_error_message(bough_error_last()), "broken");
    rc = 0;
    bough_with_nursery (n, &rc)
        CHECK_EQ(bough_nursery_start_soon(n, play, &b), 0);
    CHECK_EQ(rc, -EPIPE); /* and for those who come later */
    CHECK_EQ(bough_sequencer_enter(&seq, 0), -EPIPE);
    CHECK_STR(order, "");
    return 0;
}

TASK_TEST(so_does_one_that_was_cancelled_before)
{
    int rc = 0;
    bough_sequencer_init(&seq);
    bough_move_on_after (0, &rc)
        CHECK_EQ(bough_sequencer_enter(&seq, 0), -ECANCELED);
    CHECK_EQ(bough_sequencer_enter(&seq, 0), -EPIPE);
    return 0;
}

TEST_PANICS(a_place_that_has_been_used_panics, "place 0 of a sequencer is taken twice")
{
    bough_sequencer_init(&seq);
    CHECK_EQ(bough_sequencer_enter(&seq, 0), 0);
    bough_sequencer_leave(&seq);
    return bough_sequencer_enter(&seq, 0);
}

TEST_PANICS(a_place_that_another_waits_for_panics, "place 1 of a sequencer is taken twice")
{
    int rc = 0;
    struct player a = {'a', {1}, 1, 0}, b = {'b', {1}, 1, 0};
    bough_sequencer_init(&seq);
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, play, &a), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = bough_nursery_start_soon(n, play, &b);
    }
    return rc;
}

TEST_PANICS(a_place_that_another_is_in_panics, "place 0 of a sequencer is taken twice")
{
    bough_sequencer_init(&seq);
    CHECK_EQ(bough_sequencer_enter(&seq, 0), 0);
    return bough_sequencer_enter(&seq, 0);
}
