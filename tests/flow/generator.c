/* Generators: a task that produces on demand.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/generator.h>

/* Counts up; what happened to it. */
struct counter {
    int first, last; /* emits these and those between */
    int64_t takes;   /* so long for each */
    int fails;       /* at the end */
    int64_t cleanup;
    int made, ended, saw; /* items; how often; how its last emit ended */
};

static int count(struct bough_generator *self, void *arg)
{
    struct counter *c = arg;
    int rc = 0, cleanup_rc = 0;
    for (int i = c->first; rc == 0 && i <= c->last; i++) {
        rc = c->takes ? bough_sleep(c->takes) : 0;
        if (rc < 0)
            break;
        c->made++;
        rc = bough_emit(self, &i);
    }
    c->saw = rc;
    if (c->cleanup)
        bough_shielded (BOUGH_NEVER, &cleanup_rc)
            cleanup_rc = bough_sleep(c->cleanup);
    CHECK_EQ(cleanup_rc, 0);
    c->ended++;
    if (c->fails)
        return bough_keep(rc, bough_fail(c->fails, "of the generator"));
    return rc;
}

static void expect(struct bough_receiver *rx, int item)
{
    int got = -1;
    CHECK_EQ(bough_receive(rx, &got), 1);
    CHECK_EQ(got, item);
}

/* --- on demand --- */

TASK_TEST(the_consumer_gets_all_items_in_order_and_then_the_end)
{
    struct counter c = {.first = 1, .last = 3};
    int rc = 0, item = 9;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        for (int i = 1; i <= 3; i++)
            expect(rx, i);
        CHECK_EQ(bough_receive(rx, &item), 0);
        CHECK_EQ(bough_receive(rx, &item), 0);
        CHECK_EQ(item, 9);
    }
    CHECK_EQ(c.ended, 1);
    return rc;
}

TASK_TEST(it_runs_only_on_demand_up_to_its_next_emit)
{
    struct counter c = {.first = 1, .last = 9, .takes = BOUGH_MS};
    int rc = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(c.made, 0); /* it has not begun */
        for (int i = 1; i <= 3; i++) {
            expect(rx, i);
            CHECK_EQ(c.made, i);
            CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
            CHECK_EQ(c.made, i); /* no item is made before it is asked for */
        }
    }
    CHECK_EQ(c.made, 3);
    CHECK_EQ(c.ended, 1);
    return rc;
}

TASK_TEST(one_that_emits_nothing_is_at_its_end)
{
    struct counter c = {.first = 1};
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        CHECK_EQ(bough_receive(rx, &item), 0);
    CHECK_EQ(c.ended, 1);
    return rc;
}

static int ticks(struct bough_generator *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    while (rc == 0)
        rc = bough_emit(self, NULL);
    return rc;
}

TASK_TEST(items_may_be_nothing)
{
    int rc = 0;
    bough_with_generator (rx, ticks, NULL, 0, &rc)
        for (int i = 0; i < 5; i++)
            CHECK_EQ(bough_receive(rx, NULL), 1);
    return rc;
}

TASK_TEST(a_result_of_the_body_above_zero_passes_and_one_of_the_generator_is_nothing)
{
    int rc = 0;
    struct counter c = {.first = 1, .fails = 0};
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        rc = 42;
    CHECK_EQ(rc, 42);
    return 0;
}

/* --- timeouts of the consumer --- */

TASK_TEST(a_timeout_in_the_consumer_does_not_touch_it_and_loses_nothing)
{
    struct counter c = {.first = 1, .last = 5, .takes = 5 * BOUGH_SEC};
    int rc = 0, item, got = 0, quiet = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        do {
            bough_move_on_after (2 * BOUGH_SEC, &rc)
                rc = bough_receive(rx, &item);
            if (bough_scope_cancelled_caught(NULL))
                quiet++; /* and go on listening */
            else if (rc > 0)
                CHECK_EQ(item, ++got);
        } while (got < 5);
        rc = 0;
    }
    CHECK_EQ(got, 5);
    CHECK_EQ(quiet, 10); /* two of each five seconds' wait */
    CHECK_EQ(c.made, 5);
    CHECK_EQ(bough_now(), 25 * BOUGH_SEC);
    return rc;
}

