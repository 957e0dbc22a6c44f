/* A run inside a loop of ours.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

/* The plainest host: poll() on the guest's descriptor until its deadline. Returns how many steps it
 * took. */
static __thread int host_steps;

static int host(struct bough_guest *g, int *ret_rc)
{
    int steps = 1;
    host_steps = 1;
    while (bough_guest_step(g)) {
        struct pollfd p = {.fd = bough_guest_fd(g), .events = POLLIN};
        CHECK(!bough_is_running());
        int ms = bough_guest_timeout_ms(g);
        CHECK(poll(&p, 1, ms < 0 ? 10000 : ms) >= 0);
        host_steps = ++steps;
        CHECK(steps < 100000);
    }
    *ret_rc = bough_guest_finish(g);
    return steps;
}

/* A step may be cut short on a slow machine. */
static void step_until_it_waits(struct bough_guest *g)
{
    do
        CHECK(bough_guest_step(g));
    while (bough_guest_deadline(g) == INT64_MIN);
}

static int run_as_guest(bough_task_fn *fn, void *arg, int *ret_steps)
{
    struct bough_guest *g;
    int rc = bough_guest_start(NULL, fn, arg, &g), steps;
    CHECK_EQ(rc, 0);
    steps = host(g, &rc);
    if (ret_steps)
        *ret_steps = steps;
    return rc;
}

static int seven(__attribute__((unused)) void *arg)
{
    return 7;
}

TEST(bad_options_are_an_error_of_the_start)
{
    struct bough_guest *g = NULL;
    struct bough_run_options options = {.stack_size = 1};
    CHECK_EQ(bough_guest_start(&options, seven, NULL, &g), -EINVAL);
    CHECK(!g);
}

TEST(a_run_that_never_waits_ends_in_its_first_step)
{
    int steps;
    CHECK_EQ(run_as_guest(seven, NULL, &steps), 7);
    CHECK_EQ(steps, 1);
}

static int sleeper(void *arg)
{
    return bough_sleep(*(int64_t *)arg);
}

static int sleep_in_tasks(__attribute__((unused)) void *arg)
{
    int rc = 0;
    int64_t times[] = {5 * BOUGH_MS, 10 * BOUGH_MS, 15 * BOUGH_MS}, start = bough_now();
    bough_with_nursery (n, &rc)
        for (int i = 0; i < 3 && rc == 0; i++)
            rc = bough_nursery_start_soon(n, sleeper, &times[i]);
    CHECK(bough_now() - start >= 15 * BOUGH_MS);
    return rc;
}

TEST(tasks_sleep_while_the_host_waits)
{
    int steps;
    CHECK_EQ(run_as_guest(sleep_in_tasks, NULL, &steps), 0);
    CHECK(steps >= 2);
}

static int read_byte(void *arg)
{
    char byte;
    int *fds = arg, rc = bough_wait_readable(fds[0]);
    if (rc == 0)
        CHECK_EQ(read(fds[0], &byte, 1), 1);
    return rc;
}

TEST(a_descriptor_wakes_the_host_which_wakes_the_task)
{
    int fds[2], rc;
    struct bough_guest *g;
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(bough_guest_start(NULL, read_byte, fds, &g), 0);
    step_until_it_waits(g);
    struct pollfd p = {.fd = bough_guest_fd(g), .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 0), 0);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(poll(&p, 1, 1000), 1);
    (void)host(g, &rc);
    CHECK_EQ(rc, 0);
    close(fds[0]);
    close(fds[1]);
}

static int count_in_thread(void *arg)
{
    return ++*(int *)arg;
}

static int use_thread(void *arg)
{
    return bough_thread_run(count_in_thread, arg);
}

TEST(a_thread_that_calls_in_wakes_the_host)
{
    int number = 41;
    CHECK_EQ(run_as_guest(use_thread, &number, NULL), 42);
}

static int busy(__attribute__((unused)) void *arg)
{
    int rc = 0;
    int64_t until = bough_now() + 20 * BOUGH_SEC;
    while (rc == 0 && host_steps <= 2 && bough_now() < until)
        rc = bough_checkpoint();
    return rc;
}

TEST(the_host_gets_its_turn_while_tasks_are_busy)
{
    int steps;
    CHECK_EQ(run_as_guest(busy, NULL, &steps), 0);
    CHECK(steps > 2);
}

TEST(the_host_is_told_how_long_it_may_wait)
{
    struct bough_guest *g;
    int64_t time = 50 * BOUGH_MS;
    int rc;
    CHECK_EQ(bough_guest_start(NULL, sleeper, &time, &g), 0);
    CHECK_EQ(bough_guest_timeout_ms(g), 0); /* it has not begun */
    CHECK_EQ(bough_guest_deadline(g), INT64_MIN);
    step_until_it_waits(g);
    CHECK(bough_guest_timeout_ms(g) <= 50);
    CHECK(bough_guest_deadline(g) <= bough_now() + 50 * BOUGH_MS);
    while (bough_guest_timeout_ms(g) > 0)
        usleep(1000);
    CHECK(bough_now() >= bough_guest_deadline(g)); /* rounded up */
    (void)host(g, &rc);
    CHECK_EQ(rc, 0);
}

/* --- the host cancels --- */

struct victim {
    int fds[2];
    bool cleaned_up;
};

