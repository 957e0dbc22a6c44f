/* Tasks: names, ends, counters, errno, fairness, and what there is to know about them.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

/* --- names --- */

static int check_name(void *arg)
{
    CHECK_STR(bough_task_name(NULL), "check_name");
    bough_task_set_name("worker-%d", 7);
    CHECK_STR(bough_task_name(NULL), "worker-7");
    CHECK_STR(bough_task_name(bough_task_current()), "worker-7");
    bough_task_set_name("%s again", bough_task_name(NULL));
    CHECK_STR(bough_task_name(NULL), "worker-7 again");
    *(struct bough_task **)arg = bough_task_current();
    int rc = bough_checkpoint();
    return rc < 0 ? rc : bough_fail(-EIO, "named");
}

TASK_TEST(a_task_has_the_name_of_its_function_until_it_is_given_another)
{
    int rc = 0;
    struct bough_task *child = NULL;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, check_name, &child), 0);
        CHECK_EQ(bough_checkpoint(), 0);
        CHECK_STR(bough_task_name(child), "worker-7 again");
        CHECK(child != bough_task_current());
    }
    CHECK_EQ(rc, -EIO);
    CHECK_STR(bough_error_task(bough_error_last()), "main/worker-7 again");
    return 0;
}

TASK_TEST(without_memory_the_old_name_stays)
{
    bough_task_set_name("first");
    bough_fault_set(BOUGH_FAULT_MEMORY, 1);
    bough_task_set_name("second");
    CHECK(bough_fault_was_hit(BOUGH_FAULT_MEMORY));
    CHECK_STR(bough_task_name(NULL), "first");
    return 0;
}

/* --- ends --- */

static char ends[16];

struct hook {
    struct bough_task_exit exit;
    char letter;
    struct bough_task *task;
};

static void on_end(struct bough_task_exit *exit)
{
    struct hook *hook = bough_container_of(exit, struct hook, exit);
    ends[strlen(ends)] = hook->letter;
    hook->task = bough_task_current();
}

static struct hook hooks[3] = {{.exit.fn = on_end, .letter = 'a'},
                               {.exit.fn = on_end, .letter = 'b'},
                               {.exit.fn = on_end, .letter = 'c'}};

static int end_with_hooks(void *arg)
{
    for (int i = 0; i < 3; i++)
        bough_task_on_exit(&hooks[i].exit);
    bough_task_off_exit(&hooks[1].exit);
    bough_task_off_exit(&hooks[1].exit); /* idempotent */
    int rc = bough_sleep(BOUGH_SEC);
    CHECK_STR(ends, "");
    return rc < 0 ? rc : *(int *)arg;
}

TASK_TEST(exit_hooks_are_called_when_the_task_has_ended_and_not_those_taken_off)
{
    int rc = 0, code = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, end_with_hooks, &code);
    CHECK_STR(ends, "ac");
    CHECK_EQ(rc, 0);
    return 0;
}

TASK_TEST(they_are_called_also_when_it_failed_or_was_cancelled)
{
    int rc = 0, code = -EIO;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, end_with_hooks, &code);
    CHECK_EQ(rc, -EIO);
    CHECK_STR(ends, "ac");
    memset(ends, 0, sizeof(ends));
    rc = 0;
    bough_with_nursery (n, &rc) {
        rc = bough_nursery_start_soon(n, end_with_hooks, &code);
        break;
    }
    CHECK_EQ(rc, 0);
    CHECK_STR(ends, "ac");
    return 0;
}

TEST(the_main_task_has_exit_hooks_too)
{
    int code = 0;
    CHECK_EQ(bough_test_run(NULL, end_with_hooks, &code), 0);
    CHECK_STR(ends, "ac");
}

TASK_TEST(taking_a_hook_off_that_was_never_added_is_nothing)
{
    struct bough_task_exit hook = {.fn = on_end};
    bough_task_off_exit(&hook);
    return 0;
}

/* --- errno --- */

