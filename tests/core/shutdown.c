/* Shutdown: a cancel that is soft first and hard after its grace (rule 8).
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

/* Everything but graceful code and bough_wait_shutdown() treats soft as hard. */
TASK_TEST(a_soft_shutdown_fails_every_checkpoint)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    CHECK_EQ(bough_checkpoint_if_cancelled(), -ECANCELED);
    CHECK_EQ(bough_sleep(BOUGH_SEC), -ECANCELED);
    CHECK_EQ(bough_sleep_forever(), -ECANCELED);
    CHECK_EQ(bough_effective_deadline(), INT64_MIN);
    CHECK(bough_scope_cancel_called(&s));
    CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_SHUTDOWN);
    CHECK_EQ(bough_scope_exit(&s, -ECANCELED), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    CHECK_EQ(bough_now(), 0);
    return 0;
}

static int sleeps(void *arg)
{
    *(int *)arg = bough_sleep(100 * BOUGH_SEC);
    return *(int *)arg;
}

TASK_TEST(a_soft_shutdown_wakes_sleepers)
{
    int rc = 0, slept = 1;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps, &slept);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_shutdown(bough_nursery_scope(n), BOUGH_NEVER);
    }
    CHECK_EQ(slept, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return rc;
}

/* --- graceful --- */

TASK_TEST(graceful_code_does_not_feel_the_soft_one)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    bough_graceful (&rc) {
        CHECK_EQ(bough_effective_deadline(), 10 * BOUGH_SEC);
        rc = bough_sleep(3 * BOUGH_SEC);
        CHECK_EQ(rc, 0);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(bough_checkpoint_if_cancelled(), 0);
    }
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, rc);
}

TASK_TEST(graceful_code_feels_the_hard_one_after_the_grace)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    bough_graceful (&rc) {
        rc = bough_sleep_forever();
        CHECK_EQ(bough_checkpoint(), -ECANCELED);
        CHECK_EQ(bough_scope_reason_kind(bough_scope_current()), BOUGH_CANCEL_SHUTDOWN);
    }
    CHECK_EQ(rc, -ECANCELED);
    CHECK(!bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), 10 * BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(&s, rc), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    return 0;
}

static int shuts_down(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    bough_scope_shutdown(arg, 10 * BOUGH_SEC);
    return rc;
}

static int shut_down_while_in(struct bough_scope *s, int64_t duration)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, shuts_down, s);
        bough_scope_enter(s);
        int slept = 0;
        bough_graceful (&slept)
            slept = bough_sleep(duration);
        rc = bough_keep(rc, bough_scope_exit(s, slept));
    }
    return rc;
}

TASK_TEST(a_graceful_sleeper_is_not_woken_by_the_soft_one)
{
    struct bough_scope s = BOUGH_SCOPE();
    CHECK_EQ(shut_down_while_in(&s, 5 * BOUGH_SEC), 0);
    CHECK(!bough_scope_cancelled_caught(&s));
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_graceful_sleeper_is_woken_by_the_hard_one)
{
    struct bough_scope s = BOUGH_SCOPE();
    CHECK_EQ(shut_down_while_in(&s, 50 * BOUGH_SEC), 0);
    CHECK(bough_scope_cancelled_caught(&s));
    CHECK_EQ(bough_now(), 11 * BOUGH_SEC);
    return 0;
}

TASK_TEST(graceful_code_feels_an_ordinary_cancel)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, NULL);
    bough_graceful (&rc)
        rc = bough_sleep_forever();
    CHECK_EQ(rc, -ECANCELED);
    return bough_scope_exit(&s, rc);
}

TASK_TEST(a_soft_shutdown_inside_graceful_code_is_felt_there)
{
    int rc = 0;
    bough_graceful (&rc) {
        struct bough_scope s = BOUGH_SCOPE();
        bough_scope_enter(&s);
        bough_scope_shutdown(&s, BOUGH_SEC);
        rc = bough_scope_exit(&s, bough_checkpoint());
        CHECK(bough_scope_cancelled_caught(&s));
    }
    return rc;
}

TASK_TEST(an_ordinary_cancel_makes_a_soft_shutdown_hard)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    bough_graceful (&rc) {
        CHECK_EQ(bough_checkpoint(), 0);
        bough_scope_cancel(&s, "now");
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
        CHECK_EQ(bough_scope_reason_kind(&s), BOUGH_CANCEL_SHUTDOWN);
    }
    return bough_scope_exit(&s, rc);
}

