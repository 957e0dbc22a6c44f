/* bough_with_all: managers that are entered at once and exited at once.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/exit_pool.h>

enum { COUNT = 4 };

static void fill(struct bough_resource *all, struct door *doors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        all[i] = (struct bough_resource){.fn = door, .arg = &doors[i]};
}

/* A block around all doors, in which the first is used for 'takes'; then 'fails'. */
static int with_doors(struct door *doors, size_t count, int64_t takes, int fails, int *ret_bodies)
{
    struct bough_resource all[COUNT];
    int rc = 0;
    fill(all, doors, count);
    bough_with_all (all, count, &rc) {
        ++*ret_bodies;
        for (size_t i = 0; i < count; i++)
            CHECK(all[i].value == &doors[i] && doors[i].entered == 1 && doors[i].exited == 0);
        rc = use(&doors[0], takes);
        if (fails)
            rc = bough_fail(fails, "of the body");
    }
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(doors[i].exited, doors[i].entered);
    return rc;
}

/* --- all is well --- */

TASK_TEST(enters_and_exits_run_at_once_and_the_values_stand_in_order)
{
    struct door doors[COUNT] = {{.setup = 3 * BOUGH_SEC, .cleanup = BOUGH_SEC},
                                {.setup = BOUGH_SEC, .cleanup = 4 * BOUGH_SEC},
                                {.setup = 2 * BOUGH_SEC},
                                {.cleanup = 2 * BOUGH_SEC}};
    int bodies = 0;
    CHECK_EQ(with_doors(doors, COUNT, 10 * BOUGH_SEC, 0, &bodies), 0);
    CHECK_EQ(bodies, 1);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(doors[i].entered_at, doors[i].setup);
        CHECK_EQ(doors[i].left_at, 13 * BOUGH_SEC);
        CHECK_EQ(doors[i].exited_at, 13 * BOUGH_SEC + doors[i].cleanup);
    }
    CHECK_EQ(bough_now(), 17 * BOUGH_SEC); /* the slowest of each */
    return 0;
}

TASK_TEST(of_none_it_is_a_block)
{
    int rc = 0, bodies = 0;
    bough_with_all (NULL, 0, &rc) {
        bodies++;
        rc = bough_fail(-EIO, "of the body");
    }
    CHECK_EQ(bodies, 1);
    CHECK_EQ(rc, -EIO);
    return 0;
}

TASK_TEST(a_result_above_zero_passes)
{
    struct door doors[2] = {{0}};
    struct bough_resource all[2];
    int rc = 0;
    fill(all, doors, 2);
    bough_with_all (all, 2, &rc)
        rc = 42;
    CHECK_EQ(rc, 42);
    return 0;
}

TASK_TEST(a_thousand_managers_are_entered_and_exited_at_once)
{
    enum { MOST = 1000 };
    static struct door doors[MOST];
    static struct bough_resource all[MOST];
    size_t many = (size_t)test_scale(MOST);
    struct bough_run_stats stats;
    int rc = 0;
    for (size_t i = 0; i < many; i++) {
        doors[i].setup = (int64_t)(many - i) * BOUGH_MS;
        doors[i].cleanup = (int64_t)(i + 1) * BOUGH_MS;
    }
    fill(all, doors, many);
    bough_with_all (all, many, &rc) {
        CHECK_EQ(bough_now(), (int64_t)many * BOUGH_MS);
        for (size_t i = 0; i < many; i++)
            CHECK(all[i].value == &doors[i]);
        bough_run_statistics(&stats);
        CHECK_EQ(stats.tasks, many + 1);
    }
    CHECK_EQ(bough_now(), 2 * (int64_t)many * BOUGH_MS);
    for (size_t i = 0; i < many; i++)
        CHECK_EQ(doors[i].exited, 1);
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1);
    return rc;
}