static int change_errno(void *arg)
{
    int own = (int)(intptr_t)arg;
    for (int i = 0; i < 10; i++) {
        errno = own + i;
        CHECK_EQ(i % 2 ? bough_checkpoint() : bough_sleep(1), 0);
        CHECK_EQ(errno, own + i);
    }
    return 0;
}

TASK_TEST(each_task_has_its_own_errno)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        for (int i = 1; i <= 20; i++)
            CHECK_EQ(bough_nursery_start_soon(n, change_errno, (void *)(intptr_t)(100 * i)), 0);
    return rc;
}

TASK_TEST(errno_survives_starting_waiting_and_closing)
{
    int rc = 0;
    errno = ENOTTY;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, change_errno, (void *)1000), 0);
        CHECK_EQ(errno, ENOTTY);
        CHECK_EQ(bough_sleep(BOUGH_SEC), 0);
        CHECK_EQ(errno, ENOTTY);
        CHECK_EQ(bough_nursery_start_soon(n, change_errno, (void *)1000), 0);
    }
    CHECK_EQ(errno, ENOTTY);
    (void)bough_fail(-EIO, "it has to allocate for this");
    CHECK_EQ(errno, ENOTTY);
    return rc;
}

static int look_at_errno(__attribute__((unused)) void *arg)
{
    CHECK_EQ(errno, 0);
    errno = EDOM;
    return 0;
}

TASK_TEST(a_task_begins_with_an_errno_of_zero_also_on_a_used_stack)
{
    int rc = 0;
    errno = ENOTTY;
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(bough_nursery_start_soon(n, look_at_errno, NULL), 0);
            CHECK_EQ(bough_checkpoint(), 0);
        }
    CHECK_EQ(errno, ENOTTY);
    return rc;
}

/* --- fairness --- */

static int count_until_done(void *arg)
{
    int *count = arg;
    while (*count >= 0) {
        ++*count;
        int rc = bough_checkpoint();
        if (rc < 0)
            return rc;
    }
    return 0;
}

TASK_TEST(a_run_of_calls_that_never_wait_yields_within_a_budget)
{
    int rc = 0, others = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_until_done, &others), 0);
        for (int i = 0; i < 1000; i++)
            CHECK_EQ(bough_pass(), 0);
        CHECK(others >= 1000 / 100 && others <= 1000);
        int before = others;
        for (int i = 0; i < 1000; i++)
            bough_passed();
        CHECK(others >= before + 10);
        others = -2;
    }
    return rc;
}

TASK_TEST(opening_and_closing_empty_nurseries_yields_within_a_budget)
{
    int rc = 0, others = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_until_done, &others), 0);
        for (int i = 0; i < 1000; i++)
            bough_with_nursery (empty, &rc)
                CHECK_EQ(others < 1000, 1);
        CHECK(others >= 10);
        others = -2;
    }
    return rc;
}

TASK_TEST(deadlines_are_looked_at_while_tasks_are_busy)
{
    int rc = 0, passes = 0;
    bough_move_on_after (BOUGH_SEC, &rc)
        while ((rc = bough_pass()) == 0) {
            bough_test_clock_advance(BOUGH_MS);
            CHECK(++passes < 2000);
        }
    CHECK_EQ(rc, 0);
    CHECK(passes >= 1000 && passes < 1100);
    return 0;
}

TASK_TEST(a_checkpoint_notices_a_timeout_that_expires_during_its_own_yield)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        bough_test_clock_advance(2 * BOUGH_SEC);
        rc = bough_checkpoint();
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(rc, 0);
    return 0;
}

struct step {
    int *log, *at, number;
};

static int three_steps(void *arg)
{
    struct step *s = arg;
    for (int i = 0; i < 3; i++) {
        s->log[(*s->at)++] = s->number;
        CHECK_EQ(bough_checkpoint(), 0);
    }
    return 0;
}