static int works_gracefully(void *arg)
{
    int rc = 0;
    bough_graceful (&rc) {
        rc = bough_sleep(3 * BOUGH_SEC);
        *(int64_t *)arg = bough_now();
    }
    return rc;
}

TASK_TEST(tasks_below_graceful_code_do_not_feel_the_soft_one)
{
    int rc = 0;
    int64_t done[2] = {-1, -1};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, works_gracefully, &done[0]);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, works_gracefully, &done[1]);
        if (rc == 0)
            rc = bough_checkpoint();
        bough_scope_shutdown(bough_nursery_scope(n), 60 * BOUGH_SEC);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(done[0], 3 * BOUGH_SEC);
    CHECK_EQ(done[1], 3 * BOUGH_SEC);
    return rc;
}

/* --- the grace --- */

static int64_t hard_after(struct bough_scope *s)
{
    int rc = 0;
    bough_scope_enter(s);
    bough_graceful (&rc)
        rc = bough_sleep(1000 * BOUGH_SEC);
    CHECK_EQ(bough_scope_exit(s, rc), 0);
    return bough_now();
}

TASK_TEST(no_grace_is_hard_at_once)
{
    struct bough_scope s = BOUGH_SCOPE(), t = BOUGH_SCOPE();
    bough_scope_shutdown(&s, 0);
    CHECK_EQ(hard_after(&s), 0);
    bough_scope_shutdown(&t, -1);
    CHECK_EQ(hard_after(&t), 0);
    return 0;
}

TASK_TEST(an_endless_grace_never_becomes_hard)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_shutdown(&s, BOUGH_NEVER);
    CHECK_EQ(hard_after(&s), 1000 * BOUGH_SEC);
    CHECK(!bough_scope_cancelled_caught(&s));
    return 0;
}

TASK_TEST(a_second_shutdown_may_only_shorten_the_grace)
{
    struct bough_scope s = BOUGH_SCOPE(), t = BOUGH_SCOPE();
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    bough_scope_shutdown(&s, 4 * BOUGH_SEC);
    CHECK_EQ(hard_after(&s), 4 * BOUGH_SEC);
    bough_scope_shutdown(&t, 3 * BOUGH_SEC);
    bough_scope_shutdown(&t, 30 * BOUGH_SEC);
    CHECK_EQ(hard_after(&t), 7 * BOUGH_SEC);
    return 0;
}

TASK_TEST(the_deadline_of_the_scope_still_counts_in_its_grace)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    CHECK_EQ(hard_after(&s), 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(the_deadline_of_a_scope_that_is_under_way_still_counts_in_its_grace)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE(.timeout = 2 * BOUGH_SEC);
    bough_scope_enter(&s);
    CHECK_EQ(bough_checkpoint(), 0);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    bough_graceful (&rc)
        rc = bough_sleep_forever();
    CHECK_EQ(bough_scope_exit(&s, rc), 0);
    CHECK_EQ(bough_now(), 2 * BOUGH_SEC);
    return 0;
}

TASK_TEST(the_grace_counts_from_the_call_also_before_entry)
{
    struct bough_scope s = BOUGH_SCOPE(.timeout = 5 * BOUGH_SEC);
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    CHECK_EQ(bough_sleep(8 * BOUGH_SEC), 0);
    CHECK_EQ(hard_after(&s), 10 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_shutdown_after_a_cancel_does_nothing)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_cancel(&s, "first");
    bough_scope_shutdown(&s, 10 * BOUGH_SEC);
    CHECK_EQ(hard_after(&s), 0);
    return 0;
}

TASK_TEST(shutdown_is_no_checkpoint)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_assert_no_checkpoints (&rc)
        bough_scope_shutdown(&s, BOUGH_SEC);
    return bough_scope_exit(&s, rc);
}

/* --- shields, and who absorbs --- */

TASK_TEST(a_shield_hides_a_shutdown_of_either_strength)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, BOUGH_SEC);
    bough_shielded (BOUGH_NEVER, &rc)
        rc = bough_sleep(5 * BOUGH_SEC);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, 0);
}

TASK_TEST(inside_graceful_code_an_inner_scope_absorbs_what_outer_soft_does_not_show)
{
    int rc = 0;
    struct bough_scope outer = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_shutdown(&outer, 100 * BOUGH_SEC);
    bough_graceful (&rc) {
        struct bough_scope inner = BOUGH_SCOPE(.timeout = BOUGH_SEC);
        bough_scope_enter(&inner);
        rc = bough_scope_exit(&inner, bough_sleep_forever());
        CHECK(bough_scope_cancelled_caught(&inner));
        CHECK_EQ(rc, 0);
    }
    return bough_scope_exit(&outer, rc);
}