TASK_TEST(a_thousand_errors_are_all_kept)
{
    enum { MOST = 1000 };
    static struct door doors[MOST];
    static struct bough_resource all[MOST];
    size_t many = (size_t)test_scale(MOST);
    int rc = 0;
    for (size_t i = 0; i < many; i++)
        doors[i].exit_fails = -ENOSPC;
    fill(all, doors, many);
    bough_with_all (all, many, &rc)
        rc = bough_fail(-EIO, "of the body");
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), many + 1);
    return 0;
}

/* --- an enter fails --- */

TASK_TEST(if_an_enter_fails_the_others_are_cancelled_the_entered_exited_and_the_body_does_not_run)
{
    struct door doors[COUNT] = {{.setup = BOUGH_MINUTE},
                                {.setup = 2 * BOUGH_SEC, .enter_fails = -ENOENT},
                                {.setup = BOUGH_SEC, .cleanup = BOUGH_SEC},
                                {0}};
    int bodies = 0, rc = with_doors(doors, COUNT, 0, 0, &bodies);
    CHECK_EQ(rc, -ENOENT);
    CHECK_STR(bough_error_message(bough_error_last()), "cannot enter");
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bodies, 0);
    CHECK_EQ(doors[0].entered, 0);
    CHECK(doors[2].entered == 1 && doors[2].saw == -ENOENT);
    CHECK(doors[3].entered == 1 && doors[3].saw == -ENOENT);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return bough_checkpoint();
}

TASK_TEST(that_cannot_be_suppressed)
{
    struct door doors[3] = {{.suppresses = true}, {.enter_fails = -ENOENT}, {.suppresses = true}};
    int bodies = 0;
    CHECK_EQ(with_doors(doors, 3, 0, 0, &bodies), -ENOENT);
    CHECK_EQ(bodies, 0);
    return 0;
}

TASK_TEST(several_enters_that_fail_are_a_group)
{
    struct door doors[COUNT] = {{.enter_fails = -ENOENT},
                                {.enter_fails = -EACCES},
                                {.exit_fails = -ENOSPC},
                                {.enter_fails = -ENOENT}};
    int bodies = 0, rc = with_doors(doors, COUNT, 0, 0, &bodies);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENOENT), 2);
    CHECK_EQ(bough_error_count(bough_error_last(), -EACCES), 1);
    CHECK_EQ(bough_error_count(bough_error_last(), -ENOSPC), 1); /* of the one that was exited */
    CHECK_EQ(leaves(rc), 4);
    CHECK_EQ(bodies, 0);
    return 0;
}

static int never_yields(__attribute__((unused)) struct bough_manager *self,
                        __attribute__((unused)) void *arg)
{
    return 0;
}

TASK_TEST(one_that_does_not_yield_is_eproto_and_the_body_does_not_run)
{
    struct door d = {0};
    struct bough_resource all[] = {{.fn = door, .arg = &d}, {.fn = never_yields}};
    int rc = 0;
    bough_with_all (all, 2, &rc)
        CHECK(!"reached");
    CHECK_EQ(rc, -EPROTO);
    CHECK_EQ(leaves(rc), 1);
    CHECK(d.exited == 1 && d.saw == -EPROTO);
    return 0;
}

TASK_TEST(one_that_hangs_in_its_enter_is_ended_by_a_timeout_around_the_block)
{
    struct door doors[3] = {{.setup = BOUGH_MINUTE}, {.cleanup = BOUGH_SEC}, {.setup = BOUGH_MS}};
    int rc = 0, bodies = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        rc = with_doors(doors, 3, 0, 0, &bodies);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bodies, 0);
    CHECK(doors[0].entered == 0 && doors[1].exited == 1 && doors[2].exited == 1);
    CHECK_EQ(doors[1].saw, -ECANCELED);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

static int connect_in_time(struct bough_manager *self, void *arg)
{
    struct door *d = arg;
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        rc = bough_sleep(d->setup);
    if (rc < 0)
        return rc;
    rc = yield_door(self, d);
    d->exited++;
    return rc;
}

