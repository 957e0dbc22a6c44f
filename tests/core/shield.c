/* Shields: what is outside is invisible inside, until the shield is dropped.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

TASK_TEST(outer_cancels_are_invisible_inside_a_shield)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE(.shield = true);
    bough_scope_enter(&outer);
    bough_scope_cancel(&outer, "outside");
    bough_scope_enter(&inner);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_checkpoint_if_cancelled(), 0);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    CHECK(bough_scope_reason(&inner) == NULL);
    CHECK_EQ(bough_scope_exit(&inner, 0), 0);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&outer, -ECANCELED);
}

TASK_TEST(the_scopes_own_cancel_works_inside_its_shield)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE(.shield = true);
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    bough_scope_cancel(&outer, NULL);
    bough_scope_cancel(&inner, NULL);
    CHECK_EQ(bough_scope_exit(&inner, bough_checkpoint()), 0);
    CHECK(bough_scope_cancelled_caught(&inner));
    return bough_scope_exit(&outer, 0);
}

TASK_TEST(the_scopes_own_deadline_works_inside_its_shield)
{
    struct bough_scope outer = BOUGH_SCOPE(),
                       inner = BOUGH_SCOPE(.shield = true, .timeout = 2 * BOUGH_SEC);
    bough_scope_enter(&outer);
    bough_scope_cancel(&outer, NULL);
    bough_scope_enter(&inner);
    CHECK_EQ(bough_scope_exit(&inner, bough_sleep_forever()), 0);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    CHECK(bough_scope_cancelled_caught(&inner));
    return bough_scope_exit(&outer, 0);
}

TASK_TEST(the_cancel_of_a_scope_inside_the_shield_works)
{
    struct bough_scope outer = BOUGH_SCOPE(), shield = BOUGH_SCOPE(.shield = true),
                       inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&shield);
    bough_scope_enter(&inner);
    bough_scope_cancel(&outer, NULL);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_scope_cancel(&inner, NULL);
    CHECK_EQ(bough_scope_exit(&inner, bough_checkpoint()), 0);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_scope_exit(&shield, 0), 0);
    return bough_scope_exit(&outer, 0);
}

TASK_TEST(a_shield_put_up_hides_a_pending_cancel)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    bough_scope_cancel(&outer, NULL);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    bough_scope_set_shield(&inner, true);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    bough_scope_set_shield(&inner, false);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&outer, bough_scope_exit(&inner, -ECANCELED));
}

struct sleeper {
    struct bough_scope shield;
    int rc, depth;
    int64_t ended;
};

static int sleeps_below(void *arg)
{
    struct sleeper *sleeper = arg;
    int rc = 0;
    if (sleeper->depth-- > 0) {
        bough_with_nursery (n, &rc)
            rc = bough_nursery_start_soon(n, sleeps_below, sleeper);
        return rc;
    }
    sleeper->rc = bough_sleep(100 * BOUGH_SEC);
    sleeper->ended = bough_now();
    return sleeper->rc;
}

static int sleeps_under_a_shield(void *arg)
{
    struct sleeper *sleeper = arg;
    bough_scope_enter(&sleeper->shield);
    return bough_scope_exit(&sleeper->shield, sleeps_below(sleeper));
}

static int drop_the_shield_over_a_cancel(int depth)
{
    int rc = 0;
    struct sleeper sleeper = {.shield = BOUGH_SCOPE(.shield = true), .depth = depth};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_under_a_shield, &sleeper);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        bough_shielded (BOUGH_NEVER, &rc)
            rc = bough_sleep(2 * BOUGH_SEC);
        CHECK_EQ(sleeper.ended, 0);
        bough_scope_set_shield(&sleeper.shield, false);
    }
    CHECK_EQ(sleeper.rc, -ECANCELED);
    CHECK_EQ(sleeper.ended, 3 * BOUGH_SEC);
    CHECK(!bough_scope_cancelled_caught(&sleeper.shield));
    return rc;
}

TASK_TEST(dropping_a_shield_over_a_pending_cancel_wakes_the_sleeper_at_once)
{
    return drop_the_shield_over_a_cancel(0);
}

TASK_TEST(dropping_a_shield_wakes_the_sleepers_in_nurseries_below)
{
    return drop_the_shield_over_a_cancel(3);
}

TASK_TEST(dropping_a_shield_without_a_cancel_wakes_nobody)
{
    int rc = 0;
    struct sleeper sleeper = {.shield = BOUGH_SCOPE(.shield = true)};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_under_a_shield, &sleeper);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_set_shield(&sleeper.shield, false);
    }
    CHECK_EQ(sleeper.rc, 0);
    CHECK_EQ(sleeper.ended, 100 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_shield_put_up_in_time_saves_the_sleeper)
{
    int rc = 0;
    struct sleeper sleeper = {.shield = BOUGH_SCOPE()};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_under_a_shield, &sleeper);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_set_shield(&sleeper.shield, true);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_EQ(sleeper.rc, 0);
    CHECK_EQ(sleeper.ended, 100 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_shield_put_up_too_late_does_not_strand_the_cancel)
{
    int rc = 0;
    struct sleeper sleeper = {.shield = BOUGH_SCOPE()};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_under_a_shield, &sleeper);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        bough_scope_set_shield(&sleeper.shield, true);
    }
    CHECK_EQ(sleeper.rc, -ECANCELED);
    CHECK_EQ(sleeper.ended, BOUGH_SEC);
    CHECK(!bough_scope_cancelled_caught(&sleeper.shield));
    CHECK_EQ(rc, 0);
    return rc;
}

TASK_TEST(toggling_a_shield_without_end_is_fine)
{
    int rc = 0;
    struct sleeper sleeper = {.shield = BOUGH_SCOPE(.shield = true)};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_under_a_shield, &sleeper);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        for (int i = 0; i < test_scale(1000000); i++)
            bough_scope_set_shield(&sleeper.shield, i & 1);
    }
    CHECK_EQ(sleeper.ended, 100 * BOUGH_SEC);
    return rc;
}

TASK_TEST(a_shielded_block_hides_cancels_for_cleanup)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        rc = bough_sleep_forever();
        bough_shielded (10 * BOUGH_SEC, &rc)
            rc = bough_keep(rc, bough_sleep(3 * BOUGH_SEC));
        CHECK(!bough_scope_cancelled_caught(NULL));
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), 4 * BOUGH_SEC);
    return rc;
}

TASK_TEST(the_time_of_a_shielded_block_is_limited)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        int cleanup = 0;
        rc = bough_sleep_forever();
        bough_shielded (2 * BOUGH_SEC, &cleanup)
            cleanup = bough_sleep_forever();
        CHECK(bough_scope_cancelled_caught(NULL));
        CHECK_EQ(cleanup, 0);
        CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    }
    return rc;
}

/* --- the effective deadline --- */

