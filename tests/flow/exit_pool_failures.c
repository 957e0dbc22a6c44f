/* Exit pools when things go wrong while the body runs, and while managers are exited.
 * SPDX-License-Identifier: MIT */
#include "door.h"

#include <bough/exit_pool.h>

/* Enter 'count' doors, use the first for 'takes' (*ret_use), then fail with 'fails' if that is not
 * 0. */
static int with_doors(struct door *doors, int count, int64_t takes, int fails, int *ret_use)
{
    struct bough_exit_pool p;
    int rc = 0;
    bough_exit_pool_open(&p);
    for (int i = 0; i < count && rc == 0; i++)
        rc = bough_exit_pool_enter(&p, door, &doors[i], NULL);
    if (rc == 0)
        rc = *ret_use = use(&doors[0], takes);
    if (fails)
        rc = bough_fail(fails, "of the body");
    rc = bough_exit_pool_close(&p, rc);
    for (int i = 0; i < count; i++)
        CHECK_EQ(doors[i].exited, doors[i].entered);
    return rc;
}

/* --- a manager fails while the body runs --- */

TASK_TEST(a_timeout_of_a_manager_cancels_the_body_and_comes_out)
{
    struct door doors[3] = {{0}, {.timeout = BOUGH_SEC, .cleanup = BOUGH_SEC}, {0}};
    int used = 1, rc = with_doors(doors, 3, BOUGH_MINUTE, 0, &used);
    CHECK_EQ(used, -ECANCELED);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(leaves(rc), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(doors[i].saw, -ECANCELED);
        CHECK_EQ(doors[i].left_at, BOUGH_SEC);
    }
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return bough_checkpoint(); /* and the cancel is over */
}

TASK_TEST(a_failure_in_the_nursery_of_a_manager_cancels_the_body_and_comes_out)
{
    struct door doors[2] = {{.cleanup = BOUGH_SEC}, {.breaks_after = BOUGH_SEC}};
    int used = 1, rc = with_doors(doors, 2, BOUGH_MINUTE, 0, &used);
    CHECK_EQ(used, -ECANCELED);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "connection lost");
    CHECK_EQ(doors[0].saw, -ECANCELED);
    CHECK_EQ(doors[0].exited_at, 2 * BOUGH_SEC);
    return bough_checkpoint();
}

TASK_TEST(the_yield_returns_only_when_the_body_has_left_so_cleanup_never_runs_under_it)
{
    struct door d = {.timeout = BOUGH_SEC};
    struct bough_exit_pool p;
    int rc = 0, cleanup = 0;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &d, NULL), 0);
    CHECK_EQ(use(&d, BOUGH_MINUTE), -ECANCELED);
    d.users++; /* its cleanup takes long, and uses it */
    bough_shielded (BOUGH_NEVER, &cleanup)
        cleanup = bough_sleep(BOUGH_MINUTE);
    d.users--;
    CHECK(d.exited == 0 && d.left_at == 0);
    rc = bough_exit_pool_close(&p, -ECANCELED);
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(d.left_at, BOUGH_MINUTE + BOUGH_SEC);
    return cleanup;
}

TASK_TEST(a_body_that_takes_no_notice_ends_as_it_likes_and_the_error_comes_out)
{
    struct door d = {.breaks_after = BOUGH_SEC};
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &d, NULL), 0);
    CHECK_EQ(bough_sleep(BOUGH_MINUTE), -ECANCELED);
    CHECK_EQ(bough_exit_pool_close(&p, 7), -ECONNRESET);
    CHECK_EQ(d.saw, 7);
    return 0;
}

TASK_TEST(two_managers_that_fail_at_once_are_both_in_the_group)
{
    struct door doors[3] = {{.breaks_after = BOUGH_SEC}, {0}, {.timeout = BOUGH_SEC}};
    int used = 1, rc = with_doors(doors, 3, BOUGH_MINUTE, 0, &used);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK(bough_catch(&rc, -ETIMEDOUT));
    CHECK_EQ(rc, -ECONNRESET);
    return 0;
}

