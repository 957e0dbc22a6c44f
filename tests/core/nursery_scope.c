/* Nurseries and scopes: what children inherit, what cancels them, and who takes the cancel.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

static int sleep_for(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

static int count_up(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int note_cancel(void *arg)
{
    int rc = bough_sleep_forever();
    *(int *)arg = rc;
    return rc;
}

struct failure {
    int64_t after;
    int code;
};

static int fail_later(void *arg)
{
    struct failure *f = arg;
    int rc = bough_sleep(f->after);
    return rc < 0 ? rc : bough_fail(f->code, "after %d ms", (int)(f->after / BOUGH_MS));
}

/* --- inheriting --- */

static int note_deadline(void *arg)
{
    *(int64_t *)arg = bough_effective_deadline();
    return 0;
}

TASK_TEST(a_child_inherits_scopes_from_the_nursery_and_not_from_who_started_it)
{
    int rc = 0;
    int64_t seen = 0;
    bough_fail_after (5 * BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc) {
            bough_move_on_after (BOUGH_SEC, &rc) {
                CHECK_EQ(bough_nursery_start_soon(n, note_deadline, &seen), 0);
                rc = bough_checkpoint();
            }
        }
    CHECK_EQ(rc, 0);
    CHECK_EQ(seen, 5 * BOUGH_SEC);
    return 0;
}

struct into {
    struct bough_nursery *n;
    int64_t *time;
};

static int start_from_a_scope(void *arg)
{
    struct into *into = arg;
    int rc = 0;
    bough_move_on_after (0, &rc) {
        CHECK_EQ(bough_nursery_start_soon(into->n, sleep_for, into->time), 0);
        CHECK_EQ(bough_checkpoint(), -ECANCELED);
    }
    return 0;
}

TASK_TEST(a_cancelled_scope_around_start_soon_does_not_touch_the_child)
{
    int rc = 0;
    int64_t time = 3 * BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        struct into into = {n, &time};
        bough_with_nursery (other, &rc)
            CHECK_EQ(bough_nursery_start_soon(other, start_from_a_scope, &into), 0);
        CHECK_EQ(bough_now(), 0);
        CHECK_EQ(bough_nursery_count(n), 1); /* it belongs to 'n', and outlived its starter */
    }
    CHECK_EQ(bough_now(), time);
    return rc;
}

static int run_to_first_checkpoint(void *arg)
{
    int *steps = arg;
    ++*steps;
    int rc = bough_checkpoint();
    if (rc < 0)
        return rc;
    ++*steps;
    return 0;
}

/* --- cancelled --- */

TASK_TEST(a_task_started_into_a_cancelled_nursery_runs_to_its_first_checkpoint)
{
    int rc = 0, steps = 0;
    bough_with_nursery (n, &rc) {
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        CHECK_EQ(bough_nursery_start_soon(n, run_to_first_checkpoint, &steps), 0);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(steps, 1);
    CHECK(bough_scope_cancelled_caught(NULL));
    return 0;
}

TASK_TEST(a_task_that_was_cancelled_before_it_ran_runs_to_its_first_checkpoint)
{
    int rc = 0, steps = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, run_to_first_checkpoint, &steps), 0);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(steps, 1);
    return 0;
}

static int linger(void *arg)
{
    int rc = bough_sleep_forever();
    bough_shielded (BOUGH_NEVER, &rc)
        (void)bough_sleep(*(int64_t *)arg);
    return rc;
}

TASK_TEST(close_waits_also_when_cancelled)
{
    int rc = 0;
    int64_t cleanup = 4 * BOUGH_SEC;
    bough_move_on_after (BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc)
            CHECK_EQ(bough_nursery_start_soon(n, linger, &cleanup), 0);
    CHECK_EQ(rc, 0);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return 0;
}

TASK_TEST(closing_adds_no_cancel_of_its_own)
{
    int rc = 0, count = 0;
    bough_move_on_after (0, &rc) {
        bough_with_nursery (n, &rc)
            CHECK_EQ(bough_nursery_start_soon(n, count_up, &count), 0);
        CHECK_EQ(rc, 0);
        bough_with_nursery (n, &rc)
            rc = 3;
        CHECK_EQ(rc, 3);
    }
    CHECK_EQ(count, 1);
    CHECK(!bough_scope_cancelled_caught(NULL));
    return 0;
}

