/* Managers: a function with a yield in its middle is a block.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/manager.h>

/* --- enter, body, exit --- */

static int number(struct bough_manager *self, void *arg)
{
    int value = *(int *)arg;
    *(int *)arg = -1;
    int rc = bough_yield(self, &value);
    CHECK_EQ(value, 42); /* the body changed it */
    *(int *)arg = -2;
    return rc;
}

TASK_TEST(the_body_runs_at_the_yield_with_its_value_and_cleanup_runs_after_it)
{
    int rc = 0, given = 41, bodies = 0;
    bough_with (int *, value, number, &given, &rc) {
        CHECK_EQ(given, -1);
        CHECK_EQ(*value, 41);
        *value = 42;
        bodies++;
    }
    CHECK_EQ(given, -2);
    CHECK_EQ(bodies, 1);
    return rc;
}

TASK_TEST(the_plain_pair_does_the_same)
{
    struct bough_manager m;
    int given = 41;
    void *value;
    for (int i = 0; i < 2; i++, given = 41) { /* and may be used again */
        CHECK_EQ(i ? (bough_manager_enter)(&m, number, &given, &value)
                   : bough_manager_enter(&m, number, &given, &value),
                 0);
        CHECK_EQ(*(int *)value, 41);
        *(int *)value = 42;
        CHECK_EQ(bough_manager_exit(&m, 5), 5);
        CHECK_EQ(given, -2);
    }
    return 0;
}

TASK_TEST(the_value_need_not_be_asked_for_and_may_be_nothing)
{
    struct door d = {0};
    struct bough_manager m;
    int rc = 0;
    CHECK_EQ(bough_manager_enter(&m, door, &d, NULL), 0);
    CHECK_EQ(bough_manager_exit(&m, 0), 0);
    d = (struct door){0};
    bough_with (void *, nothing, door, &d, &rc)
        CHECK(nothing == &d);
    CHECK_EQ(d.exited, 1);
    return rc;
}

TASK_TEST(enter_and_exit_are_no_checkpoints_of_their_own)
{
    struct door d = {0};
    int rc = 0;
    bough_assert_no_checkpoints (&rc)
        bough_with (struct door *, open, door, &d, &rc)
            CHECK_EQ(open->entered, 1);
    CHECK_EQ(d.exited, 1);
    return rc;
}

/* --- results --- */

static int with_result(struct door *d, int result)
{
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc)
        rc = result < 0 ? bough_fail(result, "of the body") : result;
    return rc;
}

TASK_TEST(the_yield_returns_how_the_body_ended)
{
    int results[] = {0, 42, -EIO, -ECANCELED, -BOUGH_EGROUP};
    for (size_t i = 0; i < 5; i++) {
        struct door d = {.suppresses = true};
        (void)with_result(&d, results[i]);
        CHECK_EQ(d.saw, results[i]);
        CHECK_EQ(d.exited, 1);
    }
    return 0;
}

TASK_TEST(what_it_passes_on_is_the_result_of_the_block)
{
    CHECK_EQ(with_result(&(struct door){0}, 42), 42);
    CHECK_EQ(with_result(&(struct door){0}, -EIO), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "of the body");
    CHECK_EQ(leaves(-EIO), 1);
    return 0;
}

TASK_TEST(it_may_suppress_the_error)
{
    CHECK_EQ(with_result(&(struct door){.suppresses = true}, -EIO), 0);
    return bough_checkpoint();
}

TASK_TEST(an_error_of_its_cleanup_is_joined_to_that_of_the_body)
{
    int rc = with_result(&(struct door){.exit_fails = -ENOSPC}, -EIO);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -ENOSPC);
    CHECK_EQ(with_result(&(struct door){.exit_fails = -ENOSPC}, 0), -ENOSPC);
    CHECK_STR(bough_error_message(bough_error_last()), "cannot exit");
    return 0;
}

static int replace(struct bough_manager *self, void *arg)
{
    int rc = bough_yield(self, NULL);
    if (rc < 0)
        CHECK_STR(bough_error_message(bough_error_last()), "of the body"); /* it sees all of it */
    return arg ? *(int *)arg : bough_fail(-EHOSTDOWN, "instead of %d", rc);
}