TASK_TEST(the_body_failing_while_a_manager_fails_both_come_out_once)
{
    struct door doors[3] = {{.breaks_after = BOUGH_SEC}, {.cleanup = BOUGH_SEC}, {0}};
    int used = 1, rc = with_doors(doors, 3, BOUGH_MINUTE, -EIO, &used);
    CHECK_EQ(used, -ECANCELED);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK_EQ(doors[1].saw, -EIO);
    CHECK(bough_catch(&rc, -ECONNRESET));
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "of the body");
    return 0;
}

static int moves_on(struct bough_manager *self, void *arg)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        rc = yield_door(self, arg);
    return rc;
}

TASK_TEST(a_manager_may_end_the_body_without_an_error)
{
    struct door a = {0}, b = {0};
    struct bough_exit_pool p;
    int rc;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &a, NULL), 0);
    CHECK_EQ(bough_exit_pool_enter(&p, moves_on, &b, NULL), 0);
    rc = use(&a, BOUGH_MINUTE);
    CHECK_EQ(rc, -ECANCELED);
    rc = bough_exit_pool_close(&p, rc);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return bough_checkpoint();
}

struct guest {
    struct bough_exit_pool *pool;
    struct door door;
    int rc;
};

static int come_in(void *arg)
{
    struct guest *g = arg;
    return g->rc = bough_exit_pool_enter(g->pool, door, &g->door, NULL);
}

TASK_TEST(it_cancels_the_tasks_of_the_body_and_the_enters_under_way)
{
    struct door d = {.breaks_after = BOUGH_SEC};
    struct bough_exit_pool p;
    struct guest guest = {.pool = &p, .door = {.setup = BOUGH_MINUTE}};
    int rc = 0;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &d, NULL), 0);
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, come_in, &guest);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(guest.rc, -ECANCELED);
    CHECK_EQ(guest.door.entered, 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK_EQ(bough_exit_pool_close(&p, rc), -ECONNRESET);
    CHECK_EQ(leaves(-ECONNRESET), 1);
    return 0;
}

static int expired(struct bough_manager *self, void *arg)
{
    int rc = 0;
    bough_fail_after (0, &rc)
        rc = yield_door(self, arg);
    return rc;
}

TASK_TEST(one_whose_scope_is_cancelled_when_it_yields_cancels_the_body_at_once)
{
    struct door d = {0};
    struct bough_exit_pool p;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, expired, &d, NULL), 0);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    CHECK_EQ(bough_exit_pool_close(&p, -ECANCELED), -ETIMEDOUT);
    CHECK_EQ(leaves(-ETIMEDOUT), 1);
    return 0;
}

/* --- the body fails --- */

TASK_TEST(each_manager_sees_the_error_of_the_body_which_comes_out_once)
{
    struct door doors[3] = {{0}, {.breaks_after = BOUGH_MINUTE}, {.timeout = BOUGH_MINUTE}};
    int used, rc = with_doors(doors, 3, BOUGH_SEC, -EIO, &used);
    CHECK_EQ(rc, -EIO);
    CHECK_EQ(leaves(rc), 1);
    CHECK_STR(bough_error_message(bough_error_last()), "of the body");
    CHECK_STR(bough_error_task(bough_error_last()), "main");
    for (int i = 0; i < 3; i++)
        CHECK_EQ(doors[i].saw, -EIO);
    return 0;
}

TASK_TEST(a_group_of_the_body_comes_out_as_it_was)
{
    struct door doors[2] = {{0}, {.exit_fails = -ENOSPC}};
    struct bough_exit_pool p;
    int rc;
    for (int i = 0; i < 2; i++) { /* with one that passes it on, and with one that adds to it */
        bough_exit_pool_open(&p);
        CHECK_EQ(bough_exit_pool_enter(&p, door, &doors[i], NULL), 0);
        rc = bough_keep(bough_fail(-EIO, "one"), bough_fail(-EPERM, "two"));
        CHECK_EQ(rc, -BOUGH_EGROUP);
        rc = bough_exit_pool_close(&p, rc);
        CHECK_EQ(rc, -BOUGH_EGROUP);
        CHECK_EQ(doors[i].saw, -BOUGH_EGROUP);
        CHECK_EQ(leaves(rc), 2 + (unsigned)i);
    }
    CHECK(bough_catch(&rc, -EIO) && bough_catch(&rc, -EPERM));
    CHECK_EQ(rc, -ENOSPC);
    return 0;
}

