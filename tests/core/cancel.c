/* Cancelling: level-triggered, reaching all that is below at once, beaten by a wake; and at scale.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <time.h>

static int sleeps_forever(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

/* --- level-triggered (rule 1) --- */

TASK_TEST(every_checkpoint_in_a_cancelled_scope_fails)
{
    struct bough_scope s = BOUGH_SCOPE();
    struct bough_wait wait = {.abort = bough_wait_leave, .what = "nothing"};
    bough_scope_enter(&s);
    bough_scope_cancel(&s, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(bough_checkpoint(), -ECANCELED);
        CHECK_EQ(bough_checkpoint_if_cancelled(), -ECANCELED);
        CHECK_EQ(bough_pass(), -ECANCELED);
        CHECK_EQ(bough_sleep(BOUGH_SEC), -ECANCELED);
        CHECK_EQ(bough_sleep(0), -ECANCELED);
        CHECK_EQ(bough_sleep_until(0), -ECANCELED);
        CHECK_EQ(bough_sleep_until(bough_now() + BOUGH_SEC), -ECANCELED);
        CHECK_EQ(bough_sleep_forever(), -ECANCELED);
        CHECK_EQ(bough_wait_shutdown(), -ECANCELED);
        CHECK_EQ(bough_wait_all_tasks_blocked(), -ECANCELED);
        CHECK_EQ(bough_wait(&wait), -ECANCELED);
        CHECK_EQ(bough_shielded_checkpoint(), 0);
    }
    CHECK_EQ(bough_now(), 0);
    CHECK_EQ(bough_scope_exit(&s, -ECANCELED), 0);
    CHECK_EQ(bough_checkpoint(), 0);
    return bough_sleep(BOUGH_SEC);
}

TASK_TEST(cancel_is_idempotent)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    for (int i = 0; i < 3; i++)
        bough_scope_cancel(&s, "again");
    int rc = bough_checkpoint();
    bough_scope_cancel(&s, "and again");
    CHECK_EQ(rc, -ECANCELED);
    return bough_scope_exit(&s, rc);
}

TASK_TEST(cancel_is_synchronous_and_no_checkpoint)
{
    int rc = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_assert_no_checkpoints (&rc)
        bough_scope_cancel(&s, "the caller goes on");
    CHECK(bough_scope_cancel_called(&s));
    CHECK_EQ(bough_effective_deadline(), INT64_MIN);
    return bough_scope_exit(&s, bough_checkpoint());
}

TASK_TEST(a_cancel_is_for_ever)
{
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    bough_scope_cancel(&s, NULL);
    bough_scope_set_deadline(&s, BOUGH_NEVER);
    bough_scope_set_deadline(&s, 100 * BOUGH_SEC);
    bough_scope_set_shield(&s, true);
    bough_scope_set_shield(&s, false);
    CHECK_EQ(bough_checkpoint(), -ECANCELED);
    return bough_scope_exit(&s, 0);
}

TASK_TEST(a_cancelled_loop_does_not_starve_the_others)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_scope s = BOUGH_SCOPE();
        int64_t ended = -1;
        rc = bough_nursery_start_soon(n, sleeps_forever, NULL);
        bough_scope_enter(&s);
        bough_scope_set_deadline(bough_nursery_scope(n), BOUGH_SEC);
        bough_scope_cancel(&s, NULL);
        for (int i = 0; i < 2000 && ended < 0; i++) {
            CHECK_EQ(bough_sleep_forever(), -ECANCELED);
            bough_test_clock_advance(BOUGH_MS);
            if (bough_nursery_count(n) == 0)
                ended = bough_now();
        }
        CHECK(ended >= BOUGH_SEC);
        rc = bough_keep(rc, bough_scope_exit(&s, 0));
    }
    return rc;
}

/* --- reaching those below --- */

struct family {
    int depth, *ended;
    int64_t *ended_at;
};

static int member(void *arg)
{
    struct family *above = arg, below = *above;
    int rc = 0;
    if (below.depth-- == 0) {
        rc = bough_sleep_forever();
        ++*above->ended;
        *above->ended_at = bough_now();
        return rc;
    }
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, member, &below);
        if (rc == 0)
            rc = bough_nursery_start_soon(n, member, &below);
    }
    CHECK_EQ(rc, -ECANCELED);
    return rc;
}