static int read_for_ever(void *arg)
{
    struct victim *v = arg;
    int rc = read_byte(v->fds);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_HAS(bough_scope_reason(bough_scope_current()), "the window was closed");
    bough_shielded (BOUGH_SEC, &(int){0})
        v->cleaned_up = bough_sleep(BOUGH_MS) == 0;
    return rc;
}

static int read_in_task(void *arg)
{
    int rc = 0;
    bough_with_nursery (n, &rc)
        rc = bough_nursery_start_soon(n, read_for_ever, arg);
    return rc;
}

static bool is_readable(struct bough_guest *g)
{
    struct pollfd p = {.fd = bough_guest_fd(g), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

TEST(the_host_cancels_and_the_tasks_clean_up)
{
    struct victim v = {0};
    struct bough_guest *g;
    int rc;
    CHECK_EQ(pipe2(v.fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(bough_guest_start(NULL, read_in_task, &v, &g), 0);
    step_until_it_waits(g);
    CHECK_EQ(bough_guest_timeout_ms(g), -1);
    CHECK(!is_readable(g));
    bough_guest_cancel(g, "the window was closed");
    bough_guest_cancel(g, "twice");
    CHECK(is_readable(g));
    CHECK(!v.cleaned_up);
    (void)host(g, &rc);
    CHECK_EQ(rc, 0); /* as of any scope that was cancelled */
    CHECK(v.cleaned_up);
    close(v.fds[0]);
    close(v.fds[1]);
}

TEST(a_guest_may_be_cancelled_before_it_begins_and_after_its_end)
{
    struct bough_guest *g;
    int64_t time = BOUGH_MINUTE;
    CHECK_EQ(bough_guest_start(NULL, sleeper, &time, &g), 0);
    bough_guest_cancel(g, NULL);
    while (bough_guest_step(g))
        CHECK(bough_guest_timeout_ms(g) < 10000); /* it does not sleep */
    bough_guest_cancel(g, "too late");
    CHECK_EQ(bough_guest_finish(g), 0);
}

static int sleep_for_ever(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

TEST(a_guest_that_was_cancelled_before_it_begins_is_not_deadlocked)
{
    struct bough_guest *g;
    CHECK_EQ(bough_guest_start(NULL, sleep_for_ever, NULL, &g), 0);
    bough_guest_cancel(g, NULL);
    while (bough_guest_step(g))
        ;
    CHECK_EQ(bough_guest_finish(g), 0);
}

static int fail(__attribute__((unused)) void *arg)
{
    return bough_fail(-EIO, "the disk is gone");
}

TEST(a_failure_comes_out_with_its_detail)
{
    CHECK_EQ(run_as_guest(fail, NULL, NULL), -EIO);
    CHECK_STR(bough_error_message(bough_error_last()), "the disk is gone");
    bough_error_clear();
}

static int wait_for_nothing(__attribute__((unused)) void *arg)
{
    return bough_sleep_forever();
}

TEST(a_guest_that_waits_for_nothing_is_deadlocked_like_any_run)
{
    CHECK_EQ(run_as_guest(wait_for_nothing, NULL, NULL), -EDEADLK);
    bough_error_clear();
}

static int start_inside(__attribute__((unused)) void *arg)
{
    struct bough_guest *g;
    CHECK_EQ(bough_guest_start(NULL, seven, NULL, &g), -EBUSY);
    return 0;
}

TEST(a_guest_cannot_be_started_from_a_task)
{
    CHECK_EQ(bough_run(start_inside, NULL), 0);
}

static void *guest_in_thread(void *arg)
{
    (void)arg;
    CHECK_EQ(run_as_guest(sleep_in_tasks, NULL, NULL), 0);
    return NULL;
}

TEST(every_thread_may_have_a_guest)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, guest_in_thread, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

TEST(two_guests_may_take_turns_in_one_thread)
{
    struct bough_guest *a, *b;
    int64_t short_time = 10 * BOUGH_MS, long_time = 400 * BOUGH_MS;
    CHECK_EQ(bough_guest_start(NULL, sleeper, &long_time, &a), 0);
    CHECK_EQ(bough_guest_start(NULL, sleeper, &short_time, &b), 0);
    bool a_goes_on = true, b_goes_on = true, b_was_first = false;
    while (a_goes_on || b_goes_on) {
        a_goes_on = a_goes_on && bough_guest_step(a);
        b_goes_on = b_goes_on && bough_guest_step(b);
        b_was_first |= a_goes_on && !b_goes_on;
        usleep(500);
    }
    CHECK(b_was_first);
    CHECK_EQ(bough_guest_finish(a), 0);
    CHECK_EQ(bough_guest_finish(b), 0);
}

TEST_DIES(a_guest_that_has_not_ended_cannot_be_finished, SIGABRT, "has not ended")
{
    struct bough_guest *g;
    CHECK_EQ(bough_guest_start(NULL, seven, NULL, &g), 0);
    (void)bough_guest_finish(g);
}

TEST(without_memory_or_descriptors_there_is_no_guest)
{
    struct bough_guest *g;
    for (int kind = 0; kind < 2; kind++) {
        int failed = 0;
        for (int nth = 1;; nth++) {
            bough_fault_set((enum bough_fault)kind, nth);
            int rc = bough_guest_start(NULL, seven, NULL, &g);
            bough_fault_set((enum bough_fault)kind, 0);
            if (rc == 0)
                break;
            failed++;
        }
        CHECK(failed > 0);
        int rc;
        (void)host(g, &rc);
        CHECK_EQ(rc, 7);
    }
    bough_error_clear();
}