TASK_TEST(an_item_made_after_its_consumer_gave_up_waits_for_the_next_one)
{
    struct counter c = {.first = 1, .last = 5, .takes = 5 * BOUGH_SEC};
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        bough_move_on_after (BOUGH_SEC, &rc)
            rc = bough_receive(rx, &item);
        CHECK_EQ(rc, 0);
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0);
        CHECK_EQ(c.made, 1); /* that one, no more */
        expect(rx, 1);
        CHECK_EQ(bough_now(), BOUGH_MINUTE + BOUGH_SEC);
    }
    return rc;
}

/* --- scopes of its own --- */

static int emit_in_scopes(struct bough_generator *self, void *arg)
{
    int rc = 0, *timed_out = arg;
    bough_fail_after (2 * BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc)
            for (int i = 1; rc == 0; i++)
                rc = bough_emit(self, &i);
    *timed_out = bough_catch(&rc, -ETIMEDOUT);
    return rc < 0 ? rc : bough_emit(self, &(int){99});
}

TASK_TEST(it_may_emit_in_scopes_and_nurseries_of_its_own_which_are_not_the_consumers)
{
    int rc = 0, timed_out = 0;
    bough_with_generator (rx, emit_in_scopes, &timed_out, sizeof(int), &rc) {
        struct bough_scope *scope = bough_scope_current();
        expect(rx, 1);
        CHECK(bough_scope_current() == scope);
        CHECK_EQ(bough_effective_deadline(), BOUGH_NEVER);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        expect(rx, 2);
        CHECK_EQ(bough_sleep(BOUGH_MINUTE), 0); /* its time is up, ours is not */
        CHECK_EQ(timed_out, 1);
        expect(rx, 99);
    }
    return rc;
}

static int watch_and_emit(struct bough_generator *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    int64_t after = BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, break_later, &after);
        for (int i = 1; rc == 0; i++)
            rc = bough_emit(self, &i);
    }
    return rc;
}

TASK_TEST(if_its_nursery_fails_that_comes_out_of_the_block)
{
    int rc = 0;
    bough_with_generator (rx, watch_and_emit, NULL, sizeof(int), &rc) {
        expect(rx, 1);
        rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return bough_checkpoint();
}

/* --- errors --- */

TASK_TEST(its_error_comes_out_of_the_block_and_cancels_the_body)
{
    struct counter c = {.first = 1, .last = 2, .fails = -EIO};
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 1);
        expect(rx, 2);
        rc = bough_receive(rx, &item);
        CHECK(rc == 0 || rc == -ECANCELED); /* the end, or the cancel: both are there by now */
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "of the generator");
    CHECK_STR(bough_error_task(bough_error_last()), "main/count");
    return bough_checkpoint();
}

TASK_TEST(an_error_of_the_body_comes_out_and_one_of_its_cleanup_beside_it)
{
    struct counter c = {.first = 1, .last = 9}, fails = {.first = 1, .last = 9, .fails = -EIO};
    int rc = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 1);
        rc = bough_fail(-ENOENT, "of the body");
    }
    CHECK_EQ(rc, -ENOENT);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(c.ended, 1);
    bough_with_generator (rx, count, &fails, sizeof(int), &rc) {
        expect(rx, 1);
        rc = bough_fail(-ENOENT, "of the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ENOENT);
    return 0;
}

TASK_TEST(a_body_that_says_cancelled_without_a_cancel_has_failed_like_any_other)
{
    struct counter c = {.first = 1, .last = 9};
    int rc = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 1);
        rc = -ECANCELED; /* an invention */
    }
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(c.ended, 1);
    return bough_checkpoint();
}

/* --- leaving --- */

