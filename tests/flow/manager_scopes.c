/* Managers whose scopes and nurseries enclose the body: forced exit.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/manager.h>

/* Use the door for long; how it went is in *ret_use. */
static int with_door(struct door *d, int64_t takes, int *ret_use)
{
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc)
        rc = *ret_use = use(open, takes);
    return rc;
}

/* --- its own time --- */

TASK_TEST(a_timeout_around_the_yield_cancels_the_body_and_is_the_result)
{
    struct door d = {.timeout = BOUGH_SEC, .cleanup = BOUGH_SEC};
    int used = 1, rc = with_door(&d, BOUGH_MINUTE, &used);
    CHECK_EQ(used, -ECANCELED);
    CHECK_EQ(d.saw, -ECANCELED);
    CHECK_EQ(d.left_at, BOUGH_SEC);
    CHECK_EQ(d.exited_at, 2 * BOUGH_SEC);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(leaves(rc), 1);
    return bough_checkpoint(); /* and is over */
}

TASK_TEST(a_body_that_is_in_time_is_not_touched)
{
    struct door d = {.timeout = BOUGH_SEC};
    int used = 1;
    CHECK_EQ(with_door(&d, BOUGH_SEC / 2, &used), 0);
    CHECK_EQ(used, 0);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0); /* its time does not go on behind the block */
    return 0;
}

TASK_TEST(the_time_of_setup_does_not_count_when_the_scope_is_opened_after_it)
{
    struct door d = {.setup = BOUGH_MINUTE, .timeout = BOUGH_SEC};
    int used = 1;
    CHECK_EQ(with_door(&d, BOUGH_MINUTE, &used), -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_MINUTE + BOUGH_SEC);
    return 0;
}

static int moves_on(struct bough_manager *self, void *arg)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = bough_yield(self, NULL);
    *(bool *)arg = bough_scope_cancelled_caught(NULL);
    return rc;
}

TASK_TEST(a_move_on_after_ends_the_body_and_is_no_error)
{
    bool caught = false;
    int rc = 0;
    bough_with (void *, nothing, moves_on, &caught, &rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, 0);
    CHECK(caught);
    bough_with (void *, nothing, moves_on, &caught, &rc) {
        (void)bough_sleep_forever();
        rc = bough_fail(-EIO, "on the way out");
    }
    CHECK_EQ(rc, -EIO); /* which passes */
    return 0;
}

TASK_TEST(its_deadline_is_the_bodys)
{
    struct door d = {.timeout = BOUGH_SEC};
    int rc = 0;
    struct bough_scope *before = bough_scope_current();
    bough_with (struct door *, open, door, &d, &rc)
        CHECK_EQ(bough_effective_deadline(), BOUGH_SEC);
    CHECK_EQ(bough_effective_deadline(), BOUGH_NEVER);
    CHECK(bough_scope_current() == before);
    return rc;
}

static int expired(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_fail_after (0, &rc)
        rc = bough_yield(self, NULL);
    return rc;
}

TASK_TEST(if_its_scope_is_cancelled_at_the_yield_the_body_runs_up_to_its_first_checkpoint)
{
    int rc = 0, bodies = 0;
    bough_with (void *, nothing, expired, NULL, &rc) {
        bodies++;
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(bodies, 1);
    CHECK_EQ(rc, -ETIMEDOUT);
    return 0;
}

/* --- its nursery --- */

TASK_TEST(if_its_nursery_fails_the_body_is_cancelled_and_that_error_is_the_result)
{
    struct door d = {.breaks_after = BOUGH_SEC, .cleanup = BOUGH_SEC};
    int used = 1, rc = with_door(&d, BOUGH_MINUTE, &used);
    CHECK_EQ(used, -ECANCELED);
    CHECK_EQ(d.saw, -ECANCELED);
    CHECK_EQ(d.exited_at, 2 * BOUGH_SEC);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "connection lost");
    CHECK_STR(bough_error_task(bough_error_last()), "main/break_later");
    return bough_checkpoint();
}

