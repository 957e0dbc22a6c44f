/* Waiting until all other tasks are blocked.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <unistd.h>

static int take_steps(void *arg)
{
    int *steps = arg;
    for (int i = 0; i < 100; i++) {
        int rc = bough_checkpoint();
        if (rc < 0)
            return rc;
        ++*steps;
    }
    return bough_sleep(BOUGH_MINUTE);
}

static int wait_until_quiet(__attribute__((unused)) void *arg)
{
    int rc = 0, steps = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, take_steps, &steps), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(steps, 100);
        break;
    }
    return rc;
}

TEST(it_waits_until_every_other_task_is_parked_on_any_driver)
{
    CHECK_EQ(bough_test_run(NULL, wait_until_quiet, NULL), 0);
    CHECK_EQ(bough_run(wait_until_quiet, NULL), 0);
    CHECK_EQ(bough_test_seeds(20, wait_until_quiet, NULL), 0);
}

TASK_TEST(the_clock_has_not_jumped_yet)
{
    int rc = 0, steps = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, take_steps, &steps), 0);
        for (int i = 0; i < 10; i++)
            CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(bough_now(), 0);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(bough_now(), BOUGH_SEC);
    }
    return rc;
}

TASK_TEST(alone_it_returns_at_once_and_is_a_checkpoint)
{
    int rc = 0;
    bough_assert_checkpoints (&rc)
        rc = bough_wait_all_tasks_blocked();
    CHECK_EQ(bough_now(), 0);
    return rc;
}

static int wait_quietly(void *arg)
{
    int rc = bough_wait_all_tasks_blocked();
    ++*(int *)arg;
    return rc;
}

TASK_TEST(several_who_wait_are_woken_together)
{
    int rc = 0, steps = 0, woken = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, wait_quietly, &woken), 0);
        CHECK_EQ(bough_nursery_start_soon(n, wait_quietly, &woken), 0);
        CHECK_EQ(bough_nursery_start_soon(n, take_steps, &steps), 0);
        for (int i = 0; i < 90; i++) {
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(woken, 0);
        }
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(woken, 2);
        break;
    }
    return rc;
}

TASK_TEST(it_is_cancelled_while_parked_and_before)
{
    int rc = 0, steps = 0;
    struct bough_scope s = BOUGH_SCOPE();
    bough_with_nursery (n, &rc) {
        int woken = 0;
        CHECK_EQ(bough_nursery_start_soon(n, take_steps, &steps), 0);
        CHECK_EQ(bough_nursery_start_soon(n, wait_quietly, &woken), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_EQ(woken, 0);
        bough_scope_cancel(bough_nursery_scope(n), NULL);
        CHECK_EQ(bough_shielded_checkpoint(), 0);
        CHECK_EQ(woken, 1);
    }
    CHECK_EQ(rc, 0);
    CHECK(steps < 100);
    bough_with_scope (&s, &rc) {
        bough_scope_cancel(&s, NULL);
        CHECK_EQ(bough_wait_all_tasks_blocked(), -ECANCELED);
    }
    /* It has left nothing behind. */
    CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
    return 0;
}

static int wake_up_at(void *arg)
{
    return bough_sleep_until(*(int64_t *)arg);
}

TASK_TEST(what_is_due_runs_first)
{
    int rc = 0;
    int64_t at = BOUGH_SEC;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, wake_up_at, &at), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        bough_test_clock_advance(BOUGH_SEC);
        CHECK_EQ(bough_wait_all_tasks_blocked(), 0);
        CHECK_EQ(bough_nursery_count(n), 0);
    }
    return rc;
}

struct waker {
    struct bough_idle idle;
    struct bough_wait wait;
};

static void wake_in_idle(struct bough_idle *idle)
{
    bough_wake(&bough_container_of(idle, struct waker, idle)->wait, 9);
}

TASK_TEST(an_idle_hook_is_called_once_when_nothing_is_ready_and_what_it_wakes_runs)
{
    struct waker waker = {.idle.fn = wake_in_idle, .wait.what = "idleness"};
    bough_idle_add(&waker.idle);
    CHECK_EQ(bough_wait(&waker.wait), 9);
    bough_idle_remove(&waker.idle); /* called already: nothing */
    bough_idle_add(&waker.idle);
    bough_idle_remove(&waker.idle);
    bough_idle_remove(&waker.idle);
    return bough_sleep(BOUGH_SEC); /* it would wake what nobody waits on */
}