TASK_TEST(it_may_replace_the_result)
{
    int rc = 0;
    bough_with (void *, nothing, replace, NULL, &rc)
        rc = bough_fail(-EIO, "of the body");
    CHECK_EQ(rc, -EHOSTDOWN);
    CHECK_EQ(leaves(rc), 1);
    bough_with (void *, nothing, replace, NULL, &rc)
        rc = 0;
    CHECK_EQ(rc, -EHOSTDOWN);
    bough_with (void *, nothing, replace, &(int){7}, &rc)
        rc = bough_fail(-EIO, "of the body");
    CHECK_EQ(rc, 7);
    return 0;
}

static int tries_often(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = bough_yield(self, NULL);
    for (int i = 0; i < 20; i++)
        (void)bough_fail(-EAGAIN, "try %d of the cleanup", i);
    return rc;
}

TASK_TEST(a_group_that_it_passes_on_survives_whatever_fails_meanwhile_in_its_cleanup)
{
    int rc = 0;
    bough_with (void *, nothing, tries_often, NULL, &rc)
        rc = bough_keep(bough_fail(-EIO, "one"), bough_fail(-EPERM, "two"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK(bough_catch(&rc, -EIO));
    CHECK_EQ(rc, -EPERM);
    CHECK_STR(bough_error_message(bough_error_last()), "two");
    return 0;
}

TASK_TEST(failing_before_the_yield_the_body_does_not_run)
{
    struct door d = {.enter_fails = -ENOENT};
    struct bough_manager m;
    void *value = &d;
    int rc = 0;
    bough_with (void *, nothing, door, &d, &rc)
        CHECK(!"reached");
    CHECK_EQ(rc, -ENOENT);
    CHECK_STR(bough_error_message(bough_error_last()), "cannot enter");
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bough_manager_enter(&m, door, &d, &value), -ENOENT);
    CHECK(value == &d); /* untouched */
    return bough_checkpoint();
}

static int never_yields(__attribute__((unused)) struct bough_manager *self, void *arg)
{
    return *(int *)arg;
}

TASK_TEST(ending_well_without_a_yield_is_eproto_and_the_body_does_not_run)
{
    int rc = 0;
    bough_with (void *, nothing, never_yields, &(int){3}, &rc)
        CHECK(!"reached");
    CHECK_EQ(rc, -EPROTO);
    CHECK_STR(bough_error_message(bough_error_last()),
              "the manager never_yields ended without bough_yield()");
    CHECK_HAS(bough_error_file(bough_error_last()), "manager.c");
    return 0;
}

static int yields_twice(struct bough_manager *self, void *arg)
{
    int *bodies = arg;
    int rc = bough_yield(self, arg);
    CHECK_EQ(*bodies, 1);
    CHECK_EQ(bough_yield(self, arg), -EPROTO);
    CHECK_EQ(bough_yield(self, arg), -EPROTO);
    CHECK_EQ(*bodies, 1);
    return rc;
}

TASK_TEST(a_second_yield_is_eproto_there_and_for_the_block)
{
    int rc = 0, bodies = 0;
    bough_with (int *, count, yields_twice, &bodies, &rc)
        ++*count;
    CHECK_EQ(rc, -EPROTO);
    CHECK_STR(bough_error_message(bough_error_last()), "the manager yields_twice yielded twice");
    bodies = 0;
    bough_with (int *, count, yields_twice, &bodies, &rc) {
        ++*count;
        rc = bough_fail(-EIO, "of the body");
    }
    CHECK_EQ(rc, -EIO); /* an error that there is already says enough */
    return 0;
}

/* --- parking, and calls --- */

static int sleep_for(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

TASK_TEST(it_may_park_in_setup_and_in_cleanup_while_others_run)
{
    struct door d = {.setup = 2 * BOUGH_SEC, .cleanup = 4 * BOUGH_SEC};
    int rc = 0;
    int64_t other = 6 * BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleep_for, &other);
        bough_with (struct door *, open, door, &d, &rc) {
            CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
            rc = use(open, BOUGH_SEC);
        }
        CHECK_EQ(bough_now(), 7 * BOUGH_SEC);
        CHECK_EQ(bough_nursery_count(n), 0);
    }
    return rc;
}