TASK_TEST(the_effective_deadline_is_the_earliest_that_is_visible)
{
    CHECK_EQ(bough_effective_deadline(), BOUGH_NEVER);
    struct bough_scope a = BOUGH_SCOPE(.timeout = 10 * BOUGH_SEC),
                       b = BOUGH_SCOPE(.deadline = 20 * BOUGH_SEC),
                       c = BOUGH_SCOPE(.timeout = 5 * BOUGH_SEC);
    bough_scope_enter(&a);
    CHECK_EQ(bough_effective_deadline(), 10 * BOUGH_SEC);
    bough_scope_enter(&b);
    CHECK_EQ(bough_effective_deadline(), 10 * BOUGH_SEC);
    bough_scope_enter(&c);
    CHECK_EQ(bough_effective_deadline(), 5 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    CHECK_EQ(bough_effective_deadline(), 5 * BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(&c, 0), 0);
    bough_scope_set_shield(&b, true);
    CHECK_EQ(bough_effective_deadline(), 20 * BOUGH_SEC);
    bough_scope_set_deadline(&b, BOUGH_NEVER);
    CHECK_EQ(bough_effective_deadline(), BOUGH_NEVER);
    return bough_scope_exit(&a, bough_scope_exit(&b, 0));
}

TASK_TEST(the_effective_deadline_in_a_cancelled_scope_has_passed)
{
    struct bough_scope a = BOUGH_SCOPE(), b = BOUGH_SCOPE(.deadline = 20 * BOUGH_SEC);
    bough_scope_enter(&a);
    bough_scope_enter(&b);
    bough_scope_cancel(&a, NULL);
    CHECK_EQ(bough_effective_deadline(), INT64_MIN);
    bough_scope_set_shield(&b, true);
    CHECK_EQ(bough_effective_deadline(), 20 * BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(&b, 0), 0);
    CHECK_EQ(bough_effective_deadline(), INT64_MIN);
    CHECK_EQ(bough_scope_exit(&a, 0), 0);
    CHECK_EQ(bough_effective_deadline(), BOUGH_NEVER);
    return 0;
}