TASK_TEST(it_is_suppressed_only_if_all_suppress_it)
{
    int used;
    for (int who = 0; who < 8; who++) {
        struct door doors[3] = {
            {.suppresses = who & 1}, {.suppresses = who & 2}, {.suppresses = who & 4}};
        int rc = with_doors(doors, 3, BOUGH_SEC, -EIO, &used);
        CHECK_EQ(rc, who == 7 ? 0 : -EIO);
        CHECK_EQ(leaves(rc), who == 7 ? 0 : 1);
    }
    return bough_checkpoint();
}

TASK_TEST(one_that_fails_has_not_suppressed_it)
{
    struct door doors[2] = {{.suppresses = true}, {.exit_fails = -ENOSPC}};
    int used, rc = with_doors(doors, 2, BOUGH_SEC, -EIO, &used);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    return 0;
}

static int replaces(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    return bough_yield(self, NULL) < 0 ? bough_fail(-EHOSTDOWN, "instead") : 0;
}

TASK_TEST(one_that_replaces_it_adds_its_own_beside_it)
{
    struct bough_exit_pool p;
    int rc;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, replaces, NULL, NULL), 0);
    rc = bough_exit_pool_close(&p, bough_fail(-EIO, "of the body"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    CHECK(bough_catch(&rc, -EHOSTDOWN));
    CHECK_EQ(rc, -EIO);
    return 0;
}

static int fails_alike(struct bough_manager *self, __attribute__((unused)) void *arg)
{
    (void)bough_yield(self, NULL);
    return bough_fail(-EIO, "of the manager");
}

TASK_TEST(an_error_of_its_own_with_the_same_code_is_not_taken_for_the_bodys)
{
    struct bough_exit_pool p;
    int rc;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, fails_alike, NULL, NULL), 0);
    rc = bough_exit_pool_close(&p, bough_fail(-EIO, "of the body"));
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(bough_error_count(bough_error_last(), -EIO), 2);
    return 0;
}

TASK_TEST(a_body_that_says_cancelled_without_a_cancel_has_failed_like_any_other)
{
    struct door doors[2] = {{0}, {.breaks_after = BOUGH_MINUTE}};
    int used, rc = with_doors(doors, 2, BOUGH_SEC, -ECANCELED, &used);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(leaves(rc), 1);
    return bough_checkpoint();
}

/* --- exits fail --- */

TASK_TEST(one_that_fails_in_exit_does_not_disturb_the_others_and_all_errors_are_grouped)
{
    struct door doors[4] = {{.cleanup = 3 * BOUGH_SEC},
                            {.exit_fails = -ENOSPC},
                            {.cleanup = 2 * BOUGH_SEC, .exit_fails = -EPERM},
                            {.cleanup = BOUGH_SEC}};
    int used, rc = with_doors(doors, 4, BOUGH_SEC, 0, &used);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 2);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(doors[i].exited_at, BOUGH_SEC + doors[i].cleanup);
    const struct bough_error *e = bough_error_first(bough_error_last());
    CHECK_EQ(bough_error_code(e), -ENOSPC); /* in order of completion */
    CHECK_EQ(bough_error_code(bough_error_next(e)), -EPERM);
    return bough_checkpoint();
}

static int unshielded(struct bough_manager *self, void *arg)
{
    int rc = bough_yield(self, NULL);
    *(int *)arg = bough_sleep(BOUGH_SEC);
    return rc;
}

TASK_TEST(not_even_if_it_has_no_shield)
{
    struct bough_exit_pool p;
    struct door d = {.exit_fails = -ENOSPC};
    int slept = 1;
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, unshielded, &slept, NULL), 0);
    CHECK_EQ(bough_exit_pool_enter(&p, door, &d, NULL), 0);
    CHECK_EQ(bough_exit_pool_close(&p, 0), -ENOSPC);
    CHECK_EQ(slept, 0);
    slept = 1; /* nor is it cancelled because the body has failed */
    bough_exit_pool_open(&p);
    CHECK_EQ(bough_exit_pool_enter(&p, unshielded, &slept, NULL), 0);
    CHECK_EQ(bough_exit_pool_close(&p, -EIO), -EIO);
    CHECK_EQ(slept, 0);
    return 0;
}