static int cancel_in_a_second(void *arg)
{
    int rc = bough_sleep(BOUGH_SEC);
    bough_scope_cancel(arg, "enough");
    return rc;
}

TASK_TEST(cancelling_a_nursery_while_it_closes_wakes_its_children)
{
    int rc = 0, child = 1;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &child), 0);
        CHECK_EQ(bough_nursery_start_soon(n, cancel_in_a_second, bough_nursery_scope(n)), 0);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(bough_now(), BOUGH_SEC);
    return 0;
}

static int nest(void *arg)
{
    int depth = (int)(intptr_t)arg, rc = 0;
    if (depth == 0)
        return bough_sleep_forever();
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, nest, (void *)(intptr_t)(depth - 1));
    CHECK_EQ(rc, -ECANCELED);
    return rc;
}

TASK_TEST(a_cancel_reaches_grandchildren_at_once)
{
    int rc = 0;
    struct bough_run_stats before, after;
    bough_run_statistics(&before);
    bough_move_on_after (BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc)
            rc = bough_nursery_start_soon(n, nest, (void *)(intptr_t)6);
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(NULL));
    CHECK_EQ(bough_now(), BOUGH_SEC);
    bough_run_statistics(&after);
    CHECK_EQ(after.started - before.started, 127);
    CHECK_EQ(after.tasks, 1);
    return 0;
}

TASK_TEST(a_cancel_from_outside_passes_through_a_nursery_to_the_scope_that_is_responsible)
{
    int rc = 0, child = 1;
    struct bough_scope s = BOUGH_SCOPE();
    bough_with_scope (&s, &rc) {
        bough_with_nursery (n, &rc) {
            CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &child), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            bough_scope_cancel(&s, NULL);
        }
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(child, -ECANCELED);
    return 0;
}

TASK_TEST(a_nurserys_scope_takes_a_deadline_and_a_shield)
{
    int rc = 0, child = 1;
    bough_move_on_after (BOUGH_SEC, &rc)
        bough_with_nursery (n, &rc) {
            bough_scope_set_shield(bough_nursery_scope(n), true);
            bough_scope_set_deadline(bough_nursery_scope(n), 3 * BOUGH_SEC);
            rc = bough_nursery_start_soon(n, note_cancel, &child);
        }
    CHECK_EQ(rc, 0);
    CHECK_EQ(child, -ECANCELED);
    CHECK_EQ(bough_now(), 3 * BOUGH_SEC);
    return 0;
}

TASK_TEST(a_child_under_a_shielded_nursery_is_woken_when_the_shield_drops)
{
    int rc = 0, child = 1;
    struct bough_scope s = BOUGH_SCOPE();
    bough_with_scope (&s, &rc)
        bough_with_nursery (n, &rc) {
            bough_scope_set_shield(bough_nursery_scope(n), true);
            CHECK_EQ(bough_nursery_start_soon(n, note_cancel, &child), 0);
            CHECK_EQ(bough_checkpoint(), 0);
            bough_scope_cancel(&s, NULL);
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(child, 1);
            bough_scope_set_shield(bough_nursery_scope(n), false);
            CHECK_EQ(bough_shielded_checkpoint(), 0);
            CHECK_EQ(child, -ECANCELED);
        }
    CHECK_EQ(rc, 0);
    return 0;
}

static int keep_reason(void *arg)
{
    int rc = bough_sleep_forever();
    const char *reason = bough_scope_reason(bough_scope_current());
    snprintf(arg, 400, "%s", reason ? reason : "none");
    return rc;
}

TASK_TEST(the_reason_names_the_task_that_failed_and_tells_it_from_the_body)
{
    int rc = 0;
    char reason[400] = "";
    struct failure f = {BOUGH_SEC, -EIO};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, keep_reason, reason), 0);
        rc = bough_nursery_start_soon(n, fail_later, &f);
    }
    CHECK_EQ(rc, -EIO);
    CHECK_HAS(reason, "fail_later");
    CHECK_HAS(reason, bough_error_name(-EIO));
    rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, keep_reason, reason), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        rc = -EPERM;
    }
    CHECK_HAS(reason, bough_error_name(-EPERM));
    CHECK(!strstr(reason, "fail_later"));
    return 0;
}