TASK_TEST(a_body_that_ends_well_ends_the_watcher)
{
    struct door d = {.breaks_after = BOUGH_MINUTE};
    int used = 1;
    CHECK_EQ(with_door(&d, BOUGH_SEC, &used), 0);
    CHECK_EQ(d.saw, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(an_error_of_the_body_passes_its_nursery_and_is_not_doubled)
{
    struct door d = {.breaks_after = BOUGH_MINUTE};
    int rc = 0;
    bough_with (struct door *, open, door, &d, &rc)
        rc = bough_fail(-EIO, "of the body");
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "of the body");
    return 0;
}

TASK_TEST(what_the_body_fails_with_on_its_way_out_is_kept_beside_it)
{
    struct door d = {.breaks_after = BOUGH_SEC};
    int rc = 0;
    bough_with (struct door *, open, door, &d, &rc) {
        (void)bough_sleep_forever();
        rc = bough_fail(-EIO, "of the body");
    }
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK(bough_catch(&rc, -ECONNRESET)); /* which is how one reconnects, */
    CHECK_EQ(rc, -EIO);                   /* and does not lose the other */
    return 0;
}

TASK_TEST(connection_lost_can_be_caught_and_the_block_tried_again)
{
    int rc = 0, tries = 0;
    do {
        struct door d = {.breaks_after = ++tries < 3 ? BOUGH_SEC : 60 * BOUGH_MINUTE};
        int used;
        rc = with_door(&d, BOUGH_MINUTE, &used);
        CHECK_EQ(d.exited, 1);
    } while (bough_catch(&rc, -ECONNRESET));
    CHECK_EQ(tries, 3);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC + BOUGH_MINUTE);
    return rc;
}

static int fail_at_once(__attribute__((unused)) void *arg)
{
    return bough_fail(-EIO, "of a child of the body");
}

static int leave_by_return(void)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fail_at_once, NULL);
        return rc;
    }
    return -EPERM;
}

TASK_TEST(its_nursery_is_the_enclosing_one_for_blocks_that_the_body_leaves_early)
{
    struct door d = {.breaks_after = BOUGH_MINUTE};
    int rc = 0;
    bough_with (struct door *, open, door, &d, &rc) {
        CHECK_EQ(leave_by_return(), 0);
        rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(d.exited, 1);
    return 0;
}

static int sleep_and_note(void *arg)
{
    return *(int *)arg = bough_sleep_forever();
}

TASK_TEST(the_tasks_of_the_body_are_inside_too)
{
    struct door d = {.breaks_after = BOUGH_SEC};
    int rc = 0, child = 1;
    bough_with (struct door *, open, door, &d, &rc)
        bough_with_nursery (n, &rc)
            rc = bough_nursery_start_soon(n, sleep_and_note, &child);
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(d.saw, -ECANCELED);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    return 0;
}

/* --- cancels from outside --- */

TASK_TEST(a_cancel_from_outside_reaches_the_body_and_cleanup_needs_a_shield)
{
    struct door d = {.cleanup = BOUGH_SEC};
    int used = 1, rc = 0;
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = with_door(&d, BOUGH_MINUTE, &used);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(used, -ECANCELED);
    CHECK_EQ(d.exited_at, 2 * BOUGH_SEC);
    return 0;
}

static int without_shield(struct bough_manager *self, void *arg)
{
    int rc = bough_yield(self, NULL);
    *(int *)arg = bough_sleep(BOUGH_SEC);
    return rc;
}

TASK_TEST(cleanup_without_a_shield_is_cancelled_too)
{
    int rc = 0, cleanup = 1;
    bough_move_on_after (BOUGH_SEC, &rc)
        bough_with (void *, nothing, without_shield, &cleanup, &rc)
            rc = bough_sleep_forever();
    CHECK_EQ(cleanup, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

TASK_TEST(a_cancel_in_setup_comes_out_of_the_enter_and_the_body_does_not_run)
{
    struct door d = {.setup = BOUGH_MINUTE};
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        bough_with (struct door *, open, door, &d, &rc)
            CHECK(!"reached");
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(d.entered, 0);
    return 0;
}

static int flushes(struct bough_manager *self, void *arg)
{
    int rc = bough_yield(self, NULL);
    bough_shielded (BOUGH_MINUTE, &rc)
        bough_with_nursery (n, &rc)
            CHECK_EQ(bough_nursery_start_soon(n, sleep_and_note, arg), 0);
    return rc;
}

TASK_TEST(a_nursery_behind_a_shield_that_gets_the_cancel_ends_its_tasks_and_passes_it_on)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = BOUGH_SEC);
    int rc = 0, child = 1;
    bough_with_scope (&s, &rc) {
        bough_with (void *, nothing, flushes, &child, &rc)
            rc = bough_sleep_forever();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(&s));
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC); /* not when the shield ends */
    return 0;
}