TASK_TEST(the_errors_of_the_body_and_of_all_exits_come_out_the_bodys_first)
{
    struct door doors[3] = {
        {.exit_fails = -ENOSPC}, {.cleanup = BOUGH_SEC}, {.exit_fails = -EPERM}};
    int used, rc = with_doors(doors, 3, BOUGH_SEC, -EIO, &used);
    CHECK_EQ(rc, -BOUGH_EGROUP);
    CHECK_EQ(leaves(rc), 3);
    CHECK_EQ(bough_error_code(bough_error_first(bough_error_last())), -EIO);
    CHECK(bough_catch(&rc, -EIO) && bough_catch(&rc, -ENOSPC));
    CHECK_EQ(rc, -EPERM);
    return 0;
}

/* --- cancels from outside --- */

TASK_TEST(a_cancel_from_outside_reaches_the_body_and_leaves_the_cleanup)
{
    struct door doors[2] = {{.cleanup = BOUGH_SEC}, {.cleanup = 2 * BOUGH_SEC}};
    int rc = 0, used = 1;
    bough_fail_after (BOUGH_SEC, &rc) {
        rc = with_doors(doors, 2, BOUGH_MINUTE, 0, &used);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, -ETIMEDOUT);
    CHECK_EQ(used, -ECANCELED);
    CHECK(doors[0].saw == -ECANCELED && doors[1].saw == -ECANCELED);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return 0;
}

TASK_TEST(cleanup_without_a_shield_is_cancelled_then)
{
    struct bough_exit_pool p;
    int rc = 0, slept = 1;
    bough_move_on_after (BOUGH_SEC, &rc) {
        bough_exit_pool_open(&p);
        CHECK_EQ(bough_exit_pool_enter(&p, unshielded, &slept, NULL), 0);
        rc = bough_exit_pool_close(&p, bough_sleep_forever());
    }
    CHECK_EQ(slept, -ECANCELED);
    CHECK(bough_scope_cancelled_caught(NULL));
    return rc;
}

TASK_TEST(a_cancel_from_outside_while_the_exits_run_waits_for_them)
{
    struct door doors[2] = {{.cleanup = 4 * BOUGH_SEC}, {.exit_fails = -ENOSPC}};
    int rc = 0, used;
    bough_fail_after (2 * BOUGH_SEC, &rc)
        rc = with_doors(doors, 2, BOUGH_SEC, 0, &used);
    CHECK_EQ(rc, -ENOSPC); /* no cancel was felt, and the error is not lost */
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return 0;
}

TASK_TEST(an_outer_timeout_takes_no_error_of_the_managers_whichever_comes_first)
{
    struct door breaks[2] = {{.breaks_after = BOUGH_SEC, .cleanup = 4 * BOUGH_SEC}, {0}};
    struct door fails[2] = {{.exit_fails = -ENOSPC}, {.cleanup = BOUGH_SEC}};
    int rc = 0, used = 1;
    bough_fail_after (2 * BOUGH_SEC, &rc)
        rc = with_doors(breaks, 2, BOUGH_MINUTE, 0, &used);
    CHECK_EQ(rc, -ECONNRESET);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    bough_fail_after (2 * BOUGH_SEC, &rc)
        rc = with_doors(fails, 2, BOUGH_MINUTE, 0, &used);
    CHECK_EQ(rc, -ENOSPC);
    CHECK_EQ(leaves(rc), 1);
    CHECK_EQ(bough_now(), 8 * BOUGH_SEC);
    return 0;
}

TASK_TEST(if_all_suppress_a_cancel_it_is_felt_again_afterwards)
{
    struct door doors[2] = {{.suppresses = true}, {.suppresses = true}};
    int rc = 0, used;
    bough_move_on_after (BOUGH_SEC, &rc) {
        CHECK_EQ(with_doors(doors, 2, BOUGH_MINUTE, 0, &used), 0);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    return rc;
}