TASK_TEST(leaving_the_block_ends_it_and_waits_for_its_cleanup)
{
    struct counter c = {.first = 1, .last = 9, .cleanup = BOUGH_SEC};
    int rc = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        expect(rx, 1);
    CHECK_EQ(c.saw, -ECANCELED);
    CHECK_EQ(c.ended, 1);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TASK_TEST(also_while_it_is_busy)
{
    struct counter c = {.first = 1, .last = 9, .takes = BOUGH_MINUTE};
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        bough_move_on_after (BOUGH_SEC, &rc)
            rc = bough_receive(rx, &item);
    CHECK_EQ(c.saw, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TASK_TEST(if_it_was_never_asked_its_function_is_never_called)
{
    struct counter c = {.first = 1, .last = 9};
    int rc = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        rc = bough_sleep(BOUGH_SEC);
    CHECK(c.made == 0 && c.ended == 0);
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        rc = 7; /* nor when it had no turn at all */
    CHECK(c.made == 0 && c.ended == 0);
    CHECK_EQ(rc, 7);
    return 0;
}

static int first_item(struct counter *c)
{
    int rc = 0, item;
    bough_with_generator (rx, count, c, sizeof(int), &rc) {
        rc = bough_receive(rx, &item);
        if (rc > 0)
            return item;
    }
    return rc < 0 ? rc : -ENODATA;
}

static int goes_out(struct counter *c)
{
    int rc = 0;
    bough_with_generator (rx, count, c, sizeof(int), &rc) {
        expect(rx, 5);
        goto out;
    }
    return 6;
out:
    return 4;
}

TASK_TEST(goto_and_continue_leave_it)
{
    struct counter c = {.first = 5, .last = 9, .cleanup = BOUGH_SEC};
    int rc = 0;
    CHECK_EQ(goes_out(&c), 4);
    CHECK_EQ(c.ended, 1);
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 5);
        rc = 3;
        continue;
    }
    CHECK_EQ(rc, 3);
    CHECK_EQ(c.ended, 2);
    return 0;
}

static int fails_after_return(void *arg)
{
    CHECK_EQ(first_item(arg), 5);
    return 0;
}

TASK_TEST(its_error_after_return_goes_to_the_task)
{
    struct counter c = {.first = 5, .last = 9, .fails = -EIO};
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fails_after_return, &c);
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    return 0;
}

TASK_TEST(break_and_return_leave_it)
{
    struct counter c = {.first = 5, .last = 9, .cleanup = BOUGH_SEC};
    int rc = 0;
    CHECK_EQ(first_item(&c), 5);
    CHECK_EQ(c.ended, 1);
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 5);
        rc = 3;
        break;
    }
    CHECK_EQ(rc, 3);
    CHECK_EQ(c.ended, 2);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(cancelled_from_outside_it_is_cancelled_and_its_cleanup_is_waited_for)
{
    struct counter c = {.first = 1, .last = 9, .takes = BOUGH_MINUTE, .cleanup = BOUGH_SEC};
    int rc = 0, item;
    bough_fail_after (BOUGH_SEC, &rc)
        bough_with_generator (rx, count, &c, sizeof(int), &rc)
            rc = bough_receive(rx, &item);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(c.saw, -ECANCELED);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

/* --- all receivers closed --- */

TASK_TEST(when_all_receivers_are_closed_its_emit_fails_with_epipe_which_is_no_failure)
{
    struct counter c = {.first = 1, .last = 9};
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 1);
        bough_receiver_close(rx);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(c.saw, -EPIPE);
        CHECK_EQ(c.ended, 1);
        CHECK_EQ(bough_receive(rx, &item), -EBADF); /* closed here */
    }
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(the_receiver_may_be_closed_after_its_end_too)
{
    struct counter c = {.first = 1, .last = 1};
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 1);
        CHECK_EQ(bough_receive(rx, &item), 0);
        bough_receiver_close(rx);
        bough_receiver_close(rx);
        CHECK_EQ(bough_receive(rx, &item), -EBADF);
    }
    return rc;
}

TASK_TEST(what_its_cleanup_fails_with_then_comes_out_alone)
{
    struct counter c = {.first = 1, .last = 9, .fails = -EIO};
    int rc = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        expect(rx, 1);
        bough_receiver_close(rx);
        rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    return 0;
}