static int shields(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = 0;
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_yield(self, NULL);
    return rc;
}

TASK_TEST(its_shield_is_over_the_body)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        bough_with (void *, nothing, shields, NULL, &rc)
            rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(rc, 0);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(bough_now(), BOUGH_MINUTE);
    return rc;
}

TASK_TEST(a_cancel_that_it_suppresses_is_felt_again_at_the_next_checkpoint)
{
    struct door d = {.suppresses = true};
    int rc = 0, used;
    bough_move_on_after (BOUGH_SEC, &rc) {
        CHECK_EQ(with_door(&d, BOUGH_MINUTE, &used), 0);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK(bough_scope_cancelled_caught(NULL));
    return rc;
}

/* --- several --- */

TASK_TEST(if_the_outer_one_fails_the_inner_one_is_exited_first)
{
    struct door a = {.breaks_after = BOUGH_SEC, .cleanup = BOUGH_SEC}, b = {.cleanup = BOUGH_SEC};
    int rc = 0, used = 1;
    bough_with (struct door *, outer, door, &a, &rc)
        rc = with_door(&b, BOUGH_MINUTE, &used);
    CHECK_EQ(used, -ECANCELED);
    CHECK(b.saw == -ECANCELED && a.saw == -ECANCELED);
    CHECK_EQ(b.exited_at, 2 * BOUGH_SEC);
    CHECK_EQ(a.left_at, 2 * BOUGH_SEC);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    return 0;
}

TASK_TEST(if_the_inner_one_fails_the_outer_one_sees_its_error)
{
    struct door a = {.suppresses = true}, b = {.breaks_after = BOUGH_SEC};
    int rc = 0, used = 1;
    bough_with (struct door *, outer, door, &a, &rc)
        rc = with_door(&b, BOUGH_MINUTE, &used);
    CHECK_EQ(a.saw, -ECONNRESET);
    CHECK_EQ(rc, 0);
    return bough_checkpoint();
}

TASK_TEST(if_both_are_out_of_time_the_outer_one_takes_it)
{
    struct door a = {.timeout = BOUGH_SEC}, b = {.timeout = BOUGH_SEC};
    int rc = 0, used = 1;
    bough_with (struct door *, outer, door, &a, &rc)
        rc = with_door(&b, BOUGH_MINUTE, &used);
    CHECK(b.saw == -ECANCELED && a.saw == -ECANCELED);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

TASK_TEST(if_both_nurseries_fail_both_errors_come_out)
{
    struct door a = {.breaks_after = BOUGH_SEC}, b = {.breaks_after = BOUGH_SEC};
    int rc = 0, used = 1;
    bough_with (struct door *, outer, door, &a, &rc)
        rc = with_door(&b, BOUGH_MINUTE, &used);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK_EQ(bough_error_count(bough_error_last(), -ECONNRESET), 2);
    return 0;
}

/* --- as a task, and shut down --- */

static int graceful_door(struct bough_manager *self, void *arg)
{
    int rc = 0;
    bough_graceful (&rc)
        rc = yield_door(self, arg);
    return rc;
}

TASK_TEST(its_grace_lets_the_body_finish_in_a_shutdown)
{
    struct door d = {0};
    struct bough_scope s = BOUGH_SCOPE();
    int rc = 0;
    bough_with_scope (&s, &rc) {
        bough_scope_shutdown(&s, BOUGH_MINUTE);
        bough_with (struct door *, open, graceful_door, &d, &rc)
            rc = use(open, BOUGH_SEC);
        CHECK_EQ(rc, 0);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(d.saw, 0);
    return rc;
}

struct visit {
    struct door door;
    int used;
};

static int visit(void *arg)
{
    struct visit *v = arg;
    return with_door(&v->door, BOUGH_MINUTE, &v->used);
}

TASK_TEST(many_tasks_may_be_in_managers_and_one_that_breaks_cancels_them_all)
{
    enum { MANY = 20 };
    struct visit visits[MANY] = {{{0}, 0}};
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < MANY && rc == 0; i++) {
            visits[i].door.breaks_after = (i + 1) * BOUGH_SEC;
            visits[i].door.cleanup = BOUGH_SEC / 2;
            rc = bough_nursery_start_soon(n, visit, &visits[i]);
        }
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    for (int i = 0; i < MANY; i++)
        CHECK(visits[i].used == -ECANCELED && visits[i].door.exited == 1);
    return 0;
}