TASK_TEST(tasks_advance_in_lock_step)
{
    int rc = 0, log[6], at = 0;
    struct step a = {log, &at, 1}, b = {log, &at, 2};
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, three_steps, &a), 0);
        CHECK_EQ(bough_nursery_start_soon(n, three_steps, &b), 0);
    }
    CHECK_EQ(at, 6);
    for (int i = 0; i < 6; i += 2)
        CHECK_EQ(log[i] + log[i + 1], 3);
    return rc;
}

static int spawn_again(void *arg)
{
    struct step *s = arg;
    if (++*s->log >= 100)
        return 0;
    return bough_nursery_start_soon((struct bough_nursery *)(void *)s->at, spawn_again, s);
}

TASK_TEST(a_pass_runs_only_the_tasks_that_were_ready_when_it_began)
{
    int rc = 0, spawned = 0;
    struct step s = {.log = &spawned};
    bough_with_nursery (n, &rc) {
        s.at = (int *)(void *)n;
        CHECK_EQ(bough_nursery_start_soon(n, spawn_again, &s), 0);
        for (int i = 1; i <= 10; i++) {
            CHECK_EQ(bough_checkpoint(), 0);
            CHECK_EQ(spawned, i);
        }
    }
    CHECK_EQ(spawned, 100);
    return rc;
}

/* --- the blocking calls --- */

static int call(int which)
{
    switch (which) {
    case 0:
        return bough_checkpoint();
    case 1:
        return bough_sleep(0);
    case 2:
        return bough_sleep(-BOUGH_SEC);
    case 3:
        return bough_sleep_until(0);
    case 4:
        return bough_pass();
    case 5:
        return bough_checkpoint_if_cancelled();
    case 6:
        return bough_sleep(BOUGH_MS);
    case 7:
        return bough_sleep_until(bough_now() + BOUGH_MS);
    default:
        return bough_sleep_forever();
    }
}

enum { CALLS = 9 };

TASK_TEST(every_blocking_call_works_and_is_a_checkpoint)
{
    for (int i = 0; i < CALLS - 1; i++) {
        int rc = 0;
        if (i == 5) /* half a checkpoint unless cancelled */
            CHECK_EQ(call(i), 0);
        else
            bough_assert_checkpoints (&rc)
                rc = call(i);
        CHECK_EQ(rc, 0);
    }
    CHECK_EQ(bough_now(), 2 * BOUGH_MS);
    return 0;
}

TASK_TEST(every_blocking_call_fails_when_cancelled_before_and_again_and_lets_others_run)
{
    int others = 0, rc = 0;
    bough_with_nursery (n, &rc) {
        CHECK_EQ(bough_nursery_start_soon(n, count_until_done, &others), 0);
        for (int i = 0; i < CALLS; i++) {
            int before = others;
            bough_move_on_after (0, &rc) {
                CHECK_EQ(call(i), -ECANCELED);
                CHECK_EQ(call(i), -ECANCELED);
                CHECK(others >= before + 1);
                CHECK_EQ(bough_shielded_checkpoint(), 0);
            }
            CHECK(!bough_scope_cancelled_caught(NULL));
        }
        others = -2;
    }
    CHECK_EQ(bough_now(), 0);
    return rc;
}

TASK_TEST(a_sleep_is_cancelled_while_parked)
{
    int rc = 0;
    bough_move_on_after (BOUGH_SEC, &rc) {
        rc = bough_sleep(BOUGH_MINUTE);
        CHECK_EQ(rc, -ECANCELED);
    }
    CHECK_EQ(bough_now(), BOUGH_SEC);
    struct bough_run_stats stats;
    bough_run_statistics(&stats);
    CHECK_EQ(stats.timers, 0);
    return rc;
}

TASK_TEST(sleeps_end_in_the_order_of_their_times_to_the_nanosecond)
{
    for (int64_t i = 1; i < 1000; i = i * 3 + 1) {
        int64_t before = bough_now();
        CHECK_EQ(bough_sleep(i), 0);
        CHECK_EQ(bough_now() - before, i);
    }
    CHECK_EQ(bough_sleep_until(BOUGH_NEVER - 1), 0);
    CHECK_EQ(bough_now(), BOUGH_NEVER - 1);
    return 0;
}