TASK_TEST(a_cancel_reaches_grandchildren_at_once)
{
    int rc = 0, ended = 0;
    int64_t ended_at = -1;
    struct family top = {.depth = 4, .ended = &ended, .ended_at = &ended_at};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, member, &top);
        if (rc == 0)
            rc = bough_sleep(BOUGH_SEC);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    CHECK_EQ(rc, 0);
    CHECK_EQ(ended, 16);
    CHECK_EQ(ended_at, BOUGH_SEC);
    return rc;
}

static int cancels(void *arg)
{
    bough_scope_cancel(arg, "from another task");
    return 0;
}

TASK_TEST(another_task_may_cancel_a_scope)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_scope s = BOUGH_SCOPE();
        rc = bough_nursery_start_soon(n, cancels, &s);
        bough_scope_enter(&s);
        rc = bough_keep(rc, bough_scope_exit(&s, bough_sleep_forever()));
        CHECK(bough_scope_cancelled_caught(&s));
    }
    return rc;
}

TASK_TEST(a_cancel_of_an_inner_scope_leaves_the_outer_alone)
{
    struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
    bough_scope_enter(&outer);
    bough_scope_enter(&inner);
    bough_scope_cancel(&inner, NULL);
    CHECK_EQ(bough_scope_exit(&inner, bough_checkpoint()), 0);
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    return bough_scope_exit(&outer, 0);
}

TASK_TEST(a_cancel_of_an_outer_scope_reaches_a_sleeper_in_the_inner)
{
    int rc = 0;
    bough_with_nursery (n, &rc) {
        struct bough_scope outer = BOUGH_SCOPE(), inner = BOUGH_SCOPE();
        rc = bough_nursery_start_soon(n, cancels, &outer);
        bough_scope_enter(&outer);
        bough_scope_enter(&inner);
        int slept = bough_scope_exit(&inner, bough_sleep_forever());
        CHECK_EQ(slept, -ECANCELED);
        CHECK(!bough_scope_cancel_called(&inner));
        rc = bough_keep(rc, bough_scope_exit(&outer, slept));
    }
    return rc;
}

/* --- a wake beats a cancel (rule 3) --- */

struct box {
    struct bough_wait wait;
    int value, got, next;
};

/* Waits for a value in a scope that the other task cancels right after giving it. */
static int takes(void *arg)
{
    struct box *box = arg;
    box->got = bough_wait(&box->wait);
    box->next = bough_checkpoint();
    return box->next;
}

static int give_and_cancel(bool cancel_first)
{
    int rc = 0;
    struct box box = {
        .wait = {.abort = bough_wait_leave, .what = "a value"}, .got = -1, .next = -1};
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, takes, &box);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        CHECK(bough_wait_is_parked(&box.wait));
        if (cancel_first)
            bough_scope_cancel(bough_nursery_scope(n), NULL);
        bough_wake(&box.wait, 42);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        CHECK(!bough_wait_is_parked(&box.wait));
    }
    CHECK_EQ(box.got, cancel_first ? -ECANCELED : 42);
    CHECK_EQ(box.next, -ECANCELED);
    return rc;
}

TASK_TEST(a_wake_before_the_cancel_delivers_its_value_and_the_next_checkpoint_fails)
{
    return give_and_cancel(false);
}

TASK_TEST(a_wake_after_the_cancel_does_nothing)
{
    return give_and_cancel(true);
}

static int sleeps_a_second(void *arg)
{
    *(int *)arg = bough_sleep(BOUGH_SEC);
    return 0;
}

/* The clock jumps over both: which comes first in time comes first. */
static int sleep_and_deadline(int64_t deadline)
{
    int rc = 0, slept = 1;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, sleeps_a_second, &slept);
        if (rc == 0)
            rc = bough_checkpoint();
        bough_scope_set_deadline(bough_nursery_scope(n), deadline);
        bough_test_clock_advance(10 * BOUGH_SEC);
    }
    CHECK_EQ(rc, 0);
    return slept;
}

TASK_TEST(of_a_sleep_and_a_deadline_that_are_due_together_the_earlier_one_wins)
{
    CHECK_EQ(sleep_and_deadline(2 * BOUGH_SEC), 0);
    CHECK_EQ(sleep_and_deadline(bough_now() + BOUGH_SEC / 2), -ECANCELED);
    return 0;
}