__attribute__((noinline)) static int yield_from_below(struct bough_manager *self, struct door *d,
                                                      int depth)
{
    volatile int here = depth;
    int rc = depth ? yield_from_below(self, d, depth - 1) : yield_door(self, d);
    CHECK_EQ(here, depth);
    d->exited++;
    return rc;
}

static int yields_in_a_call(struct bough_manager *self, void *arg)
{
    return yield_from_below(self, arg, 50);
}

TASK_TEST(it_may_yield_from_a_nested_call)
{
    struct door d = {0};
    int rc = 0;
    bough_with (struct door *, open, yields_in_a_call, &d, &rc)
        CHECK_EQ(open->exited, 0);
    CHECK_EQ(d.exited, 51);
    return rc;
}

/* --- nesting --- */

TASK_TEST(blocks_nest_and_the_last_one_in_is_the_first_out)
{
    struct door a = {.cleanup = BOUGH_SEC}, b = {.cleanup = BOUGH_SEC};
    int rc = 0;
    bough_with (struct door *, outer, door, &a, &rc)
        bough_with (struct door *, inner, door, &b, &rc)
            CHECK(outer == &a && inner == &b);
    CHECK_EQ(b.exited_at, BOUGH_SEC);
    CHECK_EQ(a.left_at, BOUGH_SEC);
    CHECK_EQ(a.exited_at, 2 * BOUGH_SEC);
    return rc;
}

TASK_TEST(each_sees_what_the_one_inside_made_of_the_result)
{
    struct door a = {0}, b = {.suppresses = true}, c = {.exit_fails = -ENOSPC};
    int rc = 0;
    bough_with (struct door *, one, door, &a, &rc)
        bough_with (struct door *, two, door, &b, &rc)
            bough_with (struct door *, three, door, &c, &rc)
                rc = bough_fail(-EIO, "of the body");
    CHECK_EQ(c.saw, -EIO);
    CHECK_EQ(b.saw, -BOUGH_EGROUP);
    CHECK_EQ(a.saw, 0);
    return rc;
}

TASK_TEST(if_the_inner_enter_fails_the_outer_is_exited_and_sees_that)
{
    struct door a = {0}, b = {.enter_fails = -ENOENT};
    int rc = 0;
    bough_with (struct door *, one, door, &a, &rc)
        bough_with (struct door *, two, door, &b, &rc)
            CHECK(!"reached");
    CHECK_EQ(rc, -ENOENT);
    CHECK_EQ(a.saw, -ENOENT);
    CHECK_EQ(a.exited, 1);
    return 0;
}

static int two_doors(struct bough_manager *self, void *arg)
{
    struct door *d = arg;
    int rc = 0;
    bough_with (struct door *, outer, door, &d[0], &rc)
        bough_with (struct door *, inner, door, &d[1], &rc)
            rc = bough_yield(self, d);
    return rc;
}

TASK_TEST(a_manager_may_be_made_of_managers)
{
    struct door d[2] = {{.cleanup = BOUGH_SEC}, {.cleanup = BOUGH_SEC, .suppresses = true}};
    int rc = 0;
    bough_with (struct door *, doors, two_doors, d, &rc) {
        rc = use(&doors[0], BOUGH_SEC);
        CHECK(doors[0].entered && doors[1].entered);
        rc = bough_fail(-EIO, "of the body");
    }
    CHECK_EQ(d[1].saw, -EIO);
    CHECK_EQ(d[0].saw, 0);
    CHECK_EQ(d[0].exited_at, 3 * BOUGH_SEC);
    return rc;
}

TASK_TEST(hundreds_of_them_nest)
{
    enum { MOST = 500 };
    static struct bough_manager m[MOST];
    static struct door d[MOST];
    int many = test_scale(MOST), rc = -EIO;
    for (int i = 0; i < many; i++)
        CHECK_EQ(bough_manager_enter(&m[i], door, &d[i], NULL), 0);
    for (int i = many; i-- > 0;)
        rc = bough_manager_exit(&m[i], rc);
    CHECK_EQ(rc, -EIO);
    for (int i = 0; i < many; i++)
        CHECK(d[i].saw == -EIO && d[i].exited == 1);
    return 0;
}