TASK_TEST(or_by_one_of_its_own)
{
    struct door d[2] = {{.setup = BOUGH_MINUTE}, {.setup = 0}};
    struct bough_resource all[] = {{.fn = connect_in_time, .arg = &d[0]},
                                   {.fn = connect_in_time, .arg = &d[1]}};
    int rc = 0;
    bough_with_all (all, 2, &rc)
        CHECK(!"reached");
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK(d[0].entered == 0 && d[1].exited == 1);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

/* While another is still being entered. */
TASK_TEST(an_entered_one_that_fails_cancels_the_enters_of_the_others)
{
    struct door doors[3] = {{.setup = BOUGH_MINUTE}, {.breaks_after = BOUGH_SEC}, {0}};
    int bodies = 0, rc = with_doors(doors, 3, 0, 0, &bodies);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bodies, 0);
    CHECK_EQ(doors[0].entered, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return bough_checkpoint();
}

static int yields_whatever_comes(struct bough_manager *self, void *arg)
{
    struct door *d = arg;
    (void)bough_sleep(d->setup);
    (void)yield_door(self, d);
    d->exited++;
    return 0;
}

TASK_TEST(cancelled_while_it_enters_the_body_does_not_run_whatever_the_managers_suppress)
{
    struct door d[2] = {{.setup = BOUGH_MINUTE}, {.setup = BOUGH_MINUTE}};
    struct bough_resource all[] = {{.fn = yields_whatever_comes, .arg = &d[0]},
                                   {.fn = yields_whatever_comes, .arg = &d[1]}};
    int rc = 0;
    bough_fail_after (BOUGH_SEC, &rc)
        bough_with_all (all, 2, &rc)
            CHECK(!"reached");
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK(d[0].exited == 1 && d[1].exited == 1);
    return 0;
}

TASK_TEST(enter_all_does_the_same_in_a_pool_that_is_open)
{
    struct door doors[3] = {{.setup = 2 * BOUGH_SEC}, {.setup = BOUGH_SEC}, {0}};
    struct door fails[2] = {{.setup = BOUGH_SEC, .enter_fails = -ENOENT}, {0}};
    struct bough_resource all[3], more[2];
    struct bough_exit_pool p;
    fill(all, doors, 3);
    fill(more, fails, 2);
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter_all(&p, all, 3), 0);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    CHECK(all[0].value == &doors[0] && all[2].value == &doors[2]);
    CHECK_EQ(bough_exit_pool_enter_all(&p, more, 2), -ENOENT);
    CHECK_EQ(leaves(-ENOENT), 1);
    CHECK(fails[1].entered == 1 && fails[1].exited == 0); /* it stays until the pool is closed */
    CHECK_EQ(bough_exit_pool_enter_all(&p, NULL, 0), 0);
    CHECK_EQ(use(&doors[0], BOUGH_SEC), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), 0);
    CHECK(fails[1].exited == 1 && doors[2].exited == 1);
    return 0;
}

/* --- the body --- */

TASK_TEST(each_sees_the_error_of_the_body_which_comes_out_once)
{
    struct door doors[3] = {{0}, {.cleanup = BOUGH_SEC}, {.suppresses = true}};
    int bodies = 0, rc = with_doors(doors, 3, BOUGH_SEC, -EIO, &bodies);
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(doors[i].saw, -EIO);
    return 0;
}

TASK_TEST(it_is_suppressed_if_all_suppress_it)
{
    struct door doors[2] = {{.suppresses = true}, {.suppresses = true}};
    int bodies = 0;
    CHECK_EQ(with_doors(doors, 2, BOUGH_SEC, -EIO, &bodies), 0);
    return bough_checkpoint();
}

TASK_TEST(one_that_fails_while_the_body_runs_cancels_it)
{
    struct door doors[3] = {{.cleanup = BOUGH_SEC}, {.breaks_after = BOUGH_SEC}, {0}};
    int bodies = 0, rc = with_doors(doors, 3, BOUGH_MINUTE, 0, &bodies);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(doors[0].saw, -ECANCELED);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return bough_checkpoint();
}