TASK_TEST(an_epipe_of_its_own_is_a_failure_whether_told_or_not)
{
    struct counter asked = {.first = 1, .last = 1, .fails = -EPIPE};
    struct counter told = {.first = 1, .last = 9, .fails = -EPIPE};
    int rc = 0, item;
    bough_with_generator (rx, count, &asked, sizeof(int), &rc) {
        expect(rx, 1);
        rc = bough_receive(rx, &item);
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_STR(bough_error_message(bough_error_last()), "of the generator");
    bough_with_generator (rx, count, &told, sizeof(int), &rc) {
        expect(rx, 1);
        rc = 0;
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(leaves(rc), 1);
    return 0;
}

/* --- several consumers --- */

struct consumer {
    struct bough_receiver *rx;
    int got, sum;
    int64_t patience;
};

static int consume(void *arg)
{
    struct consumer *c = arg;
    int rc, item;
    while ((rc = bough_receive(c->rx, &item)) > 0) {
        c->got++;
        c->sum += item;
        rc = c->patience ? bough_sleep(c->patience) : 0;
        if (rc < 0)
            return rc;
    }
    return rc;
}

TASK_TEST(several_consumers_share_it_and_each_item_goes_to_one)
{
    struct counter c = {.first = 1, .last = 100};
    struct consumer consumers[3] = {{.patience = 1}, {.patience = 2}, {.patience = 3}};
    int rc = 0, got = 0, sum = 0;
    bough_with_generator (rx, count, &c, sizeof(int), &rc)
        bough_with_nursery (n, &rc)
            for (int i = 0; i < 3 && rc == 0; i++) {
                consumers[i].rx = rx;
                rc = bough_nursery_start_soon(n, consume, &consumers[i]);
            }
    for (int i = 0; i < 3; i++) {
        CHECK(consumers[i].got > 10);
        got += consumers[i].got;
        sum += consumers[i].sum;
    }
    CHECK(got == 100 && sum == 5050);
    CHECK_EQ(c.ended, 1);
    return rc;
}

TASK_TEST(clones_of_the_receiver_keep_it_going)
{
    struct counter c = {.first = 1, .last = 9};
    struct bough_receiver *clone;
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        CHECK_EQ(bough_receiver_clone(rx, &clone), 0);
        expect(rx, 1);
        bough_receiver_close(rx);
        expect(clone, 2);
        for (int i = 3; i <= 9; i++)
            expect(clone, i);
        CHECK_EQ(bough_receive(clone, &item), 0);
        bough_receiver_close(clone);
    }
    CHECK_EQ(c.ended, 1);
    return rc;
}

TASK_TEST(a_clone_may_outlive_the_block)
{
    struct counter c = {.first = 1, .last = 9};
    struct bough_receiver *first, *second;
    int rc = 0, item;
    bough_with_generator (rx, count, &c, sizeof(int), &rc) {
        CHECK_EQ(bough_receiver_clone(rx, &first), 0);
        bough_receiver_close(rx);
        CHECK_EQ(bough_receiver_clone(first, &second), 0); /* takes no place of rx */
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_receive(second, &item), 0);
    bough_receiver_close(first);
    CHECK_EQ(bough_receive(second, &item), 0);
    bough_receiver_close(second);
    return 0;
}

/* --- nested, and with faults --- */

static int doubled(struct bough_generator *self, void *arg)
{
    int rc = 0, item;
    bough_with_generator (rx, count, arg, sizeof(int), &rc) {
        while ((rc = bough_receive(rx, &item)) > 0)
            if ((rc = bough_emit(self, &(int){item * 2})) < 0)
                break;
    }
    return rc;
}

TASK_TEST(a_generator_may_consume_another)
{
    struct counter c = {.first = 1, .last = 9, .cleanup = BOUGH_SEC};
    int rc = 0;
    bough_with_generator (rx, doubled, &c, sizeof(int), &rc) {
        expect(rx, 2);
        CHECK_EQ(c.made, 1);
        expect(rx, 4);
    }
    CHECK_EQ(c.ended, 1);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

static int consume_some(__attribute__((unused)) void *arg)
{
    struct counter c = {.first = 1, .last = 9, .takes = 1, .cleanup = 1};
    int rc = 0, item, got = 0;
    bough_with_generator (rx, doubled, &c, sizeof(int), &rc)
        while (got < 4 && (rc = bough_receive(rx, &item)) > 0)
            CHECK_EQ(item, ++got * 2);
    CHECK(c.made == 0 || c.ended == 1);
    CHECK(rc < 0 || got == 4);
    return rc < 0 ? rc : 0;
}

TEST(without_memory_it_is_not_started_and_nothing_is_left)
{
    CHECK(bough_test_faults(BOUGH_FAULT_MEMORY, consume_some, NULL) > 6);
}

TEST(whatever_the_order_the_items_are_the_same)
{
    CHECK_EQ(bough_test_seeds(200, consume_some, NULL), 0);
}

TEST(wherever_it_is_cancelled_it_ends)
{
    CHECK_CANCELS(consume_some, NULL, 21);
}