/* --- ways out --- */

TASK_TEST(break_and_continue_leave_the_block_with_its_result)
{
    struct door d = {0};
    int rc = 0;
    bough_with (struct door *, open, door, &d, &rc) {
        rc = 7;
        break;
    }
    CHECK(rc == 7 && d.saw == 7 && d.exited == 1);
    bough_with (struct door *, open, door, &d, &rc) {
        rc = 8;
        continue;
    }
    CHECK(rc == 8 && d.saw == 8 && d.exited == 2);
    return 0;
}

static int returns(struct door *d, int value)
{
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc)
        return value;
    return rc;
}

static int goes_out(struct door *d)
{
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc)
        goto out;
    return 6;
out:
    CHECK_EQ(d->exited, 1);
    return 5;
}

TASK_TEST(return_and_goto_leave_it_and_the_yield_gets_0)
{
    struct door d = {.cleanup = BOUGH_SEC};
    CHECK_EQ(returns(&d, 5), 5);
    CHECK(d.saw == 0 && d.exited == 1);
    d = (struct door){.saw = 1};
    CHECK_EQ(goes_out(&d), 5);
    CHECK_EQ(d.saw, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

static int returns_when_cancelled(struct door *d)
{
    int rc = 0;
    bough_with (struct door *, open, door, d, &rc) {
        rc = bough_sleep_forever();
        if (rc < 0)
            return rc;
    }
    return 0;
}

TASK_TEST(return_with_a_cancel_under_way_shows_it_the_cancel)
{
    struct door d = {0};
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        rc = returns_when_cancelled(&d);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(d.saw, -ECANCELED);
    CHECK(bough_scope_cancelled_caught(NULL));
    return rc;
}

static int fails_in_exit_after_return(void *arg)
{
    CHECK_EQ(returns(arg, 5), 5);
    return 0;
}

TASK_TEST(an_error_of_its_exit_after_return_goes_to_the_nursery_around_or_the_task)
{
    struct door d = {.exit_fails = -ENOSPC};
    int rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(returns(&d, 5), 5);
        CHECK_EQ(bough_checkpoint(), -ECANCELED);
    }
    CHECK_EQ(rc, -ENOSPC);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, fails_in_exit_after_return, &d);
    CHECK_EQ(rc, -ENOSPC);
    CHECK_EQ(leaves(rc), 1);
    return 0;
}

TASK_TEST(a_block_may_stand_in_a_loop)
{
    struct door d = {0};
    int rc = 0;
    for (int i = 0; i < 100; i++)
        bough_with (struct door *, open, door, &d, &rc)
            if (i % 2)
                continue;
    CHECK_EQ(d.exited, 100);
    return rc;
}

/* --- part of the task --- */

static struct bough_local colour;

static int paint(struct bough_manager *self, void *arg)
{
    CHECK(bough_task_current() == arg);
    CHECK_EQ(bough_local_set(&colour, "red"), 0);
    bough_task_set_name("painter");
    int rc = bough_yield(self, NULL);
    CHECK_STR(bough_local_get(&colour), "blue");
    CHECK_STR(bough_task_name(NULL), "renamed by the body");
    return rc;
}

static int look_at_colour(__attribute__((unused)) void *arg)
{
    CHECK_STR(bough_local_get(&colour), "red");
    return 0;
}

TASK_TEST(it_is_the_same_task_as_the_body_with_its_locals_and_its_name)
{
    int rc = 0;
    bough_with (void *, nothing, paint, bough_task_current(), &rc) {
        CHECK_STR(bough_task_name(NULL), "painter");
        bough_with_nursery (n, &rc)
            rc = bough_nursery_start_soon(n, look_at_colour, NULL);
        CHECK_EQ(bough_local_set(&colour, "blue"), 0);
        bough_task_set_name("renamed by the body");
    }
    return rc;
}