TASK_TEST(blocks_nest)
{
    struct door outer[2] = {{.cleanup = BOUGH_SEC}, {.cleanup = BOUGH_SEC}};
    struct door inner[2] = {{.cleanup = BOUGH_SEC}, {.exit_fails = -ENOSPC}};
    struct bough_resource a[2], b[2];
    int rc = 0;
    fill(a, outer, 2);
    fill(b, inner, 2);
    bough_with_all (a, 2, &rc)
        bough_with_all (b, 2, &rc)
            rc = bough_fail(-EIO, "of the body");
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK_EQ(inner[0].saw, -EIO);
    CHECK_EQ(outer[0].saw, -BOUGH_EGROUP);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

/* --- ways out --- */

TASK_TEST(break_and_continue_leave_the_block_with_its_result)
{
    struct door doors[2] = {{0}};
    struct bough_resource all[2];
    int rc = 0;
    fill(all, doors, 2);
    bough_with_all (all, 2, &rc) {
        rc = 7;
        break;
    }
    CHECK(rc == 7 && doors[0].saw == 7 && doors[1].exited == 1);
    bough_with_all (all, 2, &rc) {
        rc = 8;
        continue;
    }
    CHECK(rc == 8 && doors[0].saw == 8 && doors[1].exited == 2);
    return 0;
}

static int returns(struct door *doors, int value)
{
    struct bough_resource all[2];
    int rc = 0;
    fill(all, doors, 2);
    bough_with_all (all, 2, &rc)
        return value;
    return rc;
}

static int returns_from_it(void *arg)
{
    CHECK_EQ(returns(arg, 5), 5);
    return 0;
}

TASK_TEST(return_leaves_it_and_errors_of_the_exits_go_to_the_task)
{
    struct door doors[2] = {{.cleanup = BOUGH_SEC}, {.exit_fails = -ENOSPC}};
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, returns_from_it, doors);
    CHECK_EQ(rc, -ENOSPC);
    CHECK_EQ(leaves(rc), 1);
    CHECK(doors[0].saw == 0 && doors[0].exited == 1);
    return 0;
}

static int returns_when_cancelled(struct door *doors)
{
    struct bough_resource all[2];
    int rc = 0;
    fill(all, doors, 2);
    bough_with_all (all, 2, &rc) {
        rc = bough_sleep_forever();
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int is_cut_short(void *arg)
{
    CHECK_EQ(returns_when_cancelled(arg), -ECANCELED);
    return 0;
}

TASK_TEST(return_because_a_manager_failed_shows_them_the_cancel_and_its_error_is_not_lost)
{
    struct door doors[2] = {{.breaks_after = BOUGH_SEC}, {0}};
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, is_cut_short, doors);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK(doors[0].saw == -ECANCELED && doors[1].saw == -ECANCELED);
    return 0;
}

static int named(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    int rc = bough_yield(self, NULL);
    return rc < 0 ? rc : bough_fail(-ENODATA, "nothing in here");
}

TASK_TEST(the_task_of_a_resource_may_have_a_name_that_its_errors_show)
{
    int rc = 0;
    struct bough_resource all[] = {{.fn = named, .name = "archive"}};
    bough_with_all (all, 1, &rc)
        rc = 0;
    CHECK_EQ(rc, -ENODATA);
    CHECK_HAS(bough_error_task(bough_error_last()), "archive");
    return 0;
}

static int counted(struct bough_manager *self, void *arg)
{
    int rc = bough_yield(self, arg);
    ++*(int *)arg;
    return rc;
}

TASK_TEST(a_pool_has_a_block_of_its_own)
{
    int rc = 0, exits = 0;
    void *value = NULL;
    bough_with_exit_pool (p, &rc) {
        rc = bough_exit_pool_enter(p, counted, &exits, &value);
        if (rc == 0)
            rc = bough_exit_pool_enter(p, counted, &exits, NULL);
        CHECK(value == &exits);
        if (rc == 0)
            break;
    }
    CHECK_EQ(exits, 2);
    return rc;
}