/* --- at scale (rule 10) --- */

enum { DEEP = 10000 };

static struct bough_scope *enter_many(int count)
{
    struct bough_scope *scopes = malloc((size_t)count * sizeof(*scopes));
    for (int i = 0; i < count; i++) {
        scopes[i] = BOUGH_SCOPE();
        bough_scope_enter(&scopes[i]);
    }
    return scopes;
}

TASK_TEST(ten_thousand_nested_scopes_are_cancelled_from_outside)
{
    struct bough_scope *scopes = enter_many(DEEP);
    CHECK_EQ(bough_checkpoint(), 0);
    CHECK_EQ(bough_effective_deadline(), BOUGH_NEVER);
    bough_scope_cancel(&scopes[0], "all of them");
    int rc = bough_sleep_forever();
    for (int i = DEEP - 1; i >= 0; i--) {
        CHECK_EQ(rc, -ECANCELED);
        rc = bough_scope_exit(&scopes[i], rc);
    }
    CHECK_EQ(rc, 0);
    CHECK(bough_scope_cancelled_caught(&scopes[0]));
    free(scopes);
    return 0;
}

TASK_TEST(ten_thousand_nested_deadlines_expire_together)
{
    struct bough_scope *scopes = enter_many(DEEP);
    for (int i = 0; i < DEEP; i++)
        bough_scope_set_deadline(&scopes[i], BOUGH_SEC + i);
    bough_test_clock_advance(2 * BOUGH_SEC);
    int rc = bough_sleep_forever();
    for (int i = DEEP - 1; i >= 0; i--) {
        CHECK(bough_scope_cancel_called(&scopes[i]));
        CHECK_EQ(rc, -ECANCELED);
        rc = bough_scope_exit(&scopes[i], rc);
    }
    free(scopes);
    return rc;
}

static int nest_nurseries(void *arg)
{
    int depth = *(int *)arg - 1, rc = 0;
    if (depth == 0)
        return bough_sleep_forever();
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, nest_nurseries, &depth);
    return rc;
}

TASK_TEST(a_chain_of_ten_thousand_tasks_is_cancelled)
{
    int depth = test_scale(DEEP), rc = 0;
    struct bough_run_stats stats;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, nest_nurseries, &depth);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_run_statistics(&stats);
        CHECK_EQ(stats.tasks, 1 + depth);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
    }
    bough_run_statistics(&stats);
    CHECK_EQ(stats.tasks, 1);
    return rc;
}

static unsigned cancelled_tasks;

static int counts_its_cancel(__attribute__((unused)) void *arg)
{
    int rc = bough_sleep_forever();
    cancelled_tasks += rc == -ECANCELED;
    return rc;
}

/* A busy machine takes too long to map the stacks. */
static void skip_if_slow(time_t began)
{
    if (time(NULL) - began > 8)
        test_skip("this machine is too slow or too busy now");
}

static int cancel_tasks(unsigned count)
{
    int rc = 0;
    time_t began = time(NULL);
    bough_with_nursery (n, &rc) {
        for (unsigned i = 0; i < count && rc == 0; i++) {
            rc = bough_nursery_start_soon(n, counts_its_cancel, NULL);
            if (i % 10000 == 0)
                skip_if_slow(began);
        }
        if (rc == -ENOMEM || rc == -EAGAIN)
            test_skip("no memory for %u stacks", count);
        if (rc == 0)
            rc = bough_wait_all_tasks_blocked();
        bough_scope_cancel(bough_nursery_scope(n), "all of them");
    }
    CHECK_EQ(cancelled_tasks, count);
    return rc;
}

TASK_TEST(a_hundred_thousand_tasks_are_cancelled_by_one_call)
{
    return cancel_tasks((unsigned)test_scale(20000) * 5);
}

static int cancels_a_million(__attribute__((unused)) void *arg)
{
    return cancel_tasks((unsigned)test_scale(1000000));
}

TEST(a_million_tasks_are_cancelled_by_one_call)
{
    struct bough_run_options small = {.stack_size = 16 * 1024};
    CHECK_EQ(bough_test_run(&small, cancels_a_million, NULL), 0);
}