/* --- waiting for it --- */

static int waits_for_shutdown(void *arg)
{
    int rc = 0;
    bough_graceful (&rc) {
        rc = bough_wait_shutdown();
        *(int64_t *)arg = rc < 0 ? -1 : bough_now();
    }
    return rc;
}

static int waits_for_shutdown_without_grace(void *arg)
{
    int rc = bough_wait_shutdown();
    *(int64_t *)arg = rc < 0 ? -1 : bough_now();
    return rc;
}

static int64_t time_of_shutdown(bough_task_fn *fn, int64_t grace)
{
    int rc = 0;
    int64_t at = -2;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, fn, &at);
        if (rc == 0)
            rc = bough_sleep(2 * BOUGH_SEC);
        CHECK_EQ(at, -2);
        bough_scope_shutdown(bough_nursery_scope(n), grace);
    }
    CHECK_EQ(rc, 0);
    return at;
}

TASK_TEST(wait_shutdown_returns_when_a_shutdown_was_asked_for)
{
    CHECK_EQ(time_of_shutdown(waits_for_shutdown, 60 * BOUGH_SEC), 2 * BOUGH_SEC);
    CHECK_EQ(time_of_shutdown(waits_for_shutdown_without_grace, 60 * BOUGH_SEC), 4 * BOUGH_SEC);
    return 0;
}

TASK_TEST(wait_shutdown_is_cancelled_by_a_hard_one)
{
    CHECK_EQ(time_of_shutdown(waits_for_shutdown, 0), -1);
    CHECK_EQ(time_of_shutdown(waits_for_shutdown_without_grace, 0), -1);
    return 0;
}

TASK_TEST(wait_shutdown_returns_at_once_after_the_shutdown)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, BOUGH_SEC);
    CHECK_EQ(bough_wait_shutdown(), 0);
    bough_graceful (&rc) {
        CHECK_EQ(bough_wait_shutdown(), 0);
        CHECK_EQ(bough_now(), 0);
        CHECK_EQ(bough_sleep(BOUGH_SEC - 1), 0);
        CHECK_EQ(bough_wait_shutdown(), 0);
        CHECK_EQ(bough_sleep(2), -ECANCELED);
        CHECK_EQ(bough_wait_shutdown(), -ECANCELED);
    }
    return bough_scope_exit(&s, -ECANCELED);
}

TASK_TEST(wait_shutdown_does_not_see_through_a_shield)
{
    struct bough_scope s = BOUGH_SCOPE(),
                       shield = BOUGH_SCOPE(.shield = true, .timeout = BOUGH_SEC);
    bough_scope_enter(&s);
    bough_scope_shutdown(&s, BOUGH_NEVER);
    bough_scope_enter(&shield);
    CHECK_EQ(bough_scope_exit(&shield, bough_wait_shutdown()), 0);
    CHECK(bough_scope_cancelled_caught(&shield));
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return bough_scope_exit(&s, 0);
}

TASK_TEST(dropping_a_shield_over_a_shutdown_wakes_who_waits_for_it)
{
    int rc = 0;
    int64_t at = -2;
    bough_with_nursery (n, &rc) {
        struct bough_nursery inner;
        bough_nursery_open(&inner);
        bough_scope_set_shield(bough_nursery_scope(&inner), true);
        rc = bough_nursery_start_soon(&inner, waits_for_shutdown, &at);
        bough_scope_shutdown(bough_nursery_scope(n), 60 * BOUGH_SEC);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        CHECK_EQ(at, -2);
        bough_scope_set_shield(bough_nursery_scope(&inner), false);
        rc = bough_nursery_close(&inner, rc);
    }
    CHECK_EQ(at, BOUGH_SEC);
    return rc;
}

TASK_TEST(a_server_stops_accepting_and_finishes_its_work)
{
    int rc = 0;
    int64_t stopped = -2, done = -2;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, waits_for_shutdown, &stopped);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, works_gracefully, &done);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_shutdown(bough_nursery_scope(n), 30 * BOUGH_SEC);
    }
    CHECK_EQ(stopped, BOUGH_SEC);
    CHECK_EQ(done, 3 * BOUGH_SEC);
    return rc;
}
